package ui

import (
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// minRows is how much of the connection table every snapshot brings: more than
// any screen shows, so that paging finds its rows already there.
const minRows = 256

// connectionsPane lists connections. The table can be long: a snapshot brings
// only the rows that may be looked at, see snapshot.Query.
type connectionsPane struct {
	keys    keyMap
	list    list[snapshot.ConnectionKey, probes.Connection]
	shown   snapshot.Connections
	noticed snapshot.Noticed
	now     time.Time
	wide    connectionWidths
	by      snapshot.GroupBy // sums in place of connections
	sums    groupList
}

// connectionWidths are the cells of the longest texts that were shown so far: what a column does
// not need others have, and columns do not change at every refresh.
type connectionWidths struct{ path, local, remote int }

func newConnectionsPane(keys keyMap, ascii bool) *connectionsPane {
	p := &connectionsPane{keys: keys, sums: newGroupList(ascii)}
	p.list = list[snapshot.ConnectionKey, probes.Connection]{
		key: snapshot.KeyOf, find: p.find, describe: p.describe, detailsRoom: halfOf,
		orders: snapshot.Orders, filter: newInput(ascii), language: snapshot.ConnectionFilter,
	}
	return p
}

func (p *connectionsPane) Name() string { return "Connections" }

func (p *connectionsPane) Keys() []key.Binding {
	now := p.list.keysNow(&p.keys)
	if p.by != snapshot.ByNothing {
		now = p.sums.keysNow(&p.keys)
	}
	if p.typing() {
		return now
	}
	return append([]key.Binding{p.keys.Group}, now...)
}

func (p *connectionsPane) typing() bool { return p.list.typing() || p.sums.typing() }

// back gives the filter up, or else the grouping, and says whether there was any.
func (p *connectionsPane) back() bool {
	if p.by != snapshot.ByNothing && p.sums.back() || p.by == snapshot.ByNothing && p.list.back() {
		return true
	}
	was := p.by != snapshot.ByNothing
	p.by = snapshot.ByNothing
	return was
}

// ask adds to q what this pane wants to see.
func (p *connectionsPane) ask(q *snapshot.Query) {
	q.Connections, q.By, q.Groups = p.list.wish(), p.by, p.sums.wish()
	q.Page = max(p.list.cursor.page, 1)
	q.Need = minRows
	for q.Need < p.list.cursor.index+2*q.Page {
		q.Need *= 2
	}
	q.Pin, q.Pinned = p.list.cursor.key, p.list.cursor.pinned && p.list.cursor.known
	q.PinAt = p.list.cursor.index
}

// find returns the place of the selected row, from the answer to the query: the table can
// be longer than what that brought.
func (p *connectionsPane) find(k snapshot.ConnectionKey) (int, bool) {
	if q := &p.shown.Query; q.Pinned && k == q.Pin {
		return p.shown.PinAt, p.shown.PinAt >= 0
	}
	return p.list.search(k)
}

func (p *connectionsPane) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case snapshotMsg:
		p.shown, p.noticed, p.now = msg.Connections, msg.Noticed, msg.Time
		p.measure()
		p.list.show(p.shown.Rows, p.shown.Matching)
		p.sums.show(msg.Groups, len(msg.Groups))
	case tea.PasteMsg:
		if p.sums.typing() {
			p.sums.typed(msg)
		} else {
			p.list.typed(msg)
		}
	case tea.KeyPressMsg:
		switch {
		case !p.typing() && key.Matches(msg, p.keys.Group):
			p.by = nextGrouping(p.by)
			p.sums.top()
		case p.by != snapshot.ByNothing:
			p.sums.press(msg, &p.keys)
		default:
			p.list.press(msg, &p.keys)
		}
	}
	return nil
}

