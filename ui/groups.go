package ui

import (
	"slices"
	"strconv"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// groupList lists sums of connections, in the connections pane.
type groupList = list[snapshot.GroupKey, snapshot.Group]

func newGroupList() groupList {
	return groupList{
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
	number := func(title string, width, drop int, of func(*snapshot.Group) float64) column[snapshot.Group] {
		return column[snapshot.Group]{title: title, width: width, right: true, drop: drop, cell: numbers(of)}
	}
	columns := []column[snapshot.Group]{
		{title: string(by), width: 16, grow: 2, limit: 64, cell: func(at slot, g *snapshot.Group) cell {
			return cell{text: g.Key, ink: at.styles.Strong}
		}},
		{title: "runs in", width: 12, grow: 1, limit: 40, drop: 4, cell: faint(func(g *snapshot.Group) string {
			return runsIn(g.Unit, g.Container, "")
		})},
		{title: "conns", width: 5, right: true, cell: faint(func(g *snapshot.Group) string { return strconv.Itoa(g.Connections) })},
		{title: "ended", width: 6, right: true, drop: 3, cell: faint(func(g *snapshot.Group) string { return strconv.FormatUint(g.ConnectionsEnded, 10) })},
		number("rx bit/s", 8, 0, func(g *snapshot.Group) float64 { return g.RXBPS }),
		number("tx bit/s", 8, 0, func(g *snapshot.Group) float64 { return g.TXBPS }),
		number("rx B", 6, 2, func(g *snapshot.Group) float64 { return float64(g.RXBytes) }),
		number("tx B", 6, 2, func(g *snapshot.Group) float64 { return float64(g.TXBytes) }),
	}
	if by != snapshot.ByOwner {
		columns = slices.Delete(columns, 1, 2)
	}
	return columns
}

// describeGroup is all that is known of a group.
func describeGroup(a area, g *snapshot.Group) [][2]string {
	s := a.styleSet
	pairs := [][2]string{
		{string(g.By), s.Escape(g.Key)},
		{"connections", count(uint64(g.Connections)) + ", " + count(g.ConnectionsEnded) + " ended"},
		{"received", totals("", g.RXPackets, g.RXBytes) + ", now " + siUnit(g.RXBPS, "bit/s")},
		{"sent", totals("", g.TXPackets, g.TXBytes) + ", now " + siUnit(g.TXBPS, "bit/s")},
	}
	if g.By == snapshot.ByOwner && g.Owner != nil {
		pairs = append(describeOwner(s, g.Owner, probes.NoReason), pairs[1:]...)
	}
	return pairs
}
