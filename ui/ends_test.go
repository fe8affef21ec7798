package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func sendWindowChange(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
}

func TestEndByContext(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(0))
	u.cancel()
	if err := u.result(); err != nil {
		t.Fatal(err)
	}
	u.restored()
}

func TestEndOfSource(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(0))
	want := errors.New("the kernel said no")
	u.source.End(want)
	if err := u.result(); !errors.Is(err, want) {
		t.Fatalf("got %v", err)
	}
	u.restored()
}

// panickingSource fails in the presenter's goroutine.
type panickingSource struct{ *fake.Source }

func (panickingSource) Err() error { panic("a \x1bmistake") }

func TestEndByPanicInPresenter(t *testing.T) {
	source := fake.NewSource()
	u := startWith(t, 80, 24, source, panickingSource{source}, DefaultStyles)
	u.feed(fake.Sample(0))
	source.End(nil)
	checkPanic(t, u)
}

func TestEndByPanicInView(t *testing.T) {
	source := fake.NewSource()
	styles := func(ascii bool) Styles {
		s := DefaultStyles(ascii)
		escape := s.Escape
		s.Escape = func(text string) string {
			if text == "eth0" {
				panic("a \x1bmistake")
			}
			return escape(text)
		}
		return s
	}
	u := startWith(t, 80, 24, source, source, styles)
	u.waitForText("waiting")
	source.Send(fake.Sample(0))
	checkPanic(t, u)
}

func checkPanic(t *testing.T, u *terminalUnderTest) {
	t.Helper()
	err := u.result()
	var p *probes.PanicError
	if !errors.As(err, &p) || len(p.Stack) == 0 {
		t.Fatalf("got %v", err)
	}
	if got := err.Error(); got != `internal error, please report: a \x1bmistake` {
		t.Errorf("not one clear line: %q", got)
	}
	u.restored()
}

// A terminal that takes no bytes, as over a dead connection, must not keep
// the program from ending.
func TestEndWithStuckTerminal(t *testing.T) {
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	// tty stays open: what Run gave up on still uses it.
	defer func() { _ = ptmx.Close() }()
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
	fill(t, tty) // and nobody reads from ptmx
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

func TestEndWithClosedTerminal(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(0))
	// What is left of a terminal whose window was closed: end of file.
	_ = u.ptmx.Close()
	u.source.Send(fake.Sample(1)) // output ends the read that holds the file open
	if err := u.result(); !errors.Is(err, ErrTerminalClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	opts := testOptions()
	opts.Output = &bytes.Buffer{}
	for _, name := range []string{"TERM=dumb", "TERM=", "HOME=/", "TERM=x/../../../tmp/terminfo"} {
		opts.Environ = []string{name}
		err := Run(context.Background(), fake.NewSource(), opts)
		if !errors.Is(err, ErrDumbTerminal) || !strings.Contains(err.Error(), "ebpftop stats") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	opts = testOptions()
	opts.Output = file
	if err := Run(context.Background(), fake.NewSource(), opts); !errors.Is(err, ErrNotTerminal) {
		t.Errorf("to a file: got %v", err)
	}
}
