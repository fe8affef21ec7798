package packets

import (
	"net"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Frames of every kind that the packet program tells apart, as they look when
// they arrive at host from peer.

var (
	peerMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	hostMAC = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	peer4   = net.IPv4(10, 0, 0, 1).To4()
	host4   = net.IPv4(10, 0, 0, 2).To4()
	peer6   = net.ParseIP("fd00::1")
	host6   = net.ParseIP("fd00::2")
)

const (
	peerPort = 40000
	hostPort = 80
)

// frameKind is a frame and what it must count as.
type frameKind struct {
	name      string
	frame     []byte
	protocol  string // row it counts in
	malformed bool
	// connection says whether a connection is tracked, and whether with ports.
	connection, ports bool
	ipv6              bool
	// The kernel itself drops the frame, on its way to the tc ingress hook.
	droppedBeforeTC bool
}

func ethernet(ethertype layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: peerMAC, DstMAC: hostMAC, EthernetType: ethertype}
}

func ipv4(protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: peer4, DstIP: host4}
}

func ipv6(next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: peer6, DstIP: host6}
}

func tcp(over gopacket.NetworkLayer) *layers.TCP {
	segment := &layers.TCP{SrcPort: peerPort, DstPort: hostPort, ACK: true, PSH: true, Window: 1000}
	must(segment.SetNetworkLayerForChecksum(over))
	return segment
}

func udp(over gopacket.NetworkLayer) *layers.UDP {
	datagram := &layers.UDP{SrcPort: peerPort, DstPort: hostPort}
	must(datagram.SetNetworkLayerForChecksum(over))
	return datagram
}

// Headers that gopacket cannot write, or not without the layer under them.
func sctp() gopacket.Payload {
	return gopacket.Payload{peerPort >> 8, peerPort & 255, 0, hostPort, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4}
}

func udpBytes() gopacket.Payload {
	return gopacket.Payload{peerPort >> 8, peerPort & 255, 0, hostPort, 0, 12, 0, 0, 1, 2, 3, 4}
}

func tcpBytes() gopacket.Payload {
	return append(gopacket.Payload{peerPort >> 8, peerPort & 255, 0, hostPort, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0}, "data"...)
}

// extension is an IPv6 extension header of 8 bytes and units more of 8 (AH: 4).
func extension(next layers.IPProtocol, units uint8, size int) gopacket.Payload {
	return append(gopacket.Payload{byte(next), units}, make([]byte, size-2)...)
}

func fragment6(next layers.IPProtocol, offset uint16, more uint16) gopacket.Payload {
	word := offset<<3 | more
	return gopacket.Payload{byte(next), 0, byte(word >> 8), byte(word), 0, 0, 0, 9}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// build writes the layers with lengths and checksums, without padding.
func build(stack ...gopacket.SerializableLayer) []byte {
	buffer := gopacket.NewSerializeBuffer()
	must(gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...))
	return slices.Clone(buffer.Bytes())
}

// tagged puts VLAN tags behind the addresses, outermost first.
func tagged(frame []byte, ethertypes ...uint16) []byte {
	for i, ethertype := range slices.Backward(ethertypes) {
		frame = slices.Insert(slices.Clone(frame), 12, byte(ethertype>>8), byte(ethertype), 0, byte(100+i))
	}
	return frame
}

// patched overwrites one byte.
func patched(frame []byte, offset int, value byte) []byte {
	frame = slices.Clone(frame)
	frame[offset] = value
	return frame
}

func frameKinds() []frameKind {
	return slices.Concat(plainKinds(), taggedKinds(), extensionKinds(), fragmentKinds(), otherKinds(), malformedKinds())
}

func tcp4Frame() []byte {
	ip := ipv4(layers.IPProtocolTCP)
	return build(ethernet(layers.EthernetTypeIPv4), ip, tcp(ip), gopacket.Payload("hello"))
}

func udp4Frame() []byte {
	ip := ipv4(layers.IPProtocolUDP)
	return build(ethernet(layers.EthernetTypeIPv4), ip, udp(ip), gopacket.Payload("hello"))
}

