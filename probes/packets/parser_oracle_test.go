package packets

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// The oracle says what the packet program must make of a frame as it is on the
// wire. Fields and lengths are read by gopacket's decoders, one layer after the
// other. A frame is malformed where gopacket refuses a layer or finds it
// truncated. Where the packet program differs by design, these rules hold;
// nowhere else do the two differ, and TestParserRules has frames for each.
//
//  1. Two VLAN tags (802.1Q, 802.1AD) are stepped over. A third is not read,
//     however short: the frame counts by its ethertype, "vlan" or "qinq".
//  2. An ethertype below 1536 is an 802.3 length, also behind a tag. All such
//     frames count as LLC.
//  3. What is not IP counts by ethertype, whatever is behind it, and is not
//     entered, be it PPPoE or MPLS with IP inside.
//  4. An IP header that is cut, of another version, or (IPv4) shorter than 20
//     bytes, names no protocol: the frame counts by ethertype. Any other
//     malformed frame counts by the last protocol that could be read.
//  5. An IPv4 packet of length zero is malformed. gopacket takes it for a
//     captured aggregate, which never is on the wire.
//  6. What follows the packet in the frame is padding, of any length and
//     content, and no part of headers; but its bytes count.
//  7. Options are not read, of IPv4, of TCP, or in IPv6 extension headers: they
//     cannot make a frame malformed.
//  8. Over IPv4 nothing is an extension header: AH and the others are protocols.
//  9. An IPv6 payload length of zero before a hop-by-hop header is a jumbogram,
//     which reaches to the end of the frame. Without one the packet is empty,
//     which is right where nothing has to follow.
//  10. At most eight IPv6 extension headers are stepped over, in any order,
//     mobility headers as well, though by RFC 6275 nothing follows them. A
//     ninth is the protocol, and is not read.
//  11. A first fragment must hold all headers whole (RFC 7112, RFC 1858), and is
//     read as a packet is, but the length that UDP gives is of the whole. Later
//     fragments are never read: they count by the protocol that their header
//     names, without ports. Whether fragments fit together is not judged. A
//     fragment header without fragmentation (RFC 6946) makes no fragment.
//  12. UDP may give its length as zero over IPv6 alone (RFC 2675).
//  13. TCP, UDP and SCTP have ports. Their headers, and those of ICMP (8 bytes)
//     and ICMPv6 (4 bytes), must be whole, over IPv4 and IPv6 alike. Of other
//     protocols nothing is read, UDP-Lite and DCCP among them.
//  14. Checksums and reserved bits are not judged, nor is whether addresses or
//     ports can be.
type parserOracle struct {
	truncated bool // said by the last decoder
	packet    []byte

	ethernet layers.Ethernet
	tag      layers.Dot1Q
	ip4      layers.IPv4
	ip6      layers.IPv6
	options  layers.IPv6ExtensionSkipper
	fragment layers.IPv6Fragment
	ah       layers.IPSecAH
	tcp      layers.TCP
	udp      layers.UDP
	sctp     layers.SCTP
	icmp4    layers.ICMPv4
	icmp6    layers.ICMPv6
}

// Limits and numbers that the rules name.
const (
	parserTagsMax         = 2
	parserExtensionsMax   = 8
	parserEthertypeMin    = 1536
	parserLLC             = 4 // ETH_P_802_2
	parserMobility        = layers.IPProtocol(135)
	parserIPv4HeaderBytes = 20
	parserIPv6HeaderBytes = 40
)

// parserVerdict is what a frame must count as.
type parserVerdict struct {
	isIP      bool
	number    uint32 // IP protocol, or ethertype of what is not IP
	malformed bool
	// Of the connection, with ports of zero if it has none; invalid without.
	source, destination netip.AddrPort
	flags               uint8 // of TCP
}

// SetTruncated is called by decoders whose length is more than there is.
func (o *parserOracle) SetTruncated() { o.truncated = true }

type parserDecoder interface {
	DecodeFromBytes([]byte, gopacket.DecodeFeedback) error
}

// decode says whether the layer could be read. It may be truncated all the same.
func (o *parserOracle) decode(layer parserDecoder, data []byte) bool {
	o.truncated = false
	return layer.DecodeFromBytes(data, o) == nil
}

func (o *parserOracle) judge(frame []byte) parserVerdict {
	if !o.decode(&o.ethernet, frame) {
		return parserVerdict{malformed: true}
	}
	ethertype, data := o.ethernet.EthernetType, o.ethernet.Payload
	for tags := 0; tags < parserTagsMax && ethertype.LayerType() == layers.LayerTypeDot1Q; tags++ { // rule 1
		if !o.decode(&o.tag, data) {
			return parserVerdict{number: uint32(ethertype), malformed: true}
		}
		ethertype, data = o.tag.Type, o.tag.Payload
	}
	switch {
	case ethertype < parserEthertypeMin:
		return parserVerdict{number: parserLLC, malformed: o.truncated} // rule 2
	case ethertype == layers.EthernetTypeIPv4:
		return o.judgeIPv4(data)
	case ethertype == layers.EthernetTypeIPv6:
		return o.judgeIPv6(data)
	}
	return parserVerdict{number: uint32(ethertype)} // rule 3
}

