package live

import "github.com/ebpftop/ebpftop/probes"

// eventsCarried bounds the events that wait for a slow reader: the oldest are
// dropped beyond it, and counted as lost.
const eventsCarried = 65536

// mailbox hands samples to one reader. The latest wins, but takes over the
// events of the one it replaces.
type mailbox struct {
	box     chan probes.Sample // capacity one
	dropped uint64             // exec events dropped here, since start
}

func newMailbox() *mailbox {
	return &mailbox{box: make(chan probes.Sample, 1)}
}

// put never blocks. Only one goroutine may call it.
func (m *mailbox) put(sample probes.Sample) {
	select {
	case unread := <-m.box:
		sample.NewConnections += unread.NewConnections
		sample.Execs.Events = m.carry(unread.Execs.Events, sample.Execs.Events)
	default:
	}
	sample.Lost.ExecEvents += m.dropped
	m.box <- sample
}

// carry puts older events before newer ones, within the bound.
func (m *mailbox) carry(older, newer []probes.Exec) []probes.Exec {
	events := append(older[:len(older):len(older)], newer...)
	if surplus := len(events) - eventsCarried; surplus > 0 {
		m.dropped += uint64(surplus)
		events = events[surplus:]
	}
	return events
}
