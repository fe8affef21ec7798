package linksfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how far apart two readings have to agree before they count: a
	// file is often written in several steps.
	quiet = 75 * time.Millisecond
	// pollInterval is for what inotify does not report: changes made through
	// another name or by another host, and mounts.
	pollInterval = 2 * time.Second
)

// Version is what a file of links holds at a time, or why that is not known.
type Version struct {
	Data []byte
	Err  error // one line
}

func (v Version) equal(w Version) bool {
	return bytes.Equal(v.Data, w.Data) && fmt.Sprint(v.Err) == fmt.Sprint(w.Err)
}

// Watch delivers the content of the file at path, and again whenever it is
// another, until ctx ends and the channel is closed. A version that was not
// taken gives way to the next. A file that cannot be read at first is an
// error; later on it is a version with an error, and the file may come back.
func Watch(ctx context.Context, path string) (<-chan Version, error) {
	return watch(ctx, path, pollInterval)
}

func watch(ctx context.Context, path string, interval time.Duration) (<-chan Version, error) {
	path, err := absolute(path)
	if err != nil {
		return nil, fmt.Errorf("watch links: %w", err)
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch links: %w", err)
	}
	follow(notify, path)
	data, err := Read(path)
	if err != nil {
		_ = notify.Close()
		return nil, err
	}
	w := newWatcher(Version{Data: data}, func() Version {
		follow(notify, path)
		return look(path)
	})
	go func() {
		defer close(w.box)
		defer func() { _ = notify.Close() }() // nothing to lose: it only listened
		poll := time.NewTicker(interval)
		defer poll.Stop()
		w.run(ctx, notify.Events, notify.Errors, poll.C)
	}()
	return w.box, nil
}

// absolute leaves the path as it is otherwise: cleaned, a/../b would be another
// file where a is a symbolic link.
func absolute(path string) (string, error) {
	if len(path) > 0 && path[0] == '/' {
		return path, nil
	}
	dir, err := os.Getwd()
	return dir + "/" + path, err
}

// look reads a file that was there before.
func look(path string) Version {
	data, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: file is gone, the last good links go on", path)
	}
	return Version{Data: data, Err: err}
}

// watcher decides when a file is read, and which readings are versions.
type watcher struct {
	look func() Version
	last Version      // the last one that went into box
	box  chan Version // capacity one
}

func newWatcher(first Version, look func() Version) *watcher {
	w := &watcher{look: look, last: first, box: make(chan Version, 1)}
	w.box <- first
	return w
}

// run looks at the file a while after whatever hints at a change, until two
// readings in a row agree. What the hint is about, only the file tells.
func (w *watcher) run(ctx context.Context, events <-chan fsnotify.Event, failures <-chan error, poll <-chan time.Time) {
	seen := w.last
	var settled <-chan time.Time // nil without a hint
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		//lint:ignore S1005 errcheck wants to see that the error is not needed
		case _ = <-failures: // events may have been lost
		case <-poll:
		case <-settled:
			settled = nil
			version := w.look()
			if version.equal(seen) {
				w.deliver(version)
				continue
			}
			seen = version
		}
		if settled == nil {
			settled = time.After(quiet)
		}
	}
}

// deliver never blocks: only run puts versions into the box.
func (w *watcher) deliver(version Version) {
	if version.equal(w.last) {
		return
	}
	w.last = version
	select {
	case <-w.box:
	default:
	}
	w.box <- version
}
