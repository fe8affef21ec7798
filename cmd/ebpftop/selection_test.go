package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// manyConnections are made up; number n has n bits per second, every other none.
func manyConnections(count int) []probes.Connection {
	rows := make([]probes.Connection, count)
	path := []string{"eth0"}
	for n := range rows {
		address := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		rows[n] = probes.Connection{
			Interface: "eth0", Path: path, Protocol: "tcp",
			Local:     probes.Endpoint(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 443)),
			Remote:    probes.Endpoint(netip.AddrPortFrom(address, 1024)),
			RXPackets: uint64(n), RXBytes: 1000 * uint64(n), RXBPS: float64(n * (n % 2)),
			FirstSeen: time.Unix(1_700_000_000, int64(n)), LastSeen: time.Unix(1_700_000_100, int64(n)),
		}
	}
	return rows
}

func TestSelection(t *testing.T) {
	s := probes.Sample{Connections: manyConnections(8)}
	for _, c := range []struct {
		selection
		want []uint64 // packets
	}{
		{selection{}, []uint64{0, 1, 2, 3, 4, 5, 6, 7}},
		{selection{none: true}, nil},
		{selection{top: 2}, []uint64{7, 5}},
		{selection{top: 100, active: true}, []uint64{7, 5, 3, 1}},
		{selection{active: true, filter: "TCP 10.0.0.5"}, []uint64{5}},
		{selection{filter: "udp"}, nil},
	} {
		var got []uint64
		for _, row := range c.of(&s) {
			got = append(got, row.RXPackets)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.selection, got, c.want)
		}
	}
}

// BenchmarkJSON prints a full table.
func BenchmarkJSON(b *testing.B) {
	for _, rows := range []int{1000, 65536} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			s := probes.Sample{Time: time.Unix(1_700_000_200, 0), Connections: manyConnections(rows)}
			var p jsonPrinter
			b.ReportAllocs()
			for b.Loop() {
				if err := p.print(io.Discard, &s, s.Connections); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
