package terminal

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// dropBacklog discards what the terminal has not taken yet.
func dropBacklog(fd int) { _ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH) }

// writeAtOnce writes what the terminal takes without waiting for it. It opens
// the terminal once more, because others share the descriptor there is, and
// would not wait any more either.
func writeAtOnce(fd int, text string) {
	name := "/proc/self/fd/" + strconv.Itoa(fd)
	if tty, err := unix.Open(name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Write(tty, []byte(text))
		_ = unix.Close(tty)
	}
}
