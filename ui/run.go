// Package ui is the screen of ebpftop. Run shows what a probes.Source
// delivers until the user quits.
//
// Samples flow one way: source, feeder (which computes), box of one frame,
// model, panes, terminal. What the panes want to see flows back as a query.
package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
)

// Options is what Run needs to know besides the source.
type Options struct {
	// Version, Hostname and Kernel are shown in the header.
	Version, Hostname, Kernel string
	// Interval is the source's at the start; + and - change it. Zero is 500 ms.
	Interval time.Duration
	// ASCII keeps every other character off the screen, see NeedsASCII.
	ASCII bool
	// Location is the zone times are shown in. Nil is time.Local.
	Location *time.Location
	// Wiring changes cross-connects, while Run is running; Run does not wait
	// for a call to end. Nil if they can only be looked at.
	Wiring probes.Wiring

	// Input and Output are the terminal. Nil is standard input, or the
	// controlling terminal where that is none, and standard output.
	Input  io.Reader
	Output io.Writer
	// Environ is the environment as os.Environ has it. Nil is os.Environ().
	Environ []string

	now func() time.Time // by which trials are counted down; nil is time.Now
}

var (
	// ErrDumbTerminal: TERM names a terminal without a movable cursor.
	ErrDumbTerminal = errors.New("this terminal cannot show a dashboard (TERM is dumb, not set or no name): use ebpftop stats, or set TERM")
	// ErrNotTerminal: output goes to a file or a pipe.
	ErrNotTerminal = errors.New("standard output is not a terminal: use ebpftop stats")
	// ErrTerminalClosed: the terminal went away while the screen was up.
	ErrTerminalClosed = errors.New("the terminal was closed")
	// ErrTerminalStuck: the terminal took no output when the screen was to
	// end. Its settings are restored, what it shows may not be.
	ErrTerminalStuck = errors.New("the terminal takes no output: left without clearing the screen")
)

// grace is how long the terminal may take to accept the end of the screen. Run
// returns this long after its context ends at the latest.
const grace = 1500 * time.Millisecond

// Run shows source on the terminal until the user quits, ctx ends or source
// fails. The end of ctx, as by a signal, is a regular one: Run returns nil, as
// it does when the user quits. It returns the source's error if that ended
// with one; after an end without error (a recording) the last sample stays up.
// Run does not close source. The terminal is restored in every case, as far
// as it lets itself be, see ErrTerminalStuck.
func Run(ctx context.Context, source probes.Source, opts Options) error {
	opts.setDefaults()
	return run(ctx, source, opts, DefaultStyles(opts.ASCII), DefaultKeyMap(opts.ASCII))
}

func run(ctx context.Context, source probes.Source, opts Options, styles Styles, keys KeyMap) error {
	t, err := openTerminal(&opts)
	if err != nil {
		return err
	}
	defer t.close()

	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.closed = func() { cancel(ErrTerminalClosed) }

	f := newFeeder(source)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		defer rescue(cancel)
		if err := f.run(inner); err != nil {
			cancel(err)
		}
	}()

	m := newModel(styles, keys, &opts, f, inner.Done())
	s := newScreen(t.output, opts.profile(t.output))
	over, drawn := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drawn)
		defer rescue(cancel)
		s.run(over)
	}()
	leaving := make(chan struct{})
	var once sync.Once
	quit := func() { once.Do(func() { close(leaving) }) }
	p := tea.NewProgram(&guard{m: m, s: s, cancel: cancel}, t.options(&opts, s, quit)...)
	go t.follow(over, func(w, h int) { p.Send(tea.WindowSizeMsg{Width: w, Height: h}) })

	ended := make(chan error, 1)
	go func() {
		err := t.enter(getenv(opts.Environ))
		if err == nil {
			_, err = p.Run()
		}
		close(over)
		<-drawn
		t.leave()
		ended <- err
	}()
	go func() {
		// Not tea.WithContext: killed, the program leaves its reading
		// goroutine behind, which goes on to use what was closed.
		<-inner.Done()
		p.Quit()
	}()
	err = t.await(ended, inner.Done(), leaving)
	cause := context.Cause(inner)
	cancel(nil)
	<-fed
	m.speed.stop() // the source is the caller's alone from here on
	m.wiring.line.cut.Store(true)
	return outcome(ctx, cause, err)
}