func tcp6Frame() []byte {
	ip := ipv6(layers.IPProtocolTCP)
	return build(ethernet(layers.EthernetTypeIPv6), ip, tcp(ip), gopacket.Payload("hello"))
}

func plainKinds() []frameKind {
	options := ipv4(layers.IPProtocolTCP)
	options.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 39, OptionData: make([]byte, 37)}}
	udp6 := ipv6(layers.IPProtocolUDP)
	icmp6 := ipv6(layers.IPProtocolICMPv6)
	icmpEcho6 := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
	must(icmpEcho6.SetNetworkLayerForChecksum(icmp6))
	return []frameKind{
		{name: "TCP over IPv4", frame: tcp4Frame(), protocol: "tcp", connection: true, ports: true},
		{name: "padded to 60 bytes", frame: append(udp4Frame(), make([]byte, 60-len(udp4Frame()))...), protocol: "udp", connection: true, ports: true},
		{name: "IPv4 options", frame: build(ethernet(layers.EthernetTypeIPv4), options, tcp(options)), protocol: "tcp", connection: true, ports: true},
		{name: "UDP over IPv4", frame: udp4Frame(), protocol: "udp", connection: true, ports: true},
		{name: "SCTP over IPv4", frame: build(ethernet(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolSCTP), sctp()), protocol: "sctp", connection: true, ports: true},
		{name: "ICMP", frame: build(ethernet(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)}), protocol: "icmp", connection: true},
		{name: "GRE", frame: build(ethernet(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolGRE), gopacket.Payload{0, 0, 8, 0}), protocol: "gre", connection: true},
		{name: "a protocol without a name", frame: build(ethernet(layers.EthernetTypeIPv4), ipv4(253), gopacket.Payload("hello")), protocol: "253", connection: true},
		{name: "TCP over IPv6", frame: tcp6Frame(), protocol: "tcp", connection: true, ports: true, ipv6: true},
		{name: "UDP over IPv6", frame: build(ethernet(layers.EthernetTypeIPv6), udp6, udp(udp6), gopacket.Payload("hello")), protocol: "udp", connection: true, ports: true, ipv6: true},
		{name: "SCTP over IPv6", frame: build(ethernet(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolSCTP), sctp()), protocol: "sctp", connection: true, ports: true, ipv6: true},
		{name: "ICMPv6", frame: build(ethernet(layers.EthernetTypeIPv6), icmp6, icmpEcho6, gopacket.Payload{0, 1, 0, 1}), protocol: "icmpv6", connection: true, ipv6: true},
		{name: "no next header", frame: build(ethernet(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolNoNextHeader)), protocol: "ipv6-nonxt", connection: true, ipv6: true},
	}
}

func taggedKinds() []frameKind {
	return []frameKind{
		{name: "802.1Q", frame: tagged(tcp4Frame(), 0x8100), protocol: "tcp", connection: true, ports: true},
		{name: "802.1AD", frame: tagged(tcp6Frame(), 0x88a8), protocol: "tcp", connection: true, ports: true, ipv6: true},
		{name: "QinQ", frame: tagged(udp4Frame(), 0x88a8, 0x8100), protocol: "udp", connection: true, ports: true},
		{name: "QinQ over IPv6", frame: tagged(tcp6Frame(), 0x88a8, 0x8100), protocol: "tcp", connection: true, ports: true, ipv6: true},
		{name: "three tags", frame: tagged(tcp4Frame(), 0x88a8, 0x8100, 0x8100), protocol: "vlan"},
	}
}

