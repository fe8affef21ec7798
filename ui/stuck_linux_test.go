package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// A terminal that takes no bytes, as over a dead connection, or because it was stopped, must not
// keep the program from ending.
func TestEndWithStuckTerminal(t *testing.T) {
	t.Run("nobody reads", func(t *testing.T) { endWithStuckTerminal(t, func(tty *os.File) { fill(t, tty) }) })
	t.Run("stopped", func(t *testing.T) {
		ptmx := endWithStuckTerminal(t, func(tty *os.File) {
			if err := unix.IoctlSetInt(int(tty.Fd()), unix.TCXONC, unix.TCOOFF); err != nil {
				t.Fatal(err)
			}
		})
		var left []byte
		for !strings.Contains(string(left), ansi.ResetModeAltScreenSaveCursor) {
			ready := []unix.PollFd{{Fd: int32(ptmx.Fd()), Events: unix.POLLIN}}
			if n, err := unix.Poll(ready, int(patience.Milliseconds())); n != 1 {
				t.Fatalf("the screen is not left: %q, %v", left, err)
			}
			more := make([]byte, 4096)
			n, err := ptmx.Read(more)
			if err != nil {
				t.Fatal(err)
			}
			left = append(left, more[:n]...)
		}
	})
}

// endWithStuckTerminal ends a program on a terminal that is made to take nothing.
func endWithStuckTerminal(t *testing.T, stick func(tty *os.File)) *os.File {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	// tty stays open: what Run gave up on still uses it.
	t.Cleanup(func() { _ = ptmx.Close() })
	if err := pty.Setsize(ptmx, &pty.Winsize{Cols: 200, Rows: 50}); err != nil {
		t.Fatal(err)
	}
	before, err := term.GetState(tty.Fd())
	if err != nil {
		t.Fatal(err)
	}
	opts := testOptions()
	output := &countedFile{File: tty}
	opts.Input, opts.Output = tty, output
	stick(tty)
	source := fake.NewSource()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, source, opts) }()
	for n := range 5 { // samples are taken all the same
		source.Send(fake.Sample(n))
	}
	for len(output.sofar()) == 0 { // the first write, which blocks
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	cancel()
	select {
	case err = <-ended:
	case <-time.After(patience):
		t.Fatal("the program does not end")
	}
	if !errors.Is(err, ErrTerminalStuck) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if after, err := term.GetState(tty.Fd()); err != nil || *after != *before {
		t.Errorf("terminal settings not restored: %v", err)
	}
	return ptmx
}

// fill writes to tty until it takes no more.
func fill(t *testing.T, tty *os.File) {
	t.Helper()
	name := fmt.Sprintf("/proc/self/fd/%d", tty.Fd())
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	// As the program has it: otherwise the kernel stops a little earlier.
	state, err := term.MakeRaw(tty.Fd())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = term.Restore(tty.Fd(), state) }()
	// The kernel moves some on to the reader's side after a while.
	for wrote := 1; wrote > 0; time.Sleep(20 * time.Millisecond) {
		wrote = 0
		for size := 4096; size > 0; {
			if n, err := unix.Write(fd, make([]byte, size)); err == nil {
				wrote += n
			} else {
				size /= 2
			}
		}
	}
}
