package packets

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ebpftop/ebpftop/probes/internal/names"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// parserRuleCase is a frame for a rule of parserOracle; rule 0 is what program
// and gopacket must agree on without one.
type parserRuleCase struct {
	rule  int
	name  string
	frame []byte
	want  parserVerdict
}

const parserRules = 14

// TestParserOracle holds the oracle to what the rules and the kinds of frames
// say, so that it cannot be wrong together with the program.
func TestParserOracle(t *testing.T) {
	var oracle parserOracle
	tested := make(map[int]bool)
	for _, c := range parserRuleCases() {
		tested[c.rule] = true
		if got := oracle.judge(c.frame); got != c.want {
			t.Errorf("rule %d, %s: judged %+v, must be %+v", c.rule, c.name, got, c.want)
		}
	}
	for rule := 1; rule <= parserRules; rule++ {
		if !tested[rule] {
			t.Errorf("no frame for rule %d", rule)
		}
	}
	for _, kind := range frameKinds() {
		v := oracle.judge(kind.frame)
		name := names.Ethertype(uint16(v.number))
		if v.isIP {
			name = names.IPProtocol(uint8(v.number))
		}
		hasPorts := v.source.IsValid() && v.source.Port() == peerPort && v.destination.Port() == hostPort
		if name != kind.protocol || v.malformed != kind.malformed || v.source.IsValid() != kind.connection || hasPorts != kind.ports {
			t.Errorf("%s: judged %+v", kind.name, v)
		}
	}
}

// TestParserRules holds the packet program to the rules.
func TestParserRules(t *testing.T) {
	labtest.RequireRoot(t)
	b := newParserBench(t)
	for _, c := range parserRuleCases() {
		t.Run(c.name, func(t *testing.T) { b.compare(t, [][]byte{c.frame}) })
	}
}

// Verdicts.

func ethertypeRow(ethertype uint32) parserVerdict { return parserVerdict{number: ethertype} }

func malformedRow(ethertype uint32) parserVerdict {
	return parserVerdict{number: ethertype, malformed: true}
}

func malformedIP(protocol layers.IPProtocol) parserVerdict {
	return parserVerdict{isIP: true, number: uint32(protocol), malformed: true}
}

// row4 and row6 are connections without ports.
func row4(protocol layers.IPProtocol) parserVerdict {
	return parserVerdict{isIP: true, number: uint32(protocol)}.connected(peer4, host4)
}

func row6(protocol layers.IPProtocol) parserVerdict {
	return parserVerdict{isIP: true, number: uint32(protocol)}.connected(peer6, host6)
}

// withPorts adds the ports, and the flags that segments have here.
func (v parserVerdict) withPorts() parserVerdict {
	v.source = netip.AddrPortFrom(v.source.Addr(), peerPort)
	v.destination = netip.AddrPortFrom(v.destination.Addr(), hostPort)
	if v.number == uint32(layers.IPProtocolTCP) {
		v.flags = 0x18
	}
	return v
}

// Frames without padding.

func frame4(protocol layers.IPProtocol, payload ...byte) []byte {
	frame := build(ethernet(layers.EthernetTypeIPv4), ipv4(protocol), gopacket.Payload(payload))
	return frame[:parserFrameMin+parserIPv4HeaderBytes+len(payload)]
}

func frame6(protocol layers.IPProtocol, stack ...[]byte) []byte {
	payload := slices.Concat(stack...)
	frame := build(ethernet(layers.EthernetTypeIPv6), ipv6(protocol), gopacket.Payload(payload))
	return frame[:parserFrameMin+parserIPv6HeaderBytes+len(payload)]
}

// patched16 overwrites two bytes.
func patched16(frame []byte, offset int, value uint16) []byte {
	frame = slices.Clone(frame)
	binary.BigEndian.PutUint16(frame[offset:], value)
	return frame
}

// Where the fields are that cases patch.
const (
	ethertypeAt  = 12
	ip4LengthAt  = 16
	ip4FlagsAt   = 20
	ip4PayloadAt = parserFrameMin + parserIPv4HeaderBytes
	ip6LengthAt  = 18
	ip6PayloadAt = parserFrameMin + parserIPv6HeaderBytes
	udpLength    = 4 // in its header
)

func parserRuleCases() []parserRuleCase {
	return slices.Concat(linkCases(), ipv4Cases(), ipv6Cases(), fragmentCases(), transportCases())
}

