package inspect

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Supervise runs the program that calls Serve: once at the start, and again whenever there
// is a question and it has ended, because it was idle or was killed. It returns when its
// Inspector is closed. Because it reads nothing itself, no question can take it over.
// newServer makes the program's command, which inherits standard input and output.
func Supervise(newServer func() *exec.Cmd) error {
	for {
		inOrder, err := serveOnce(newServer())
		if err != nil {
			return err
		}
		if !inOrder {
			if err := writeLine(os.Stdout, answer{}); err != nil {
				return fmt.Errorf("say that the inspecting process ended: %w", err)
			}
			time.Sleep(restartPause)
		}
		events, err := awaitInput(os.Stdin, -1)
		if err != nil || events&unix.POLLIN == 0 {
			return err
		}
	}
}

// restartPause is for a question that no process survives.
const restartPause = 100 * time.Millisecond

// awaitInput waits until something can be read or, without POLLIN in events, never will
// again. It returns no events if the time in milliseconds is over; a negative one never is.
func awaitInput(from *os.File, milliseconds int) (events int16, err error) {
	for {
		files := []unix.PollFd{{Fd: int32(from.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(files, milliseconds)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for a question: %w", err)
		default:
			return files[0].Revents, nil
		}
	}
}

// serveOnce runs cmd to its end. It returns whether that came in an orderly way.
func serveOnce(cmd *exec.Cmd) (inOrder bool, err error) {
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	if err := cmd.Start(); err != nil {
		return false, nil // for want of memory, or the like: the next time there may be some
	}
	status, err := await(cmd.Process.Pid)
	_ = cmd.Process.Release() // cannot fail: the process has ended
	return status.Exited() && status.ExitStatus() == 0, err
}

// await waits until a child ends. If somebody stops it, it lets it go on.
func await(pid int) (status syscall.WaitStatus, err error) {
	for {
		_, err = syscall.Wait4(pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return status, fmt.Errorf("wait for the inspecting process: %w", err)
		case !status.Stopped():
			return status, nil
		default:
			// Because it is of the same session, this needs no right to signal it.
			_ = syscall.Kill(pid, syscall.SIGCONT) // fails if it is gone, which the next round tells
		}
	}
}
