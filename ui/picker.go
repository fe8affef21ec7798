package ui

import (
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// picker is a field of the form that chooses an interface: what is typed
// narrows the list below, the arrows choose in it.
type picker struct {
	keys   keyMap
	input  *input
	source func() []candidate // all there are now
	all    []candidate
	list   list[string, candidate] // those that match what is typed, by name
	chosen string
	meant  bool // what is under the cursor, rather than what was chosen before
}

// candidate is an interface that could be chosen.
type candidate struct {
	name  string
	iface *probes.Interface // nil: there is none of this name
	taken string            // why it cannot be chosen
	note  string
}

func newPicker(keys keyMap, ascii bool, source func() []candidate) *picker {
	return &picker{keys: keys, input: newInput(ascii), source: source, list: list[string, candidate]{
		key:         func(c *candidate) string { return c.name },
		headingFrom: 5,
	}}
}

// enter begins anew, on what was chosen before.
func (p *picker) enter() {
	p.input.Reset()
	p.input.Focus()
	p.refresh()
	p.point(p.chosen)
	p.meant = false
}

// refresh takes the interfaces as they are now.
func (p *picker) refresh() {
	p.all = p.source()
	rows := p.matching()
	p.list.show(rows, len(rows))
}

// matching are the interfaces whose names hold what is typed. A name that
// nobody has can be waited for.
func (p *picker) matching() []candidate {
	text := strings.TrimSpace(p.input.Value())
	lower := strings.ToLower(text)
	exact := text == ""
	rows := p.list.rows[:0]
	for _, c := range p.all {
		if strings.Contains(strings.ToLower(c.name), lower) {
			rows = append(rows, c)
		}
		exact = exact || c.name == text
	}
	if !exact && probes.CheckInterfaceName(text) == nil {
		rows = append(rows, candidate{name: text, note: "waits for " + text})
	}
	return rows
}

// point moves the cursor to an interface, or else to the first row, because while
// somebody types, the letters so far hardly ever mean a new interface.
func (p *picker) point(name string) {
	i, ok := p.list.search(name)
	if !ok || p.list.at(i).iface == nil {
		i = 0
	}
	p.list.choose(i)
}

func (p *picker) press(msg tea.Msg) {
	if press, ok := msg.(tea.KeyPressMsg); ok {
		arrows := p.keys.arrowsOnly()
		if p.list.press(press, &arrows) {
			p.meant = true
			return
		}
	}
	if p.input.press(msg) {
		rows := p.matching()
		p.list.show(rows, len(rows))
		text := strings.TrimSpace(p.input.Value())
		p.point(text)
		p.meant = text != ""
	}
}

// leave chooses what is under the cursor if that is meant, or says why that
// cannot be.
func (p *picker) leave() string {
	if p.meant {
		c := p.list.selected()
		switch {
		case c == nil && p.input.Value() != "":
			return "no interface is called so, and none can be"
		case c == nil:
			return "there is no interface to choose"
		case c.taken != "":
			return c.name + " " + c.taken
		}
		p.chosen = c.name
	}
	p.input.Blur()
	return ""
}

func (p *picker) bindings() []key.Binding {
	return []key.Binding{p.keys.Choose}
}

// line shows the text being typed, or else the chosen interface with its rates.
func (p *picker) line(s *styleSet, focused bool, width int) string {
	if focused {
		out := s.Brand.Paint("/") + " " + p.input.line(s)
		if p.input.Value() == "" && p.chosen != "" {
			out += " " + s.Faint.Paint("now "+s.Escape(p.chosen))
		}
		return out
	}
	for i := range p.all {
		if c := &p.all[i]; c.name == p.chosen {
			t := newTable(s, width, candidateColumns())
			return strings.TrimPrefix(t.row(c, width, false), " ")
		}
	}
	if p.chosen == "" {
		return s.Faint.Paint("none")
	}
	return s.Escape(p.chosen) + "  " + s.Warn.Paint("does not exist: the pair waits for it")
}

func candidateColumns() []column[candidate] {
	return []column[candidate]{
		{title: "", width: 1, cell: func(at slot, c *candidate) cell {
			if c.iface == nil {
				return cell{safe: at.styles.glyphs.Unknown, ink: at.styles.Warn}
			}
			glyph, ink := stateGlyph(at.styles, c.iface.State)
			return cell{safe: glyph, ink: ink}
		}},
		{title: "interface", width: 10, grow: 3, limit: 16, cell: func(at slot, c *candidate) cell {
			return cell{text: c.name, ink: at.styles.Text}
		}},
		{title: "rx", width: 8, right: true, isRate: true, cell: func(at slot, c *candidate) cell {
			if c.iface == nil {
				return cell{}
			}
			return number(at.styles, c.iface.RXBPS)
		}},
		{title: "tx", width: 8, right: true, isRate: true, cell: func(at slot, c *candidate) cell {
			if c.iface == nil {
				return cell{}
			}
			return number(at.styles, c.iface.TXBPS)
		}},
		{title: "", width: 14, grow: 4, drop: 1, cell: func(at slot, c *candidate) cell {
			if c.taken != "" {
				return cell{text: c.taken, ink: at.styles.Warn}
			}
			return cell{text: c.note, ink: at.styles.Faint}
		}},
	}
}

// below is the list.
func (p *picker) below(a area) []string {
	if p.list.total == 0 {
		return empty(a, "no interface matches")
	}
	return p.list.lines(a, candidateColumns(), nil, nil)
}
