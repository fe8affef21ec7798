package ui

import (
	"fmt"
	"slices"
	"strconv"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// crossConnectsPane lists the pairs of interfaces that are connected, all
// there are in the network namespace.
type crossConnectsPane struct {
	keys    keyMap
	dialogs *pairDialogs
	list    list[snapshot.PairKey, probes.CrossConnect]
	general []remark // what is wrong, but with no pair
	hidden  int      // pairs of other interfaces than what is narrowed to
	unknown bool     // there may be pairs that are not listed
}

func newCrossConnectsPane(keys keyMap, d *pairDialogs, ascii bool) *crossConnectsPane {
	return &crossConnectsPane{keys: keys, dialogs: d, list: list[snapshot.PairKey, probes.CrossConnect]{
		key:         snapshot.PairKeyOf,
		describe:    describePair,
		detailsRoom: mostOf,
		headingFrom: 2,
		filter:      newInput(ascii),
		language:    snapshot.PairFilter,
	}}
}

func (p *crossConnectsPane) Name() string { return "Cross-connects" }

func (p *crossConnectsPane) Keys() []key.Binding {
	now := p.list.keysNow(&p.keys)
	if p.list.total == 0 || p.typing() {
		return now
	}
	return append([]key.Binding{p.keys.Edit, p.keys.Disconnect}, now...)
}

func (p *crossConnectsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.note(msg)
		p.list.show(msg.PairRows, len(msg.PairRows))
		p.hidden = msg.Pairs - len(msg.PairRows)
	case tea.PasteMsg:
		p.list.typed(msg)
	case tea.KeyPressMsg:
		pair := p.list.selected()
		switch {
		case p.list.press(msg, &p.keys), pair == nil:
		case key.Matches(msg, p.keys.Edit):
			return p.dialogs.edit(pair)
		case key.Matches(msg, p.keys.Disconnect):
			return p.dialogs.remove(pair)
		}
	}
	return nil
}

func (p *crossConnectsPane) columns(width int) []column[probes.CrossConnect] {
	pair := 13
	if width < 40 {
		pair = max(8, min(width-22, 20))
	}
	return []column[probes.CrossConnect]{
		{title: "", width: 1, cell: func(at slot, c *probes.CrossConnect) cell {
			glyph, ink := pairGlyph(at.styles, c)
			return cell{safe: glyph, ink: ink}
		}},
		{title: "pair", width: pair, grow: 6, limit: 35, cell: func(at slot, c *probes.CrossConnect) cell {
			return cell{safe: fitPair(at.styles, c, at.width), ink: at.styles.Text}
		}},
		{title: "state", width: 7, drop: 6, cell: func(at slot, c *probes.CrossConnect) cell {
			_, ink := pairGlyph(at.styles, c)
			return cell{text: pairState(c), ink: ink}
		}},
		{title: "datapath", width: 8, grow: 1, limit: 23, drop: 7, cell: func(at slot, c *probes.CrossConnect) cell {
			return cell{text: datapaths(c), ink: at.styles.Text}
		}},
		{title: "->", width: 8, right: true, isRate: true, drop: 4, cell: rates(func(c *probes.CrossConnect) float64 { return c.AToB.BPS })},
		{title: "<-", width: 8, right: true, isRate: true, drop: 4, cell: rates(func(c *probes.CrossConnect) float64 { return c.BToA.BPS })},
		{title: "drops", width: 6, right: true, drop: 5, cell: func(at slot, c *probes.CrossConnect) cell {
			return trouble(at.styles, c.AToB.Dropped+c.BToA.Dropped)
		}},
		{title: "origin", width: 12, grow: 1, limit: 15, drop: 8, cell: faint(pairOrigin)},
	}
}

func (p *crossConnectsPane) View(a area) view {
	v := view{Title: p.Name()}
	s := a.styleSet
	if p.list.total == 0 {
		v.Lines = append(append(p.list.filterLine(a), empty(a, p.nothing(a.Width))...), remarks(a, p.problems(s))...)
		return v
	}
	text := count(uint64(p.list.total))
	if p.hidden > 0 {
		text += " of " + count(uint64(p.list.total+p.hidden))
	}
	v.Info = s.Faint.Paint(text)
	if !p.dialogs.possible() {
		v.Info += s.Faint.Paint(s.glyphs.Separator + "read only")
	}
	v.Lines = p.list.lines(a, p.columns(a.Width), p.list.filterLine(a), p.below(a))
	v.Scroll = p.list.scroll()
	return v
}

