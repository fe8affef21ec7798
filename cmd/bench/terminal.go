package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/ui/terminal/emulated"
)

// size is the size of a terminal, in cells.
type size struct{ width, height int }

func (s size) String() string { return fmt.Sprintf("%dx%d", s.width, s.height) }

// terminal is a terminal with a program on it.
type terminal struct {
	*emulated.Terminal
	cmd     *exec.Cmd
	started time.Time

	mu      sync.Mutex
	outputs []chunk
}

// chunk records one read of the terminal: when, and how many bytes.
type chunk struct {
	at    time.Time
	bytes int
}

func openTerminal(in *lab.Namespace, s size, cmd *exec.Cmd) (*terminal, error) {
	t := &terminal{cmd: cmd}
	var err error
	if t.Terminal, err = emulated.Open(s.width, s.height, t.record); err != nil {
		return nil, err
	}
	t.Attach(cmd)
	t.started = time.Now()
	if err := in.Start(cmd); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, t.TTY.Close()
}

func (t *terminal) record(output []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outputs = append(t.outputs, chunk{time.Now(), len(output)})
}

// patience is how long to wait for what should come at once.
const patience = 20 * time.Second

var errNotSeen = fmt.Errorf("not seen for %v", patience)

// await waits until the screen is as it should, and returns when the output
// came that made it so.
func (t *terminal) await(ctx context.Context, what string, fits func(text string) bool) (time.Time, error) {
	timeout := time.After(patience)
	for {
		text, since, changed := t.See()
		if fits(text) {
			return since, nil
		}
		select {
		case <-changed:
		case <-t.Ended():
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

// release closes the terminal, on which nothing runs any more, when all output is seen.
func (t *terminal) release() error {
	<-t.Ended()
	return t.Close()
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}
