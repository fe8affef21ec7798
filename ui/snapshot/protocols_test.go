package snapshot

import (
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// Rows keep their places until one is clearly ahead.
func TestProtocolOrder(t *testing.T) {
	var m mixer
	names := func(tcp, udp float64) []string {
		mixed := m.mix(&probes.Sample{Interval: time.Second, Totals: probes.Totals{Protocols: []probes.Protocol{
			{Name: "udp", BPS: udp, Direction: probes.RX},
			{Name: "tcp", BPS: tcp / 2, Direction: probes.RX},
			{Name: "tcp", BPS: tcp / 2, Direction: probes.TX},
			{Name: "arp"},
		}}}, "")
		var out []string
		for _, r := range mixed.Rows {
			out = append(out, r.Name)
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
