package ui

import (
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// minRows is how much of the connection table every frame brings: more than
// any screen shows, so that paging finds its rows already there.
const minRows = 256

// connectionsPane lists connections. The table can be long: a frame brings
// only the rows that may be looked at, see snapshot.Query.
type connectionsPane struct {
	keys   KeyMap
	conns  snapshot.Connections
	now    time.Time
	cursor cursor[snapshot.ConnectionKey]
	order  snapshot.Order
	input  input
	fresh  bool
}

func newConnectionsPane(keys KeyMap, ascii bool) *connectionsPane {
	return &connectionsPane{keys: keys, input: newInput(ascii)}
}

func (p *connectionsPane) Name() string { return "Connections" }

func (p *connectionsPane) Keys() []key.Binding {
	if p.typing() {
		return []key.Binding{p.keys.Accept, p.keys.Clear}
	}
	return []key.Binding{p.keys.Sort, p.keys.Filter}
}

// typing reports whether key presses are text.
func (p *connectionsPane) typing() bool { return p.input.Focused() }

// back gives the filter up, and says whether there was any.
func (p *connectionsPane) back() bool {
	was := p.typing() || p.input.Value() != ""
	p.input.Reset()
	p.input.Blur()
	return was
}

// ask puts what this pane wants to see into q.
func (p *connectionsPane) ask(q *snapshot.Query) {
	q.Order, q.Filter = p.order, p.input.Value()
	q.Page = max(p.cursor.page, 1)
	q.Need = minRows
	for q.Need < p.cursor.index+2*q.Page {
		q.Need *= 2
	}
	q.Pin, q.Pinned = p.cursor.key, p.cursor.pinned && p.cursor.known
}

func (p *connectionsPane) keyAt(i int) (snapshot.ConnectionKey, bool) {
	if i < 0 || i >= len(p.conns.Rows) {
		return snapshot.ConnectionKey{}, false
	}
	return p.conns.Rows[i].Key(), true
}

func (p *connectionsPane) find(k snapshot.ConnectionKey) (int, bool) {
	if k == p.conns.Query.Pin && p.conns.Query.Pinned {
		return p.conns.PinAt, p.conns.PinAt >= 0
	}
	return indexIn(len(p.conns.Rows), p.keyAt)(k)
}

func (p *connectionsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.conns, p.fresh, p.now = msg.Connections, true, msg.Time
		p.cursor.follow(p.conns.Matching, p.find, p.keyAt)
	case tea.PasteMsg:
		return p.typed(msg)
	case tea.KeyPressMsg:
		switch {
		case p.typing() && key.Matches(msg, p.keys.Accept):
			p.input.Blur()
		case p.typing():
			return p.typed(msg)
		case key.Matches(msg, p.keys.Filter):
			return p.input.Focus()
		case key.Matches(msg, p.keys.Sort):
			p.order = snapshot.Busiest - p.order
			p.top()
		default:
			p.cursor.update(msg, &p.keys, p.conns.Matching, p.keyAt)
		}
	}
	return nil
}

// typed edits the filter. What it selects anew is seen from the top.
func (p *connectionsPane) typed(msg tea.Msg) tea.Cmd {
	changed, cmd := p.input.press(msg)
	if changed {
		p.top()
	}
	return cmd
}

func (p *connectionsPane) top() { p.cursor = cursor[snapshot.ConnectionKey]{page: p.cursor.page} }

// columns for a pane of this width: addresses come before totals, where not
// both have room.
func (p *connectionsPane) columns(width int) []column {
	local, remote := min(max(21, (width-64)/2), 47), min(max(21, (width-44)/2), 47)
	if width < 74 { // not even IPv4 has
		local, remote = max(8, (width-31)/2), max(8, (width-31)/2)
	}
	return []column{
		{title: "proto", width: 5, grow: 1, limit: 6},
		{title: "local", width: local, grow: 6, limit: 47},
		{title: "remote", width: remote, grow: 8, limit: 47},
		{title: "rx bit/s", width: 8, right: true},
		{title: "tx bit/s", width: 8, right: true},
		{title: "rx B", width: 6, right: true, drop: 8},
		{title: "tx B", width: 6, right: true, drop: 8},
		{title: "age", width: 3, right: true},
		{title: "idle", width: 4, right: true, drop: 5},
		{title: "flags", width: 6, drop: 6},
		{title: "interface", width: 9, grow: 2, limit: 15, drop: 7},
	}
}

