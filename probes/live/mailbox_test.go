package live

import (
	"testing"

	"github.com/ebpftop/ebpftop/probes"
)

// TestMailbox reads only the second of two samples: its totals, the events of
// both.
func TestMailbox(t *testing.T) {
	m := newMailbox()
	m.put(probes.Sample{Execs: probes.Execs{Total: 1, Events: []probes.Exec{{PID: 1}}}, NewConnections: 1})
	m.put(probes.Sample{Execs: probes.Execs{Total: 3, Events: []probes.Exec{{PID: 2}, {PID: 3}}}, NewConnections: 2})
	got := <-m.box
	if got.Execs.Total != 3 || len(got.Execs.Events) != 3 || got.Execs.Events[0].PID != 1 || got.Execs.Events[2].PID != 3 {
		t.Errorf("execs %+v", got.Execs)
	}
	if got.NewConnections != 3 {
		t.Errorf("%d new connections, want 3", got.NewConnections)
	}
	if got.Lost != (probes.Lost{}) {
		t.Errorf("lost %+v", got.Lost)
	}
}

// TestMailboxIsBounded never reads: the newest events stay, the others count
// as lost.
func TestMailboxIsBounded(t *testing.T) {
	const samples, each = 5, eventsCarried / 2
	m := newMailbox()
	for range samples {
		m.put(probes.Sample{Execs: probes.Execs{Events: make([]probes.Exec, each)}})
	}
	got := <-m.box
	if len(got.Execs.Events) != eventsCarried || got.Lost.ExecEvents != samples*each-eventsCarried {
		t.Errorf("%d events kept, %d lost", len(got.Execs.Events), got.Lost.ExecEvents)
	}
}
