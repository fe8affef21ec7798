package ui

import (
	"slices"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// pairDialogs is the part of the screen that changes cross-connects: the dialog that is
// open, and what it has to know of pairs and interfaces.
type pairDialogs struct {
	pairCalls
	keys  keyMap
	ascii bool

	pairs      []probes.CrossConnect
	interfaces []probes.Interface
	open       dialog // nil if none is open
	at         place  // where it was drawn last
	undoable   bool   // this screen has made a change
	trial      trial
	isPast     bool // the screen shows the past, in which nothing can be changed
}

func newPairDialogs(keys keyMap, opts *Options) *pairDialogs {
	return &pairDialogs{
		pairCalls: pairCalls{line: &patchLine{editor: opts.Pairs}},
		keys:      keys, ascii: opts.ASCII, trial: trial{now: opts.now},
	}
}

// Update handles the messages that the root does not, and all keys while a dialog is open.
func (d *pairDialogs) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		return d.show(msg)
	case tickMsg:
		return d.trial.ticked()
	case calledMsg:
		return d.end(msg)
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
	// Pairs stay in the network namespace that ebpftop is in, whose interfaces come first.
	others := slices.IndexFunc(msg.Interfaces, func(i probes.Interface) bool { return i.NetNS != "" })
	if d.pairs, d.interfaces = msg.CrossConnects, msg.Interfaces; others >= 0 {
		d.interfaces = msg.Interfaces[:others]
	}
	if d.open != nil {
		d.open.Refresh()
	}
	if !d.possible() {
		return nil
	}
	return d.trial.follow(msg.CrossConnects, msg.PairsTime)
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
		return []key.Binding{d.keys.Interrupt}
	case d.open != nil:
		return d.open.Keys()
	case d.isPast && !d.trial.running():
		return nil // nothing can be changed there
	case d.undoable && !d.trial.running():
		return []key.Binding{d.keys.Undo, d.keys.Connect}
	}
	return []key.Binding{d.keys.Connect}
}

// mayChange refuses what cannot be, and says why.
func (d *pairDialogs) mayChange() bool {
	switch {
	case d.call != nil:
		return false
	case d.isPast:
		d.notice = "this is the past: space goes to now, where pairs can be changed"
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
	case d.isPast: // is said first
	case p.Origin == probes.OriginOther:
		d.notice = pairName(p) + " belongs to " + pairOrigin(p) + ": only that one can change it"
		return false
	case p.Removed:
		d.notice = pairName(p) + " is removed on trial: u takes that back"
		return false
	}
	return d.mayChange()
}
