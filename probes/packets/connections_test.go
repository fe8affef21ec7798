package packets

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// tupleFrame is a UDP frame of tuple number n, below 2^32.
func tupleFrame(n int) []byte {
	frame := slices.Clone(udp4Frame())
	binary.BigEndian.PutUint32(frame[26:], 0x0b000000|uint32(n>>8)) // source 11.x.x.x
	binary.BigEndian.PutUint16(frame[34:], uint16(1024+n&0xff))     // source port
	frame[40], frame[41] = 0, 0                                     // no checksum
	return frame
}

// announcements has the tuples that are announced counted here, besides, by their
// remote end. Read it after a poll.
func (r *rig) announcements() map[string]int {
	r.t.Helper()
	c, tuples := r.connections, make(map[string]int)
	r.check(c.events.Close())
	var err error
	c.events, err = kernel.NewRing(c.maps[bpf.PacketsMapConnectionEvents], func(n *uint64, record []byte) error {
		event := (*bpf.PacketsConnectionEvent)(unsafe.Pointer(unsafe.SliceData(record)))
		row, _, _ := connectionOf4((*bpf.PacketsConnectionKey4)(unsafe.Pointer(&event.Key)), r.watched.Standing)
		tuples[row.Remote.String()]++
		return countEvent(n, record)
	})
	r.check(err)
	return tuples
}

// TestTenThousandTuples expects a row for each tuple, with its own count, and
// each announced once.
func TestTenThousandTuples(t *testing.T) {
	const count = 10_000
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			r := newRig(t, hook, 65536)
			tuples := r.announcements()
			var frames [][]byte
			want := make(map[string]uint64)
			for n := range count {
				times := 1 + n%3
				remote := fmt.Sprintf("11.0.%d.%d:%d", n>>16, n>>8&0xff, 1024+n&0xff)
				want[remote] = uint64(times)
				frames = append(frames, repeat(tupleFrame(n), times)...)
			}
			r.check(r.peer.Inject(peerInterface, frames...))
			r.await(uint64(len(frames)))

			polled := r.pollConnections()
			rows := polled.Connections
			if len(rows) != count || polled.New != count || len(tuples) != count || polled.Lost != (probes.Lost{}) {
				t.Errorf("%d rows, %d announced of %d tuples, lost %+v, want %d", len(rows), polled.New, len(tuples), polled.Lost, count)
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
	polled := r.pollConnections()
	rows := polled.Connections
	if row.RXPackets != tuples || polled.New != tuples {
		t.Errorf("%d frames counted, %d connections announced, want %d", row.RXPackets, polled.New, tuples)
	}
	if len(rows) > room || polled.Lost.ConnectionsEvicted != uint64(tuples-len(rows)) {
		t.Errorf("%d rows, %d evicted, want %d together", len(rows), polled.Lost.ConnectionsEvicted, tuples)
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
	r.check(r.connections.totals.Read(r.connections.maps[bpf.PacketsMapConnectionTotals]))
	var created, lost uint64
	for _, count := range r.connections.totals.Of(0) {
		created += count.Created
		lost += count.EventsLost
	}
	const recordBytes, ringBytes = 64, 1 << 20
	if want := uint64(tuples - ringBytes/recordBytes); created != tuples || lost < want || lost > want+1 {
		t.Errorf("%d made, %d events lost, want %d and %d", created, lost, tuples, want)
	}
}

// TestRefusedCounted has rows refused while the table has room. The kernel does
// that where CPUs meet, which cannot be brought about.
func TestRefusedCounted(t *testing.T) {
	r := newRig(t, tcHook, 1000)
	r.check(r.peer.Inject(peerInterface, udp4Frame()))
	r.await(1)
	c := r.connections
	r.check(c.totals.Read(c.maps[bpf.PacketsMapConnectionTotals]))
	counts := c.totals.Of(0)
	counts[0].Refused += 3
	r.check(c.maps[bpf.PacketsMapConnectionTotals].Put(uint32(0), counts))
	if lost := r.pollConnections().Lost; lost.ConnectionsEvicted != 3 {
		t.Errorf("3 rows refused, none evicted: %+v", lost)
	}
}

// TestPortFilter narrows tracking to a local port; counting goes on for all.
func TestPortFilter(t *testing.T) {
	r := newRig(t, tcHook, 1000, hostPort, 443)
	other := patched(udp4Frame(), 37, 81)
	other[40], other[41] = 0, 0
	r.check(r.peer.Inject(peerInterface, udp4Frame(), other, fragmentKinds()[1].frame))
	row, _ := r.await(3)
	rows := r.pollConnections().Connections
	if row.RXPackets != 3 || len(rows) != 1 || rows[0].Local.String() != "10.0.0.2:80" {
		t.Errorf("%d frames counted, tracked %+v", row.RXPackets, rows)
	}
}

// TestBusyConnectionStays has tuples that come twice, and never again, fill the table many
// times over, while a connection goes on in a slot of its CPU: that keeps its row.
func TestBusyConnectionStays(t *testing.T) {
	const size, rounds, each = 4096, 200, 200
	r := newRig(t, tcHook, size)
	wire, err := r.peer.Open(peerInterface)
	r.check(err)
	defer wire.Close()
	busy := udp4Frame()
	_, busyEnd := (&frameKind{ports: true}).ends()
	for round := range rounds {
		r.check(wire.Send(busy))
		for n := range each {
			frame := tupleFrame((each*round + n) << 8) // of one port: none is in the other's slot
			r.check(wire.Send(frame, frame))
		}
		time.Sleep(5 * time.Millisecond) // a tick of the kernel's is to pass, at least at 250 Hz
	}
	r.await(rounds * (1 + 2*each))
	polled := r.pollConnections()
	if polled.Lost.ConnectionsEvicted < rounds*each-size {
		t.Errorf("lost %+v: the table was not full", polled.Lost)
	}
	for _, row := range polled.Connections {
		if row.Remote == busyEnd && row.RXPackets == rounds {
			return
		}
	}
	t.Errorf("no row of the connection with %d frames among %d", rounds, len(polled.Connections))
}
