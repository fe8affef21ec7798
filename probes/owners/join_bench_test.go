package owners

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// BenchmarkJoin joins connections whose owners are known, as most are at most polls.
func BenchmarkJoin(b *testing.B) {
	for _, count := range []int{100, 10_000} {
		b.Run(fmt.Sprint("connections=", count), func(b *testing.B) {
			p := LeaveOut(kernel.NewClock())
			p.host, p.owners = host, newOwnerSet(p.clock)
			rows := make([]probes.Connection, count)
			for i := range rows {
				address := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				rows[i] = probes.Connection{
					Protocol: "tcp", Path: []string{"eth0"}, Interface: "eth0", RXPackets: 1, FirstSeen: time.Unix(1, 0), LastSeen: time.Unix(1, 0),
					Local: probes.Endpoint(somewhere), Remote: probes.Endpoint(netip.AddrPortFrom(address, 80)),
				}
				t, _ := tupleOf(&rows[i])
				s := &socket{tuple: t, owner: &probes.Owner{PID: 1, Certainty: probes.Opened}}
				known := p.joiner.of(&rows[i])
				known.socket = s
			}
			b.ReportAllocs()
			for b.Loop() {
				p.joiner.poll++
				p.joiner.listed, p.joiner.before = p.joiner.before[:0], p.joiner.listed
				p.meet(rows)
				for i := range rows {
					p.describe(&rows[i], p.joiner.listed[i])
				}
				p.joiner.finish(rows)
			}
		})
	}
}

// BenchmarkShortLived joins connections both ends of which were opened and closed since the poll
// before.
func BenchmarkShortLived(b *testing.B) {
	const count = 10_000
	p := LeaveOut(kernel.NewClock())
	p.hooks, p.host, p.owners = &hooks{}, host, newOwnerSet(p.clock)
	owner := &probes.Owner{PID: 1, Certainty: probes.Opened}
	rows := [2][]probes.Connection{make([]probes.Connection, count), make([]probes.Connection, count)}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		now, rows := uint64(kernel.Monotonic()), rows[n%2]
		for i := range rows {
			address := netip.AddrFrom4([4]byte{10, byte(n), byte(i >> 8), byte(i)})
			rows[i] = probes.Connection{
				Protocol: "tcp", Path: []string{"eth0"}, Interface: "eth0", RXPackets: 1, FirstSeen: p.clock.Wall(now), LastSeen: p.clock.Wall(now),
				Local: probes.Endpoint(somewhere), Remote: probes.Endpoint(netip.AddrPortFrom(address, 80)),
			}
			t, _ := tupleOf(&rows[i])
			for _, end := range []tuple{t, t.flipped()} {
				p.sockets.apply(&bpf.OwnersSocketTuple{
					Local: end.local, Remote: end.remote, LocalPort: end.localPort, RemotePort: end.remotePort, Protocol: protocolTCP,
				}, &bpf.OwnersOwnerChange{
					Time: now, State: uint32(probes.StateClosed), Owned: bpf.OwnersOwned{Since: now, Process: bpf.OwnersProcess{Pid: 1}},
				}, owner, probes.NoReason)
			}
		}
		p.joiner.poll++
		p.joiner.listed, p.joiner.before = p.joiner.before[:0], p.joiner.listed
		p.meet(rows)
		for i := range rows {
			p.describe(&rows[i], p.joiner.listed[i])
		}
		p.sockets.forget()
		p.joiner.finish(rows)
	}
}
