package main

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFullPipeEnds starts commands that write to a pipe which is full, and which nobody
// reads: SIGTERM ends them.
func TestFullPipeEnds(t *testing.T) { endsThoughUnread(t, os.Pipe) }

// TestFullSocketEnds is TestFullPipeEnds for a socket, as the journal has one.
func TestFullSocketEnds(t *testing.T) {
	endsThoughUnread(t, func() (read, write *os.File, err error) {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return os.NewFile(uintptr(ends[0]), "socket"), os.NewFile(uintptr(ends[1]), "socket"), err
	})
}

func endsThoughUnread(t *testing.T, open func() (read, write *os.File, err error)) {
	b := newBench(t, 2)
	for _, args := range [][]string{
		{"--help"}, {"version"}, {"doctor"}, {"stats"}, {"stats", "--json"}, {"stats", "--events"},
		{"xconnect", "list"}, {"xconnect", "status"}, {"xconnect", "add", "sw0", "nowhere0"},
	} {
		read, full, err := open()
		b.check(err)
		defer read.Close()
		fill(t, full)
		cmd := ebpftop(t, args...)
		cmd.Stdout, cmd.Stderr = full, full // which makes it block
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
