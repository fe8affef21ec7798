package ui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// interfacesPane lists the network interfaces, the busiest first, and what passes through
// each.
type interfacesPane struct {
	keys  keyMap
	list  list[int, probes.Interface] // by ifindex
	scope string                      // the interface the other panes are narrowed to
	index int                         // its ifindex, by which it is known if it is renamed
}

func newInterfacesPane(keys keyMap) *interfacesPane {
	return &interfacesPane{keys: keys, list: list[int, probes.Interface]{
		key:         func(i *probes.Interface) int { return i.Ifindex },
		describe:    describeInterface,
		detailsRoom: mostOf,
	}}
}

func (p *interfacesPane) Name() string { return "Interfaces" }

func (p *interfacesPane) Keys() []key.Binding { return []key.Binding{p.keys.Scope} }

func (p *interfacesPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.list.show(msg.Busiest, len(msg.Busiest))
		p.followScope(msg.Busiest)
	case tea.KeyPressMsg:
		row := p.list.selected()
		if p.list.press(msg, &p.keys) || row == nil || !key.Matches(msg, p.keys.Scope) {
			return nil
		}
		if p.scope == row.Name {
			p.scope = ""
		} else {
			p.scope, p.index = row.Name, row.Ifindex
		}
	}
	return nil
}

// followScope follows the interface that the other panes are narrowed to: to another name,
// or, if it is gone and another one has its name, to that.
func (p *interfacesPane) followScope(rows []probes.Interface) {
	if p.scope == "" {
		return
	}
	at := slices.IndexFunc(rows, func(i probes.Interface) bool { return i.Ifindex == p.index })
	if at < 0 {
		at = slices.IndexFunc(rows, func(i probes.Interface) bool { return i.Name == p.scope })
	}
	if at >= 0 {
		p.scope, p.index = rows[at].Name, rows[at].Ifindex
	}
}

// back leaves the narrowing to one interface, and says whether there was any.
func (p *interfacesPane) back() bool {
	was := p.scope != ""
	p.scope = ""
	return was
}

func (p *interfacesPane) columns() []column[probes.Interface] {
	return []column[probes.Interface]{
		{title: "", width: 1, cell: func(at slot, i *probes.Interface) cell {
			glyph, ink := stateGlyph(at.styles, i.State)
			return cell{safe: glyph, ink: ink}
		}},
		{title: "name", width: 9, grow: 6, limit: 16, cell: func(at slot, i *probes.Interface) cell {
			if i.Name == p.scope {
				return cell{text: i.Name, ink: at.styles.Brand}
			}
			return cell{text: i.Name, ink: at.styles.Text}
		}},
		{title: "state", width: 7, drop: 6, cell: func(at slot, i *probes.Interface) cell {
			_, ink := stateGlyph(at.styles, i.State)
			return cell{text: i.State, ink: ink}
		}},
		{title: "hook", width: 10, grow: 1, limit: 11, drop: 7, cell: func(at slot, i *probes.Interface) cell {
			if i.Hook == probes.HookNone {
				return cell{text: "none", ink: at.styles.Warn}
			}
			return cell{text: string(i.Hook), ink: at.styles.Text}
		}},
		{title: "rx pps", width: 6, right: true, drop: 4, cell: numbers(func(i *probes.Interface) float64 { return i.RXPPS })},
		{title: "rx bit/s", width: 8, right: true, cell: numbers(func(i *probes.Interface) float64 { return i.RXBPS })},
		{title: "tx pps", width: 6, right: true, drop: 4, cell: numbers(func(i *probes.Interface) float64 { return i.TXPPS })},
		{title: "tx bit/s", width: 8, right: true, cell: numbers(func(i *probes.Interface) float64 { return i.TXBPS })},
		{title: "drops", width: 6, right: true, drop: 3, cell: func(at slot, i *probes.Interface) cell {
			return trouble(at.styles, i.Driver.RXDropped+i.Driver.TXDropped)
		}},
		{title: "unseen", width: 6, right: true, drop: 5, cell: func(at slot, i *probes.Interface) cell {
			return trouble(at.styles, i.UnseenRX+i.UnseenTX)
		}},
		{title: "malformed", width: 9, right: true, drop: 8, cell: func(at slot, i *probes.Interface) cell {
			return trouble(at.styles, i.Malformed)
		}},
	}
}

func (p *interfacesPane) View(a area) view {
	v := view{Title: p.Name()}
	switch {
	case !p.list.fresh:
		v.Lines = empty(a, "waiting for the first sample")
		return v
	case p.list.total == 0:
		v.Lines = empty(a, "no interfaces")
		return v
	}
	v.Info = a.styleSet.Faint.Paint(count(uint64(p.list.total)))
	v.Lines = p.list.lines(a, p.columns(), nil, p.list.details(a, nil))
	return v
}

func stateGlyph(s *styleSet, state string) (string, ink) {
	switch state {
	case "up":
		return s.glyphs.Up, s.Good
	case "down", "lowerlayerdown", "notpresent":
		return s.glyphs.Down, s.Bad
	default: // loopback and tunnels are "unknown" all their life
		return s.glyphs.Unknown, s.Faint
	}
}

// describeInterface is all that is known of one interface.
func describeInterface(a area, i *probes.Interface) [][2]string {
	s := a.styleSet
	addresses := make([]string, len(i.Addresses))
	for n, address := range i.Addresses {
		addresses[n] = address.String()
	}
	hook := string(i.Hook)
	if i.Hook == probes.HookNone {
		hook = "none"
	}
	if i.HookReason != "" {
		hook += ": " + i.HookReason
	}
	d := &i.Driver
	lines := [][2]string{
		{"interface", s.Escape(fmt.Sprintf("%s (index %d), %s, %s, MTU %d, %s",
			i.Name, i.Ifindex, orNone(i.Kind), i.State, i.MTU, orNone(i.MAC)))},
		{"hook", s.Escape(hook)},
		{"addresses", s.Escape(orNone(strings.Join(addresses, "  ")))},
		{"counted", totals("received", i.RXPackets, i.RXBytes) + "; " + totals("sent", i.TXPackets, i.TXBytes)},
		{"driver rx", totals("", d.RXPackets, d.RXBytes) + ", " + failures(d.RXDropped, d.RXErrors)},
		{"driver tx", totals("", d.TXPackets, d.TXBytes) + ", " + failures(d.TXDropped, d.TXErrors)},
		{"others", s.Escape(orNone(strings.Join(i.Foreign, ", ")))},
	}
	if i.Discrepancy != "" {
		lines = append(lines, [2]string{"unseen", s.Escape(i.Discrepancy)})
	}
	return lines
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
