package snapshot

import "github.com/ebpftop/ebpftop/probes"

// Connections is the part of the connection table that may be looked at.
type Connections struct {
	Total, Matching int
	Rows            []Connection // the first of those matching, in order
	PinAt           int          // where the pinned row is among those matching, or -1
	PerSecond       float64      // new ones
	Query           Query        // what was asked for
}

// Connection is one row of the table.
type Connection struct {
	probes.Connection
	Rate ByteRate
}

// ConnectionKey identifies a row of the connection table.
type ConnectionKey struct {
	iface, protocol string
	local, remote   probes.Endpoint
}

func keyOf(c *probes.Connection) ConnectionKey {
	return ConnectionKey{iface: c.Interface, protocol: c.Protocol, local: c.Local, remote: c.Remote}
}

// Key identifies the row in every snapshot.
func (c *Connection) Key() ConnectionKey { return keyOf(&c.Connection) }

// newConnections answers q from one sample and its rates.
func newConnections(s *probes.Sample, rates []ByteRate, q Query) Connections {
	out := Connections{Total: len(s.Connections), PinAt: -1, Query: q}
	if s.Interval > 0 {
		out.PerSecond = float64(s.NewConnections) / s.Interval.Seconds()
	}
	r := ranking{conns: s.Connections, rates: rates, by: q.Order}
	rows := newMatcher(q.Scope, q.Filter).rows(s.Connections)
	out.Matching = len(rows)
	need := q.Need
	if q.Pinned {
		for _, row := range rows {
			if keyOf(&s.Connections[row]) == q.Pin {
				out.PinAt = r.position(rows, row)
				need = max(need, out.PinAt+q.Page)
				break
			}
		}
	}
	first := r.first(rows, min(need, len(rows)))
	out.Rows = make([]Connection, len(first))
	for i, row := range first {
		out.Rows[i] = Connection{Connection: s.Connections[row], Rate: rates[row]}
	}
	return out
}
