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
	for _, by := range []Order{Newest, Busiest} {
		r := ranking{conns: s.Connections, by: by}
		all := newMatcher("").rows(s.Connections)
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
	const n, need = 65536, 256
	for _, c := range []struct {
		name   string
		active int
		q      Query
	}{
		{"newest/idle", 100, Query{Order: Newest, Need: need}},
		{"newest/all active", n, Query{Order: Newest, Need: need}},
		{"busiest/idle", 100, Query{Order: Busiest, Need: need}},
		{"busiest/all active", n, Query{Order: Busiest, Need: need}},
		{"busiest/to the end", 100, Query{Order: Busiest, Need: n}},
		{"newest/filter", 100, Query{Order: Newest, Need: need, Filter: "10.1.7 udp"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := probes.Sample{Time: fake.Start, Interval: time.Second, Connections: fake.Connections(n, c.active, fake.Start)}
			b.ReportAllocs()
			for b.Loop() {
				_ = SelectConnections(&s, c.q)
			}
		})
	}
}
