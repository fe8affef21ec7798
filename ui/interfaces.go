package ui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// interfacesPane lists the network interfaces and what passes through each.
type interfacesPane struct {
	keys   KeyMap
	rows   []probes.Interface
	cursor cursor[int] // by ifindex
	scope  string      // the interface the other panes are narrowed to
	fresh  bool        // a frame has come
}

func newInterfacesPane(keys KeyMap) *interfacesPane { return &interfacesPane{keys: keys} }

func (p *interfacesPane) Name() string { return "Interfaces" }

func (p *interfacesPane) Keys() []key.Binding { return []key.Binding{p.keys.Scope} }

func (p *interfacesPane) keyAt(i int) (int, bool) {
	if i < 0 || i >= len(p.rows) {
		return 0, false
	}
	return p.rows[i].Ifindex, true
}

func (p *interfacesPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.rows, p.fresh = msg.Interfaces, true
		p.cursor.follow(len(p.rows), indexIn(len(p.rows), p.keyAt), p.keyAt)
	case tea.KeyPressMsg:
		if p.cursor.update(msg, &p.keys, len(p.rows), p.keyAt) || len(p.rows) == 0 {
			return nil
		}
		if key.Matches(msg, p.keys.Scope) {
			if name := p.rows[p.cursor.index].Name; p.scope == name {
				p.scope = ""
			} else {
				p.scope = name
			}
		}
	}
	return nil
}

// back leaves the narrowing to one interface, and says whether there was any.
func (p *interfacesPane) back() bool {
	was := p.scope != ""
	p.scope = ""
	return was
}

func (p *interfacesPane) columns() []column {
	return []column{
		{title: "", width: 1},
		{title: "name", width: 9, grow: 6, limit: 16},
		{title: "state", width: 7, drop: 6},
		{title: "hook", width: 4, grow: 1, limit: 11},
		{title: "rx pps", width: 6, right: true, drop: 4},
		{title: "rx bit/s", width: 8, right: true},
		{title: "tx pps", width: 6, right: true, drop: 4},
		{title: "tx bit/s", width: 8, right: true},
		{title: "drops", width: 6, right: true, drop: 3},
		{title: "malformed", width: 9, right: true, drop: 5},
	}
}

func (p *interfacesPane) View(a area) view {
	v := view{Title: p.Name()}
	switch {
	case !p.fresh:
		v.Lines = empty(a, "waiting for the first sample")
		return v
	case len(p.rows) == 0:
		v.Lines = empty(a, "no interfaces")
		return v
	}
	v.Info = a.Styles.Faint.Paint(count(uint64(len(p.rows))))
	var below []string
	if a.Zoomed && p.cursor.index < len(p.rows) {
		below = details(a, p.details(a.Styles, &p.rows[p.cursor.index]))
		below = below[:min(len(below), max(0, a.Height-4))]
	}
	t := newTable(a.Styles, a.Width, p.columns())
	v.Lines = append(v.Lines, t.heading())
	list := a.Height - 1 - len(below)
	from, to := p.cursor.window(list, len(p.rows))
	for i := from; i < to; i++ {
		v.Lines = append(v.Lines, t.row(p.row(a.Styles, &p.rows[i]), a.Width, a.Focused && i == p.cursor.index))
	}
	if below != nil {
		for len(v.Lines) < list+1 {
			v.Lines = append(v.Lines, "")
		}
		v.Lines = append(v.Lines, below...)
	}
	return v
}

func (p *interfacesPane) row(s *Styles, i *probes.Interface) []cell {
	dot, ink := stateGlyph(s, i.State)
	hook, hookInk := string(i.Hook), s.Text
	if i.Hook == probes.HookNone {
		hook, hookInk = "none", s.Warn
	}
	name := s.Text
	if i.Name == p.scope {
		name = s.Brand
	}
	return []cell{
		{safe: dot, ink: ink},
		{text: i.Name, ink: name},
		{text: i.State, ink: ink},
		{text: hook, ink: hookInk},
		number(s, i.RXPPS), number(s, i.RXBPS),
		number(s, i.TXPPS), number(s, i.TXBPS),
		trouble(s, i.Driver.RXDropped+i.Driver.TXDropped),
		trouble(s, i.Malformed),
	}
}

// number is a rate, zero less conspicuous than what moves.
func number(s *Styles, v float64) cell {
	if v == 0 {
		return cell{text: siColumn(v), ink: s.Faint}
	}
	return cell{text: siColumn(v), ink: s.Text}
}

// trouble is a count that should be zero.
func trouble(s *Styles, n uint64) cell {
	c := number(s, float64(n))
	if n > 0 {
		c.ink = s.Warn
	}
	return c
}

func stateGlyph(s *Styles, state string) (string, Ink) {
	switch state {
	case "up":
		return s.Glyphs.Up, s.Good
	case "down", "lowerlayerdown", "notpresent":
		return s.Glyphs.Down, s.Bad
	default: // loopback and tunnels are "unknown" all their life
		return s.Glyphs.Unknown, s.Faint
	}
}

// details is all that is known of one interface.
func (p *interfacesPane) details(s *Styles, i *probes.Interface) [][2]string {
	addresses := make([]string, len(i.Addresses))
	for n, a := range i.Addresses {
		addresses[n] = a.String()
	}
	hook := string(i.Hook)
	if i.Hook == probes.HookNone {
		hook = "none"
	}
	if i.HookReason != "" {
		hook += ": " + i.HookReason
	}
	d := &i.Driver
	return [][2]string{
		{"interface", s.Escape(fmt.Sprintf("%s (index %d), %s, %s, MTU %d, %s",
			i.Name, i.Ifindex, orNone(i.Kind), i.State, i.MTU, orNone(i.MAC)))},
		{"hook", s.Escape(hook)},
		{"addresses", s.Escape(orNone(strings.Join(addresses, "  ")))},
		{"counted", totals("received", i.RXPackets, i.RXBytes) + "; " + totals("sent", i.TXPackets, i.TXBytes)},
		{"driver rx", totals("", d.RXPackets, d.RXBytes) + ", " + failures(d.RXDropped, d.RXErrors)},
		{"driver tx", totals("", d.TXPackets, d.TXBytes) + ", " + failures(d.TXDropped, d.TXErrors)},
		{"others", s.Escape(orNone(strings.Join(i.Foreign, ", ")))},
	}
}

func totals(what string, packets, bytes uint64) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s packets, %s", what, count(packets), siUnit(float64(bytes), "B")))
}

func failures(dropped, errors uint64) string {
	return count(dropped) + " dropped, " + count(errors) + " errors"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
