package ui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// remove asks whether a pair is to go.
func (d *pairDialogs) remove(p *probes.CrossConnect) tea.Cmd {
	if !d.mayChangePair(p) {
		return nil
	}
	pair := requested(p)
	do := func(c probes.Change) func() tea.Cmd {
		return func() tea.Cmd {
			return d.start(call{doing: "removing", then: func() tea.Cmd {
				return d.changed(true, c.Trial)
			}}, func(editor probes.PairEditor) error { return editor.Apply(c) })
		}
	}
	d.ask("Remove "+pairName(p)+"?", removalRemarks(p),
		answer{d.keys.Yes, do(probes.Change{Remove: &pair})},
		answer{d.keys.OnTrial, do(probes.Change{Remove: &pair, Trial: defaultTrial})})
	return nil
}

// removalRemarks describes what the removal will do.
func removalRemarks(p *probes.CrossConnect) []remark {
	text := "No frame goes from " + p.A + " to " + p.B + " or back any more, and this host answers on both again."
	if p.A == p.B {
		text = p.A + " sends no frame back any more, and this host answers on it again."
	}
	out := []remark{{text: text}}
	if p.State == probes.PairWaiting {
		out = []remark{{text: "It waits for an interface and carries nothing."}}
	}
	if p.Origin == probes.OriginFile {
		out = append(out, remark{text: "The file that it is from does not change: it comes back when that is read again."})
	}
	return append(out, remark{text: "On trial it comes back after " + short(defaultTrial) + " unless confirmed."})
}

// requested returns the pair as it was requested.
func requested(p *probes.CrossConnect) probes.Pair {
	return probes.Pair{A: p.A, B: p.B, AToB: p.AToB.Requested, BToA: p.BToA.Requested}
}
