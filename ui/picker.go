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
	keys   KeyMap
	input  input
	source func() []candidate // all there are now
	rows   []candidate        // those that match what is typed
	all    []candidate
	cursor cursor[string]
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

func newPicker(keys KeyMap, ascii bool, source func() []candidate) *picker {
	return &picker{keys: keys, input: newInput(ascii), source: source}
}

// enter begins anew, on what was chosen before.
func (p *picker) enter() {
	p.input.Reset()
	p.input.Focus()
	p.refresh()
	p.point(p.chosen)
	p.meant = false
}

func (p *picker) keyAt(i int) (string, bool) {
	if i < 0 || i >= len(p.rows) {
		return "", false
	}
	return p.rows[i].name, true
}

// refresh takes the interfaces as they are now.
func (p *picker) refresh() {
	p.all = p.source()
	p.narrow()
	p.cursor.follow(len(p.rows), indexIn(len(p.rows), p.keyAt), p.keyAt)
}

// narrow keeps what matches. A name that nobody has can be waited for.
func (p *picker) narrow() {
	text := strings.TrimSpace(p.input.Value())
	lower := strings.ToLower(text)
	exact := text == ""
	p.rows = p.rows[:0]
	for _, c := range p.all {
		if strings.Contains(strings.ToLower(c.name), lower) {
			p.rows = append(p.rows, c)
		}
		exact = exact || c.name == text
	}
	if !exact && validName(text) {
		p.rows = append(p.rows, candidate{name: text, note: "waits for " + text})
	}
}

// point moves the cursor to an interface, or else to the first row: of the
// letters typed so far hardly ever is one meant that does not exist.
func (p *picker) point(name string) {
	p.cursor = cursor[string]{page: p.cursor.page}
	if i, ok := indexIn(len(p.rows), p.keyAt)(name); ok && p.rows[i].iface != nil {
		p.cursor.index = i
	}
	p.cursor.pin(p.keyAt)
}

func (p *picker) press(msg tea.Msg) {
	if press, ok := msg.(tea.KeyPressMsg); ok {
		arrows := p.keys.arrowsOnly()
		if p.cursor.update(press, &arrows, len(p.rows), p.keyAt) {
			p.meant = true
			return
		}
	}
	if changed, _ := p.input.press(msg); changed {
		p.narrow()
		text := strings.TrimSpace(p.input.Value())
		p.point(text)
		p.meant = text != ""
	}
}

// leave chooses what is under the cursor if that is meant, or says why that
// cannot be.
func (p *picker) leave() string {
	if p.meant {
		name, ok := p.keyAt(p.cursor.index)
		switch {
		case !ok && p.input.Value() != "":
			return "no interface is called so, and none can be"
		case !ok:
			return "there is no interface to choose"
		case p.rows[p.cursor.index].taken != "":
			return name + " " + p.rows[p.cursor.index].taken
		}
		p.chosen = name
	}
	p.input.Blur()
	return ""
}

func (p *picker) bindings() []key.Binding {
	return []key.Binding{p.keys.Choose}
}

// line is what is typed, or else what is chosen, with its rates.
func (p *picker) line(s *Styles, focused bool, width int) string {
	if focused {
		out := s.Brand.Paint("/") + " " + p.input.line(s)
		if p.input.Value() == "" && p.chosen != "" {
			out += " " + s.Faint.Paint("now "+s.Escape(p.chosen))
		}
		return out
	}
	for i := range p.all {
		if c := &p.all[i]; c.name == p.chosen {
			t := newTable(s, width, p.columns())
			return strings.TrimPrefix(t.row(p.row(s, c), width, false), " ")
		}
	}
	if p.chosen == "" {
		return s.Faint.Paint("none")
	}
	return s.Escape(p.chosen) + "  " + s.Warn.Paint("does not exist: the pair waits for it")
}

func (p *picker) columns() []column {
	return []column{
		{title: "", width: 1},
		{title: "interface", width: 10, grow: 3, limit: 16},
		{title: "rx bit/s", width: 8, right: true},
		{title: "tx bit/s", width: 8, right: true},
		{title: "", width: 14, grow: 4, drop: 1},
	}
}

func (p *picker) row(s *Styles, c *candidate) []cell {
	note := cell{text: c.note, ink: s.Faint}
	if c.taken != "" {
		note = cell{text: c.taken, ink: s.Warn}
	}
	if c.iface == nil {
		return []cell{{safe: s.Glyphs.Unknown, ink: s.Warn}, {text: c.name, ink: s.Text}, {}, {}, note}
	}
	dot, ink := stateGlyph(s, c.iface.State)
	return []cell{
		{safe: dot, ink: ink}, {text: c.name, ink: s.Text},
		number(s, c.iface.RXBPS), number(s, c.iface.TXBPS), note,
	}
}

// below is the list.
func (p *picker) below(a area) []string {
	s := a.Styles
	if len(p.rows) == 0 {
		return empty(a, "no interface matches")
	}
	t := newTable(s, a.Width, p.columns())
	var out []string
	if a.Height > 4 {
		out = append(out, t.heading())
	}
	from, to := p.cursor.window(a.Height-len(out), len(p.rows))
	for i := from; i < to; i++ {
		out = append(out, t.row(p.row(s, &p.rows[i]), a.Width, i == p.cursor.index))
	}
	return out
}

// validName reports whether the kernel would let an interface be called so
// (dev_valid_name() in net/core/dev.c).
func validName(name string) bool {
	return name != "" && len(name) < 16 && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/: \t\n\v\f\r")
}
