package snapshot

import (
	"testing"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// countedBy is a sample in which all was counted n times.
func countedBy(n uint64) *probes.Sample {
	s := rated(int(n), 8)
	traffic := probes.Traffic{RXPackets: n, RXBytes: 10 * n, TXPackets: 2 * n, TXBytes: 20 * n}
	s.Interfaces = []probes.Interface{{Name: "eth0", Ifindex: 2, Traffic: traffic, Malformed: n, Driver: probes.DriverStats{RXDropped: n}}}
	s.Protocols = []probes.Protocol{{Interface: "eth0", Direction: probes.RX, Name: "udp", Packets: n, Bytes: 10 * n}}
	s.Totals.Protocols = []probes.Protocol{{Direction: probes.RX, Name: "udp", Packets: n, Bytes: 10 * n}}
	s.Connections[0].RXBytes, s.Connections[0].TXPackets = 10*n, 2*n
	failed := n
	s.Execs = probes.Execs{Total: n, Failed: &failed}
	s.Drops = probes.Drops{Total: n, Rows: []probes.Drop{{ID: 1, Packets: n}}}
	return s
}

// TestTotalsSince has all totals begin anew, and from the start again.
func TestTotalsSince(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	expect := func(want uint64) {
		t.Helper()
		p.Publish()
		s := <-p.Snapshots
		row, conn := s.InterfaceRows.Rows[0], s.Connections.Rows[0]
		for what, got := range map[string]uint64{
			"interface": row.Traffic.RXPackets, "sent": row.TXBytes / 20, "malformed": row.Trouble.Malformed,
			"dropped by the driver": row.Trouble.Dropped, "protocol": s.Protocols.Rows[0].Packets,
			"connection": conn.RXBytes / 10, "sent by it": conn.TXPackets / 2, "group": s.Groups[0].RXBytes / 10,
			"programs": s.Execs.Total, "failed": *s.Execs.Failed, "drops": s.Drops.Total, "drop": s.Drops.Rows[0].Packets,
		} {
			if got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		if s.Sample.Interfaces[0].RXPackets != s.Sample.Drops.Total {
			t.Error("the sample itself was changed")
		}
	}
	q := Query{Need: 10, By: ByRemote}
	p.Ask(q)
	p.Take(countedBy(5))
	expect(5)
	q.Since = 1
	p.Ask(q)
	expect(0)
	p.Take(countedBy(7))
	expect(2)
	q.Moment, q.Since = p.now.Number, 2
	p.Ask(q)
	p.Take(countedBy(9))
	expect(0) // what is seen is from now on
	q.Moment = 0
	p.Ask(q)
	expect(2)
	p.Take(countedBy(1)) // everything was made anew
	expect(1)
	q.Since = 0
	p.Ask(q)
	p.Take(countedBy(10))
	expect(10)
}

// TestConnectionBegunSince: one that began after that has all its own.
func TestConnectionBegunSince(t *testing.T) {
	p := NewPresenter(fake.NewSource())
	q := Query{Need: 10}
	p.Take(countedBy(5))
	q.Since = 1
	p.Ask(q)
	s := countedBy(7)
	s.Connections[0].FirstSeen = s.Time
	p.Take(s)
	p.Publish()
	if got := (<-p.Snapshots).Connections.Rows[0].RXBytes; got != 70 {
		t.Errorf("%d bytes, want 70", got)
	}
}