// outcome is what Run returns: why it ended, rather than how.
func outcome(ctx context.Context, cause, err error) error {
	switch {
	case errors.Is(err, ErrTerminalStuck):
		if cause != nil && ctx.Err() == nil {
			return fmt.Errorf("%w; %w", cause, err)
		}
		return err
	case ctx.Err() != nil:
		return nil
	case cause != nil:
		return cause
	case errors.Is(err, syscall.EIO):
		return ErrTerminalClosed
	case err != nil:
		return fmt.Errorf("screen: %w", err)
	}
	return nil
}

// setDefaults fills in what was left out.
func (o *Options) setDefaults() {
	if o.Interval <= 0 {
		o.Interval = 500 * time.Millisecond
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
}

// profile is which colours the terminal has. The library only knows NO_COLOR=1
// and the like; any value counts.
func (o *Options) profile(output io.Writer) colorprofile.Profile {
	if getenv(o.Environ)("NO_COLOR") != "" {
		return colorprofile.ASCII
	}
	return colorprofile.Detect(output, o.Environ)
}

// options of the Bubble Tea program. Signals are the caller's, through ctx, and
// the terminal is ours: the program reads its keys, and draws nothing, as seldom
// as can be.
func (t *terminal) options(opts *Options, s *screen, quit func()) []tea.ProgramOption {
	width, height := t.size()
	return []tea.ProgramOption{
		tea.WithoutSignalHandler(),
		tea.WithoutRenderer(),
		tea.WithFPS(1),
		tea.WithInput(t.input),
		tea.WithOutput(t.output),
		tea.WithWindowSize(width, height),
		tea.WithColorProfile(s.pen.profile),
		tea.WithEnvironment(opts.Environ),
		tea.WithFilter(func(_ tea.Model, msg tea.Msg) tea.Msg {
			switch msg := msg.(type) {
			case tea.QuitMsg:
				quit()
			case tea.ModeReportMsg:
				if msg.Mode == ansi.ModeSynchronizedOutput {
					s.atOnce.Store(msg.Value == ansi.ModeReset)
				}
			case tea.WindowSizeMsg:
				s.unknown.Store(true)
				if msg.Width == 0 || msg.Height == 0 {
					// A serial line does not know its size: take the usual one.
					return tea.WindowSizeMsg{Width: fullWidth, Height: fullHeight}
				}
			}
			return msg
		}),
	}
}

// guard turns a panic in the model into an error of Run, on one line and
// after the terminal was restored.
type guard struct {
	m      *model
	s      *screen
	cancel context.CancelCauseFunc
}

func (g *guard) Init() tea.Cmd { return g.guarded(g.m.Init()) }

func (g *guard) Update(msg tea.Msg) (same tea.Model, cmd tea.Cmd) {
	same = g // after a panic, too
	defer rescue(g.cancel)
	return g, g.guarded(g.m.Update(msg))
}

// View is called after every Update.
func (g *guard) View() (v tea.View) {
	defer rescue(g.cancel)
	g.s.pictures.put(g.m.picture())
	return v
}

func (g *guard) guarded(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() tea.Msg {
		defer rescue(g.cancel)
		msg := cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for i := range batch {
				batch[i] = g.guarded(batch[i])
			}
		}
		return msg
	}
}

// rescue ends the screen when the goroutine it is deferred in panics.
func rescue(cancel context.CancelCauseFunc) {
	if v := recover(); v != nil {
		cancel(&probes.PanicError{Value: v, Stack: debug.Stack()})
	}
}
