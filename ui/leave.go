package ui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// leave ends the program, but asks first where that takes pairs down.
func (d *pairDialogs) leave() tea.Cmd {
	if d.call != nil {
		return nil // its end is worth the wait; Ctrl-C twice does not wait
	}
	n := countEnding(d.pairs)
	var lines []remark
	if n > 0 {
		lines = append(lines, remark{text: fmt.Sprintf("%s up. Remove, or keep after exit?", plural(n, "pair is", "pairs are"))})
	}
	if d.trial.running() {
		lines = append(lines, remark{text: "A trial is under way. Leaving takes it back: the pairs before it come back."})
	}
	quit := func() tea.Cmd { return tea.Quit }
	switch {
	case !d.possible() || lines == nil:
		return tea.Quit
	case n == 0:
		d.ask("Leave?", lines, answer{named(d.keys.Yes, "leave"), quit}).isLeave = true
	default:
		d.ask("Leave?", lines, answer{d.keys.RemoveAll, quit}, answer{d.keys.KeepAll, d.keepAll}).isLeave = true
	}
	return nil
}

// isLeaving tells whether it has been asked how to leave.
func (d *pairDialogs) isLeaving() bool {
	q, ok := d.open.(*question)
	return ok && q.isLeave
}

// countEnding counts the pairs that would end with the program.
func countEnding(pairs []probes.CrossConnect) (n int) {
	for i := range pairs {
		p := &pairs[i]
		// What a trial has added goes with the trial.
		added := p.State == probes.PairOnTrial && !p.Removed
		if p.Origin == probes.OriginScreen && !p.Kept && !added {
			n++
		}
	}
	return n
}

func (d *pairDialogs) keepAll() tea.Cmd {
	return d.start(call{doing: "keeping", then: func() tea.Cmd {
		return tea.Quit
	}}, probes.PairEditor.KeepAll)
}

func named(b key.Binding, desc string) key.Binding {
	b.SetHelp(b.Help().Key, desc)
	return b
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(uint64(n)) + " " + many
}