func (o *parserOracle) judgeIPv4(data []byte) parserVerdict {
	v := parserVerdict{number: uint32(layers.EthernetTypeIPv4), malformed: true}
	if len(data) < parserIPv4HeaderBytes || data[0]>>4 != 4 || data[0]&0xf < parserIPv4HeaderBytes/4 {
		return v // rule 4
	}
	v.isIP, v.number = true, uint32(data[9])
	if binary.BigEndian.Uint16(data[2:]) == 0 {
		return v // rule 5
	}
	header := min(int(data[0]&0xf)*4, len(data))
	o.packet = append(o.packet[:0], data...)
	clear(o.packet[parserIPv4HeaderBytes:header]) // rule 7: zero ends the options
	if !o.decode(&o.ip4, o.packet) || o.truncated {
		return v
	}
	v = v.connected(o.ip4.SrcIP, o.ip4.DstIP)
	if o.ip4.FragOffset != 0 {
		return v // rule 11
	}
	return o.judgeTransport(v, o.ip4.Payload, o.ip4.Flags&layers.IPv4MoreFragments != 0)
}

func (o *parserOracle) judgeIPv6(data []byte) parserVerdict {
	v := parserVerdict{number: uint32(layers.EthernetTypeIPv6), malformed: true}
	if len(data) < parserIPv6HeaderBytes || data[0]>>4 != 6 {
		return v // rule 4
	}
	// Rules 7 and 9: what gopacket thinks of the length zero and of hop-by-hop
	// options, which it reads with the header, does not matter.
	o.decode(&o.ip6, data)
	v.isIP, v.number = true, uint32(o.ip6.NextHeader)
	payload := data[parserIPv6HeaderBytes:]
	if int(o.ip6.Length) > len(payload) {
		return v
	}
	if o.ip6.Length != 0 || o.ip6.NextHeader != layers.IPProtocolIPv6HopByHop { // rule 9
		payload = payload[:o.ip6.Length]
	}
	isFragment := false
	for n := 0; n < parserExtensionsMax && isExtension(v.number); n++ { // rule 10
		isFragmentHeader := v.number == uint32(layers.IPProtocolIPv6Fragment)
		next, rest, ok := o.stepOver(layers.IPProtocol(v.number), payload)
		if !ok {
			return v
		}
		v.number, payload = uint32(next), rest
		if isFragmentHeader && o.fragment.FragmentOffset != 0 {
			return v.connected(o.ip6.SrcIP, o.ip6.DstIP) // rule 11
		}
		isFragment = isFragment || isFragmentHeader && o.fragment.MoreFragments
	}
	return o.judgeTransport(v.connected(o.ip6.SrcIP, o.ip6.DstIP), payload, isFragment)
}

// isExtension: those that docs/counting.md names.
func isExtension(protocol uint32) bool {
	switch layers.IPProtocol(protocol) {
	case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Fragment,
		layers.IPProtocolIPv6Destination, layers.IPProtocolAH, parserMobility:
		return true
	}
	return false
}

// stepOver reads one IPv6 extension header. All but two have one form.
func (o *parserOracle) stepOver(extension layers.IPProtocol, data []byte) (next layers.IPProtocol, rest []byte, ok bool) {
	switch extension {
	case layers.IPProtocolIPv6Fragment:
		ok = o.decode(&o.fragment, data)
		return o.fragment.NextHeader, o.fragment.Payload, ok
	case layers.IPProtocolAH:
		ok = o.decode(&o.ah, data)
		return o.ah.NextHeader, o.ah.Payload, ok
	}
	ok = o.decode(&o.options, data)
	return o.options.NextHeader, o.options.Payload, ok
}

// judgeTransport reads the ports of a packet or its first fragment. gopacket
// bounds TCP options itself, but never refuses them (rule 7).
func (o *parserOracle) judgeTransport(v parserVerdict, data []byte, isFragment bool) parserVerdict {
	ok, source, destination := true, uint16(0), uint16(0)
	switch layers.IPProtocol(v.number) { // rule 13
	case layers.IPProtocolTCP:
		ok = o.decode(&o.tcp, data)
		source, destination = uint16(o.tcp.SrcPort), uint16(o.tcp.DstPort)
		v.flags = flagsOf(&o.tcp)
	case layers.IPProtocolUDP:
		ok = o.decode(&o.udp, data) && (!o.truncated || isFragment) // rule 11
		ok = ok && (o.udp.Length != 0 || v.source.Addr().Is6())     // rule 12
		source, destination = uint16(o.udp.SrcPort), uint16(o.udp.DstPort)
	case layers.IPProtocolSCTP:
		ok = o.decode(&o.sctp, data)
		source, destination = uint16(o.sctp.SrcPort), uint16(o.sctp.DstPort)
	case layers.IPProtocolICMPv4:
		ok = o.decode(&o.icmp4, data)
	case layers.IPProtocolICMPv6:
		ok = o.decode(&o.icmp6, data)
	}
	if !ok {
		return parserVerdict{isIP: true, number: v.number, malformed: true}
	}
	v.source = netip.AddrPortFrom(v.source.Addr(), source)
	v.destination = netip.AddrPortFrom(v.destination.Addr(), destination)
	return v
}

func flagsOf(tcp *layers.TCP) (flags uint8) {
	for bit, isSet := range [...]bool{tcp.FIN, tcp.SYN, tcp.RST, tcp.PSH, tcp.ACK, tcp.URG, tcp.ECE, tcp.CWR} {
		if isSet {
			flags |= 1 << bit
		}
	}
	return flags
}

// connected is v, not malformed, as a connection without ports.
func (v parserVerdict) connected(source, destination net.IP) parserVerdict {
	from, _ := netip.AddrFromSlice(source)
	to, _ := netip.AddrFromSlice(destination)
	v.malformed = false
	v.source, v.destination = netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, 0)
	return v
}
