package packets

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

func TestRates(t *testing.T) {
	var m rateMeter
	conn := func(port uint16, rx, tx uint64, first, last time.Time) probes.Connection {
		return probes.Connection{
			Interface: "eth0", Protocol: "udp",
			Remote:  probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port)),
			RXBytes: rx, TXBytes: tx, FirstSeen: first, LastSeen: last,
		}
	}
	start := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	old := start.Add(-time.Hour)
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	type rate struct{ rx, tx float64 }
	last := 0
	at := func(now int, conns ...probes.Connection) (rates []rate) {
		interval := time.Duration(now-last) * time.Second
		if interval <= 0 { // the clock was set
			interval = time.Second
		}
		last = now
		m.measure(conns, second(now), interval)
		for _, c := range conns {
			rates = append(rates, rate{c.RXBPS, c.TXBPS})
		}
		return rates
	}
	check := func(what string, got []rate, want ...rate) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("known from before: no rate yet", at(0, conn(1, 1000, 0, old, second(0))), rate{})
	check("both directions", at(1, conn(1, 1125, 250, old, second(1))), rate{1000, 2000})
	check("new in the interval: all of it", at(2, conn(1, 1125, 250, old, second(1)), conn(2, 125, 0, second(2), second(2))), rate{}, rate{1000, 0})
	check("idle for long", at(60, conn(1, 1125, 250, old, second(1))), rate{})
	check("and back", at(61, conn(1, 1250, 250, old, second(61))), rate{1000, 0})
	check("after a gap, as while paused", at(71, conn(1, 2500, 250, old, second(70))), rate{1000, 0})
	check("evicted and begun anew", at(72, conn(1, 125, 0, second(72), second(72))), rate{1000, 0})
	const hour = 3600
	check("the clock set back", at(73-hour, conn(1, 250, 0, second(72-hour), second(73-hour))), rate{1000, 0})
	check("from there on", at(74-hour, conn(1, 375, 0, second(72-hour), second(74-hour))), rate{1000, 0})
}
