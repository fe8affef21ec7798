package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// lock keeps other processes from changing cross-connects. It locks the directory below
// which pairs are pinned, because root alone can open that; on the network namespace, any
// user could hold a lock. The directory is open only while the lock is held, because
// bpffs cannot be unmounted meanwhile.
type lock struct{ dir *os.File }

// open makes and opens the directory. For a process that may not, and whom nobody does it
// for, or where there is no bpffs, nothing is open then: it must find out from the kernel
// what others changed.
// It returns an error if it may, and lacks descriptors or memory.
func (l *lock) open() error {
	root := pins(pinRoot)
	err := root.make()
	if err == nil {
		var opened PinResult
		if opened, err = root.do(pinsLock); err == nil {
			l.dir = os.NewFile(uintptr(opened.Descriptor), pinRoot)
		}
	}
	for _, lack := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, lack) {
			return fmt.Errorf("lock cross-connects: %w", err)
		}
	}
	return nil
}

// isOpen tells whether there is a directory to lock.
func (l *lock) isOpen() bool { return l.dir != nil }

// lockRetry is the pause between two attempts. It is short, because the kernel hands the
// lock to whoever asks next: with a long one, who makes one change after the other keeps
// everybody else from theirs.
const lockRetry = time.Millisecond

// Patience returns how long a change is worth trying that is refused by err, an ErrLocked.
// It is enough for any change that gets done, also one of hundreds of pairs on a machine
// that is busy (100: 5 s), but short for a process that is stopped.
func Patience(err error) time.Duration {
	if errors.Is(err, errStopped) {
		return 3 * time.Second
	}
	return 30 * time.Second
}

// take waits for the lock, at most for patience, or until stop is closed. It returns
// ErrLocked, with the process that holds it, if it cannot be had.
func (l *lock) take(patience time.Duration, stop <-chan struct{}) error {
	if err := l.open(); err != nil || !l.isOpen() {
		return err
	}
	start := time.Now()
	err := l.await(start.Add(min(patience, Patience(errStopped))), stop)
	if errors.Is(err, ErrLocked) {
		err = l.await(start.Add(min(patience, Patience(err))), stop)
	}
	if err != nil {
		err = errors.Join(err, l.release())
	}
	return err
}

func (l *lock) await(deadline time.Time, stop <-chan struct{}) error {
	for {
		err := unix.Flock(int(l.dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock cross-connects: %w", err)
		case !time.Now().Before(deadline):
			return l.errHeld()
		}
		select {
		case <-stop:
			return l.errHeld()
		case <-time.After(lockRetry):
		}
	}
}

// release lets others change cross-connects.
func (l *lock) release() error {
	if !l.isOpen() {
		return nil
	}
	dir := l.dir
	l.dir = nil
	return dir.Close()
}

// errHeld says who holds the lock.
func (l *lock) errHeld() error {
	pid, err := procfs.LockHolder(l.dir)
	if err != nil || pid == 0 {
		return refuse(ErrLocked, "another process is changing cross-connects and does not get done: try again")
	}
	process := filepath.Join("/proc", fmt.Sprint(pid))
	name, isStopped := procfs.NameAndStopped(process)
	if isStopped {
		return refuse(errStopped, "process %d (%s) was stopped while it changed cross-connects: `kill -CONT %d` lets it go on", pid, name, pid)
	}
	return refuse(ErrLocked, "process %d (%s) is changing cross-connects and does not get done: try again, or end it", pid, name)
}
