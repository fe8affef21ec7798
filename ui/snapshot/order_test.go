package snapshot

import (
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func TestFirstRows(t *testing.T) {
	s := probes.Sample{Time: fake.Start, Interval: time.Second, Connections: fake.Connections(3000, 500, fake.Start)}
	for i := range s.Connections {
		s.Connections[i].RXBPS = float64(i % 50)
	}
	for _, by := range []Order{Newest, Busiest, Slowest} {
		r := ranking{conns: s.Connections, by: by}
		all := matchingConnections(s.Connections, "")
		want := slices.Clone(all)
		slices.SortFunc(want, r.compare)
		for _, k := range []int{0, 1, 2, 100, 749, 750, 2999, 3000, 5000} {
			got := r.first(slices.Clone(all), k)
			if !slices.Equal(got, want[:min(k, len(want))]) {
				t.Errorf("%v: the first %d are others", by, k)
			}
		}
		if at := r.position(all, want[1234]); at != 1234 {
			t.Errorf("%v: position %d", by, at)
		}
	}
}

// BenchmarkConnections is what the presenter does at each sample with a table of
// 65,536: filter, order.
func BenchmarkConnections(b *testing.B) {
	const n, many, need = 65536, 1_000_000, 256
	for _, c := range []struct {
		name   string
		rows   int
		active int
		q      Query
	}{
		{"newest/idle", n, 100, Query{Connections: Rows{By: int(Newest)}, Need: need}},
		{"newest/all active", n, n, Query{Connections: Rows{By: int(Newest)}, Need: need}},
		{"busiest/idle", n, 100, Query{Connections: Rows{By: int(Busiest)}, Need: need}},
		{"busiest/all active", n, n, Query{Connections: Rows{By: int(Busiest)}, Need: need}},
		{"busiest/to the end", n, 100, Query{Connections: Rows{By: int(Busiest)}, Need: n}},
		{"newest/a million", many, 1000, Query{Connections: Rows{By: int(Newest)}, Need: need}},
		{"busiest/a million active", many, many, Query{Connections: Rows{By: int(Busiest)}, Need: need}},
		{"busiest/a million", many, 1000, Query{Connections: Rows{By: int(Busiest)}, Need: need}},
		{"newest/filter", n, 100, Query{Connections: Rows{By: int(Newest), Filter: "10.1.7 udp"}, Need: need}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := probes.Sample{Time: fake.Start, Interval: time.Second, Connections: fake.Connections(c.rows, c.active, fake.Start)}
			for i := range c.active {
				s.Connections[i].RXBPS = float64(i%5000 + 1)
			}
			var busy busyConnections
			b.ReportAllocs()
			for b.Loop() {
				_ = selectConnections(&s, c.q, &busy, time.Second)
			}
		})
	}
}
