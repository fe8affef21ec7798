package owners

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

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
