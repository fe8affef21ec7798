package linksfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Directories lists the directories that it takes to read the file at path, even if
// another file takes its place: its own, and those with a symbolic link on the way to it,
// below which the link may lead elsewhere one day.
func Directories(path string) ([]string, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, fmt.Errorf("look for links: %w", err)
	}
	var dirs []string
	add := func(dir string) {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	place, names, links := "/", strings.Split(path, "/"), 0
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		target, err := os.Readlink(filepath.Join(place, name))
		switch {
		case err == nil && links == maxSymlinks:
			return dirs, nil // nothing can be read there
		case err == nil:
			links++
			add(place)
			names = append(strings.Split(target, "/"), names...)
			if filepath.IsAbs(target) {
				place = "/"
			}
		case len(names) == 0:
			add(place) // the last name is that of the file
		default:
			place = filepath.Join(place, name) // no link: cleaning ".." away is right
		}
	}
	return dirs, nil
}
