// Package supervise runs the processes that work for one which gave up its rights, and
// starts them again when they were killed.
package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Server is a program that works for the process at the other end of In. It ends when that
// does.
type Server struct {
	// Command makes the program's command, for each time that it is run.
	Command func() *exec.Cmd
	// In becomes its standard input. It is run whenever there is something to read.
	In *os.File
	// Out becomes its standard output, if it is not nil. Its standard error is ours.
	Out *os.File
	// AtStart runs it at the start, too, to be ready.
	AtStart bool
	// Always runs it again whenever it ends.
	Always bool
	// Killed says, if it is not nil, that the program ended without having answered.
	Killed func() error
}

// Task is a *Server, a *Stopper or an *Expediter.
type Task interface{ run() error }

// Supervise carries out tasks until nobody is at the other end of their In any more. Because
// it looks at nothing that it reads, no question can take it over.
func Supervise(tasks ...Task) error {
	var group errgroup.Group
	for _, t := range tasks {
		group.Go(t.run)
	}
	return group.Wait()
}

func (s *Server) run() error {
	wanted := s.AtStart || s.Always
	for {
		patience := -1
		if wanted {
			patience = 0
		}
		events, err := AwaitInput(s.In, patience)
		if err != nil || events&unix.POLLHUP != 0 {
			return err
		}
		inOrder, err := s.runOnce()
		if err != nil {
			return err
		}
		if !inOrder {
			if s.Killed != nil {
				if err := s.Killed(); err != nil {
					return fmt.Errorf("say that a process was killed: %w", err)
				}
			}
			time.Sleep(restartPause)
		}
		wanted = s.Always
	}
}

// restartPause is for a question that no process survives.
const restartPause = 100 * time.Millisecond

// AwaitInput waits until something can be read or, with POLLHUP in events, nobody is there
// to write. It returns no events if the time in milliseconds is over; a negative one never
// is.
func AwaitInput(from *os.File, milliseconds int) (events int16, err error) {
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

// AwaitQuestion is for a server. It returns that it is idle if nothing is to be read in
// time: the supervisor starts another one for the next question. Without supervisor, a pid,
// there is nobody else to answer.
func AwaitQuestion(in *os.File, supervisor int, patience time.Duration) (isIdle bool, err error) {
	for {
		events, err := AwaitInput(in, int(patience.Milliseconds()))
		if err != nil || events != 0 {
			return false, err
		}
		if os.Getppid() == supervisor {
			return true, nil
		}
	}
}

// runOnce runs the program to its end. It returns whether that came in an orderly way.
func (s *Server) runOnce() (inOrder bool, err error) {
	cmd := s.Command()
	// Because the supervisor opens nothing to write to, /dev/null neither, what goes nowhere
	// goes where its own standard error does.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, os.Stderr, os.Stderr
	if s.Out != nil {
		cmd.Stdout = s.Out
	}
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
			return status, fmt.Errorf("wait for a process: %w", err)
		case !status.Stopped():
			return status, nil
		default:
			// Because it is of the same session, this needs no right to signal it.
			_ = syscall.Kill(pid, syscall.SIGCONT) // fails if it is gone, which the next round tells
		}
	}
}
