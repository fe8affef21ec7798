package snapshot

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func TestRates(t *testing.T) {
	m := newRateMeter()
	conn := func(port uint16, rx, tx uint64, first, last time.Time) probes.Connection {
		return probes.Connection{
			Interface: "eth0", Protocol: "udp",
			Remote:  probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port)),
			RXBytes: rx, TXBytes: tx, FirstSeen: first, LastSeen: last,
		}
	}
	old := fake.Start.Add(-time.Hour)
	at := func(second int, conns ...probes.Connection) []ByteRate {
		return m.measure(&probes.Sample{
			Time: fake.Start.Add(time.Duration(second) * time.Second), Interval: time.Second, Connections: conns,
		})
	}
	second := func(n int) time.Time { return fake.Start.Add(time.Duration(n) * time.Second) }
	check := func(what string, got []ByteRate, want ...ByteRate) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("known from before: no rate yet", at(0, conn(1, 1000, 0, old, second(0))), ByteRate{})
	check("both directions", at(1, conn(1, 1125, 250, old, second(1))), ByteRate{1000, 2000})
	check("new in the interval: all of it", at(2, conn(1, 1125, 250, old, second(1)), conn(2, 125, 0, second(2), second(2))), ByteRate{}, ByteRate{1000, 0})
	check("idle for long", at(60, conn(1, 1125, 250, old, second(1))), ByteRate{})
	check("and back", at(61, conn(1, 1250, 250, old, second(61))), ByteRate{1000, 0})
	check("after a gap, as while paused", at(71, conn(1, 2500, 250, old, second(70))), ByteRate{1000, 0})
	check("evicted and begun anew", at(72, conn(1, 125, 0, second(72), second(72))), ByteRate{1000, 0})
	const hour = 3600
	check("the clock set back", at(73-hour, conn(1, 250, 0, second(72-hour), second(73-hour))), ByteRate{1000, 0})
	check("from there on", at(74-hour, conn(1, 375, 0, second(72-hour), second(74-hour))), ByteRate{1000, 0})
}