// nothing says why there are no pairs, and what to do in as many words as have room.
func (p *crossConnectsPane) nothing(width int) string {
	invitation := "no pairs yet: press a to add one"
	switch {
	case !p.dialogs.possible():
		return "none (read only)"
	case !p.list.fresh:
		return "waiting for the first sample"
	case p.hidden > 0 && p.list.filtered():
		return "no pair of " + strconv.Itoa(p.hidden) + " matches the filter: esc clears it"
	case p.hidden > 0:
		return "none of " + strconv.Itoa(p.hidden) + " is of what is narrowed to"
	case p.unknown:
		invitation = "none of ours: press a to add one"
	}
	if width-2 < len(invitation) {
		return "none: press a to add"
	}
	return invitation
}

// below returns the lines below the table: the problems, and if the pane is zoomed all
// details of the pair under the cursor.
func (p *crossConnectsPane) below(a area) []string {
	if a.Zoomed {
		return p.list.details(a, remarks(a, p.problems(a.styleSet)[:len(p.general)]))
	}
	if a.Height < 4 {
		return nil
	}
	lines := remarks(a, p.problems(a.styleSet))
	return lines[:min(len(lines), max(1, a.Height-1-p.list.total), a.Height-2)]
}

// note takes what is wrong from a snapshot.
func (p *crossConnectsPane) note(shown snapshotMsg) {
	p.general, p.unknown = nil, shown.OthersUnknown != ""
	addLine := func(text string) { p.general = append(p.general, remark{text: text}) }
	if shown.LinksProblem != "" {
		addLine(shown.LinksProblem)
	}
	switch {
	case shown.KeptUnknown:
		addLine(shown.OthersUnknown)
	case shown.OthersUnknown != "":
		addLine("pairs and programs of other processes are not known: " + shown.OthersUnknown)
	}
	if shown.InspectorNews != "" {
		addLine(shown.InspectorNews)
	}
}

// problems are what is wrong in general, and with the pair under the cursor or else the
// first one that something is wrong with.
func (p *crossConnectsPane) problems(s *styleSet) []remark {
	out := slices.Clone(p.general)
	for i := range out {
		out[i].ink = s.Bad
	}
	if c := p.troubled(); c != nil {
		out = append(out, remark{text: pairName(c) + ": " + problem(c), ink: s.Warn})
	}
	return out
}

// troubled returns the pair whose problem is shown, nil if all are well.
func (p *crossConnectsPane) troubled() *probes.CrossConnect {
	if c := p.list.selected(); c != nil && problem(c) != "" {
		return c
	}
	for i := range p.list.rows {
		if c := p.list.at(i); problem(c) != "" {
			return c
		}
	}
	return nil
}

// describePair is all that is known of one pair.
func describePair(a area, c *probes.CrossConnect) []fact {
	s := a.styleSet
	out := []fact{{name: "pair", value: s.Escape(pairName(c) + ", " + pairState(c) + ", " + fate(c))}}
	if c.Reason != "" {
		out = append(out, fact{name: "reason", value: s.Escape(c.Reason)})
	}
	out = append(out, wayDetails(s, c.A+" to "+c.B, &c.AToB)...)
	if c.A != c.B {
		out = append(out, wayDetails(s, c.B+" to "+c.A, &c.BToA)...)
	}
	return out
}

func wayDetails(s *styleSet, name string, w *probes.Leg) []fact {
	by := "no datapath"
	if w.Datapath != "" {
		by = "by " + string(w.Datapath)
	}
	if w.DatapathReason != "" {
		by += ": " + w.DatapathReason
	}
	lost := "none dropped"
	if w.Dropped > 0 {
		lost = count(w.Dropped) + " dropped"
		if w.DropReason != "" {
			lost += ": " + w.DropReason
		}
	}
	return []fact{
		{name: s.Escape(name), value: s.Escape(by) + ", now " + siUnit(w.PPS, "pps") + ", " + s.units.rate(w.BPS)},
		{value: s.Escape(fmt.Sprintf("%s packets in (%s), %s out, %s", count(w.Packets), s.units.size(w.Bytes), count(w.Out()), lost))},
	}
}

func (p *crossConnectsPane) copy(s *styleSet) copied {
	return p.list.copy(s, p.columns(copyWidth), func(c *probes.CrossConnect) any { return c })
}

func (p *crossConnectsPane) Subject() (subject snapshot.Subject) {
	if c := p.list.selected(); c != nil {
		subject = snapshot.Subject{Kind: snapshot.OfPair, Pair: snapshot.PairKeyOf(c)}
	}
	return subject
}

func (p *crossConnectsPane) Selected() *snapshot.Detail {
	if row := p.list.selected(); row != nil {
		return &snapshot.Detail{Pair: row}
	}
	return nil
}

func (p *crossConnectsPane) filtered() bool { return p.list.filtered() }

func (p *crossConnectsPane) typing() bool { return p.list.typing() }

func (p *crossConnectsPane) back() bool { return p.list.back() }

// ask puts what this pane wants to see into q.
func (p *crossConnectsPane) ask(q *snapshot.Query) { q.Pairs = p.list.wish() }

func (p *crossConnectsPane) rows() clickable { return &p.list }
