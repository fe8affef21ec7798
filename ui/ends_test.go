package ui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

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
	u := startWith(t, 80, 24, source, panickingSource{source}, defaultStyles)
	u.feed(fake.Sample(0))
	source.End(nil)
	checkPanic(t, u)
}

func TestEndByPanicInView(t *testing.T) {
	source := fake.NewSource()
	styles := func(ascii bool) styleSet {
		s := defaultStyles(ascii)
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

func TestEndWithClosedTerminal(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(fake.Sample(0))
	// What is left of a terminal whose window was closed: end of file.
	_ = u.PTMX.Close()
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
