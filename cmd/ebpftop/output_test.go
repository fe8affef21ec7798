package main

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestFullPipeEnds starts commands that write to a pipe which is full, and which nobody
// reads: SIGTERM ends them.
func TestFullPipeEnds(t *testing.T) {
	endsThoughUnread(t, false, func() (read, write *os.File, err error) {
		if read, write, err = os.Pipe(); err == nil {
			fill(t, write)
		}
		return read, write, err
	})
}

// TestLateWrite says something long after the command was to end, as one that took long to leave
// all in order does: it is said.
func TestLateWrite(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	out, ok := endable(ctx, write).(*endablePipe)
	if !ok {
		t.Fatal("not taken for a pipe")
	}
	defer out.pipe.Close()
	cancel()
	if err := out.pipe.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil { // as it is by then
		t.Fatal(err)
	}
	if _, err := io.WriteString(out, "said"); err != nil {
		t.Error(err)
	}
}

// TestFullSocketEnds is TestFullPipeEnds for a socket, as the journal has one.
func TestFullSocketEnds(t *testing.T) {
	endsThoughUnread(t, false, func() (read, write *os.File, err error) {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return nil, nil, err
		}
		read, write = os.NewFile(uintptr(ends[0]), "socket"), os.NewFile(uintptr(ends[1]), "socket")
		fill(t, write)
		return read, write, nil
	})
}

// TestStoppedTerminalEnds is TestFullPipeEnds for a terminal that was stopped, as by Ctrl-S,
// and for the dashboard on it.
func TestStoppedTerminalEnds(t *testing.T) {
	endsThoughUnread(t, true, func() (read, write *os.File, err error) {
		if read, write, err = pty.Open(); err != nil {
			return nil, nil, err
		}
		return read, write, unix.IoctlSetInt(int(write.Fd()), unix.TCXONC, unix.TCOOFF)
	})
}

// commandsThatEnd are ended, or end, whatever they write to.
var commandsThatEnd = [][]string{
	{"--help"}, {"version"}, {"doctor"}, {"stats"}, {"stats", "--json"}, {"stats", "--events"},
	{"xconnect", "list"}, {"xconnect", "status"}, {"xconnect", "add", "sw0", "nowhere0"},
}

// endsThoughUnread has commands write to what takes nothing, which open opens.
func endsThoughUnread(t *testing.T, isTerminal bool, open func() (read, write *os.File, err error)) {
	b := newBench(t, 2)
	commands := commandsThatEnd
	if isTerminal {
		commands = append(commands, []string{"--interval", "100ms"})
	}
	for _, args := range commands {
		read, full, err := open()
		b.check(err)
		defer read.Close()
		cmd := ebpftop(t, args...)
		cmd.Stdout, cmd.Stderr = full, full // which makes it block
		if isTerminal {
			cmd.Stdin, cmd.Env = full, append(cmd.Env, screenEnvironment...)
		}
		b.check(b.hub.Start(cmd))
		b.check(full.Close())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait() // whatever the status
		}()
		again := time.NewTicker(100 * time.Millisecond) // for it may not yet have come so far
		timeout := time.After(patience)
		for isRunning := true; isRunning; {
			select {
			case <-ended:
				isRunning = false
			case <-again.C:
				_ = cmd.Process.Signal(syscall.SIGTERM) // may have ended
			case <-timeout:
				t.Errorf("%q goes on", args)
				_ = cmd.Process.Kill()
				<-ended
				isRunning = false
			}
		}
		again.Stop()
	}
	b.awaitBare(b.hub, port(0), port(1))
}

// fill writes to a pipe or socket until it takes no more.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	connection, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var refused error
	err = connection.Write(func(fd uintptr) bool {
		for refused == nil {
			_, refused = unix.Write(int(fd), make([]byte, 4096))
		}
		return true
	})
	if err != nil || !errors.Is(refused, unix.EAGAIN) {
		t.Fatal(err, refused)
	}
}
