package ui

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// protocolsPane shows what the traffic is made of: of all interfaces, or of
// the one the interfaces pane narrows to; both directions together, apart
// where there is room.
type protocolsPane struct {
	keys   KeyMap
	mix    snapshot.Protocols
	cursor cursor[string]
	spark  func(*Styles) sparkliner
	fresh  bool
}

func newProtocolsPane(keys KeyMap) *protocolsPane {
	return &protocolsPane{keys: keys, spark: blocks}
}

func blocks(s *Styles) sparkliner { return blockSparkline{steps: s.Glyphs.Spark} }

func (p *protocolsPane) Name() string { return "Protocols" }

func (p *protocolsPane) Keys() []key.Binding { return nil }

func (p *protocolsPane) keyAt(i int) (string, bool) {
	if i < 0 || i >= len(p.mix.Rows) {
		return "", false
	}
	return p.mix.Rows[i].Name, true
}

func (p *protocolsPane) Update(msg tea.Msg) tea.Cmd {
	n := len(p.mix.Rows)
	switch msg := msg.(type) {
	case snapshotMsg:
		p.mix, p.fresh = msg.Protocols, true
		n = len(p.mix.Rows)
		p.cursor.follow(n, indexIn(n, p.keyAt), p.keyAt)
	case tea.KeyPressMsg:
		p.cursor.update(msg, &p.keys, n, p.keyAt)
	}
	return nil
}

// columns leave totals to a zoomed pane: they change at every refresh, and say
// little beside rates.
func (p *protocolsPane) columns(zoomed bool) []column {
	total := 0
	if zoomed {
		total = 7
	}
	return []column{
		{title: "name", width: 6, grow: 1, limit: 14},
		{title: "pps", width: 6, right: true},
		{title: "bit/s", width: 6, grow: 1, limit: 8, right: true},
		{title: "rx bit/s", width: 8, right: true, drop: 6},
		{title: "tx bit/s", width: 8, right: true, drop: 6},
		{title: "packets", width: total, right: true, drop: 7},
		{title: "bytes", width: total, right: true, drop: 7},
		{title: "%", width: 4, right: true, drop: 5},
		{title: "share", width: 5, grow: 2, limit: 20, drop: 2},
		{title: "history", width: 7, grow: 3, limit: snapshot.HistoryLength, drop: 1},
	}
}

func (p *protocolsPane) View(a area) view {
	s := a.Styles
	v := view{Title: p.Name(), Info: s.Faint.Paint(siUnit(p.mix.PPS, "pps") + "  " + siUnit(p.mix.BPS, "bit/s"))}
	if p.mix.Scope != "" {
		v.Title += " of " + s.Escape(p.mix.Scope)
	}
	if len(p.mix.Rows) == 0 {
		v.Info = ""
		if p.fresh {
			v.Lines = empty(a, "no packets yet")
		}
		return v
	}
	t := newTable(s, a.Width, p.columns(a.Zoomed))
	v.Lines = append(v.Lines, t.heading())
	from, to := p.cursor.window(a.Height-1, len(p.mix.Rows))
	for i := from; i < to; i++ {
		v.Lines = append(v.Lines, t.row(p.row(s, &p.mix.Rows[i]), a.Width, a.Focused && i == p.cursor.index))
	}
	if spare := a.Height - len(v.Lines) - 1; spare >= 2*minChart {
		v.Lines = append(v.Lines, "")
		v.Lines = append(v.Lines, p.chart(a, "received", p.mix.RX, spare/2)...)
		v.Lines = append(v.Lines, p.chart(a, "sent", p.mix.TX, spare-spare/2)...)
	} else if spare >= minChart {
		v.Lines = append(v.Lines, "")
		v.Lines = append(v.Lines, p.chart(a, "received", p.mix.RX, spare)...)
	}
	return v
}

// minChart is the height below which a chart is not worth its place.
const minChart = 5

// chart draws the traffic in one direction over time, for places where the
// table leaves room.
func (p *protocolsPane) chart(a area, what string, values []float64, height int) []string {
	s := a.Styles
	values = values[max(0, len(values)-(a.Width-2)):]
	top := roundUp(highest(values))
	label := what + ", last " + (snapshot.HistoryStep * time.Duration(len(values))).String()
	scale := siUnit(top, "bit/s")
	out := []string{" " + s.Faint.Paint(label+blanks(a.Width-2-cells(label)-cells(scale))+scale)}
	for _, line := range columnChart(&s.Glyphs, values, top, a.Width-2, height-len(out)) {
		out = append(out, " "+s.Bar.Paint(line))
	}
	return out
}

func share(s *Styles, v float64) cell {
	c := cell{text: percent(v), ink: s.Text}
	if c.text == "0%" {
		c.ink = s.Faint
	}
	return c
}

func (p *protocolsPane) row(s *Styles, r *snapshot.Protocol) []cell {
	line := p.spark(s)
	return []cell{
		{text: r.Name, ink: s.Text},
		number(s, r.PPS()),
		number(s, r.BPS()),
		number(s, r.RXBPS),
		number(s, r.TXBPS),
		number(s, float64(r.Packets)),
		number(s, float64(r.Bytes)),
		share(s, r.Share),
		{raw: func(width int, plain bool) string { return bar(s, r.Share, width, plain) }},
		{raw: func(width int, plain bool) string {
			text := line.line(r.History, width)
			if plain {
				return text
			}
			return s.Spark.Paint(text)
		}},
	}
}
