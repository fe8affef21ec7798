package snapshot

import "github.com/ebpftop/ebpftop/probes"

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

// KeyOf identifies the row of a connection in every snapshot.
func KeyOf(c *probes.Connection) ConnectionKey {
	return ConnectionKey{iface: c.Interface, protocol: c.Protocol, local: c.Local, remote: c.Remote}
}

// SelectConnections answers q from one sample.
func SelectConnections(s *probes.Sample, q Query) Connections {
	out := Connections{Total: len(s.Connections), PinAt: -1, Query: q}
	if s.Interval > 0 {
		out.PerSecond = float64(s.NewConnections) / s.Interval.Seconds()
	}
	r := ranking{conns: s.Connections, by: q.Order}
	rows := newMatcher(q.Scope, q.Filter).rows(s.Connections)
	out.Matching = len(rows)
	need := q.Need
	if q.Pinned {
		for _, row := range rows {
			if KeyOf(&s.Connections[row]) == q.Pin {
				out.PinAt = r.position(rows, row)
				need = max(need, out.PinAt+q.Page)
				break
			}
		}
	}
	first := r.first(rows, min(need, len(rows)))
	out.Rows = make([]probes.Connection, len(first))
	for i, row := range first {
		out.Rows[i] = s.Connections[row]
	}
	return out
}
