package fake

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Connections is a full table; active says how many of it are.
func Connections(n, active int, now time.Time) []probes.Connection {
	out := make([]probes.Connection, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range out {
		c := &out[i]
		c.Interface, c.Protocol = "eth0", "udp"
		c.Local = probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 53))
		c.Remote = probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), uint16(i>>16)+1))
		c.FirstSeen = now.Add(-time.Duration(r.IntN(3600)) * time.Second)
		c.LastSeen = now.Add(-time.Minute)
		c.RXBytes = r.Uint64() >> 40
		if i < active {
			c.LastSeen = now
		}
	}
	r.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
