package linksfile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ebpftop/ebpftop/probes/latest"
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

// openVersions delivers the content of a file, and again whenever it is another, until ctx ends
// and the box is closed. A version that was not taken gives way to the next. That a file
// cannot be read is a version with an error: it may come back.
func openVersions(ctx context.Context, file File, interval time.Duration) (*versions, error) {
	path, err := absolute(file.Path)
	if err != nil {
		return nil, fmt.Errorf("follow links: %w", err)
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("follow links: %w", err)
	}
	file.Path = path
	owners := owners()
	r := newReader(func() Version {
		notifyOfPath(notify, path)
		return read(file, owners)
	})
	first := r.look(ctx)
	w := newVersions(first, func() Version { return r.look(ctx) })
	go func() {
		defer close(w.box)
		defer func() { _ = notify.Close() }() // nothing to lose: it only listened
		poll := time.NewTicker(interval)
		defer poll.Stop()
		w.run(ctx, notify.Events, notify.Errors, poll.C)
	}()
	return w, nil
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

// versions decides when a file is read, and which readings are versions.
type versions struct {
	look  func() Version
	last  Version // the last one that went into box
	box   latest.Box[Version]
	again chan struct{} // capacity one: deliver what is there, whether it is another or not
}

func newVersions(first Version, look func() Version) *versions {
	w := &versions{look: look, last: first, box: latest.NewBox[Version](), again: make(chan struct{}, 1)}
	w.box.Put(first)
	return w
}

func (w *versions) reread() {
	select {
	case w.again <- struct{}{}:
	default: // that is to be done already
	}
}

// run looks at the file a while after whatever hints at a change, until two
// readings in a row agree. What the hint is about, only the file tells.
func (w *versions) run(ctx context.Context, events <-chan fsnotify.Event, failures <-chan error, poll <-chan time.Time) {
	seen, wanted := w.last, false
	var lookAgain <-chan time.Time // nil without a hint
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		//lint:ignore S1005 errcheck wants to see that the error is not needed
		case _ = <-failures: // events may have been lost
		case <-poll:
		case <-w.again:
			wanted = true
		case <-lookAgain:
			lookAgain = nil
			version := w.look()
			if version.equal(seen) {
				if wanted || !version.equal(w.last) {
					w.last = version
					w.box.Put(version)
				}
				wanted = false
				continue
			}
			seen = version
		}
		if lookAgain == nil {
			lookAgain = time.After(quiet)
		}
	}
}
