package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// size is the size of a terminal, in cells.
type size struct{ width, height int }

func (s size) String() string { return fmt.Sprintf("%dx%d", s.width, s.height) }

// terminal is a terminal with a program on it. It answers what programs ask
// of terminals.
type terminal struct {
	cmd     *exec.Cmd
	ptmx    *os.File
	started time.Time
	looked  chan struct{} // closed when there is nothing more to come

	mu      sync.Mutex
	emu     *vt.SafeEmulator
	outputs []chunk
	changed chan struct{} // closed at the next output
}

// chunk records one read of the terminal: when, and how many bytes.
type chunk struct {
	at    time.Time
	bytes int
}

func openTerminal(in *lab.Namespace, s size, cmd *exec.Cmd) (*terminal, error) {
	ptmx, tty, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	t := &terminal{
		cmd: cmd, ptmx: ptmx, emu: vt.NewSafeEmulator(s.width, s.height),
		looked: make(chan struct{}), changed: make(chan struct{}),
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = pty.Setsize(ptmx, &pty.Winsize{Cols: uint16(s.width), Rows: uint16(s.height)})
	if err == nil {
		t.started = time.Now()
		err = in.Start(cmd)
	}
	if err != nil {
		return nil, errors.Join(err, ptmx.Close())
	}
	go t.look()
	go func() { _, _ = io.Copy(ptmx, t.emu) }() // its replies
	return t, nil
}

// look feeds the emulator, until the program has ended.
func (t *terminal) look() {
	defer close(t.looked)
	buffer := make([]byte, 64<<10)
	for {
		n, err := t.ptmx.Read(buffer)
		if err != nil {
			return
		}
		now := time.Now()
		t.mu.Lock()
		_, _ = t.emu.Write(buffer[:n]) // never fails
		t.outputs = append(t.outputs, chunk{now, n})
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
	}
}

// see returns the text on the screen, without colours, and since when it has been there.
func (t *terminal) see() (text string, since time.Time, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.outputs); n > 0 {
		since = t.outputs[n-1].at
	}
	return ansi.Strip(t.emu.Render()), since, t.changed
}

// patience is how long to wait for what should come at once.
const patience = 20 * time.Second

var errNotSeen = fmt.Errorf("not seen for %v", patience)

// await waits until the screen is as it should, and returns when the output
// came that made it so.
func (t *terminal) await(ctx context.Context, what string, fits func(text string) bool) (time.Time, error) {
	timeout := time.After(patience)
	for {
		text, since, changed := t.see()
		if fits(text) {
			return since, nil
		}
		select {
		case <-changed:
		case <-t.looked:
			return since, fmt.Errorf("%s: ended instead. The screen:\n%s", what, text)
		case <-timeout:
			return since, fmt.Errorf("%s: %w. The screen:\n%s", what, errNotSeen, text)
		case <-ctx.Done():
			return since, ctx.Err()
		}
	}
}

// pause after which output is of another refresh.
const pause = 50 * time.Millisecond

// refreshes are the bytes of each since some moment.
func (t *terminal) refreshes(since time.Time) (sizes []float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last time.Time
	for _, o := range t.outputs {
		if o.at.Before(since) {
			continue
		}
		if o.at.Sub(last) > pause {
			sizes = append(sizes, 0)
		}
		sizes[len(sizes)-1] += float64(o.bytes)
		last = o.at
	}
	return sizes
}

func (t *terminal) press(key string) error {
	_, err := t.ptmx.WriteString(key)
	return err
}

// close kills the program.
func (t *terminal) close() error {
	err := t.cmd.Process.Kill()
	_ = t.cmd.Wait() // killed
	return errors.Join(err, t.release())
}

// stop has the program end in an orderly way, and returns how long that took.
func (t *terminal) stop() (time.Duration, error) {
	start := time.Now()
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, errors.Join(err, t.close())
	}
	err := t.cmd.Wait()
	took := time.Since(start)
	return took, errors.Join(err, t.release())
}

// release lets go of the terminal, on which nothing runs any more.
func (t *terminal) release() error {
	<-t.looked
	// Emulator.Close races with Read; the end of what is read does not.
	var err error
	if pipe, ok := t.emu.InputPipe().(io.Closer); ok {
		err = pipe.Close()
	}
	return errors.Join(err, t.ptmx.Close())
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}