// columns for a pane of this width: who, and the remote end, come before the local one, and
// that before totals, where not all have room.
func (p *connectionsPane) columns(width int) []column[probes.Connection] {
	local, remote, owner := min(max(21, (width-88)/2), 47), min(max(21, (width-68)/2), 47), 16
	if width < 94 { // not even IPv4 has
		owner = 13
		rest := width - 31 - owner
		remote = max(8, min(21, rest*2/3))
		local = max(8, rest-remote)
	}
	most := func(wide int) int { return max(len("remote"), min(wide, 47)) }
	local, remote = min(local, most(p.wide.local)), min(remote, most(p.wide.remote))
	return []column[probes.Connection]{
		{title: "proto", width: 5, grow: 1, limit: 6, cell: faint(func(c *probes.Connection) string { return c.Protocol })},
		{title: "owner", width: owner, grow: 4, limit: 40, cell: who},
		{title: "local", width: local, grow: 6, limit: most(p.wide.local), cell: func(at slot, c *probes.Connection) cell { return endpoint(at, c.Local) }},
		{title: "remote", width: remote, grow: 8, limit: most(p.wide.remote), cell: func(at slot, c *probes.Connection) cell { return endpoint(at, c.Remote) }},
		{title: "rx", order: snapshot.Orders[snapshot.Busiest], width: 8, right: true, isRate: true, cell: rates(func(c *probes.Connection) float64 { return c.RXBPS })},
		{title: "tx", order: snapshot.Orders[snapshot.Busiest], width: 8, right: true, isRate: true, cell: rates(func(c *probes.Connection) float64 { return c.TXBPS })},
		{title: "rtt", order: snapshot.Orders[snapshot.Slowest], width: 5, right: true, drop: 5, cell: roundTrip},
		{title: "retrans", width: 7, right: true, drop: 7, cell: retransmits},
		{title: "rx B", width: 6, right: true, drop: 8, cell: amounts(func(c *probes.Connection) uint64 { return c.RXBytes })},
		{title: "tx B", width: 6, right: true, drop: 8, cell: amounts(func(c *probes.Connection) uint64 { return c.TXBytes })},
		{title: "age", order: snapshot.Orders[snapshot.Newest], width: 3, right: true, drop: 7, cell: faint(func(c *probes.Connection) string { return age(p.now.Sub(c.FirstSeen)) })},
		{title: "idle", width: 4, right: true, drop: 5, cell: p.idle},
		{title: "state", width: 11, drop: 6, cell: state},
		{title: "interface", width: 9, grow: 2, limit: min(max(15, p.wide.path), 40), drop: 7, cell: path},
	}
}

// state is that of TCP: what goes on stands out from what is over.
func state(at slot, c *probes.Connection) cell {
	if c.State == probes.StateEstablished {
		return cell{safe: c.State.String(), ink: at.styles.Text}
	}
	return cell{safe: c.State.String(), ink: at.styles.Faint}
}

func endpoint(at slot, e probes.Endpoint) cell {
	s := at.styles
	return cell{safe: fitMiddle(s.Escape(e.String()), at.width, s.glyphs.Ellipsis), ink: s.Text}
}

// path is the interfaces that a connection passes; where they have no room, the first and
// the last one.
func path(at slot, c *probes.Connection) cell {
	s := at.styles
	if len(c.Path) <= 1 {
		return cell{text: c.Interface, ink: s.Faint}
	}
	return cell{safe: fitMiddle(s.Escape(strings.Join(c.Path, ">")), at.width, s.glyphs.Ellipsis), ink: s.Faint}
}

// measure finds out how wide texts are.
func (p *connectionsPane) measure() {
	var text []byte
	for i := range p.shown.Rows {
		c := &p.shown.Rows[i]
		text = c.Local.AppendTo(text[:0])
		p.wide.local = max(p.wide.local, len(text))
		text = c.Remote.AppendTo(text[:0])
		p.wide.remote = max(p.wide.remote, len(text))
		if len(c.Path) > 1 {
			p.wide.path = max(p.wide.path, cells(strings.Join(c.Path, ">")))
		}
	}
}

func (p *connectionsPane) idle(at slot, c *probes.Connection) cell {
	idle := p.now.Sub(c.LastSeen)
	if idle < 2*time.Second {
		return cell{text: "now", ink: at.styles.Good}
	}
	return cell{text: age(idle), ink: at.styles.Faint}
}