func (p *connectionsPane) View(a area) view {
	s := a.Styles
	v := view{Title: p.Name(), Info: p.info(a)}
	if p.conns.Query.Scope != "" {
		v.Title += " of " + s.Escape(p.conns.Query.Scope)
	}
	if p.typing() || p.input.Value() != "" {
		v.Lines = append(v.Lines, p.filterLine(a))
	}
	if p.conns.Matching == 0 {
		if p.fresh {
			v.Lines = append(v.Lines, empty(a, p.nothing())...)
		}
		return v
	}
	t := newTable(s, a.Width, p.columns(a.Width))
	v.Lines = append(v.Lines, t.heading())
	var below []string
	if a.Zoomed && p.cursor.index < len(p.conns.Rows) {
		below = details(a, p.details(s, &p.conns.Rows[p.cursor.index]))
		below = below[:min(len(below), a.Height/2)]
	}
	end := a.Height - len(below)
	from, to := p.cursor.window(end-len(v.Lines), p.conns.Matching)
	// Rows not here yet come with the next frame, in an instant.
	for i := from; i < min(to, len(p.conns.Rows)); i++ {
		v.Lines = append(v.Lines, t.row(p.row(s, &t, &p.conns.Rows[i]), a.Width, a.Focused && i == p.cursor.index))
	}
	for below != nil && len(v.Lines) < end {
		v.Lines = append(v.Lines, "")
	}
	v.Lines = append(v.Lines, below...)
	return v
}

func (p *connectionsPane) nothing() string {
	switch {
	case p.conns.Total == 0:
		return "no connections yet"
	case p.input.Value() != "":
		return "no connection matches the filter"
	default:
		return "no connections on this interface yet"
	}
}

func (p *connectionsPane) info(a area) string {
	s := a.Styles
	if !p.fresh {
		return ""
	}
	text := count(uint64(p.conns.Total))
	if p.conns.Matching != p.conns.Total {
		text = count(uint64(p.conns.Matching)) + " of " + text
	}
	if a.Width >= 60 {
		text += s.Glyphs.Separator + strings.TrimSpace(siColumn(p.conns.PerSecond)) + " new/s"
	}
	return s.Faint.Paint(text+s.Glyphs.Separator) + p.order.String()
}

func (p *connectionsPane) filterLine(a area) string {
	return " " + a.Styles.Brand.Paint("/") + " " + p.input.line(a.Styles)
}

func (p *connectionsPane) row(s *Styles, t *table, c *snapshot.Connection) []cell {
	idle := p.now.Sub(c.LastSeen)
	text, ink := age(idle), s.Faint
	if idle < 2*time.Second {
		text, ink = "now", s.Good
	}
	shown := ""
	if c.Protocol == "tcp" {
		shown = flags(c.RXFlags | c.TXFlags)
	}
	endpoint := func(column int, e probes.Endpoint) cell {
		return cell{safe: fitMiddle(s.Escape(e.String()), t.columns[column].width, s.Glyphs.Ellipsis), ink: s.Text}
	}
	return []cell{
		{text: c.Protocol, ink: s.Faint},
		endpoint(1, c.Local),
		endpoint(2, c.Remote),
		number(s, c.Rate.RX), number(s, c.Rate.TX),
		number(s, float64(c.RXBytes)), number(s, float64(c.TXBytes)),
		{text: age(p.now.Sub(c.FirstSeen)), ink: s.Faint},
		{text: text, ink: ink},
		{text: shown, ink: s.Faint},
		{text: c.Interface, ink: s.Faint},
	}
}

func (p *connectionsPane) details(s *Styles, c *snapshot.Connection) [][2]string {
	pairs := [][2]string{
		{"connection", s.Escape(c.Protocol + " " + c.Local.String() + " with " + c.Remote.String() + " on " + c.Interface)},
		{"received", totals("", c.RXPackets, c.RXBytes) + ", now " + siUnit(c.Rate.RX, "bit/s")},
		{"sent", totals("", c.TXPackets, c.TXBytes) + ", now " + siUnit(c.Rate.TX, "bit/s")},
		{"seen", "first " + short(p.now.Sub(c.FirstSeen)) + " ago, last " + short(p.now.Sub(c.LastSeen)) + " ago"},
	}
	if c.Protocol == "tcp" {
		pairs = append(pairs, [2]string{"TCP flags", "received " + flags(c.RXFlags) + ", sent " + flags(c.TXFlags)})
	}
	return pairs
}
