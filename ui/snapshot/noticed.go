package snapshot

import (
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Noticed are connections that one should see wherever they are in the list, the latest
// first.
type Noticed struct {
	New     []probes.Connection // that began a short time ago
	Failing []probes.Connection
}

const (
	newFor       = 10 * time.Second // after its start, a connection is new
	noticedMost  = 8                // of each: as many as a line has room for
	unansweredIn = time.Second      // a connection that nobody answered in that time fails
	givenUpIn    = time.Minute      // longer than the kernel waits before it asks again
	tcpFinished  = probes.TCPFlags(1 << 0)
	tcpReset     = probes.TCPFlags(1 << 2)
)

// notice finds the connections that are new or failing in a sample, of those narrowed to.
func notice(s *probes.Sample, q Query) (n Noticed) {
	holds := q.Narrow.By.holds(q.Narrow.Group)
	for i := range s.Connections {
		c := &s.Connections[i]
		switch {
		case q.Scope != "" && !c.Passes(q.Scope), q.Narrow.By != ByNothing && !holds(c):
		case failing(c, s.Time):
			n.Failing = keepLatest(n.Failing, c, c.LastSeen, func(c *probes.Connection) time.Time { return c.LastSeen })
		case s.Time.Sub(c.FirstSeen) < newFor:
			n.New = keepLatest(n.New, c, c.FirstSeen, func(c *probes.Connection) time.Time { return c.FirstSeen })
		}
	}
	return n
}

// failing tells whether a TCP connection was refused or reset a short time ago, or is not
// answered. One that an end had finished before is not: many programs reset what is over.
func failing(c *probes.Connection, now time.Time) bool {
	flags, idle := c.RXFlags|c.TXFlags, now.Sub(c.LastSeen)
	switch {
	case c.Protocol != "tcp":
		return false
	case c.State == probes.StateSynSent:
		return now.Sub(c.FirstSeen) >= unansweredIn && idle < givenUpIn
	}
	return flags&tcpReset != 0 && flags&tcpFinished == 0 && idle < newFor
}

// keepLatest puts c where it belongs in rows, the latest first, if it is one of the latest.
func keepLatest(rows []probes.Connection, c *probes.Connection, at time.Time, of func(*probes.Connection) time.Time) []probes.Connection {
	i := len(rows)
	for i > 0 {
		if by := at.Compare(of(&rows[i-1])); by < 0 || by == 0 && compareKeys(c, &rows[i-1]) > 0 {
			break
		}
		i--
	}
	if i == noticedMost {
		return rows
	}
	return slices.Insert(rows[:min(len(rows), noticedMost-1)], i, *c)
}