func linkCases() []parserRuleCase {
	three := tagged(tcp4Frame(), 0x88a8, 0x8100, 0x8100)
	llc := patched16(make([]byte, 20), ethertypeAt, 6)
	pppoe := slices.Concat(make([]byte, 12), []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0, 0x21}, frame4(4)[14:])
	return []parserRuleCase{
		{1, "two tags", tagged(tcp4Frame(), 0x88a8, 0x8100), row4(layers.IPProtocolTCP).withPorts()},
		{1, "third tag", three, ethertypeRow(0x8100)},
		{1, "third tag cut", three[:22], ethertypeRow(0x8100)},
		{1, "third tag 802.1AD", tagged(tcp4Frame(), 0x8100, 0x8100, 0x88a8), ethertypeRow(0x88a8)},
		{0, "second tag cut", three[:21], malformedRow(0x8100)},
		{2, "802.3", llc, ethertypeRow(parserLLC)},
		{2, "802.3 with padding", append(slices.Clone(llc), make([]byte, 40)...), ethertypeRow(parserLLC)},
		{2, "802.3 in a VLAN", tagged(llc, 0x8100), ethertypeRow(parserLLC)},
		{2, "1535 is a length", patched16(make([]byte, 14+1535), ethertypeAt, 1535), ethertypeRow(parserLLC)},
		{2, "1536 is an ethertype", patched16(make([]byte, 14), ethertypeAt, 1536), ethertypeRow(1536)},
		// Shorter than it says it is (IEEE 802.3, 3.2.6).
		{0, "802.3 length beyond the frame", llc[:19], malformedRow(parserLLC)},
		{0, "802.3 length beyond the frame in a VLAN", tagged(llc, 0x8100)[:23], malformedRow(parserLLC)},
		{3, "ARP cut", patched16(make([]byte, 16), ethertypeAt, 0x0806), ethertypeRow(0x0806)},
		{3, "IPv4 in PPPoE", pppoe, ethertypeRow(0x8864)},
	}
}

func ipv4Cases() []parserRuleCase {
	tcp4, udp4 := frame4(layers.IPProtocolTCP, tcpBytes()...), frame4(layers.IPProtocolUDP, udpBytes()...)
	options := build(ethernet(layers.EthernetTypeIPv4), &layers.IPv4{Version: 4, Protocol: layers.IPProtocolUDP, SrcIP: peer4, DstIP: host4,
		Options: []layers.IPv4Option{{OptionType: 7, OptionLength: 4, OptionData: []byte{0, 0}}}}, udpBytes())
	return []parserRuleCase{
		{4, "IPv4 header cut", tcp4[:33], malformedRow(0x0800)},
		{4, "IPv4 of version 6", patched(tcp4, 14, 0x65), malformedRow(0x0800)},
		{4, "IPv4 header of 16 bytes", patched(tcp4, 14, 0x44), malformedRow(0x0800)},
		{4, "IPv4 options beyond the frame", patched(tcp4, 14, 0x4f), malformedIP(layers.IPProtocolTCP)},
		{4, "IPv4 cut behind its header", tcp4[:34], malformedIP(layers.IPProtocolTCP)},
		{5, "IPv4 length zero", patched16(tcp4, ip4LengthAt, 0), malformedIP(layers.IPProtocolTCP)},
		{6, "padding", append(slices.Clone(udp4), tcpBytes()...), row4(layers.IPProtocolUDP).withPorts()},
		{6, "TCP in padding", patched16(tcp4, ip4LengthAt, 39), malformedIP(layers.IPProtocolTCP)},
		{7, "IPv4 option of length zero", patched(options, 35, 0), row4(layers.IPProtocolUDP).withPorts()},
		{7, "IPv4 option beyond the options", patched(options, 35, 5), row4(layers.IPProtocolUDP).withPorts()},
		{8, "AH over IPv4", frame4(layers.IPProtocolAH, extension(layers.IPProtocolUDP, 4, 24)...), row4(layers.IPProtocolAH)},
		{8, "hop-by-hop over IPv4", frame4(layers.IPProtocolIPv6HopByHop), row4(layers.IPProtocolIPv6HopByHop)},
		{14, "IPv4 checksum", patched16(udp4, 24, 0xdead), row4(layers.IPProtocolUDP).withPorts()},
		{14, "reserved flag", patched16(udp4, ip4FlagsAt, 0x8000), row4(layers.IPProtocolUDP).withPorts()},
	}
}

