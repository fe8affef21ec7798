package ui

import (
	"sync/atomic"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/probes"
)

// pairCalls calls probes.PairEditor outside of Update, and shows what is under way or went
// wrong.
type pairCalls struct {
	line   *patchLine
	call   *call  // nil if none is under way
	notice string // what went wrong, until the next key
	news   string // what went well, likewise

	interrupted bool // the last key was Ctrl-C
}

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
	// abandonable: because it changes nothing, nobody has to wait for its end.
	abandonable bool
	then        func() tea.Cmd // called in Update, unless the call failed
}

// calledMsg is the end of a call.
type calledMsg struct {
	call *call
	err  error
}

// possible reports whether pairs can be changed at all.
func (p *pairCalls) possible() bool { return p.line.editor != nil }

// start runs do outside of Update. It does nothing while another call is under way.
func (p *pairCalls) start(c call, do func(probes.PairEditor) error) tea.Cmd {
	if p.call != nil || !p.possible() {
		return nil
	}
	p.call = &c
	line := p.line
	return func() tea.Msg {
		if line.cut.Load() {
			return nil
		}
		return calledMsg{call: &c, err: do(line.editor)}
	}
}

// end goes on after a call, or says why it failed.
func (p *pairCalls) end(msg calledMsg) tea.Cmd {
	if msg.call != p.call {
		return nil // given up
	}
	p.call = nil
	if msg.err != nil {
		p.notice = probes.OneLine(msg.err)
		return nil
	}
	return msg.call.then()
}

// mostSaid bounds what a notice covers, in lines.
const mostSaid = 4

// status is the call under way, or else the notice.
func (p *pairCalls) status(s *styleSet, width int) []string {
	text, ink := p.notice, s.Bad
	if text == "" {
		text, ink = p.news, s.Strong
	}
	if p.call != nil {
		text, ink = p.call.doing+" ...", s.Strong
		if p.interrupted {
			text += " Ctrl-C once more leaves before that is done."
		}
	}
	if text == "" {
		return nil
	}
	var out []string
	for _, line := range wrap(s.Escape(text), width-2) {
		out = append(out, " "+ink.Paint(line)+blanks(width-1-ansi.StringWidth(line)))
	}
	return out[:min(len(out), mostSaid)]
}
