package ui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// livelyScreen has everything on it.
func livelyScreen() *offscreen {
	o := newOffscreen(false)
	for n := range 100 {
		s := fake.Sample(n)
		s.CrossConnects = somePairs(s.Time)
		o.show(&s)
	}
	return o
}

// BenchmarkView draws the whole screen.
func BenchmarkView(b *testing.B) {
	for _, size := range []struct{ w, h int }{{80, 24}, {200, 50}, {300, 80}} {
		b.Run(fmt.Sprintf("size=%dx%d", size.w, size.h), func(b *testing.B) {
			o := livelyScreen()
			o.resize(size.w, size.h)
			b.ReportAllocs()
			for b.Loop() {
				_ = o.m.frame()
			}
		})
	}
}

// BenchmarkPane draws one pane all over the screen.
func BenchmarkPane(b *testing.B) {
	for i, p := range newOffscreen(false).m.panes {
		b.Run("pane="+p.Name(), func(b *testing.B) {
			o := livelyScreen()
			o.resize(200, 50)
			o.press(tea.Key{Code: rune('1' + i), Text: string(rune('1' + i))})
			o.press(tea.Key{Code: 'z', Text: "z"})
			b.ReportAllocs()
			for b.Loop() {
				_ = o.m.frame()
			}
		})
	}
}

// crowd is what one refresh is made of.
type crowd struct {
	connections, active, interfaces, pairs int
}

// sample is made up: nothing of it exists.
func (c crowd) sample(now time.Time) probes.Sample {
	s := probes.Sample{
		Time: now, Interval: fake.Interval,
		Connections:   fake.Connections(c.connections, c.active, now),
		CrossConnects: manyPairs(c.pairs),
	}
	for i := range c.interfaces {
		name := fmt.Sprint("veth", i)
		s.Interfaces = append(s.Interfaces, probes.Interface{
			Name: name, Ifindex: 2 + i, Hook: probes.HookTC, State: "up", Kind: "veth", InTotal: true,
			Traffic: probes.Traffic{RXPPS: 10, RXBPS: 5000},
		})
		for _, protocol := range []string{"tcp", "udp", "icmp", "arp"} {
			for _, direction := range []probes.Direction{probes.RX, probes.TX} {
				s.Protocols = append(s.Protocols, probes.Protocol{
					Interface: name, Direction: direction, Name: protocol, PPS: 10, BPS: 5000, Packets: 100, Bytes: 5000,
				})
			}
		}
	}
	fake.SumUp(&s)
	return s
}

func manyPairs(n int) []probes.CrossConnect {
	pairs := make([]probes.CrossConnect, n)
	for i := range pairs {
		way := probes.Leg{Datapath: probes.DatapathTC, Packets: 100, Bytes: 5000, PPS: 10, BPS: 5000}
		pairs[i] = probes.CrossConnect{
			A: fmt.Sprint("veth", 2*i), B: fmt.Sprint("veth", 2*i+1), State: probes.PairActive, AToB: way, BToA: way,
		}
	}
	return pairs
}

// BenchmarkRefresh is all that the screen does with a sample: presenter, panes
// and drawing, but for the terminal.
func BenchmarkRefresh(b *testing.B) {
	for _, c := range []crowd{
		{connections: 100, active: 100, interfaces: 2},
		{connections: 10_000, active: 100, interfaces: 2},
		{connections: 10_000, active: 10_000, interfaces: 2},
		{connections: 65_536, active: 100, interfaces: 2},
		{connections: 65_536, active: 65_536, interfaces: 2},
		{connections: 100, active: 100, interfaces: 10},
		{connections: 100, active: 100, interfaces: 1000},
		{connections: 100, active: 100, interfaces: 2, pairs: 10},
		{connections: 100, active: 100, interfaces: 2, pairs: 500},
	} {
		b.Run(c.String(), func(b *testing.B) {
			o := newOffscreen(false)
			o.resize(200, 50)
			s := c.sample(fake.Start)
			b.ReportAllocs()
			for b.Loop() {
				o.show(&s)
				_ = o.m.frame()
			}
		})
	}
}

func (c crowd) String() string {
	return fmt.Sprintf("connections=%d/active=%d/interfaces=%d/pairs=%d", c.connections, c.active, c.interfaces, c.pairs)
}

// TestRefreshAllocates for what is seen, and not for every row that is merely
// there, but for the place of each in the order.
func TestRefreshAllocates(t *testing.T) {
	const most, mostPerRow = 6000, 26 // bytes: its number, its rates, and a share of what is kept of the past
	few, many := crowd{connections: 1000, interfaces: 4}, crowd{connections: 65_536, interfaces: 4}
	refresh := func(c crowd) (allocations float64, bytes int64) {
		o := newOffscreen(false)
		o.resize(200, 50)
		s := c.sample(fake.Start)
		work := func() {
			o.show(&s)
			_ = o.m.frame()
		}
		return testing.AllocsPerRun(10, work), testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				work()
			}
		}).AllocedBytesPerOp()
	}
	allocations, bytes := refresh(few)
	allocationsMany, bytesMany := refresh(many)
	if allocations > most || allocationsMany > most {
		t.Errorf("%.0f and %.0f allocations, want %d at most", allocations, allocationsMany, most)
	}
	if grown := bytesMany - bytes; grown > int64(many.connections*mostPerRow) {
		t.Errorf("%d bytes more for %d rows more", grown, many.connections-few.connections)
	}
}