func ipv6Cases() []parserRuleCase {
	const (
		hop, options = layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Destination
		udp, none    = layers.IPProtocolUDP, layers.IPProtocolNoNextHeader
	)
	ofUDP := row6(udp).withPorts()
	eight := slices.Concat(slices.Repeat(extension(options, 0, 8), 7), extension(udp, 0, 8), udpBytes())
	nine := slices.Concat(slices.Repeat(extension(options, 0, 8), 8), extension(udp, 0, 8), udpBytes())
	jumbo := frame6(hop, []byte{byte(udp), 0, 0xc2, 4, 0, 1, 0, 0}, udpBytes())
	tlv := []byte{byte(udp), 0, 5, 200, 0, 0, 0, 0}
	return []parserRuleCase{
		{4, "IPv6 header cut", frame6(udp, udpBytes())[:53], malformedRow(0x86dd)},
		{4, "IPv6 of version 4", patched(frame6(udp, udpBytes()), 14, 0x40), malformedRow(0x86dd)},
		{4, "IPv6 cut behind its header", frame6(udp, udpBytes())[:54], malformedIP(udp)},
		{6, "padding over IPv6", append(frame6(udp, udpBytes()), udpBytes()...), ofUDP},
		{6, "extension header in padding", patched16(frame6(options, extension(udp, 1, 16), udpBytes()), ip6LengthAt, 8), malformedIP(options)},
		{7, "hop-by-hop option beyond its header", frame6(hop, tlv, udpBytes()), ofUDP},
		{7, "destination option beyond its header", frame6(options, tlv, udpBytes()), ofUDP},
		{9, "jumbogram", patched16(jumbo, ip6LengthAt, 0), ofUDP},
		{9, "jumbogram without its option", patched16(frame6(hop, extension(udp, 0, 8), udpBytes()), ip6LengthAt, 0), ofUDP},
		{9, "jumbogram cut", patched16(jumbo, ip6LengthAt, 0)[:ip6PayloadAt+7], malformedIP(hop)},
		{9, "IPv6 length zero before UDP", patched16(frame6(udp, udpBytes()), ip6LengthAt, 0), malformedIP(udp)},
		{9, "IPv6 length zero before options", patched16(frame6(options, extension(udp, 0, 8), udpBytes()), ip6LengthAt, 0), malformedIP(options)},
		{9, "empty IPv6 packet", frame6(none), row6(none)},
		{10, "eight extension headers", frame6(options, eight), ofUDP},
		{10, "nine extension headers", frame6(options, nine), row6(options)},
		{10, "ninth extension header missing", frame6(options, nine[:64]), row6(options)},
		{10, "mobility header", frame6(parserMobility, extension(udp, 0, 8), udpBytes()), ofUDP},
		{10, "hop-by-hop behind others", frame6(options, extension(hop, 0, 8), extension(udp, 0, 8), udpBytes()), ofUDP},
		{0, "AH of 12 bytes", frame6(layers.IPProtocolAH, extension(udp, 1, 12), udpBytes()), ofUDP},
		// An authentication header has at least 12 bytes (RFC 4302, 2).
		{0, "AH of 8 bytes", frame6(layers.IPProtocolAH, extension(udp, 0, 8), udpBytes()), malformedIP(layers.IPProtocolAH)},
	}
}

