package main

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// newcomers sends frames that are each the first of a connection: UDP and SYN,
// over IPv4 and IPv6 in turns, from addresses and ports that look random and
// never come twice.
type newcomers struct {
	sent   atomic.Uint64
	err    error
	cancel context.CancelFunc
	done   chan struct{}
}

func flooding(t *testing.T, peer *lab.Namespace) *newcomers {
	t.Helper()
	wire, err := peer.Open("peer0")
	if err != nil {
		t.Fatal(err)
	}
	frames := firstFrames(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := &newcomers{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		defer wire.Close()
		for i := 0; ctx.Err() == nil; i++ {
			if n.err = wire.Send(frames[i%len(frames)].of(uint32(i))); n.err != nil {
				return
			}
			n.sent.Add(1)
		}
	}()
	t.Cleanup(func() { n.cancel(); <-n.done })
	return n
}

// firstFrame begins a connection.
type firstFrame struct {
	bytes   []byte
	address int // where the last four bytes of the source address are
	port    int // where the source port is
}

// of makes it that of connection i.
func (f *firstFrame) of(i uint32) []byte {
	scattered := i * 2654435761 // odd: no two are alike
	binary.BigEndian.PutUint32(f.bytes[f.address:], scattered)
	binary.BigEndian.PutUint16(f.bytes[f.port:], uint16(scattered>>7)|1)
	return f.bytes
}

// firstFrames are UDP and SYN in turns.
func firstFrames(t *testing.T) []*firstFrame {
	t.Helper()
	udp, syn := &layers.UDP{DstPort: 53}, &layers.TCP{DstPort: 80, SYN: true}
	ip4 := func(next layers.IPProtocol) gopacket.SerializableLayer {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: next, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	}
	ip6 := func(next layers.IPProtocol) gopacket.SerializableLayer {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: net.ParseIP("2001:db8::"), DstIP: net.ParseIP("2001:db8::2")}
	}
	return []*firstFrame{
		{serialize(t, layers.EthernetTypeIPv4, ip4(layers.IPProtocolUDP), udp), 14 + 12, 14 + 20},
		{serialize(t, layers.EthernetTypeIPv4, ip4(layers.IPProtocolTCP), syn), 14 + 12, 14 + 20},
		{serialize(t, layers.EthernetTypeIPv6, ip6(layers.IPProtocolUDP), udp), 14 + 8 + 12, 14 + 40},
		{serialize(t, layers.EthernetTypeIPv6, ip6(layers.IPProtocolTCP), syn), 14 + 8 + 12, 14 + 40},
	}
}

// serialize makes a frame without checksums of what it carries: they would have
// to follow what changes.
func serialize(t *testing.T, ethertype layers.EthernetType, headers ...gopacket.SerializableLayer) []byte {
	t.Helper()
	ethernet := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: ethertype}
	buffer := gopacket.NewSerializeBuffer()
	headers = append([]gopacket.SerializableLayer{ethernet}, headers...)
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true}, headers...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buffer.Bytes())
}

// end returns how many frames were sent.
func (n *newcomers) end(t *testing.T) uint64 {
	t.Helper()
	n.cancel()
	<-n.done
	if n.err != nil {
		t.Fatal(n.err)
	}
	return n.sent.Load()
}

// overrun stops a process until there were more connections than it can be told
// of at a time.
func (n *newcomers) overrun(t *testing.T, process *os.Process) {
	t.Helper()
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const events = 200_000
	for before := n.sent.Load(); n.sent.Load() < before+events; time.Sleep(time.Millisecond) {
		select {
		case <-n.done:
			t.Fatal(n.err)
		default:
		}
	}
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
