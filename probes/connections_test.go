package probes

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/ebpftop/ebpftop/bpf"
)

// tupleFrame is a UDP frame of tuple number n, below 2^32.
func tupleFrame(n int) []byte {
	frame := slices.Clone(udp4Frame())
	binary.BigEndian.PutUint32(frame[26:], 0x0b000000|uint32(n>>8)) // source 11.x.x.x
	binary.BigEndian.PutUint16(frame[34:], uint16(1024+n&0xff))     // source port
	frame[40], frame[41] = 0, 0                                     // no checksum
	return frame
}

// TestTenThousandTuples expects a row for each tuple, with its own count.
func TestTenThousandTuples(t *testing.T) {
	const tuples = 10_000
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			r := newRig(t, hook, 65536)
			var frames [][]byte
			want := make(map[string]uint64)
			for n := range tuples {
				times := 1 + n%3
				remote := fmt.Sprintf("11.0.%d.%d:%d", n>>16, n>>8&0xff, 1024+n&0xff)
				want[remote] = uint64(times)
				frames = append(frames, repeat(tupleFrame(n), times)...)
			}
			r.check(r.peer.Inject(peerInterface, frames...))
			r.await(uint64(len(frames)))

			rows, fresh, lost, err := r.connections.poll(r.watched.name)
			r.check(err)
			if len(rows) != tuples || len(fresh) != tuples || lost != (Lost{}) {
				t.Errorf("%d rows, %d announced, lost %+v, want %d", len(rows), len(fresh), lost, tuples)
			}
			for _, row := range rows {
				remote := row.Remote.String()
				if row.RXPackets != want[remote] {
					t.Errorf("%s counts %d frames, want %d", remote, row.RXPackets, want[remote])
				}
				delete(want, remote) // a second row would count 0
			}
		})
	}
}

// TestEvictionsCounted overflows a small table: what is not there was evicted.
func TestEvictionsCounted(t *testing.T) {
	const tuples, room = 5000, 1000
	r := newRig(t, tcHook, room)
	var frames [][]byte
	for n := range tuples {
		frames = append(frames, tupleFrame(n))
	}
	r.check(r.peer.Inject(peerInterface, frames...))
	row, _ := r.await(tuples)
	rows, fresh, lost, err := r.connections.poll(r.watched.name)
	r.check(err)
	if row.RXPackets != tuples || len(fresh) != tuples {
		t.Errorf("%d frames counted, %d connections announced, want %d", row.RXPackets, len(fresh), tuples)
	}
	if len(rows) > room || lost.ConnectionsEvicted != uint64(tuples-len(rows)) {
		t.Errorf("%d rows, %d evicted, want %d together", len(rows), lost.ConnectionsEvicted, tuples)
	}
}

// TestLostEventsCounted overflows the ring buffer: rows are exact all the
// same, and what was not announced is counted.
func TestLostEventsCounted(t *testing.T) {
	const tuples = 40_000 // the ring holds 16,384
	r := newRig(t, tcHook, 65536)
	r.check(r.connections.events.Close())
	var frames [][]byte
	for n := range tuples {
		frames = append(frames, tupleFrame(n))
	}
	r.check(r.peer.Inject(peerInterface, frames...))
	r.await(tuples)
	r.check(r.connections.totals.read(r.connections.maps[bpf.PacketsMapConnectionTotals]))
	var created, lost uint64
	for _, count := range r.connections.totals.of(0) {
		created += count.Created
		lost += count.EventsLost
	}
	const recordBytes, ringBytes = 64, 1 << 20
	if want := uint64(tuples - ringBytes/recordBytes); created != tuples || lost < want || lost > want+1 {
		t.Errorf("%d made, %d events lost, want %d and %d", created, lost, tuples, want)
	}
}

// TestPortFilter narrows tracking to a local port; counting goes on for all.
func TestPortFilter(t *testing.T) {
	r := newRig(t, tcHook, 1000, hostPort, 443)
	other := patched(udp4Frame(), 37, 81)
	other[40], other[41] = 0, 0
	r.check(r.peer.Inject(peerInterface, udp4Frame(), other, fragmentKinds()[1].frame))
	row, _ := r.await(3)
	rows, _, _, err := r.connections.poll(r.watched.name)
	r.check(err)
	if row.RXPackets != 3 || len(rows) != 1 || rows[0].Local.String() != "10.0.0.2:80" {
		t.Errorf("%d frames counted, tracked %+v", row.RXPackets, rows)
	}
}