func extensionKinds() []frameKind {
	const (
		hop     = layers.IPProtocolIPv6HopByHop
		routing = layers.IPProtocolIPv6Routing
		options = layers.IPProtocolIPv6Destination
		ah      = layers.IPProtocolAH
		mobile  = layers.IPProtocol(135)
	)
	chain := func(first layers.IPProtocol, stack ...gopacket.SerializableLayer) []byte {
		return build(append([]gopacket.SerializableLayer{ethernet(layers.EthernetTypeIPv6), ipv6(first)}, stack...)...)
	}
	eight := chain(options,
		extension(options, 0, 8), extension(options, 1, 16), extension(options, 0, 8), extension(options, 0, 8),
		extension(options, 0, 8), extension(options, 0, 8), extension(options, 0, 8), extension(layers.IPProtocolUDP, 0, 8),
		udpBytes())
	nine := chain(options,
		extension(options, 0, 8), extension(options, 0, 8), extension(options, 0, 8), extension(options, 0, 8),
		extension(options, 0, 8), extension(options, 0, 8), extension(options, 0, 8), extension(options, 0, 8),
		extension(layers.IPProtocolUDP, 0, 8), udpBytes())
	return []frameKind{
		{name: "hop-by-hop", frame: chain(hop, extension(layers.IPProtocolUDP, 0, 8), udpBytes()), protocol: "udp", connection: true, ports: true, ipv6: true},
		{name: "routing", frame: chain(routing, extension(layers.IPProtocolTCP, 2, 24), tcpBytes()), protocol: "tcp", connection: true, ports: true, ipv6: true},
		{name: "destination options", frame: chain(options, extension(layers.IPProtocolUDP, 31, 256), udpBytes()), protocol: "udp", connection: true, ports: true, ipv6: true},
		{name: "authentication", frame: chain(ah, extension(layers.IPProtocolTCP, 4, 24), tcpBytes()), protocol: "tcp", connection: true, ports: true, ipv6: true},
		{name: "mobility", frame: chain(mobile, extension(layers.IPProtocolUDP, 0, 8), udpBytes()), protocol: "udp", connection: true, ports: true, ipv6: true},
		{name: "atomic fragment", frame: chain(44, fragment6(layers.IPProtocolUDP, 0, 0), udpBytes()), protocol: "udp", connection: true, ports: true, ipv6: true},
		{name: "one of each", frame: chain(hop, extension(routing, 0, 8), extension(44, 0, 8), fragment6(options, 0, 0),
			extension(ah, 0, 8), extension(mobile, 4, 24), extension(layers.IPProtocolTCP, 0, 8), tcpBytes()), protocol: "tcp", connection: true, ports: true, ipv6: true},
		{name: "eight headers", frame: eight, protocol: "udp", connection: true, ports: true, ipv6: true},
		{name: "nine headers", frame: nine, protocol: "ipv6-opts", connection: true, ipv6: true},
		{name: "QinQ and hop-by-hop", frame: tagged(chain(hop, extension(layers.IPProtocolUDP, 0, 8), udpBytes()), 0x88a8, 0x8100), protocol: "udp", connection: true, ports: true, ipv6: true},
	}
}

func fragmentKinds() []frameKind {
	first, later := ipv4(layers.IPProtocolUDP), ipv4(layers.IPProtocolUDP)
	first.Flags = layers.IPv4MoreFragments
	later.FragOffset = 64
	longUDP := slices.Clone(udpBytes())
	longUDP[4], longUDP[5] = 2, 8 // says 520, as the whole datagram has
	return []frameKind{
		{name: "first IPv4 fragment", frame: build(ethernet(layers.EthernetTypeIPv4), first, longUDP), protocol: "udp", connection: true, ports: true},
		{name: "later IPv4 fragment", frame: build(ethernet(layers.EthernetTypeIPv4), later, udpBytes()), protocol: "udp", connection: true},
		{name: "first IPv6 fragment", frame: build(ethernet(layers.EthernetTypeIPv6), ipv6(44), fragment6(layers.IPProtocolUDP, 0, 1), longUDP), protocol: "udp", connection: true, ports: true, ipv6: true},
		{name: "later IPv6 fragment", frame: build(ethernet(layers.EthernetTypeIPv6), ipv6(44), fragment6(layers.IPProtocolUDP, 64, 0), udpBytes()), protocol: "udp", connection: true, ipv6: true},
		{name: "later IPv6 fragment of options", frame: build(ethernet(layers.EthernetTypeIPv6), ipv6(44), fragment6(layers.IPProtocolIPv6Destination, 64, 0), udpBytes()), protocol: "ipv6-opts", connection: true, ipv6: true},
	}
}

