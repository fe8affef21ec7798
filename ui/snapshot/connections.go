package snapshot

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Connections is the part of the connection table that may be looked at.
type Connections struct {
	Total, Matching int
	Rows            []probes.Connection // the first of those matching, in order
	PinAt           int                 // where the pinned row is among those matching, or -1
	PerSecond       float64             // new ones
	Query           Query               // what was asked for
	Narrowed        string              // what they are narrowed to, "" for nothing
}

// ConnectionKey identifies a row of the connection table.
type ConnectionKey struct {
	iface, protocol string
	local, remote   probes.Endpoint
}

// KeyOf identifies the row of a connection in every snapshot, whatever path it takes now and
// whichever end is local.
func KeyOf(c *probes.Connection) ConnectionKey {
	if c.Path == nil {
		return ConnectionKey{iface: c.Interface, protocol: c.Protocol, local: c.Local, remote: c.Remote}
	}
	key := ConnectionKey{protocol: c.Protocol, local: c.Local, remote: c.Remote}
	if netip.AddrPort(key.local).Compare(netip.AddrPort(key.remote)) > 0 {
		key.local, key.remote = key.remote, key.local
	}
	return key
}

// on are the connections on one interface, with what it counted of them; all if it is "".
func on(iface string, s *probes.Sample) (rows []probes.Connection) {
	if iface == "" {
		return s.Connections
	}
	for i := range s.Connections {
		if c := &s.Connections[i]; c.Interface == iface && len(c.Path) <= 1 {
			rows = append(rows, *c)
		}
	}
	for i := range s.Passages {
		if c := &s.Passages[i]; c.Interface == iface {
			rows = append(rows, *c)
		}
	}
	return rows
}

// SelectConnections answers q from one sample. The busiest are those of its interval.
func SelectConnections(s *probes.Sample, q Query) Connections {
	return selectConnections(s, q, nil, 0)
}

// selectConnections is SelectConnections with the busiest in the steady order of busy, if it
// is not nil, interval after it was last asked.
func selectConnections(s *probes.Sample, q Query, busy *busyConnections, interval time.Duration) Connections {
	out := Connections{Total: len(s.Connections), PinAt: -1, Query: q, Narrowed: q.narrowedTo()}
	if s.Interval > 0 {
		out.PerSecond = float64(s.NewConnections) / s.Interval.Seconds()
	}
	r := ranking{conns: on(q.Scope, s), by: Order(q.Connections.By), reversed: q.Connections.Reversed}
	rows := q.narrowed(r.conns, matchingConnections(r.conns, q.Connections.Filter))
	out.Matching = len(rows)
	need, pinned := q.Need, r.pinned(rows, q)
	if pinned >= 0 {
		if out.PinAt = min(q.PinAt, len(rows)-1); r.by != Busiest {
			out.PinAt = r.position(rows, pinned)
		}
		need = max(need, out.PinAt+q.Page)
	}
	var first []int32
	if need = min(need, len(rows)); busy != nil && r.by == Busiest && !r.reversed {
		first = busy.first(r.conns, rows, need, s.Time, interval)
	} else {
		first = r.first(rows, need)
	}
	if pinned >= 0 && r.by == Busiest {
		first = hold(first, pinned, out.PinAt)
	}
	out.Rows = make([]probes.Connection, len(first))
	for i, row := range first {
		out.Rows[i] = r.conns[row]
	}
	return out
}

// pinned is the row that q pins, or -1.
func (r *ranking) pinned(rows []int32, q Query) int32 {
	if q.Pinned {
		for _, row := range rows {
			if KeyOf(&r.conns[row]) == q.Pin {
				return row
			}
		}
	}
	return -1
}

// hold puts row in place at of the first rows, whatever its place is in their order: what one
// reads is not to be pulled away.
func hold(first []int32, row int32, at int) []int32 {
	if was := slices.Index(first, row); was >= 0 {
		first = slices.Delete(first, was, was+1)
	} else {
		first = first[:len(first)-1]
	}
	return slices.Insert(first, min(at, len(first)), row)
}
