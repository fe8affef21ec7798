package linksfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Directories lists those that the file at path is read from, whatever takes
// its place there: its own, and those of what it links to.
func Directories(path string) ([]string, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, fmt.Errorf("look for links: %w", err)
	}
	var dirs []string
	for range maxSymlinks {
		// Not cleaned: a/../b would be another file where a is a symbolic link.
		dir := path[:strings.LastIndexByte(path, '/')+1]
		dirs = append(dirs, dir)
		target, err := os.Readlink(path)
		if err != nil {
			break // not a link
		}
		if path = target; !filepath.IsAbs(target) {
			path = dir + target
		}
	}
	return dirs, nil
}
