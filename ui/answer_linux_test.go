package ui

import (
	"context"
	"io"
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

// A terminal over a network is not asked anything; one that is asked is waited for, so
// that its answer is not left for a shell.
func TestLateAnswer(t *testing.T) {
	u := start(t, 80, 24, func(o *Options) { o.Remote = true })
	u.feed(fake.Sample(0))
	if strings.Contains(u.output(), ansi.RequestModeSynchronizedOutput) {
		t.Error("asked over a network")
	}

	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = ptmx.Close(), tty.Close() }()
	opts := testOptions()
	opts.Input, opts.Output = tty, tty
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, fake.NewSource(), opts) }()
	var seen strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(seen.String(), ansi.RequestModeSynchronizedOutput); {
		n, err := ptmx.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(buffer[:n])
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, ptmx) }()
	time.Sleep(50 * time.Millisecond) // what the answer takes
	if _, err := ptmx.WriteString("\x1b[?2026;2$y"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := waiting(t, tty); n > 0 {
		t.Errorf("%d bytes are left for the shell", n)
	}
}

// waiting is how many bytes a reader of the terminal finds.
func waiting(t *testing.T, tty *os.File) int {
	t.Helper()
	state, err := term.MakeRaw(tty.Fd()) // else only whole lines count
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = term.Restore(tty.Fd(), state) }()
	n, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
