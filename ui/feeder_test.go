package ui

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// manyConnections is a full table; active says how many of it are.
func manyConnections(n, active int, now time.Time) []probes.Connection {
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

func TestFirstRows(t *testing.T) {
	s := probes.Sample{Time: fakeStart, Interval: time.Second, Connections: manyConnections(3000, 500, fakeStart)}
	rates := make([]byteRate, len(s.Connections))
	for i := range rates {
		rates[i].rx = float64(i % 50)
	}
	for _, by := range []order{newest, busiest} {
		r := ranking{conns: s.Connections, rates: rates, by: by}
		all := newMatcher("", "").rows(s.Connections)
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

func TestMatcher(t *testing.T) {
	c := lively(3).Connections[3]
	for filter, want := range map[string]bool{
		"": true, " ": true, "tcp": true, "TCP 2001:db8": true, "eth0": true, ":443": true, "udp": false, "tcp 10.": false,
	} {
		if got := newMatcher("", filter).match(&c); got != want {
			t.Errorf("%q: %v", filter, got)
		}
	}
	if newMatcher("eth1", "").match(&c) || !newMatcher("eth0", "").match(&c) {
		t.Error("scope")
	}
}

func TestRates(t *testing.T) {
	m := newRateMeter()
	conn := func(port uint16, rx, tx uint64, first, last time.Time) probes.Connection {
		return probes.Connection{
			Interface: "eth0", Protocol: "udp",
			Remote:  probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port)),
			RXBytes: rx, TXBytes: tx, FirstSeen: first, LastSeen: last,
		}
	}
	old := fakeStart.Add(-time.Hour)
	at := func(second int, conns ...probes.Connection) []byteRate {
		return m.measure(&probes.Sample{
			Time: fakeStart.Add(time.Duration(second) * time.Second), Interval: time.Second, Connections: conns,
		})
	}
	second := func(n int) time.Time { return fakeStart.Add(time.Duration(n) * time.Second) }
	check := func(what string, got []byteRate, want ...byteRate) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("known from before: no rate yet", at(0, conn(1, 1000, 0, old, second(0))), byteRate{})
	check("both directions", at(1, conn(1, 1125, 250, old, second(1))), byteRate{1000, 2000})
	check("new in the interval: all of it", at(2, conn(1, 1125, 250, old, second(1)), conn(2, 125, 0, second(2), second(2))), byteRate{}, byteRate{1000, 0})
	check("idle for long", at(60, conn(1, 1125, 250, old, second(1))), byteRate{})
	check("and back", at(61, conn(1, 1250, 250, old, second(61))), byteRate{1000, 0})
	check("after a gap, as while paused", at(71, conn(1, 2500, 250, old, second(70))), byteRate{1000, 0})
	check("evicted and begun anew", at(72, conn(1, 125, 0, second(72), second(72))), byteRate{1000, 0})
	const hour = 3600
	check("the clock set back", at(73-hour, conn(1, 250, 0, second(72-hour), second(73-hour))), byteRate{1000, 0})
	check("from there on", at(74-hour, conn(1, 375, 0, second(72-hour), second(74-hour))), byteRate{1000, 0})
}

func TestHistory(t *testing.T) {
	h := newHistory()
	key := seriesKey{"", "tcp"}
	for range 4 { // two steps of two seconds
		h.advance(time.Second)
		h.add(key, 100, time.Second)
	}
	h.advance(time.Second)
	h.add(key, 400, time.Second)
	got := h.values(key)
	// A sample ends in the step its time is in: the first step has one second.
	if len(got) != 3 || got[0] != 100 || got[1] != 100 || got[2] != 250 {
		t.Errorf("got %v", got)
	}
	if v := h.values(seriesKey{"", "none"}); len(v) != 3 || v[2] != 0 {
		t.Errorf("nothing seen: %v", v)
	}
	for range 3 * historyLength {
		h.advance(time.Second)
	}
	if len(h.series) != 0 || len(h.values(key)) != historyLength {
		t.Errorf("%d series, %d values", len(h.series), len(h.values(key)))
	}
	h.advance(time.Hour)
	h.add(key, 1, time.Hour)
	for i := range 3 * historySeries {
		h.add(seriesKey{"", fmt.Sprint(i)}, 1, time.Second)
	}
	if len(h.series) != historySeries {
		t.Errorf("%d series", len(h.series))
	}
}

// Rows keep their places until one is clearly ahead.
func TestProtocolOrder(t *testing.T) {
	var m mixer
	names := func(tcp, udp float64) []string {
		f := m.mix(&probes.Sample{Interval: time.Second, Protocols: []probes.Protocol{
			{Name: "udp", BPS: udp, Direction: probes.RX},
			{Name: "tcp", BPS: tcp / 2, Direction: probes.RX},
			{Name: "tcp", BPS: tcp / 2, Direction: probes.TX},
			{Name: "arp"},
		}}, "")
		var out []string
		for _, r := range f.rows {
			out = append(out, r.name)
		}
		return out
	}
	if got := names(1000, 900); !slices.Equal(got, []string{"tcp", "udp", "arp"}) {
		t.Fatalf("got %v", got)
	}
	for range 100 {
		if got := names(900, 1000); got[0] != "tcp" {
			t.Fatalf("a small lead changed the order: %v", got)
		}
	}
	for range 100 {
		names(900, 2000)
	}
	if got := names(900, 2000); got[0] != "udp" {
		t.Errorf("a clear lead did not: %v", got)
	}
}

// A slow screen gets the latest frame, and misses no program.
func TestFeederCoalesces(t *testing.T) {
	source := newFakeSource()
	f := newFeeder(source)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.run(ctx) }()
	var want uint64
	for n := range 300 {
		s := lively(n)
		want += uint64(len(s.Execs.Events))
		source.samples <- s
	}
	deadline := time.After(patience)
	for {
		select {
		case frame := <-f.frames:
			if !frame.time.Equal(lively(299).Time) {
				continue
			}
			events := frame.execs.events
			if len(events) == 0 || events[len(events)-1].number != want || uint64(len(events)) != min(want, execLog) {
				t.Fatalf("%d programs, want %d", len(events), want)
			}
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			return
		case <-deadline:
			t.Fatal("no frame of the last sample")
		}
	}
}

// Frames never change under the reader, also when the log is cut.
func TestFeederLog(t *testing.T) {
	o := newOffscreen(false)
	var first *frame
	for n := range 100 {
		s := probes.Sample{Time: fakeStart.Add(time.Duration(n) * time.Second), Interval: time.Second}
		for i := range 99 {
			s.Execs.Events = append(s.Execs.Events, probes.Exec{PID: uint32(n*99 + i)})
		}
		o.f.take(&s)
		o.f.publish()
		f := <-o.f.frames
		if n == 30 {
			first = f
		}
		events := f.execs.events
		if len(events) > execLog || events[len(events)-1].PID != uint32(n*99+98) {
			t.Fatalf("%d programs", len(events))
		}
	}
	for i, e := range first.execs.events {
		if e.PID != first.execs.events[0].PID+uint32(i) {
			t.Fatal("an old frame has changed")
		}
	}
}
