package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ebpftop/ebpftop/probes"
)

// TestConnectionsJSON compares with encoding/json.
func TestConnectionsJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	endpoint := func() probes.Endpoint {
		address := netip.AddrFrom4([4]byte{byte(r.Uint32()), 0, 2, byte(r.Uint32())})
		if r.IntN(2) == 0 {
			address = netip.AddrFrom16([16]byte{0xfd, byte(r.Uint32()), 15: byte(r.Uint32())})
		}
		return probes.Endpoint(netip.AddrPortFrom(address, uint16(r.IntN(3)*r.IntN(1<<15))))
	}
	rate := func() float64 {
		return []float64{0, 8, r.Float64(), r.Float64() * 1e12, 1e21 * r.Float64(), 1e-9 * r.Float64(), float64(r.Uint64())}[r.IntN(7)]
	}
	names := []string{"eth0", "web\"\\", "\x1b[31m\u202e", "caf\u00e9", "<&>", "\xff\x00"}
	owners := []*probes.Owner{nil, {PID: 1, Comm: names[2], Container: "<&>"}, {User: names[5], Certainty: probes.Opened, Started: time.Unix(1, 2)}}
	qualities := []*probes.Quality{nil, {}, {RTT: 1<<32 - 1, Retransmits: 3, Cwnd: 10, Unacked: 7}}
	closed := []time.Time{{}, time.Unix(1<<31, 5)}
	rows := []probes.Connection{}
	for range 1000 {
		rows = append(rows, probes.Connection{
			Interface: names[r.IntN(len(names))], Path: names[r.IntN(3):][:1+r.IntN(3)], Protocol: names[r.IntN(len(names))], Local: endpoint(), Remote: endpoint(),
			RXPackets: r.Uint64(), RXBytes: r.Uint64() >> r.IntN(64), TXPackets: r.Uint64(), TXBytes: r.Uint64(),
			RXBPS: rate(), TXBPS: rate(), FirstSeen: time.Unix(r.Int64N(1<<33), r.Int64N(1e9)), LastSeen: time.Unix(r.Int64N(1<<33), 0).UTC(),
			RXFlags: probes.TCPFlags(r.Uint32()), TXFlags: probes.TCPFlags(r.Uint32()),
			State: probes.State(r.IntN(int(probes.StateClosing) + 1)), OwnerReason: probes.OwnerReason(r.IntN(int(probes.OwnerInSeveralNamespaces) + 1)),
			Owner: owners[r.IntN(len(owners))], Quality: qualities[r.IntN(len(qualities))], ClosedAt: closed[r.IntN(len(closed))],
		})
	}
	for _, rows := range [][]probes.Connection{{}, rows} {
		text := appendConnections(nil, rows)
		if !utf8.Valid(text) {
			t.Error("not UTF-8")
		}
		for _, c := range string(text) {
			if invisible(c) {
				t.Fatalf("%q is printed", c)
			}
		}
		plain, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %.300s\nwant %.300s", text, plain)
		}
	}
}
