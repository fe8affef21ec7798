package snapshot

import (
	"net/netip"

	"github.com/ebpftop/ebpftop/probes"
)

// Connections is the part of the connection table that may be looked at.
type Connections struct {
	Total, Matching int
	Rows            []probes.Connection // the first of those matching, in order
	PinAt           int                 // where the pinned row is among those matching, or -1
	PerSecond       float64             // new ones
	Query           Query               // what was asked for
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

// SelectConnections answers q from one sample.
func SelectConnections(s *probes.Sample, q Query) Connections {
	out := Connections{Total: len(s.Connections), PinAt: -1, Query: q}
	if s.Interval > 0 {
		out.PerSecond = float64(s.NewConnections) / s.Interval.Seconds()
	}
	r := ranking{conns: on(q.Scope, s), by: Order(q.Connections.By), reversed: q.Connections.Reversed}
	rows := matchingConnections(r.conns, q.Connections.Filter)
	out.Matching = len(rows)
	need := q.Need
	if q.Pinned {
		for _, row := range rows {
			if KeyOf(&r.conns[row]) == q.Pin {
				out.PinAt = r.position(rows, row)
				need = max(need, out.PinAt+q.Page)
				break
			}
		}
	}
	first := r.first(rows, min(need, len(rows)))
	out.Rows = make([]probes.Connection, len(first))
	for i, row := range first {
		out.Rows[i] = r.conns[row]
	}
	return out
}
