package ui

import (
	"context"
	"runtime/debug"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/terminal"
)

// guard turns a panic in the model into an error of Run, on one line and
// after the terminal was restored.
type guard struct {
	model  *model
	screen *terminal.Screen
	cancel context.CancelCauseFunc
	send   func(tea.Msg)

	drawn time.Time // when the last frame was made
	isDue bool      // a drawMsg is on its way
}

// frameGap bounds how often a frame is made: what is typed or pasted by the thousands is
// seen all the same, and a key that follows does not wait for a frame for each.
const frameGap = time.Second / 30

// drawMsg has the frame made that was put off.
type drawMsg struct{}

func (g *guard) Init() tea.Cmd { return g.guarded(g.model.Init()) }

func (g *guard) Update(msg tea.Msg) (same tea.Model, cmd tea.Cmd) {
	same = g // after a panic, too
	defer rescue(g.cancel)
	if _, ok := msg.(drawMsg); ok {
		g.isDue = false
		return g, nil
	}
	return g, g.guarded(g.model.Update(msg))
}

// View is called after every Update. It makes a frame at once, or else once it is time.
func (g *guard) View() (v tea.View) {
	defer rescue(g.cancel)
	switch wait := frameGap - time.Since(g.drawn); {
	case g.isDue:
	case wait > 0:
		g.isDue = true
		time.AfterFunc(wait, func() { g.send(drawMsg{}) })
	default:
		g.screen.Show(g.model.frame())
		g.drawn = time.Now()
	}
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
