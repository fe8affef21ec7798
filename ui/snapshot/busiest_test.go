package snapshot

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// rated is a sample of connections from ports 1, 2, ... that have these rates.
func rated(n int, rates ...float64) *probes.Sample {
	s := &probes.Sample{Time: fake.Start.Add(time.Duration(n) * time.Second), Interval: time.Second}
	for i, rate := range rates {
		s.Connections = append(s.Connections, probes.Connection{
			Interface: "eth0", Protocol: "udp", RXBPS: rate, LastSeen: s.Time, FirstSeen: fake.Start,
			Local:  probes.Endpoint(netip.MustParseAddrPort("10.0.0.1:53")),
			Remote: probes.Endpoint(netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(i+1))),
		})
	}
	return s
}

func ports(rows []probes.Connection) (ports []int) {
	for i := range rows {
		ports = append(ports, int(netip.AddrPort(rows[i].Remote).Port()))
	}
	return ports
}

// shownAfter has a presenter take samples, and returns the ports of the rows after each.
func shownAfter(q Query, samples ...*probes.Sample) (shown [][]int) {
	p := NewPresenter(fake.NewSource())
	p.Ask(q)
	for _, s := range samples {
		p.Take(s)
		p.Publish()
		shown = append(shown, ports((<-p.Snapshots).Connections.Rows))
	}
	return shown
}

// Rates that go up and down do not make rows jump; one that stays ahead goes ahead.
func TestBusiestConnectionsStay(t *testing.T) {
	var samples []*probes.Sample
	for n := range 20 {
		a, b := 1e6, 1.5e6
		if n%2 == 0 {
			a, b = b, a
		}
		samples = append(samples, rated(n, a, b, 0, 9e6))
	}
	for n := 20; n < 40; n++ {
		samples = append(samples, rated(n, 1e6, 5e6, 0, 9e6))
	}
	shown := shownAfter(Query{Need: 256}, samples...)
	for n, got := range shown[:20] {
		if want := []int{4, 1, 2, 3}; !slices.Equal(got, want) {
			t.Fatalf("sample %d: %v, want %v", n, got, want)
		}
	}
	if got, want := shown[39], []int{4, 2, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("after 20 s ahead: %v, want %v", got, want)
	}
}

// A row that is selected stays in its place, whatever it and the others do.
func TestSelectedConnectionStays(t *testing.T) {
	pin := KeyOf(&rated(0, 1, 1).Connections[1])
	q := Query{Need: 256, Page: 10, Pinned: true, Pin: pin, PinAt: 2}
	shown := shownAfter(q, rated(0, 5e6, 1e3, 1e6, 2e6), rated(20, 5e6, 9e9, 1e6, 2e6), rated(40, 5e6, 0, 1e6, 2e6))
	for n, got := range shown {
		if want := []int{1, 4, 2, 3}; !slices.Equal(got, want) {
			t.Errorf("sample %d: %v, want %v", n, got, want)
		}
	}
	if shown := shownAfter(Query{Need: 256, Page: 10, Pinned: true, Pin: pin, PinAt: 99}, rated(0, 1, 2, 3)); !slices.Equal(shown[0], []int{3, 1, 2}) {
		t.Errorf("selected beyond the end: %v", shown[0])
	}
}

// What is over makes room at once for what still carries something.
func TestBusiestOverGoes(t *testing.T) {
	first, then := rated(0, 9e6, 1e3, 8e6), rated(1, 0, 1e3, 0)
	then.Connections[0].State = probes.StateTimeWait
	last := rated(9, 0, 1e3, 0)
	last.Connections[2].LastSeen = first.Time
	shown := shownAfter(Query{Need: 256}, first, then, last)
	for n, want := range [][]int{{1, 3, 2}, {3, 2, 1}, {2, 1, 3}} {
		if !slices.Equal(shown[n], want) {
			t.Errorf("sample %d: %v, want %v", n, shown[n], want)
		}
	}
}

// The rows there is room for are the first of all, also of a long table and past those that
// have a steady place.
func TestBusiestOfMany(t *testing.T) {
	s := probes.Sample{Time: fake.Start, Interval: time.Second, Connections: fake.Connections(5000, 0, fake.Start)}
	for i := range s.Connections {
		s.Connections[i].RXBPS, s.Connections[i].LastSeen = float64(i+1), fake.Start
	}
	var busy busyConnections
	for range 3 {
		for _, need := range []int{0, 1, 256, 2000, 5000} {
			got := selectConnections(&s, Query{Need: need}, &busy, time.Second).Rows
			want := SelectConnections(&s, Query{Need: need}).Rows
			if !slices.EqualFunc(got, want, func(a, b probes.Connection) bool { return KeyOf(&a) == KeyOf(&b) }) {
				t.Errorf("the first %d are others", need)
			}
		}
	}
	if n := len(busy.steady.order); n > busyKept || n != len(busy.numbers) || n != len(busy.keys) || n != len(busy.steady.score) {
		t.Errorf("%d in order, %d numbers, %d keys, %d scores", n, len(busy.numbers), len(busy.keys), len(busy.steady.score))
	}
}

func TestNoticed(t *testing.T) {
	now := fake.Start.Add(time.Hour)
	conn := func(port uint16, began, seen time.Duration, state probes.State, flags probes.TCPFlags) probes.Connection {
		return probes.Connection{
			Protocol: "tcp", State: state, RXFlags: flags, FirstSeen: now.Add(-began), LastSeen: now.Add(-seen),
			Remote: probes.Endpoint(netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port)),
		}
	}
	s := probes.Sample{Time: now, Connections: []probes.Connection{
		conn(1, 5*time.Second, 0, probes.StateEstablished, 0x12),
		conn(2, 2*time.Second, 0, probes.StateEstablished, 0x12),
		conn(3, time.Hour, 0, probes.StateEstablished, 0x12),
		conn(4, 3*time.Second, time.Second, probes.StateSynSent, 0),
		conn(5, 500*time.Millisecond, 0, probes.StateSynSent, 0), // may be answered yet
		conn(6, time.Hour, 2*time.Second, probes.StateClosed, 0x14),
		conn(7, time.Hour, 2*time.Second, probes.StateClosed, 0x15), // was over
		conn(8, time.Hour, 20*time.Second, probes.StateClosed, 0x14),
		conn(9, time.Hour, 2*time.Minute, probes.StateSynSent, 0),
	}}
	n := notice(&s, Query{})
	if got, want := ports(n.New), []int{5, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("new: %v, want %v", got, want)
	}
	if got, want := ports(n.Failing), []int{4, 6}; !slices.Equal(got, want) {
		t.Errorf("failing: %v, want %v", got, want)
	}
	s.Connections = nil
	for i := range uint16(20) {
		s.Connections = append(s.Connections, conn(i+1, time.Duration(20-i)*time.Millisecond, 0, probes.StateEstablished, 0))
	}
	if got, want := ports(notice(&s, Query{}).New), []int{20, 19, 18, 17, 16, 15, 14, 13}; !slices.Equal(got, want) {
		t.Errorf("of twenty: %v, want %v", got, want)
	}
}
