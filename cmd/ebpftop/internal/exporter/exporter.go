// Package exporter has the metrics of samples, as Prometheus and OpenMetrics want them. The
// counters in it never go back, and the series are bounded.
package exporter

import (
	"sync"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Exporter is told each sample, and writes metrics of the latest. What counts by itself in
// the kernel, and may start anew, is made into counters here.
type Exporter struct {
	build Build
	begun time.Time

	lock       sync.Mutex
	latest     *probes.Sample // nil before the first one
	taken      time.Time
	pairs      []Pair
	interfaces map[probes.InterfaceKey]*interfaceCounters
	protocols  *bounded
	carried    map[string]amounts // of Totals, by protocol
	drops      *bounded
	dropped    map[uint64]uint64 // by the row's ID
	traffic    *traffic
	created    uint64 // connections
	leftOut    int    // interfaces
	written    map[form][]byte
}

// form is one that metrics are asked for in.
type form struct {
	format   Format
	isPacked bool
}

// Build is what the binary was built from.
type Build struct{ Version, Commit, Go string }

// Pair is a cross-connect, with its health in the words of `xconnect status`.
type Pair struct {
	probes.CrossConnect
	Health string
}

// interfaceCounters are those of an interface as long as it is there.
type interfaceCounters struct {
	amounts
	isWatched          bool
	malformed          uint64
	unseenRX, unseenTX uint64
	sample             time.Time // the last one that had it
}

// New returns an exporter that has so many counters of owners, of containers, of protocols
// and of drops, each with one for the rest.
func New(build Build, most int) *Exporter {
	return &Exporter{
		build: build, begun: time.Now(),
		interfaces: make(map[probes.InterfaceKey]*interfaceCounters),
		protocols:  newBounded(most), carried: make(map[string]amounts),
		drops: newBounded(most), dropped: make(map[uint64]uint64),
		traffic: newTraffic(most),
	}
}

// Take takes in a sample. It is to be called once for each.
func (e *Exporter) Take(s *probes.Sample, pairs []Pair) { e.take(s, pairs, time.Now()) }

func (e *Exporter) take(s *probes.Sample, pairs []Pair, now time.Time) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.latest, e.taken, e.pairs = s, now, pairs
	e.written = make(map[form][]byte)
	e.created += s.NewConnections
	e.takeInterfaces(s)
	e.takeProtocols(s, now)
	e.takeDrops(s, now)
	e.traffic.take(s, now)
}

// Age is how long ago the latest sample was taken, false if there was none.
func (e *Exporter) Age() (time.Duration, bool) {
	e.lock.Lock()
	defer e.lock.Unlock()
	return time.Since(e.taken), e.latest != nil
}

// IsReady tells whether all that was to be attached at the start is.
func (e *Exporter) IsReady() bool {
	e.lock.Lock()
	defer e.lock.Unlock()
	return e.latest != nil && e.latest.Attaching.Done >= e.latest.Attaching.All
}

// mostInterfaces bounds those that have metrics, because whoever has a network namespace of his
// own makes as many as he likes. Those that were there first have them.
const mostInterfaces = 1000

func (e *Exporter) takeInterfaces(s *probes.Sample) {
	e.leftOut = 0
	for i := range s.Interfaces {
		row := &s.Interfaces[i]
		c := e.interfaces[row.Key()]
		if c == nil {
			if len(e.interfaces) >= mostInterfaces {
				e.leftOut++
				continue
			}
			c = new(interfaceCounters)
			e.interfaces[row.Key()] = c
		}
		c.sample = s.Time
		if c.isWatched = row.Hook != probes.HookNone; !c.isWatched {
			*c = interfaceCounters{sample: s.Time}
			continue
		}
		c.rxPackets, c.rxBytes = max(c.rxPackets, row.RXPackets), max(c.rxBytes, row.RXBytes)
		c.txPackets, c.txBytes = max(c.txPackets, row.TXPackets), max(c.txBytes, row.TXBytes)
		c.malformed = max(c.malformed, row.Malformed)
		c.unseenRX, c.unseenTX = max(c.unseenRX, row.UnseenRX), max(c.unseenTX, row.UnseenTX)
	}
	for key, c := range e.interfaces {
		if !c.sample.Equal(s.Time) {
			delete(e.interfaces, key)
		}
	}
}

// takeProtocols takes what is more than before. An interface that becomes a port of another
// one takes its frames out of the totals.
func (e *Exporter) takeProtocols(s *probes.Sample, now time.Time) {
	carried := make(map[string]amounts, len(e.carried))
	for i := range s.Totals.Protocols {
		p := &s.Totals.Protocols[i]
		sum := carried[p.Name]
		if p.Direction == probes.RX {
			sum.add(amounts{rxPackets: p.Packets, rxBytes: p.Bytes})
		} else {
			sum.add(amounts{txPackets: p.Packets, txBytes: p.Bytes})
		}
		carried[p.Name] = sum
	}
	for name, sum := range carried {
		e.protocols.count(join(name), sum.since(e.carried[name]), now)
	}
	e.carried = carried
	e.protocols.choose(now)
}

// takeDrops takes what rows have more than before, without what they took over from others.
func (e *Exporter) takeDrops(s *probes.Sample, now time.Time) {
	dropped := make(map[uint64]uint64, len(s.Drops.Rows))
	for i := range s.Drops.Rows {
		row := &s.Drops.Rows[i]
		packets := row.Packets - min(row.Packets, row.TakenOver)
		dropped[row.ID] = packets
		fresh := packets - min(packets, e.dropped[row.ID])
		e.drops.count(join(row.Reason, row.Interface, string(row.Source)), amounts{rxPackets: fresh}, now)
	}
	e.dropped = dropped
	e.drops.choose(now)
}
