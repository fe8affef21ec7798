package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unreadPatience is how long a pipe or socket that nobody reads, or a terminal that was stopped,
// may delay the end of the command.
const unreadPatience = time.Second

// endable returns a writer for what is written to out. If out is a full pipe or socket, or a
// terminal that takes nothing, and the command is to end, writing fails with
// os.ErrDeadlineExceeded after a while. Otherwise SIGTERM would not end it.
func endable(ctx context.Context, out io.Writer) io.Writer {
	file, ok := out.(*os.File)
	if !ok {
		return out
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return out
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return newEndablePipe(ctx, file)
	case unix.S_IFSOCK:
		return &endableSocket{ctx: ctx, socket: file}
	case unix.S_IFCHR:
		return &endableTerminal{ctx: ctx, terminal: file}
	}
	return out // a file never waits
}

// endablePipe writes to a pipe.
type endablePipe struct {
	ctx       context.Context
	inherited *os.File
	pipe      *os.File // the same, opened anew
}

func newEndablePipe(ctx context.Context, pipe *os.File) io.Writer {
	// Opened anew, because O_NONBLOCK on what was inherited would hold for all who have it.
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return pipe // another user's: as good as it gets
	}
	return &endablePipe{ctx, pipe, again}
}

// Fd is the descriptor of the pipe.
func (e *endablePipe) Fd() uintptr { return e.inherited.Fd() }

func (e *endablePipe) Write(p []byte) (int, error) {
	// From now on, or from the moment that the command is to end.
	defer context.AfterFunc(e.ctx, func() { _ = e.pipe.SetWriteDeadline(time.Now().Add(unreadPatience)) })()
	if e.ctx.Err() != nil {
		_ = e.pipe.SetWriteDeadline(time.Now().Add(unreadPatience)) // fails for no pipe
	}
	return e.pipe.Write(p)
}

// endableSocket writes to a socket, which cannot be opened anew.
type endableSocket struct {
	ctx    context.Context
	socket *os.File
}

// Fd is the descriptor of the socket, by which the journal's is known.
func (e *endableSocket) Fd() uintptr { return e.socket.Fd() }

func (e *endableSocket) Write(p []byte) (written int, err error) {
	var deadline time.Time // zero while the command is not to end
	for written < len(p) {
		n, err := e.send(p[written:])
		switch {
		case err == nil:
			written += n
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EAGAIN):
			return written, fmt.Errorf("write to %s: %w", e.socket.Name(), err)
		}
		if e.ctx.Err() != nil && deadline.IsZero() {
			deadline = time.Now().Add(unreadPatience)
		}
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return written, fmt.Errorf("write to %s: %w", e.socket.Name(), os.ErrDeadlineExceeded)
		}
		room := []unix.PollFd{{Fd: int32(e.socket.Fd()), Events: unix.POLLOUT}}
		if _, err := unix.Poll(room, 100); err != nil && !errors.Is(err, unix.EINTR) {
			return written, fmt.Errorf("wait for %s: %w", e.socket.Name(), err)
		}
	}
	return written, nil
}

// send writes what there is room for. Because unix.Send does not say how much that was, and the
// call that unix.SendmsgN makes is not among those of most commands, it makes its own.
func (e *endableSocket) send(p []byte) (n int, err error) {
	sent, _, errno := unix.Syscall6(unix.SYS_SENDTO, e.socket.Fd(), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), nil
}

// endableTerminal writes to a terminal. Ctrl-S stops one, also for who would not wait.
type endableTerminal struct {
	ctx      context.Context
	terminal *os.File
	isStuck  bool // a write goes on for as long as the process
}

// Fd is the descriptor of the terminal.
func (e *endableTerminal) Fd() uintptr { return e.terminal.Fd() }

func (e *endableTerminal) Write(p []byte) (int, error) {
	if e.isStuck {
		return 0, e.errStuck()
	}
	done := make(chan struct{})
	text := bytes.Clone(p) // which may still be read when p is somebody else's again
	var n int
	var failure error
	go func() {
		defer close(done)
		n, failure = e.terminal.Write(text)
	}()
	select {
	case <-done:
		return n, failure
	case <-e.ctx.Done():
	}
	select {
	case <-done:
		return n, failure
	case <-time.After(unreadPatience):
		e.isStuck = true
		return 0, e.errStuck()
	}
}

func (e *endableTerminal) errStuck() error {
	return fmt.Errorf("write to %s: %w", e.terminal.Name(), os.ErrDeadlineExceeded)
}
