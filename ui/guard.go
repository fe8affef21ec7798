package ui

import (
	"context"
	"runtime/debug"

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
}

func (g *guard) Init() tea.Cmd { return g.guarded(g.model.Init()) }

func (g *guard) Update(msg tea.Msg) (same tea.Model, cmd tea.Cmd) {
	same = g // after a panic, too
	defer rescue(g.cancel)
	return g, g.guarded(g.model.Update(msg))
}

// View is called after every Update.
func (g *guard) View() (v tea.View) {
	defer rescue(g.cancel)
	g.screen.Show(g.model.frame())
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