func fragmentCases() []parserRuleCase {
	const (
		fragment, options = layers.IPProtocolIPv6Fragment, layers.IPProtocolIPv6Destination
		tcp, udp          = layers.IPProtocolTCP, layers.IPProtocolUDP
		more              = 0x2000 // IPv4
	)
	longUDP := []byte(patched16(udpBytes(), udpLength, 1000))
	tcp4, udp4 := frame4(tcp, tcpBytes()...), frame4(udp, longUDP...)
	return []parserRuleCase{
		{11, "first IPv4 fragment", patched16(udp4, ip4FlagsAt, more), row4(udp).withPorts()},
		{11, "first IPv4 fragment, TCP cut", patched16(frame4(tcp, tcpBytes()[:16]...), ip4FlagsAt, more), malformedIP(tcp)},
		{11, "first IPv4 fragment, TCP options cut", patched(patched16(tcp4, ip4FlagsAt, more), ip4PayloadAt+12, 0x80), malformedIP(tcp)},
		{11, "later IPv4 fragment", patched16(tcp4, ip4FlagsAt, 1), row4(tcp)},
		{11, "later IPv4 fragment, more to come", patched16(tcp4, ip4FlagsAt, more|1), row4(tcp)},
		{11, "later IPv4 fragment, short", patched16(frame4(tcp, 1), ip4FlagsAt, 0x1fff), row4(tcp)},
		{11, "first IPv6 fragment", frame6(fragment, fragment6(udp, 0, 1), longUDP), row6(udp).withPorts()},
		{11, "first IPv6 fragment, UDP cut", frame6(fragment, fragment6(udp, 0, 1), longUDP[:7]), malformedIP(udp)},
		{11, "first IPv6 fragment, options cut", frame6(fragment, fragment6(options, 0, 1), extension(udp, 1, 8)), malformedIP(options)},
		{11, "first IPv6 fragment, options before UDP", frame6(fragment, fragment6(options, 0, 1), extension(udp, 0, 8), longUDP), row6(udp).withPorts()},
		{11, "later IPv6 fragment", frame6(fragment, fragment6(udp, 1, 0), longUDP), row6(udp)},
		{11, "later IPv6 fragment of options", frame6(fragment, fragment6(options, 1, 1), extension(udp, 1, 8)), row6(options)},
		{11, "no fragment", frame6(fragment, fragment6(udp, 0, 0), udpBytes()), row6(udp).withPorts()},
		{11, "no fragment, UDP too long", frame6(fragment, fragment6(udp, 0, 0), longUDP), malformedIP(udp)},
		{11, "two fragment headers", frame6(fragment, fragment6(fragment, 0, 1), fragment6(udp, 0, 0), longUDP), row6(udp).withPorts()},
	}
}

func transportCases() []parserRuleCase {
	const tcp, udp, icmp, icmp6 = layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv4, layers.IPProtocolICMPv6
	empty := []byte(patched16(udpBytes(), udpLength, 0))
	withOption := patched(append(slices.Clone(tcpBytes()[:20]), 2, 0, 9, 9), 12, 0x60)
	return []parserRuleCase{
		{7, "TCP option of length zero", frame4(tcp, withOption...), row4(tcp).withPorts()},
		{0, "TCP options beyond the packet", frame4(tcp, patched(withOption, 12, 0x70)...), malformedIP(tcp)},
		{0, "TCP header of 16 bytes", frame4(tcp, patched(withOption, 12, 0x40)...), malformedIP(tcp)},
		{12, "UDP length zero over IPv4", frame4(udp, empty...), malformedIP(udp)},
		{12, "UDP length zero over IPv6", frame6(udp, empty), row6(udp).withPorts()},
		{0, "UDP length 7 over IPv6", frame6(udp, patched16(empty, udpLength, 7)), malformedIP(udp)},
		{0, "UDP shorter than the packet", frame6(udp, patched16(empty, udpLength, 8)), row6(udp).withPorts()},
		{0, "UDP longer than the packet", frame6(udp, patched16(empty, udpLength, 13)), malformedIP(udp)},
		{13, "ICMPv6 of 4 bytes", frame6(icmp6, make([]byte, 4)), row6(icmp6)},
		{13, "ICMPv6 of 3 bytes", frame6(icmp6, make([]byte, 3)), malformedIP(icmp6)},
		{13, "ICMP of 7 bytes", frame4(icmp, make([]byte, 7)...), malformedIP(icmp)},
		{13, "ICMP over IPv6", frame6(icmp, make([]byte, 7)), malformedIP(icmp)},
		{13, "ICMPv6 over IPv4", frame4(icmp6, make([]byte, 4)...), row4(icmp6)},
		{13, "SCTP", frame4(layers.IPProtocolSCTP, sctp()[:12]...), row4(layers.IPProtocolSCTP).withPorts()},
		{13, "SCTP cut", frame4(layers.IPProtocolSCTP, sctp()[:11]...), malformedIP(layers.IPProtocolSCTP)},
		{13, "UDP-Lite", frame4(layers.IPProtocolUDPLite, udpBytes()...), row4(layers.IPProtocolUDPLite)},
		{13, "DCCP", frame4(33, udpBytes()...), row4(33)},
		{13, "GRE without a header", frame6(layers.IPProtocolGRE), row6(layers.IPProtocolGRE)},
		{14, "UDP checksum", frame6(udp, patched16(udpBytes(), 6, 0xdead)), row6(udp).withPorts()},
	}
}