func (p *connectionsPane) View(a area) view {
	v := view{Title: titled(a, p.Name(), p.shown.Narrowed), Info: p.info(a)}
	if p.by == snapshot.ByNothing {
		v.Lines = p.list.filterLine(a)
	}
	switch {
	case p.by != snapshot.ByNothing:
		v.Title = p.Name() + " by " + string(p.by)
		v.Info = a.styleSet.Faint.Paint(count(uint64(p.sums.total)))
		v.Lines = p.sums.filterLine(a)
		switch {
		case p.sums.total > 0:
			v.Lines = p.sums.lines(a, groupColumns(p.by), v.Lines, p.sums.details(a, nil))
		case p.sums.filtered():
			v.Lines = append(v.Lines, empty(a, "no sum matches the filter: esc clears it")...)
		default:
			v.Lines = empty(a, "no connections to sum up yet; o goes on to other sums")
		}
		v.Scroll = p.sums.scroll()
	case p.list.total > 0:
		v.Lines = p.list.lines(a, p.columns(a.Width), v.Lines, append(p.noticedLines(a), p.list.details(a, nil)...))
		v.Scroll = p.list.scroll()
	case p.list.fresh:
		v.Lines = append(v.Lines, empty(a, a.styleSet.Escape(p.nothing()))...)
	}
	return v
}

func (p *connectionsPane) nothing() string {
	switch {
	case p.shown.Total == 0:
		return "no connections yet: each is listed here from its first packet on, whoever has it"
	case p.list.filtered():
		return "no connection of " + count(uint64(p.shown.Total)) + " matches the filter: esc clears it"
	default:
		return "no connections of " + p.shown.Narrowed + " now"
	}
}

func (p *connectionsPane) info(a area) string {
	s := a.styleSet
	if !p.list.fresh {
		return ""
	}
	text := count(uint64(p.shown.Total))
	if p.shown.Matching != p.shown.Total {
		text = count(uint64(p.shown.Matching)) + " of " + text
	}
	if a.Width >= 60 && p.shown.Narrowed == "" {
		text += s.glyphs.Separator + strings.TrimSpace(siColumn(p.shown.PerSecond)) + " new/s"
	}
	return s.Faint.Paint(text+s.glyphs.Separator) + p.list.order()
}

// describe is all that is known of one connection.
func (p *connectionsPane) describe(a area, c *probes.Connection) []fact {
	s := a.styleSet
	by := []string{c.Interface}
	if len(c.Path) > 1 {
		by = c.Path
	}
	pairs := []fact{
		{name: "connection", value: s.Escape(c.Protocol + " " + c.Local.String() + " with " + c.Remote.String() + " on " + strings.Join(by, " > "))},
		{name: "received", value: totals(s, "", c.RXPackets, c.RXBytes) + ", now " + s.units.rate(c.RXBPS)},
		{name: "sent", value: totals(s, "", c.TXPackets, c.TXBytes) + ", now " + s.units.rate(c.TXBPS)},
		{name: "seen", value: "first " + short(p.now.Sub(c.FirstSeen)) + " ago, last " + short(p.now.Sub(c.LastSeen)) + " ago"},
	}
	pairs = slices.Insert(pairs, 1, describeOwner(s, c.Owner, c.OwnerReason)...)
	if c.Protocol == "tcp" {
		said := c.State.String() + ", flags received " + flags(c.RXFlags) + ", sent " + flags(c.TXFlags)
		if !c.ClosedAt.IsZero() {
			said += ", closed " + short(p.now.Sub(c.ClosedAt)) + " ago"
		}
		pairs = append(append(pairs, fact{name: "TCP", value: said}), describeQuality(c)...)
	}
	return pairs
}

func (p *connectionsPane) copy(s *styleSet) copied {
	if p.by != snapshot.ByNothing {
		return p.sums.copy(s, groupColumns(p.by), func(g *snapshot.Group) any { return g })
	}
	return p.list.copy(s, p.columns(copyWidth), func(c *probes.Connection) any { return c })
}

func (p *connectionsPane) Subject() (subject snapshot.Subject) {
	if p.by != snapshot.ByNothing {
		if g := p.sums.selected(); g != nil {
			subject = snapshot.Subject{Kind: snapshot.OfGroup, By: g.By, Group: g.ID}
		}
	} else if c := p.list.selected(); c != nil {
		subject = snapshot.ConnectionSubject(c)
	}
	return subject
}

func (p *connectionsPane) Selected() *snapshot.Detail {
	if p.by != snapshot.ByNothing {
		if g := p.sums.selected(); g != nil {
			return &snapshot.Detail{Group: g}
		}
	} else if c := p.list.selected(); c != nil {
		return &snapshot.Detail{Connection: c}
	}
	return nil
}

func (p *connectionsPane) filtered() bool {
	return p.list.filtered() || p.by != snapshot.ByNothing
}

func (p *connectionsPane) rows() clickable {
	if p.by != snapshot.ByNothing {
		return &p.sums
	}
	return &p.list
}
