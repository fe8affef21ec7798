package live

import (
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/latest"
)

// eventsCarried bounds the events that wait for a slow reader: the oldest are
// dropped beyond it, and counted as lost.
const eventsCarried = 65536

// mailbox hands samples to one reader. The latest wins, but takes over the
// events of the one it replaces.
type mailbox struct {
	box     latest.Box[probes.Sample]
	dropped uint64 // exec events dropped here, since start
}

func newMailbox() *mailbox { return &mailbox{box: latest.NewBox[probes.Sample]()} }

// put never blocks. Only one goroutine may call it.
func (m *mailbox) put(sample probes.Sample) {
	sample.Lost.ExecEvents += m.dropped
	m.box.Merge(sample, m.carryOver)
}

// carryOver adds to a sample the events of one that was not read, within the bound.
func (m *mailbox) carryOver(unread, sample probes.Sample) probes.Sample {
	sample.NewConnections += unread.NewConnections
	sample.Ended = carryEnded(unread.Ended, sample.Ended)
	older := unread.Execs.Events
	events := append(older[:len(older):len(older)], sample.Execs.Events...)
	if surplus := len(events) - eventsCarried; surplus > 0 {
		m.dropped += uint64(surplus)
		sample.Lost.ExecEvents += uint64(surplus)
		events = events[surplus:]
	}
	sample.Execs.Events = events
	return sample
}

// carryEnded puts connections that ended before together with those that ended since. Beyond
// the bound, the oldest become one, so that at least the sums stay.
func carryEnded(older, newer []probes.Connection) []probes.Connection {
	ended := append(older[:len(older):len(older)], newer...)
	surplus := len(ended) - eventsCarried
	if surplus <= 0 {
		return ended
	}
	rest := probes.Connection{OwnerReason: probes.OwnerLost}
	for i := range ended[:surplus+1] {
		c := &ended[i]
		rest.RXPackets += c.RXPackets
		rest.RXBytes += c.RXBytes
		rest.TXPackets += c.TXPackets
		rest.TXBytes += c.TXBytes
	}
	ended[surplus] = rest
	return ended[surplus:]
}
