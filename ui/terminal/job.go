package terminal

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// Events are what Follow tells.
type Events struct {
	// Changed: the terminal has this size now, and may show anything.
	Changed func(width, height int)
	// StopAsked: somebody wants the process to stop, by SIGTSTP. It should call Stop.
	StopAsked func()
	// NotStopped: Stop had no effect, because there is no shell that could continue us.
	NotStopped func()
}

const (
	// lookEvery is how often the size is asked for, because there is no SIGWINCH where
	// the terminal is not our controlling one, nor in the background.
	lookEvery = time.Second
	// lookAside is the same while the terminal is not ours: it is when a shell says so.
	lookAside = 200 * time.Millisecond
	// stopTime is how long the kernel may take to stop us.
	stopTime = 300 * time.Millisecond
)

// Follow follows the size of the terminal, and job control, until over.
func (t *Terminal) Follow(over <-chan struct{}, tell Events) {
	signals := make(chan os.Signal, 4)
	watched := []os.Signal{unix.SIGWINCH, unix.SIGCONT}
	if !signal.Ignored(unix.SIGTSTP) {
		watched = append(watched, unix.SIGTSTP)
	}
	signal.Notify(signals, watched...)
	defer signal.Stop(signals)
	width, height := t.Size()
	look := time.NewTimer(lookEvery)
	defer look.Stop()
	for {
		isAnother := false
		select {
		case <-over:
			return
		case text := <-t.stops:
			if !t.stop(text) {
				tell.NotStopped()
			}
			isAnother = true
		case s := <-signals:
			if s == unix.SIGTSTP {
				tell.StopAsked()
				continue
			}
			isAnother = true // after SIGSTOP, too, which leaves no time for anything
		case <-look.C:
			isAnother = t.ours() != t.InForeground()
		}
		if isAnother && t.Enter() != nil {
			t.gone()
		}
		w, h := t.Size()
		if isAnother || w != width || h != height {
			width, height = w, h
			tell.Changed(w, h)
		}
		look.Reset(t.lookAgain())
	}
}

func (t *Terminal) lookAgain() time.Duration {
	if t.ours() {
		return lookEvery
	}
	return lookAside
}

func (t *Terminal) ours() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.isOurs
}

// InForeground tells whether the terminal is for us to use: job control gives it to one
// group of processes at a time. Where the terminal is not the controlling one of ours,
// there is no job control.
func (t *Terminal) InForeground() bool {
	if t.tty == nil {
		return true
	}
	group, err := unix.IoctlGetInt(int(t.tty.Fd()), unix.TIOCGPGRP)
	return err != nil || group == t.group
}

// Stop leaves the terminal, prints a text, and stops the process and all of its group, as
// Ctrl-Z does. It does not wait for that.
func (t *Terminal) Stop(text string) {
	select {
	case t.stops <- text:
	default: // it is going to
	}
}

// stop returns when the process was continued, or false if it was not stopped: the kernel
// stops no group of processes that no shell looks after.
func (t *Terminal) stop(text string) bool {
	if signal.Ignored(unix.SIGTSTP) {
		return false
	}
	t.leaveSaying(text)
	restore, err := byDefault(unix.SIGTSTP)
	if err != nil {
		return false
	}
	defer restore()
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	// The group, because a shell, or sudo, waits for all that it has started.
	if err := t.stopGroup(); err != nil {
		return false
	}
	for _, wait := range []time.Duration{stopTime, stopTime / 10} { // once more if it was over while we were stopped
		select {
		case <-continued:
			return true
		case <-time.After(wait):
		}
	}
	return false
}

// fatal are the signals that end the process with a trace of all goroutines.
var fatal = []os.Signal{
	unix.SIGQUIT, unix.SIGABRT, unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSYS,
}

// RestoreIfFatal leaves the terminal before such a signal, if somebody sends one, ends the
// process, until over.
func (t *Terminal) RestoreIfFatal(over <-chan struct{}) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, fatal...)
	defer signal.Stop(signals)
	select {
	case <-over:
	case s := <-signals:
		t.leaveInAnyCase()
		signal.Reset(fatal...)
		if number, ok := s.(unix.Signal); ok {
			raise(number)
		}
	}
}

// leaveInAnyCase does not wait for a terminal that takes no bytes.
func (t *Terminal) leaveInAnyCase() {
	left := make(chan struct{})
	go func() {
		t.Leave()
		close(left)
	}()
	select {
	case <-left:
	case <-time.After(stopTime):
		t.Force()
	}
}
