package terminal

import (
	"errors"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropBacklog discards what the terminal has not taken yet, and lets one go on that was stopped,
// as by Ctrl-S.
func dropBacklog(fd int) {
	_ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH)
	_ = unix.IoctlSetInt(fd, unix.TCXONC, unix.TCOON)
}

// writeAtOnce writes what the terminal takes without waiting for it. It opens
// the terminal once more, because others share the descriptor there is, and
// would not wait any more either.
func writeAtOnce(fd int, text string) {
	const flags = unix.O_WRONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	tty, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), flags, 0)
	if err != nil && isControlling(fd) {
		// The file may be another user's. By this name, it is everybody's.
		tty, err = unix.Open("/dev/tty", flags, 0)
	}
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(tty) }()
	for range atOnceTries {
		// EAGAIN, too, while a write goes on that the terminal held up before.
		if _, err := unix.Write(tty, []byte(text)); !errors.Is(err, unix.EAGAIN) {
			return
		}
		time.Sleep(atOncePause)
	}
}

// How often writeAtOnce tries, and how long it waits for the next time.
const (
	atOnceTries = 20
	atOncePause = 5 * time.Millisecond
)

// isControlling tells whether a terminal is the one that the keys for this process's session
// are pressed on.
func isControlling(fd int) bool {
	_, err := unix.IoctlGetInt(fd, unix.TIOCGSID) // ENOTTY for any other
	return err == nil
}

// raise sends a signal to this thread.
func raise(s unix.Signal) { _ = unix.Tgkill(unix.Getpid(), unix.Gettid(), s) }

// byDefault has the kernel do by default what a signal asks for, until restored. Go does
// not undo signal.Notify of those that it has no handler for by itself, as SIGTSTP.
func byDefault(s unix.Signal) (restore func(), err error) {
	var standard, before [8]uint64 // larger than struct sigaction is anywhere; SIG_DFL is 0
	if err := sigaction(s, &standard, &before); err != nil {
		return nil, err
	}
	return func() { _ = sigaction(s, &before, &standard) }, nil // what was there is valid
}

// sigaction is rt_sigaction(2).
func sigaction(s unix.Signal, set, before *[8]uint64) error {
	const maskSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(before)), maskSize, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
