package linksfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// maxSymlinks is how many the kernel follows before it gives up on a path.
const maxSymlinks = 40

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
