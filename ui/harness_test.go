package ui

import (
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"github.com/charmbracelet/x/term"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
	"github.com/ebpftop/ebpftop/ui/terminal/emulated"
)

// patience is how long a test waits for what should come at once.
const patience = 10 * time.Second

// terminalUnderTest runs the whole program on a pty, with an emulator looking
// at it.
type terminalUnderTest struct {
	*emulated.Terminal
	t      *testing.T
	source *fake.Source
	before *term.State
	cancel context.CancelFunc
	err    error // what Run returned, once ended is closed
	ended  chan struct{}

	writes countedFile

	mu  sync.Mutex
	raw strings.Builder
}

// countedFile is a terminal that notes how much each write was.
type countedFile struct {
	*os.File
	mu    sync.Mutex
	sizes []int
}

func (c *countedFile) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sizes = append(c.sizes, len(p))
	c.mu.Unlock()
	return c.File.Write(p)
}

func (c *countedFile) sofar() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sizes)
}

type setting func(*Options)

func withASCII(o *Options) { o.ASCII = true }

func withEnv(entry string) setting {
	return func(o *Options) { o.Environ = append(o.Environ, entry) }
}

// defaultStyles are those of the terminal's own colours.
func defaultStyles(ascii bool) styleSet { return newStyles(ThemeTerminal, ascii) }

func testOptions() Options {
	return Options{
		Version: "1.2.3", Hostname: "host", Kernel: "Linux 6.18.0",
		Interval: fake.Interval, Location: time.UTC,
		Environ: []string{"TERM=xterm-256color"},
		now:     func() time.Time { return fake.Sample(41).Time },
	}
}

// start brings the program up and waits for its first screen.
func start(t *testing.T, w, h int, settings ...setting) *terminalUnderTest {
	t.Helper()
	source := fake.NewSource()
	return startWith(t, w, h, source, source, defaultStyles, settings...)
}

func startWith(t *testing.T, w, h int, sender *fake.Source, source probes.Source,
	styles func(bool) styleSet, settings ...setting,
) *terminalUnderTest {
	t.Helper()
	u := &terminalUnderTest{t: t, source: sender, ended: make(chan struct{})}
	var err error
	if u.Terminal, err = emulated.Open(w, h, u.record); err != nil {
		t.Fatal(err)
	}
	if u.before, err = term.GetState(u.TTY.Fd()); err != nil {
		t.Fatal(err)
	}
	opts := testOptions()
	opts.Input, opts.Output = u.TTY, &u.writes
	u.writes.File = u.TTY
	for _, set := range settings {
		set(&opts)
	}
	var ctx context.Context
	ctx, u.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(u.ended)
		u.err = run(ctx, source, opts, styles(opts.ASCII), defaultKeyMap(opts.ASCII))
	}()
	t.Cleanup(u.stop)
	return u
}

func (u *terminalUnderTest) stop() {
	u.cancel()
	select {
	case <-u.ended:
	case <-time.After(patience):
		u.t.Error("the program does not end")
	}
	_ = u.Close()
}

func (u *terminalUnderTest) record(output []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.raw.Write(output)
}

func (u *terminalUnderTest) resize(w, h int) {
	if err := u.Resize(w, h); err != nil {
		u.t.Fatal(err)
	}
}

// screen is what one sees, without colours.
func (u *terminalUnderTest) screen() string {
	return trimmed(u.Text())
}

// trimmed is text without the blanks at the ends of its lines.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// output is every byte the terminal was sent.
func (u *terminalUnderTest) output() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.raw.String()
}

// waitFor looks at the screen after every output until it is as it should.
func (u *terminalUnderTest) waitFor(what string, ok func(screen string) bool) {
	u.t.Helper()
	deadline := time.After(patience)
	for {
		text, _, changed := u.See()
		if ok(trimmed(text)) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			u.t.Fatalf("%s: not seen. The screen:\n%s", what, u.screen())
		}
	}
}

func (u *terminalUnderTest) waitForText(text string) {
	u.t.Helper()
	u.waitFor(text, func(screen string) bool { return strings.Contains(screen, text) })
}

func (u *terminalUnderTest) waitForNoText(text string) {
	u.t.Helper()
	u.waitFor("no "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

// feed delivers samples one by one and waits until the last is on the screen.
func (u *terminalUnderTest) feed(samples ...probes.Sample) {
	u.t.Helper()
	for _, s := range samples {
		u.source.Send(s)
	}
	u.waitForText("  " + samples[len(samples)-1].Time.Format(time.TimeOnly))
}

func (u *terminalUnderTest) press(keys ...string) {
	u.t.Helper()
	if err := u.Press(keys...); err != nil {
		u.t.Fatal(err)
	}
}

// golden compares the screen with the one on file. What is on its way to the
// screen is waited for.
func (u *terminalUnderTest) golden() {
	u.t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		time.Sleep(500 * time.Millisecond) // nothing tells that all has arrived
	}
	path := "testdata/" + u.t.Name() + ".golden"
	if want, err := os.ReadFile(path); err == nil {
		deadline := time.Now().Add(2 * time.Second)
		for u.screen() != string(want) && time.Now().Before(deadline) {
			_, _, changed := u.See()
			select {
			case <-changed:
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	golden.RequireEqual(u.t, u.screen())
}

// result waits for Run to return.
func (u *terminalUnderTest) result() error {
	u.t.Helper()
	select {
	case <-u.ended:
		return u.err
	case <-time.After(patience):
		u.t.Fatalf("the program does not end. The screen:\n%s", u.screen())
		return nil
	}
}

// restored checks that the terminal is as it was before.
func (u *terminalUnderTest) restored() {
	u.t.Helper()
	after, err := term.GetState(u.TTY.Fd())
	if err != nil {
		u.t.Fatal(err)
	}
	if *after != *u.before {
		u.t.Errorf("terminal settings not restored:\n%+v\n%+v", u.before, after)
	}
	u.waitFor("the main screen", func(string) bool {
		out := u.output()
		return !u.Emulator.IsAltScreen() &&
			strings.LastIndex(out, ansi.SetModeTextCursorEnable) > strings.LastIndex(out, ansi.ResetModeTextCursorEnable)
	})
}

// livelySamples are the first n of lively.
func livelySamples(n int) []probes.Sample {
	out := make([]probes.Sample, n)
	for i := range out {
		out[i] = fake.Sample(i)
	}
	return out
}
