package ui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// crossConnectsPane lists the pairs of interfaces that are wired together, all
// there are in the network namespace.
type crossConnectsPane struct {
	keys    KeyMap
	dialogs *pairDialogs
	rows    []probes.CrossConnect
	links   string // what is wrong with the file of links
	cursor  cursor[pairKey]
	fresh   bool
}

// pairKey identifies a row. A trial that replaces a pair has two of its name.
type pairKey struct {
	a, b    string
	removed bool
}

func newCrossConnectsPane(keys KeyMap, d *pairDialogs) *crossConnectsPane {
	return &crossConnectsPane{keys: keys, dialogs: d}
}

func (p *crossConnectsPane) Name() string { return "Cross-connects" }

func (p *crossConnectsPane) Keys() []key.Binding {
	if len(p.rows) == 0 {
		return nil
	}
	return []key.Binding{p.keys.Edit, p.keys.Disconnect}
}

func (p *crossConnectsPane) keyAt(i int) (pairKey, bool) {
	if i < 0 || i >= len(p.rows) {
		return pairKey{}, false
	}
	return pairKey{p.rows[i].A, p.rows[i].B, p.rows[i].Removed}, true
}

func (p *crossConnectsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.rows, p.links, p.fresh = msg.CrossConnects, msg.LinksProblem, true
		p.cursor.follow(len(p.rows), indexIn(len(p.rows), p.keyAt), p.keyAt)
	case tea.KeyPressMsg:
		if p.cursor.update(msg, &p.keys, len(p.rows), p.keyAt) || len(p.rows) == 0 {
			return nil
		}
		switch pair := &p.rows[p.cursor.index]; {
		case key.Matches(msg, p.keys.Edit):
			return p.dialogs.edit(pair)
		case key.Matches(msg, p.keys.Disconnect):
			return p.dialogs.remove(pair)
		}
	}
	return nil
}

func (p *crossConnectsPane) columns(width int) []column {
	pair := 13
	if width < 40 {
		pair = max(8, min(width-22, 20))
	}
	return []column{
		{title: "", width: 1},
		{title: "pair", width: pair, grow: 6, limit: 35},
		{title: "state", width: 7, drop: 6},
		{title: "datapath", width: 8, grow: 1, limit: 23, drop: 7},
		{title: "-> bit/s", width: 8, right: true, drop: 4},
		{title: "<- bit/s", width: 8, right: true, drop: 4},
		{title: "drops", width: 6, right: true, drop: 5},
		{title: "origin", width: 12, grow: 1, limit: 15, drop: 8},
	}
}

func (p *crossConnectsPane) View(a area) view {
	v := view{Title: p.Name()}
	s := a.Styles
	if len(p.rows) == 0 {
		v.Lines = append(empty(a, p.nothing()), remarks(a, p.ailments(s))...)
		return v
	}
	v.Info = s.Faint.Paint(count(uint64(len(p.rows))))
	if !p.dialogs.possible() {
		v.Info += s.Faint.Paint(s.Glyphs.Separator + "read only")
	}
	below := p.below(a)
	t := newTable(s, a.Width, p.columns(a.Width))
	if a.Height > 1 {
		v.Lines = append(v.Lines, t.heading())
	}
	end := a.Height - len(below)
	from, to := p.cursor.window(end-len(v.Lines), len(p.rows))
	for i := from; i < to; i++ {
		v.Lines = append(v.Lines, t.row(p.row(s, &t, &p.rows[i]), a.Width, a.Focused && i == p.cursor.index))
	}
	for below != nil && len(v.Lines) < end {
		v.Lines = append(v.Lines, "")
	}
	v.Lines = append(v.Lines, below...)
	return v
}

func (p *crossConnectsPane) nothing() string {
	switch {
	case !p.dialogs.possible():
		return "none (read only)"
	case !p.fresh:
		return "waiting for the first sample"
	}
	return "none: a connects two"
}

// below is what is wrong, and where the pane is zoomed all that is known of the
// pair under the cursor.
func (p *crossConnectsPane) below(a area) []string {
	if a.Zoomed {
		var lines []string
		if p.links != "" {
			lines = remarks(a, p.ailments(a.Styles)[:1])
		}
		lines = append(lines, details(a, p.details(a.Styles, &p.rows[p.cursor.index]))...)
		return lines[:min(len(lines), max(0, a.Height-4))]
	}
	lines := remarks(a, p.ailments(a.Styles))
	if a.Height < 4 {
		return nil
	}
	return lines[:min(len(lines), max(1, a.Height-1-len(p.rows)), a.Height-2)]
}

// ailments are what is wrong with the file of links, and with the pair under
// the cursor or else the first one that something is wrong with.
func (p *crossConnectsPane) ailments(s *Styles) []remark {
	var out []remark
	if p.links != "" {
		out = append(out, remark{text: p.links, ink: s.Bad})
	}
	if c := p.ailing(); c != nil {
		out = append(out, remark{text: pairName(c) + ": " + problem(c), ink: s.Warn})
	}
	return out
}

// ailing is the pair to be told about, nil if all are well.
func (p *crossConnectsPane) ailing() *probes.CrossConnect {
	if i := p.cursor.index; i < len(p.rows) && problem(&p.rows[i]) != "" {
		return &p.rows[i]
	}
	for i := range p.rows {
		if problem(&p.rows[i]) != "" {
			return &p.rows[i]
		}
	}
	return nil
}

func (p *crossConnectsPane) row(s *Styles, t *table, c *probes.CrossConnect) []cell {
	glyph, ink := pairGlyph(s, c)
	return []cell{
		{safe: glyph, ink: ink},
		{safe: fitPair(s, c, t.columns[1].width), ink: s.Text},
		{text: pairState(c), ink: ink},
		{text: datapaths(c), ink: s.Text},
		number(s, c.AToB.BPS), number(s, c.BToA.BPS),
		trouble(s, c.AToB.Dropped+c.BToA.Dropped),
		{text: pairOrigin(c), ink: s.Faint},
	}
}

// details is all that is known of one pair.
func (p *crossConnectsPane) details(s *Styles, c *probes.CrossConnect) [][2]string {
	out := [][2]string{{"pair", s.Escape(pairName(c) + ", " + pairState(c) + ", " + fate(c))}}
	if c.Reason != "" {
		out = append(out, [2]string{"reason", s.Escape(c.Reason)})
	}
	out = append(out, wayDetails(s, c.A+" to "+c.B, &c.AToB)...)
	if c.A != c.B {
		out = append(out, wayDetails(s, c.B+" to "+c.A, &c.BToA)...)
	}
	return out
}

func wayDetails(s *Styles, name string, w *probes.Way) [][2]string {
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
	return [][2]string{
		{s.Escape(name), s.Escape(by) + ", now " + siUnit(w.PPS, "pps") + ", " + siUnit(w.BPS, "bit/s")},
		{"", s.Escape(fmt.Sprintf("%s packets in (%s), %s out, %s", count(w.Packets), siUnit(float64(w.Bytes), "B"), count(w.Out()), lost))},
	}
}
