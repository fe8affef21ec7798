package ui

import (
	"slices"
	"strconv"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// groupList lists sums of connections, in the connections pane.
type groupList = list[snapshot.GroupKey, snapshot.Group]

func newGroupList(ascii bool) groupList {
	return groupList{
		filter:      newInput(ascii),
		language:    snapshot.GroupFilter,
		key:         func(g *snapshot.Group) snapshot.GroupKey { return g.ID },
		describe:    describeGroup,
		detailsRoom: halfOf,
	}
}

// nextGrouping goes through all, and back to connections.
func nextGrouping(by snapshot.GroupBy) snapshot.GroupBy {
	at := slices.Index(snapshot.Groupings, by) + 1 // of nothing: -1
	if at == len(snapshot.Groupings) {
		return snapshot.ByNothing
	}
	return snapshot.Groupings[at]
}

func groupColumns(by snapshot.GroupBy) []column[snapshot.Group] {
	columns := []column[snapshot.Group]{
		{title: string(by), width: 16, grow: 2, limit: 64, cell: func(at slot, g *snapshot.Group) cell {
			return cell{text: g.Key, ink: at.styles.Strong}
		}},
		{title: "runs in", width: 12, grow: 1, limit: 40, drop: 4, cell: faint(func(g *snapshot.Group) string {
			return runsIn(g.Unit, g.Container, "")
		})},
		{title: "conns", width: 5, right: true, cell: faint(func(g *snapshot.Group) string { return strconv.Itoa(g.Connections) })},
		{title: "ended", width: 6, right: true, drop: 3, cell: faint(func(g *snapshot.Group) string { return strconv.FormatUint(g.ConnectionsEnded, 10) })},
		{title: "rx", width: 8, right: true, isRate: true, cell: rates(func(g *snapshot.Group) float64 { return g.RXBPS })},
		{title: "tx", width: 8, right: true, isRate: true, cell: rates(func(g *snapshot.Group) float64 { return g.TXBPS })},
		{title: "retrans", width: 7, right: true, drop: 4, cell: func(at slot, g *snapshot.Group) cell { return again(at, g.Retransmits) }},
		{title: "rx B", width: 6, right: true, drop: 2, cell: amounts(func(g *snapshot.Group) uint64 { return g.RXBytes })},
		{title: "tx B", width: 6, right: true, drop: 2, cell: amounts(func(g *snapshot.Group) uint64 { return g.TXBytes })},
	}
	if by != snapshot.ByOwner {
		columns = slices.Delete(columns, 1, 2)
	}
	return columns
}

// describeGroup is all that is known of a group.
func describeGroup(a area, g *snapshot.Group) []fact {
	s := a.styleSet
	pairs := []fact{
		{name: string(g.By), value: s.Escape(g.Key)},
		{name: "connections", value: count(uint64(g.Connections)) + ", " + count(g.ConnectionsEnded) + " ended"},
		{name: "received", value: totals(s, "", g.RXPackets, g.RXBytes) + ", now " + s.units.rate(g.RXBPS)},
		{name: "sent", value: totals(s, "", g.TXPackets, g.TXBytes) + ", now " + s.units.rate(g.TXBPS)},
		{name: "sent again", value: count(g.Retransmits) + " segments, of TCP whose socket is here"},
	}
	if g.By == snapshot.ByOwner && g.Owner != nil {
		pairs = append(describeOwner(s, g.Owner, probes.NoReason), pairs[1:]...)
	}
	return pairs
}
