package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// unreadPatience is how long a pipe that nobody reads may delay the end of the command.
const unreadPatience = time.Second

// endable returns a writer for what is written to out. If out is a full pipe and the
// command is to end, writing fails with os.ErrDeadlineExceeded after a while. Otherwise
// SIGTERM would not end it.
func endable(ctx context.Context, out io.Writer) io.Writer {
	pipe, ok := out.(*os.File)
	if !ok {
		return out
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(pipe.Fd()), &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		return out // whoever writes to a terminal looks after it, and a file never waits
	}
	// Opened anew, because O_NONBLOCK on what was inherited would hold for all who have it.
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return out // another user's: as good as it gets
	}
	context.AfterFunc(ctx, func() {
		// Fails if it was closed, and nothing is written any more.
		_ = again.SetWriteDeadline(time.Now().Add(unreadPatience))
	})
	return again
}
