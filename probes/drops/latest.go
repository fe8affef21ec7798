package drops

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/names"
)

// eventBatch is the dropped packets that were announced between two polls.
type eventBatch struct{ events []bpf.DropsDropEvent }

// eventsMax bounds those of one interval. What is beyond it is only not among the latest.
const eventsMax = 4096

func (b *eventBatch) add(record []byte) error {
	var event bpf.DropsDropEvent
	if len(record) < int(unsafe.Sizeof(event)) {
		return fmt.Errorf("drop event of %d bytes", len(record))
	}
	if len(b.events) >= eventsMax {
		copy(b.events, b.events[eventsMax/2:])
		b.events = b.events[:eventsMax/2]
	}
	// The layout is the kernel's own (bpf2go), and so is the byte order.
	b.events = append(b.events, *(*bpf.DropsDropEvent)(unsafe.Pointer(unsafe.SliceData(record))))
	return nil
}

// Whose fills in whose a packet is that was dropped on an interface, of which the name is empty
// if there is none, on its way into this host or out of it.
type Whose func(packet *probes.DroppedPacket, iface string, wasReceived bool) error

// addEvent adds a packet to the latest of its row.
func (p *Probe) addEvent(e *bpf.DropsDropEvent, whose Whose) error {
	r := p.rows[rowKey{DropsDropKey: e.Key}]
	if r == nil {
		return nil // of an interface that is gone
	}
	if program := unix.ByteSliceToString(e.Program[:]); program != "" {
		r.drop.Program = fmt.Sprintf("%s (id %d)", program, e.Key.Place)
	}
	packet := probes.DroppedPacket{Time: p.clock.Wall(e.Time), Protocol: r.drop.Protocol}
	if e.IsIp == 0 && e.Ethertype != 0 {
		packet.Protocol = names.Ethertype(e.Ethertype)
	}
	if e.IsIp != 0 {
		packet.Local, packet.Remote = endsOf(e)
	}
	if err := whose(&packet, p.names[e.Key.Ifindex], e.WasReceived != 0); err != nil {
		return fmt.Errorf("find the owner of a dropped packet: %w", err)
	}
	r.remember(packet)
	return nil
}

// endsOf returns the local and the remote end. What was received is for the local one.
func endsOf(e *bpf.DropsDropEvent) (local, remote *probes.Endpoint) {
	end := func(address [16]uint8, port uint16) *probes.Endpoint {
		ip := netip.AddrFrom16(address)
		if e.IsIpv6 == 0 {
			ip = netip.AddrFrom4([4]byte(address[:4]))
		}
		var network [2]byte // the kernel's bytes, in the order of the wire
		binary.NativeEndian.PutUint16(network[:], port)
		ends := probes.Endpoint(netip.AddrPortFrom(ip, binary.BigEndian.Uint16(network[:])))
		return &ends
	}
	source, destination := end(e.Source, e.SourcePort), end(e.Destination, e.DestinationPort)
	if e.WasReceived != 0 {
		return destination, source
	}
	return source, destination
}