func otherKinds() []frameKind {
	arp := &layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, Operation: layers.ARPRequest,
		SourceHwAddress: peerMAC, SourceProtAddress: peer4, DstHwAddress: make([]byte, 6), DstProtAddress: host4}
	stp := build(&layers.Ethernet{SrcMAC: peerMAC, DstMAC: hostMAC, EthernetType: layers.EthernetTypeLLC, Length: 38}, gopacket.Payload(append([]byte{0x42, 0x42, 3}, make([]byte, 43)...)))
	return []frameKind{
		{name: "ARP", frame: build(ethernet(layers.EthernetTypeARP), arp), protocol: "arp"},
		{name: "ARP in a VLAN", frame: tagged(build(ethernet(layers.EthernetTypeARP), arp), 0x8100), protocol: "arp"},
		{name: "LLDP", frame: build(ethernet(0x88cc), gopacket.Payload(make([]byte, 46))), protocol: "lldp"},
		{name: "LACP", frame: build(ethernet(0x8809), gopacket.Payload(make([]byte, 46))), protocol: "lacp"},
		{name: "STP", frame: stp, protocol: "llc"},
		{name: "an ethertype without a name", frame: build(ethernet(0x9abc), gopacket.Payload(make([]byte, 46))), protocol: "0x9abc"},
	}
}

func malformedKinds() []frameKind {
	tcp4, udp4, tcp6 := tcp4Frame(), udp4Frame(), tcp6Frame()
	hop := build(ethernet(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolIPv6HopByHop), extension(layers.IPProtocolUDP, 0, 8), udpBytes())
	short := func(frame []byte, bytes int) []byte { return frame[:len(frame)-bytes] }
	return []frameKind{
		{name: "IPv4 header cut", frame: tcp4[:30], protocol: "ipv4", malformed: true},
		{name: "IPv4 with version 5", frame: patched(tcp4, 14, 0x55), protocol: "ipv4", malformed: true},
		{name: "IPv4 header length 4", frame: patched(tcp4, 14, 0x44), protocol: "ipv4", malformed: true},
		{name: "IPv4 options beyond the packet", frame: patched(tcp4, 14, 0x4f), protocol: "tcp", malformed: true},
		{name: "IPv4 total length 0", frame: patched(patched(tcp4, 16, 0), 17, 0), protocol: "tcp", malformed: true},
		{name: "IPv4 longer than the frame", frame: short(tcp4, 2), protocol: "tcp", malformed: true},
		{name: "TCP header length 4", frame: patched(tcp4, 46, 0x40), protocol: "tcp", malformed: true},
		{name: "TCP options beyond the packet", frame: patched(tcp4, 46, 0xf0), protocol: "tcp", malformed: true},
		{name: "TCP cut within the packet", frame: patched(tcp4, 17, 39), protocol: "tcp", malformed: true},
		{name: "UDP length 7", frame: patched(udp4, 39, 7), protocol: "udp", malformed: true},
		{name: "UDP longer than the packet", frame: patched(udp4, 39, 14), protocol: "udp", malformed: true},
		{name: "IPv6 header cut", frame: tcp6[:50], protocol: "ipv6", malformed: true},
		{name: "IPv6 with version 4", frame: patched(tcp6, 14, 0x40), protocol: "ipv6", malformed: true},
		{name: "IPv6 longer than the frame", frame: short(tcp6, 1), protocol: "tcp", malformed: true},
		{name: "IPv6 without its TCP", frame: patched(tcp6, 19, 0), protocol: "tcp", malformed: true},
		{name: "hop-by-hop beyond the packet", frame: patched(hop, 55, 9), protocol: "hopopt", malformed: true},
		{name: "cut in a VLAN tag", frame: tagged(tcp4, 0x8100)[:16], protocol: "vlan", malformed: true, droppedBeforeTC: true},
	}
}

// TestFrameKindsAreDistinct keeps the table itself honest.
func TestFrameKindsAreDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, kind := range frameKinds() {
		if seen[kind.name] {
			t.Errorf("%s stands twice", kind.name)
		}
		seen[kind.name] = true
		if kind.ports && !kind.connection || kind.malformed && kind.connection {
			t.Errorf("%s contradicts itself", kind.name)
		}
	}
}
