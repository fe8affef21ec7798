package snapshot

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// TestLedger has connections come, count and end at random. At any time the sums of every
// grouping are those of all connections, to the byte.
func TestLedger(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	owners := []*probes.Owner{
		nil, {PID: 1, Comm: "init"}, {PID: 7, Comm: "a", Unit: "a.service", Started: time.Unix(1, 0)},
		{PID: 7, Comm: "a", Unit: "a.service", Started: time.Unix(2, 0)}, {Comm: "b", Container: "c", Certainty: probes.Ambiguous},
	}
	ledger := NewLedger(Groupings...)
	var s probes.Sample
	var want, wantEnded, wantAgain uint64
	for range 200 {
		s.Ended = nil
		rows := s.Connections
		s.Connections = nil
		for _, c := range rows {
			if r.IntN(4) == 0 {
				s.Ended = append(s.Ended, c)
				wantEnded++
				continue
			}
			more := r.Uint64N(1000)
			c.RXBytes += more
			want += more
			if r.IntN(3) == 0 {
				again := uint32(r.UintN(10))
				if c.Quality != nil {
					again += c.Retransmits
					wantAgain -= uint64(c.Retransmits)
				}
				c.Quality = &probes.Quality{Retransmits: again}
				wantAgain += uint64(again)
			}
			c.Owner = owners[r.IntN(len(owners))] // another one was found out to have it
			s.Connections = append(s.Connections, c)
		}
		for range r.IntN(20) {
			s.Connections = append(s.Connections, probes.Connection{
				Protocol: "tcp", Interface: "eth0",
				Local:  probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(r.UintN(65536)))),
				Remote: probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(r.UintN(3)), 0, 1}), uint16(r.UintN(3)))),
			})
		}
		ledger.Take(&s)
		for _, by := range Groupings {
			var bytes, ended, again uint64
			listed := 0
			for _, g := range ledger.Groups(by, &s) {
				bytes += g.RXBytes
				ended += g.ConnectionsEnded
				again += g.Retransmits
				listed += g.Connections
			}
			if bytes != want || ended != wantEnded || listed != len(s.Connections) || again != wantAgain {
				t.Fatalf("by %s: %d bytes, %d ended, %d listed, %d sent again; want %d, %d, %d, %d",
					by, bytes, ended, listed, again, want, wantEnded, len(s.Connections), wantAgain)
			}
		}
	}
}

// TestLedgerIsBounded has more groups end than are remembered: the sums stay.
func TestLedgerIsBounded(t *testing.T) {
	ledger := NewLedger(ByRemote)
	const many = mostEndedGroups + 1000
	for i := range many {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		ledger.Take(&probes.Sample{Ended: []probes.Connection{{RXBytes: 3, Remote: probes.Endpoint(netip.AddrPortFrom(address, 1))}}})
	}
	groups := ledger.Groups(ByRemote, &probes.Sample{})
	var sum uint64
	for _, g := range groups {
		sum += g.RXBytes
	}
	if len(groups) != mostEndedGroups+1 || sum != 3*many {
		t.Errorf("%d groups, %d bytes; want %d, %d", len(groups), sum, mostEndedGroups+1, 3*many)
	}
}

// TestReusedPID keeps two processes apart that had the same pid.
func TestReusedPID(t *testing.T) {
	s := probes.Sample{Connections: []probes.Connection{
		{Owner: &probes.Owner{PID: 7, Comm: "a", Started: time.Unix(1, 0)}}, {Owner: &probes.Owner{PID: 7, Comm: "a", Started: time.Unix(9, 0)}},
	}}
	if groups := NewLedger(ByOwner).Groups(ByOwner, &s); len(groups) != 2 {
		t.Errorf("%+v", groups)
	}
}

// BenchmarkLedger takes in a full table of connections that ended at once, each of another
// remote address, as in a flood.
func BenchmarkLedger(b *testing.B) {
	s := probes.Sample{Ended: make([]probes.Connection, 65536)}
	for i := range s.Ended {
		remote := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		s.Ended[i] = probes.Connection{
			Protocol: "udp", Interface: "eth0", OwnerReason: probes.OwnerForwarded,
			Local: probes.Endpoint(netip.MustParseAddrPort("192.0.2.1:53")), Remote: probes.Endpoint(netip.AddrPortFrom(remote, 1024)),
		}
	}
	ledger := NewLedger(Groupings...)
	for b.Loop() {
		ledger.Take(&s)
	}
}
