package ui

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// protocolsPane shows what the traffic is made of: of all interfaces, each frame once, or
// of the one the interfaces pane narrows to; both directions together, apart
// where there is room.
type protocolsPane struct {
	keys  keyMap
	list  list[string, snapshot.Protocol] // by name
	shown snapshot.Protocols
	spark func(*styleSet) sparkliner
}

func newProtocolsPane(keys keyMap, ascii bool) *protocolsPane {
	return &protocolsPane{keys: keys, spark: blocks, list: list[string, snapshot.Protocol]{
		key:    func(r *snapshot.Protocol) string { return r.Name },
		filter: newInput(ascii), language: snapshot.ProtocolFilter,
	}}
}

func blocks(s *styleSet) sparkliner { return blockSparkline{steps: s.glyphs.Spark} }

func (p *protocolsPane) Name() string { return "Protocols" }

func (p *protocolsPane) Keys() []key.Binding { return p.list.keysNow(&p.keys) }

func (p *protocolsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.shown = msg.Protocols
		p.list.show(p.shown.Rows, len(p.shown.Rows))
	case tea.PasteMsg:
		p.list.typed(msg)
	case tea.KeyPressMsg:
		p.list.press(msg, &p.keys)
	}
	return nil
}

// columns leave totals to a zoomed pane: they change at every refresh, and say
// little beside rates.
func (p *protocolsPane) columns(s *styleSet, zoomed bool) []column[snapshot.Protocol] {
	total, pps, history := 0, 6, 7
	if zoomed {
		total = 7
	}
	if p.shown.OfConnections { // not known of these
		pps, history = 0, 0
	}
	line := p.spark(s)
	return []column[snapshot.Protocol]{
		{title: "name", width: 6, grow: 1, limit: 14, cell: func(at slot, r *snapshot.Protocol) cell {
			return cell{text: r.Name, ink: at.styles.Text}
		}},
		{title: "pps", width: pps, right: true, cell: numbers((*snapshot.Protocol).PPS)},
		{width: 6, grow: 1, limit: 8, right: true, isRate: true, cell: rates((*snapshot.Protocol).BPS)},
		{title: "rx", width: 8, right: true, isRate: true, drop: 6, cell: rates(func(r *snapshot.Protocol) float64 { return r.RXBPS })},
		{title: "tx", width: 8, right: true, isRate: true, drop: 6, cell: rates(func(r *snapshot.Protocol) float64 { return r.TXBPS })},
		{title: "packets", width: total, right: true, drop: 7, cell: numbers(func(r *snapshot.Protocol) float64 { return float64(r.Packets) })},
		{title: "bytes", width: total, right: true, drop: 7, cell: amounts(func(r *snapshot.Protocol) uint64 { return r.Bytes })},
		{title: "%", width: 4, right: true, drop: 5, cell: func(at slot, r *snapshot.Protocol) cell { return share(at.styles, r.Share) }},
		{title: "share", width: 5, grow: 2, limit: 20, drop: 2, cell: func(at slot, r *snapshot.Protocol) cell {
			return cell{painted: bar(at.styles, r.Share, at.width, at.selected)}
		}},
		{title: "history", width: history, grow: 3, limit: snapshot.HistoryLength, drop: 1, cell: func(at slot, r *snapshot.Protocol) cell {
			text := line.line(r.History, at.width)
			if !at.selected {
				text = at.styles.Spark.Paint(text)
			}
			return cell{painted: text}
		}},
	}
}

func (p *protocolsPane) View(a area) view {
	s := a.styleSet
	rate := s.units.rate
	if a.Width < 50 {
		rate = s.units.shortRate // a column below has the unit
	}
	v := view{Title: titled(a, p.Name(), p.shown.Narrowed), Info: s.Faint.Paint("rx " + rate(p.shown.RXBPS) + "  tx " + rate(p.shown.TXBPS))}
	if p.list.total == 0 && p.list.filtered() {
		v.Lines = append(p.list.filterLine(a), empty(a, "no protocol of "+count(uint64(p.shown.Total))+" matches the filter: esc clears it")...)
		return v
	}
	if p.list.total == 0 {
		v.Info = ""
		if p.list.fresh && p.shown.OfConnections {
			v.Lines = empty(a, "no connections of "+s.Escape(p.shown.Narrowed)+" now")
		} else if p.list.fresh {
			v.Lines = empty(a, p.nothing())
		}
		return v
	}
	v.Lines = p.list.lines(a, p.columns(s, a.Zoomed), p.list.filterLine(a), nil)
	v.Scroll = p.list.scroll()
	if spare := a.Height - len(v.Lines) - 1; spare >= 2*minChart {
		v.Lines = append(v.Lines, "")
		v.Lines = append(v.Lines, p.chart(a, "received", p.shown.RX, spare/2)...)
		v.Lines = append(v.Lines, p.chart(a, "sent", p.shown.TX, spare-spare/2)...)
	} else if spare >= minChart {
		v.Lines = append(v.Lines, "")
		v.Lines = append(v.Lines, p.chart(a, "received", p.shown.RX, spare)...)
	}
	return v
}

// chart draws one with a scale of its own.
func (p *protocolsPane) chart(a area, what string, values []float64, height int) []string {
	return chart(a, what, values, roundUp(highest(values[max(0, len(values)-(a.Width-2)):])), height)
}

// nothing says why there are no rows.
func (p *protocolsPane) nothing() string {
	if p.shown.Scope != "" {
		return "no frame passed it yet: what it receives and sends is listed here"
	}
	return "no frames counted yet: what the interfaces receive and send is listed here"
}

// minChart is the height below which a chart is not worth its place.
const minChart = 5

// chart draws traffic over time, up to top, for places where the table leaves room.
func chart(a area, what string, values []float64, top float64, height int) []string {
	s := a.styleSet
	values = values[max(0, len(values)-(a.Width-2)):]
	label := what + ", last " + (snapshot.HistoryStep * time.Duration(len(values))).String()
	scale := s.units.rate(top)
	out := []string{" " + s.Faint.Paint(label+blanks(a.Width-2-cells(label)-cells(scale))+scale)}
	for _, line := range columnChart(&s.glyphs, values, top, a.Width-2, height-len(out)) {
		out = append(out, " "+s.Bar.Paint(line))
	}
	return out
}

func share(s *styleSet, v float64) cell {
	c := cell{text: percent(v), ink: s.Text}
	if c.text == "0%" {
		c.ink = s.Faint
	}
	return c
}

func (p *protocolsPane) copy(s *styleSet) copied {
	return p.list.copy(s, p.columns(s, true), func(r *snapshot.Protocol) any { return r })
}

func (p *protocolsPane) Subject() (subject snapshot.Subject) {
	if r := p.list.selected(); r != nil {
		subject = snapshot.ProtocolSubject(r.Name)
	}
	return subject
}

func (p *protocolsPane) Selected() *snapshot.Detail {
	if row := p.list.selected(); row != nil {
		return &snapshot.Detail{Protocol: row}
	}
	return nil
}

func (p *protocolsPane) filtered() bool { return p.list.filtered() }

func (p *protocolsPane) typing() bool { return p.list.typing() }

func (p *protocolsPane) back() bool { return p.list.back() }

// ask puts what this pane wants to see into q.
func (p *protocolsPane) ask(q *snapshot.Query) { q.Protocols = p.list.wish() }

func (p *protocolsPane) rows() clickable { return &p.list }
