package ui

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
	"github.com/ebpftop/ebpftop/ui/terminal"
)

// session is the screen while it is up: the presenter, the program that reads
// keys, and the drawing, each in a goroutine of its own.
type session struct {
	outer     context.Context // the caller's
	inner     context.Context // ends with it, or by what is to end the session
	cancel    context.CancelCauseFunc
	terminal  *terminal.Terminal
	screen    *terminal.Screen
	presenter *snapshot.Presenter
	model     *model
	program   *tea.Program

	leaving   chan struct{} // closed once the program is to end
	over      chan struct{} // closed once it has ended
	drawn     chan struct{} // closed once nothing draws any more
	followed  chan struct{} // closed once nothing follows the terminal any more
	left      chan struct{} // closed once the terminal is as it was
	presented chan struct{} // closed once nothing uses the source any more
	ended     chan error    // why the program has ended, the terminal left
}

// newSession opens the terminal, and changes nothing of it.
func newSession(ctx context.Context, source probes.Source, opts *Options, styles styleSet, keys keyMap) (*session, error) {
	s := &session{
		outer:     ctx,
		leaving:   make(chan struct{}),
		over:      make(chan struct{}),
		drawn:     make(chan struct{}),
		followed:  make(chan struct{}),
		left:      make(chan struct{}),
		presented: make(chan struct{}),
		ended:     make(chan error, 1),
	}
	s.inner, s.cancel = context.WithCancelCause(ctx)
	var err error
	on := terminal.Options{
		Input: opts.Input, Output: opts.Output, Environ: opts.Environ,
		Remote: opts.Remote, Color: opts.Color, StopGroup: opts.StopGroup,
	}
	s.terminal, err = terminal.Open(on, func() { s.cancel(ErrTerminalClosed) })
	if err != nil {
		s.cancel(nil)
		return nil, err
	}
	profile := s.terminal.Profile()
	s.presenter = snapshot.NewPresenter(source)
	s.model = newModel(styles, keys, opts, source, s.presenter, s.inner.Done())
	s.screen = terminal.NewScreen(s.terminal, profile)
	guarded := &guard{model: s.model, screen: s.screen, cancel: s.cancel, send: s.send}
	s.program = tea.NewProgram(guarded, s.options(profile, opts.Environ)...)
	s.model.tty = s.terminal
	s.model.redraw = s.screen.Forget
	s.model.clipboard = s.screen.Copy
	s.model.mouse.set = s.setMouse
	s.setMouse(opts.Mouse)
	return s, nil
}

// send hands a message to the model. It does not wait for a program that has ended.
func (s *session) send(msg tea.Msg) { s.program.Send(msg) }

// setMouse has the terminal report the mouse, or not any more.
func (s *session) setMouse(on bool) {
	s.terminal.SetMouse(on)
	s.screen.SetMouse(on)
}

// options of the Bubble Tea program. Signals are the caller's, through ctx, and
// the terminal is ours: the program reads nothing, and draws nothing, as seldom
// as can be.
func (s *session) options(profile colorprofile.Profile, environ []string) []tea.ProgramOption {
	width, height := s.terminal.Size()
	var once sync.Once
	return []tea.ProgramOption{
		tea.WithoutSignalHandler(),
		tea.WithoutRenderer(),
		tea.WithFPS(1),
		tea.WithInput(nil),
		tea.WithOutput(s.terminal.Output),
		tea.WithWindowSize(width, height),
		tea.WithColorProfile(profile),
		tea.WithEnvironment(environ),
		tea.WithFilter(func(_ tea.Model, msg tea.Msg) tea.Msg {
			switch msg := msg.(type) {
			case tea.QuitMsg:
				once.Do(func() { close(s.leaving) })
			case tea.ModeReportMsg:
				if msg.Mode == ansi.ModeSynchronizedOutput {
					s.screen.SetAtOnce(msg.Value == ansi.ModeReset)
				}
			case tea.WindowSizeMsg:
				s.screen.Forget()
				return drawable(msg)
			}
			return msg
		}),
	}
}

// The largest screen that is drawn, in cells; the rest of a larger one stays empty. A
// terminal can say that it has 65,535 columns and lines, for which no memory is enough.
const maxWidth, maxHeight = 1000, 400

// drawable is a size that can be drawn, for one that a terminal says it has.
func drawable(size tea.WindowSizeMsg) tea.WindowSizeMsg {
	if size.Width <= 0 || size.Height <= 0 {
		// A serial line does not know its size: take the usual one.
		return tea.WindowSizeMsg{Width: fullWidth, Height: fullHeight}
	}
	return tea.WindowSizeMsg{Width: min(size.Width, maxWidth), Height: min(size.Height, maxHeight)}
}

// start brings the screen up.
func (s *session) start() {
	go s.present()
	go s.draw()
	go s.readKeys()
	go s.terminal.RestoreIfFatal(s.left)
	go s.show()
	go func() {
		// Because a program that is killed, as by tea.WithContext, leaves its
		// reading goroutine behind, which goes on to use what was closed, it
		// is asked to end.
		<-s.inner.Done()
		s.program.Quit()
	}()
}

func (s *session) present() {
	defer close(s.presented)
	defer rescue(s.cancel)
	if err := s.presenter.Run(s.inner); err != nil {
		s.cancel(err)
	}
}

func (s *session) draw() {
	defer close(s.drawn)
	defer rescue(s.cancel)
	s.screen.Run(s.over)
}

// readKeys hands on what comes from the terminal, until that is left.
func (s *session) readKeys() {
	for {
		select {
		case event := <-s.terminal.Keys():
			s.send(event)
		case <-s.left:
			return
		}
	}
}

// follow has the screen follow what happens to the terminal.
func (s *session) follow() {
	defer close(s.followed)
	defer rescue(s.cancel)
	s.terminal.Follow(s.over, terminal.Events{
		Changed:    func(w, h int) { s.send(tea.WindowSizeMsg{Width: w, Height: h}) },
		StopAsked:  func() { s.send(stopMsg{}) },
		NotStopped: func() { s.send(notStoppedMsg{}) },
	})
}

// show runs the program from the first byte the terminal is sent to the last.
func (s *session) show() {
	err := s.terminal.Enter()
	go s.follow()
	if err == nil {
		_, err = s.program.Run()
	}
	close(s.over)
	<-s.drawn
	<-s.followed
	s.terminal.Leave()
	close(s.left)
	s.ended <- err
}

// grace is how long the terminal may take to accept the end of the screen. Run
// returns this long after its context ends at the latest.
const grace = 1500 * time.Millisecond

// wait waits for the program's end. Once that is due, it has only so long: a
// terminal that takes no bytes would hold it for ever.
func (s *session) wait() error {
	select {
	case err := <-s.ended:
		return err
	case <-s.inner.Done():
	case <-s.leaving:
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-s.ended:
		return err
	case <-timer.C:
		s.terminal.Force()
		return ErrTerminalStuck
	}
}

// stop makes sure that nothing uses source and terminal any more. It returns why the
// session ended; err is how it ended.
func (s *session) stop(err error) error {
	cause := context.Cause(s.inner)
	s.cancel(nil)
	<-s.presented
	s.model.speed.stop()
	s.model.dialogs.line.cut.Store(true)
	s.terminal.Close()
	return outcome(s.outer, cause, err)
}

// outcome returns the error of Run: why it ended, rather than how.
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
