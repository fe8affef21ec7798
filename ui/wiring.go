package ui

import (
	"strings"
	"sync/atomic"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// wiring is the part of the screen that changes cross-connects: the dialog
// that is open, the call that is under way, and what the user has to be told.
type wiring struct {
	keys  KeyMap
	ascii bool
	line  *patchLine

	pairs      []probes.CrossConnect
	interfaces []probes.Interface
	dialog     dialog // nil if none is open
	call       *call  // nil if none is under way
	notice     string // one line, until the next key
	undoable   bool   // this screen has made a change
	trial      trial
}

func newWiring(keys KeyMap, opts *Options) *wiring {
	return &wiring{
		keys: keys, ascii: opts.ASCII, line: &patchLine{wiring: opts.Wiring}, trial: trial{now: opts.now},
	}
}

// possible reports whether pairs can be changed at all.
func (w *wiring) possible() bool { return w.line.wiring != nil }

// patchLine is the way to probes.Wiring. Once cut, calls that were on their way
// to it no longer get there; for one that did, Run does not wait.
type patchLine struct {
	wiring probes.Wiring
	cut    atomic.Bool
}

// call is one use of probes.Wiring. There is never more than one under way:
// nothing is submitted twice, and changes keep their order.
type call struct {
	doing string
	// given up: it changes nothing, so that nobody has to wait for its end.
	abandonable bool
	then        func(error) tea.Cmd
}

// calledMsg is the end of a call.
type calledMsg struct {
	call *call
	err  error
}

// start runs do outside of Update, and then the call's then in it.
func (w *wiring) start(c call, do func(probes.Wiring) error) tea.Cmd {
	if w.call != nil || !w.possible() {
		return nil
	}
	w.call = &c
	line := w.line
	return func() tea.Msg {
		if line.cut.Load() {
			return nil
		}
		return calledMsg{call: &c, err: do(line.wiring)}
	}
}

// Update takes what the root does not know, and all keys while a dialog is
// open.
func (w *wiring) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case frameMsg:
		return w.show(msg)
	case tickMsg:
		return w.ticked()
	case calledMsg:
		if msg.call != w.call {
			return nil // given up
		}
		w.call = nil
		return msg.call.then(msg.err)
	case tea.PasteMsg, tea.KeyPressMsg:
		return w.typed(msg)
	}
	return nil
}

// typed takes a key or a paste while a dialog is open. While a call is under
// way there is nothing to decide.
func (w *wiring) typed(msg tea.Msg) tea.Cmd {
	if w.call == nil {
		return w.dialog.Update(msg)
	}
	if press, ok := msg.(tea.KeyPressMsg); ok && w.call.abandonable && key.Matches(press, w.keys.Cancel) {
		w.call = nil
	}
	return nil
}

// show takes what a frame knows of pairs and interfaces.
func (w *wiring) show(msg frameMsg) tea.Cmd {
	w.pairs, w.interfaces = msg.crossConnects, msg.interfaces
	if w.dialog != nil {
		w.dialog.Refresh()
	}
	if !w.possible() {
		return nil
	}
	return w.trial.follow(msg.crossConnects, msg.wired)
}

// fail says what went wrong, in one line.
func (w *wiring) fail(err error) {
	w.notice = strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

func (w *wiring) close() { w.dialog = nil }

// changed notes the end of a change. trial is for how long it is on trial.
func (w *wiring) changed(undoable bool, trial time.Duration) tea.Cmd {
	w.close()
	w.undoable = undoable
	return w.trial.set(trial)
}

// Keys are those of the dialog, or those that work in every pane.
func (w *wiring) Keys() []key.Binding {
	switch {
	case w.dialog != nil && w.call != nil:
		return []key.Binding{w.keys.QuitAtAllTimes}
	case w.dialog != nil:
		return w.dialog.Keys()
	case w.undoable && !w.trial.running():
		return []key.Binding{w.keys.Connect, w.keys.Undo}
	}
	return []key.Binding{w.keys.Connect}
}

// mayChange refuses what cannot be, and says why.
func (w *wiring) mayChange() bool {
	switch {
	case w.call != nil:
		return false
	case w.trial.running():
		w.notice = "a trial is under way: c confirms it, u takes it back"
		return false
	}
	return w.possible()
}

// mayChangePair is mayChange for a pair that there is.
func (w *wiring) mayChangePair(p *probes.CrossConnect) bool {
	switch {
	case p.Origin == probes.OriginOther:
		w.notice = pairName(p) + " belongs to " + pairOrigin(p) + ": only that one can change it"
		return false
	case p.Removed:
		w.notice = pairName(p) + " is removed on trial: u takes that back"
		return false
	}
	return w.mayChange()
}
