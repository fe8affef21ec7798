package packets

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// tcpFrame is a TCP frame of a connection, with flags as in octet 13 of the header.
func tcpFrame(port uint16, flags byte) []byte {
	frame := slices.Clone(tcp4Frame())
	binary.BigEndian.PutUint16(frame[34:], port)
	frame[47] = flags
	return frame
}

// TestConnectionsEnd has connections end whose slots others take, and such that keep
// them: what is over leaves, and what goes on stays.
func TestConnectionsEnd(t *testing.T) {
	const each = 3 * connectionSlots
	host, peer := newPair(t)
	r := &rig{t: t, host: host, peer: peer, ageing: probes.Ageing{Closed: 50 * time.Millisecond, Other: 50 * time.Millisecond}}
	r.open(tcHook, 10_000)
	var frames [][]byte
	for n := range each {
		port := uint16(1000 + n)
		frames = append(frames, tupleFrame(n), tcpFrame(port, 0x10), tcpFrame(20_000+port, 0x02), tcpFrame(20_000+port, 0x04))
	}
	r.check(peer.Inject(peerInterface, frames...))
	r.await(uint64(len(frames)))
	r.eventually(func() error {
		polled, err := r.connections.Poll(r.watched.Standing, 0)
		rows, lost := polled.Connections, polled.Lost
		switch {
		case err != nil:
			return err
		case lost.ConnectionsEvicted != 0:
			return fmt.Errorf("%d evicted", lost.ConnectionsEvicted)
		case len(rows)+int(lost.ConnectionsEnded) != 3*each:
			return fmt.Errorf("%d rows and %d ended, want %d together", len(rows), lost.ConnectionsEnded, 3*each)
		case len(rows) != each:
			return fmt.Errorf("%d rows, want %d", len(rows), each)
		}
		for _, row := range rows {
			if row.Protocol != "tcp" || row.RXFlags != 0x10 || row.RXPackets != 1 {
				return fmt.Errorf("%+v is still there", row)
			}
		}
		return nil
	})
	_, err := r.connections.Poll(r.watched.Standing, 0)
	r.check(err)
	present := r.connections.ipv4.present
	if most := uint64(each + connectionSlots*r.packets.counters.cpus); present > most {
		t.Errorf("the kernel still has %d rows, want at most %d", present, most)
	}
	// One that was over goes on. On a slow machine it would be over again before it is seen.
	r.connections.times.ageing = probes.Ageing{}
	r.check(peer.Inject(peerInterface, tupleFrame(0)))
	r.eventually(func() error {
		polled, err := r.connections.Poll(r.watched.Standing, 0)
		rows := polled.Connections
		if err == nil && !slices.ContainsFunc(rows, func(c probes.Connection) bool { return c.Protocol == "udp" }) {
			err = fmt.Errorf("no UDP among %d rows", len(rows))
		}
		return err
	})
}
