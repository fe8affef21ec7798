package ui

import (
	"strings"
	"sync/atomic"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// pairDialogs is the part of the screen that changes cross-connects: the dialog
// that is open, the call that is under way, and what the user has to be told.
type pairDialogs struct {
	keys  keyMap
	ascii bool
	line  *patchLine

	pairs      []probes.CrossConnect
	interfaces []probes.Interface
	open       dialog // nil if none is open
	call       *call  // nil if none is under way
	notice     string // one line, until the next key
	undoable   bool   // this screen has made a change
	trial      trial
}

func newPairDialogs(keys keyMap, opts *Options) *pairDialogs {
	return &pairDialogs{
		keys: keys, ascii: opts.ASCII, line: &patchLine{editor: opts.Pairs}, trial: trial{now: opts.now},
	}
}

// possible reports whether pairs can be changed at all.
func (d *pairDialogs) possible() bool { return d.line.editor != nil }

// patchLine is the way to probes.PairEditor. Once cut, calls that were on their way
// to it no longer get there; for one that did, Run does not wait.
type patchLine struct {
	editor probes.PairEditor
	cut    atomic.Bool
}

// call is one use of probes.PairEditor. There is never more than one under way:
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
func (d *pairDialogs) start(c call, do func(probes.PairEditor) error) tea.Cmd {
	if d.call != nil || !d.possible() {
		return nil
	}
	d.call = &c
	line := d.line
	return func() tea.Msg {
		if line.cut.Load() {
			return nil
		}
		return calledMsg{call: &c, err: do(line.editor)}
	}
}

// Update takes what the root does not know, and all keys while a dialog is
// open.
func (d *pairDialogs) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		return d.show(msg)
	case tickMsg:
		return d.ticked()
	case calledMsg:
		if msg.call != d.call {
			return nil // given up
		}
		d.call = nil
		return msg.call.then(msg.err)
	case tea.PasteMsg, tea.KeyPressMsg:
		return d.typed(msg)
	}
	return nil
}

// typed takes a key or a paste while a dialog is open. While a call is under
// way there is nothing to decide.
func (d *pairDialogs) typed(msg tea.Msg) tea.Cmd {
	if d.call == nil {
		return d.open.Update(msg)
	}
	if press, ok := msg.(tea.KeyPressMsg); ok && d.call.abandonable && key.Matches(press, d.keys.Cancel) {
		d.call = nil
	}
	return nil
}

// show takes what a snapshot knows of pairs and interfaces.
func (d *pairDialogs) show(msg snapshotMsg) tea.Cmd {
	d.pairs, d.interfaces = msg.CrossConnects, msg.Interfaces
	if d.open != nil {
		d.open.Refresh()
	}
	if !d.possible() {
		return nil
	}
	return d.trial.follow(msg.CrossConnects, msg.PairsTime)
}

// fail says what went wrong, in one line.
func (d *pairDialogs) fail(err error) {
	d.notice = strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

func (d *pairDialogs) close() { d.open = nil }

// changed notes the end of a change. trial is for how long it is on trial.
func (d *pairDialogs) changed(undoable bool, trial time.Duration) tea.Cmd {
	d.close()
	d.undoable = undoable
	return d.trial.set(trial)
}

// Keys are those of the dialog, or those that work in every pane.
func (d *pairDialogs) Keys() []key.Binding {
	switch {
	case d.open != nil && d.call != nil:
		return []key.Binding{d.keys.QuitAtAllTimes}
	case d.open != nil:
		return d.open.Keys()
	case d.undoable && !d.trial.running():
		return []key.Binding{d.keys.Connect, d.keys.Undo}
	}
	return []key.Binding{d.keys.Connect}
}

// mayChange refuses what cannot be, and says why.
func (d *pairDialogs) mayChange() bool {
	switch {
	case d.call != nil:
		return false
	case d.trial.running():
		d.notice = "a trial is under way: c confirms it, u takes it back"
		return false
	}
	return d.possible()
}

// mayChangePair is mayChange for a pair that there is.
func (d *pairDialogs) mayChangePair(p *probes.CrossConnect) bool {
	switch {
	case p.Origin == probes.OriginOther:
		d.notice = pairName(p) + " belongs to " + pairOrigin(p) + ": only that one can change it"
		return false
	case p.Removed:
		d.notice = pairName(p) + " is removed on trial: u takes that back"
		return false
	}
	return d.mayChange()
}
