package owners

import (
	"encoding/binary"
	"net/netip"

	"github.com/ebpftop/ebpftop/probes"
)

// protocols are those whose sockets have ports, by their names in probes.Connection.
var protocols = map[string]uint32{"tcp": protocolTCP, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136}

// mappedZero is 0.0.0.0 as programs write it.
var mappedZero = wordsOf(netip.IPv4Unspecified())

// tupleOf returns the tuple of a connection as its local end sees it; false if the protocol
// has no ports.
func tupleOf(c *probes.Connection) (t tuple, hasPorts bool) {
	protocol, hasPorts := protocols[c.Protocol]
	local, remote := netip.AddrPort(c.Local), netip.AddrPort(c.Remote)
	return tuple{
		local: wordsOf(local.Addr()), remote: wordsOf(remote.Addr()),
		localPort: toNetwork(local.Port()), remotePort: toNetwork(remote.Port()), protocol: protocol,
	}, hasPorts
}

// wordsOf returns an address as it is in memory, one of IPv4 mapped to IPv6.
func wordsOf(address netip.Addr) (words [4]uint32) {
	bytes := address.As16()
	for i := range words {
		words[i] = binary.NativeEndian.Uint32(bytes[4*i:])
	}
	return words
}

func toNetwork(port uint16) uint16 {
	var bytes [2]byte
	binary.BigEndian.PutUint16(bytes[:], port)
	return binary.NativeEndian.Uint16(bytes[:])
}
