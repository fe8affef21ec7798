package linksfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// maxSymlinks is how many the kernel follows before it gives up on a path.
const maxSymlinks = 40

// notifyOfPath watches every directory that a name on the way to path is looked up
// in, through symbolic links, and no other: whichever name comes to mean
// something else, there is an event. A directory is watched before it is
// looked into, so that nothing happens unnoticed in between.
func notifyOfPath(notify *fsnotify.Watcher, path string) {
	var dirs []string
	dir, names := "/", strings.Split(path, "/")
	for links := 0; len(names) > 0 && links <= maxSymlinks; {
		dirs = append(dirs, dir)
		_ = notify.Add(dir) // not there, not ours to read, too many watches: polling has to do
		entry := filepath.Join(dir, names[0])
		names = names[1:]
		target, err := os.Readlink(entry)
		if err != nil {
			dir = entry // not a link
			continue
		}
		links++
		if filepath.IsAbs(target) {
			dir = "/"
		}
		names = append(strings.Split(target, "/"), names...)
	}
	for _, watched := range notify.WatchList() {
		if !slices.Contains(dirs, watched) {
			_ = notify.Remove(watched) // already gone with its directory
		}
	}
}
