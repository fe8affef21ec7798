package ui

import (
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// BenchmarkConnections is what the feeder does at each sample with a table of
// 65,536: rates, filter, order.
func BenchmarkConnections(b *testing.B) {
	const n = 65536
	for _, c := range []struct {
		name   string
		active int
		q      query
	}{
		{"newest/idle", 100, query{order: newest, need: minRows}},
		{"newest/all active", n, query{order: newest, need: minRows}},
		{"busiest/idle", 100, query{order: busiest, need: minRows}},
		{"busiest/all active", n, query{order: busiest, need: minRows}},
		{"busiest/to the end", 100, query{order: busiest, need: n}},
		{"newest/filter", 100, query{order: newest, need: minRows, filter: "10.1.7 udp"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newRateMeter()
			s := probes.Sample{Time: fakeStart, Interval: time.Second, Connections: manyConnections(n, c.active, fakeStart)}
			m.measure(&s)
			b.ReportAllocs()
			for b.Loop() {
				_ = newConnFrame(&s, m.measure(&s), c.q)
			}
		})
	}
}
