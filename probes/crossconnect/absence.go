package crossconnect

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// absence remembers that nothing is kept, for a process that would have to ask another one
// each time. That something was kept since is told by the kernel.
var absence pinWatch

// pinWatch watches a directory, and what of it was found not to be there. The zero value
// watches nothing and remembers nothing.
type pinWatch struct {
	mu      sync.Mutex
	inotify int // 0: does not watch
	missing pins
}

// watch watches a directory from now on. Where it cannot, nothing is remembered.
func (w *pinWatch) watch(dir string) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return
	}
	const changes = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVE | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, dir, changes); err != nil {
		_ = unix.Close(fd) // nothing was done with it
		return
	}
	w.inotify = fd
}

// isKnown tells whether it was not there, and has not been made since.
func (w *pinWatch) isKnown(p pins) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missing == "" || w.missing != p {
		return false
	}
	var events [4096]byte
	for {
		n, err := unix.Read(w.inotify, events[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return true
		}
		isNew, hasEnded := readEvents(events[:max(n, 0)], filepath.Base(string(p)))
		if err != nil || hasEnded {
			_ = unix.Close(w.inotify) // it only listened
			w.inotify = 0
		}
		if err != nil || hasEnded || isNew {
			w.missing = ""
			return false
		}
	}
}

// readEvents tells whether events may be about a name in the directory, and whether none
// follow, because the directory is gone: struct inotify_event in inotify(7).
func readEvents(events []byte, name string) (isAbout, hasEnded bool) {
	for len(events) >= unix.SizeofInotifyEvent {
		mask, length := binary.NativeEndian.Uint32(events[4:]), int(binary.NativeEndian.Uint32(events[12:]))
		end := min(unix.SizeofInotifyEvent+length, len(events))
		isAbout = isAbout || mask&unix.IN_Q_OVERFLOW != 0 || unix.ByteSliceToString(events[unix.SizeofInotifyEvent:end]) == name
		hasEnded = hasEnded || mask&unix.IN_IGNORED != 0
		events = events[end:]
	}
	return isAbout, hasEnded
}

// note is for what was found out after isKnown said that it did not know.
func (w *pinWatch) note(p pins, isMissing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missing = ""
	if isMissing && w.inotify != 0 {
		w.missing = p
	}
}

// forget is for who is about to make something.
func (w *pinWatch) forget() { w.note("", false) }
