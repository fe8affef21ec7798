// Package names has the names of protocols: one for each, wherever it is shown.
package names

import (
	"fmt"
	"strconv"
)

// ipProtocols names the IP protocols one meets, as /etc/protocols of most
// systems does (IANA, Assigned Internet Protocol Numbers).
var ipProtocols = map[uint8]string{
	0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 8: "egp", 9: "igp",
	17: "udp", 27: "rdp", 33: "dccp", 41: "ipv6", 43: "ipv6-route",
	44: "ipv6-frag", 46: "rsvp", 47: "gre", 50: "esp", 51: "ah",
	58: "icmpv6", 59: "ipv6-nonxt", 60: "ipv6-opts", 88: "eigrp", 89: "ospf",
	94: "ipip-old", 97: "etherip", 98: "encap", 103: "pim", 108: "ipcomp",
	112: "vrrp", 115: "l2tp", 124: "isis", 132: "sctp", 133: "fc",
	135: "mobility", 136: "udplite", 137: "mpls-in-ip", 139: "hip",
	140: "shim6", 141: "wesp", 142: "rohc",
}

// Ethertypes has the names of those of linux/if_ether.h that one meets.
var Ethertypes = map[uint16]string{
	EthertypeNone:  "truncated", // the frame ends before its ethertype
	0x0004:         "llc",       // IEEE 802.2: a length, not a type
	0x0800:         "ipv4",      // its header could not be read
	0x0806:         "arp",
	0x0842:         "wol",
	0x22f0:         "avtp",
	0x22f3:         "trill",
	0x8035:         "rarp",
	0x8100:         "vlan", // a third tag
	0x86dd:         "ipv6", // its header could not be read
	0x8808:         "pause",
	0x8809:         "lacp",
	0x8847:         "mpls",
	0x8848:         "mpls-mc",
	0x8863:         "pppoe-disc",
	0x8864:         "pppoe",
	0x888e:         "eapol",
	0x8892:         "profinet",
	0x88a2:         "aoe",
	0x88a4:         "ethercat",
	0x88a8:         "qinq", // a third tag
	0x88b5:         "local-exp1",
	0x88b6:         "local-exp2",
	0x88cc:         "lldp",
	0x88cd:         "sercos",
	0x88e1:         "homeplug",
	0x88e3:         "mrp",
	0x88e5:         "macsec",
	0x88f7:         "ptp",
	0x8902:         "cfm",
	0x8906:         "fcoe",
	0x8914:         "fip",
	0x8915:         "roce",
	0x892f:         "hsr",
	0x9000:         "loopback",
	EthertypeOther: "other", // more ethertypes than the table has room for
}

// Ethertypes with a meaning of our own, see headers/counters.h.
const (
	EthertypeNone  = 0
	EthertypeOther = 0xffff
)

// IPProtocol returns the name of an IP protocol, its number if it has none.
func IPProtocol(number uint8) string {
	if name, ok := ipProtocols[number]; ok {
		return name
	}
	return strconv.Itoa(int(number))
}

// Ethertype returns the name of an ethertype, its number in hexadecimal if it has none.
func Ethertype(ethertype uint16) string {
	if name, ok := Ethertypes[ethertype]; ok {
		return name
	}
	return fmt.Sprintf("0x%04x", ethertype)
}

// NamedEthertypes returns those that have a name, as the bitmap named_ethertypes of the
// programs.
func NamedEthertypes() (bitmap [(1 << 16) / 8]uint8) {
	for ethertype := range Ethertypes {
		bitmap[ethertype/8] |= 1 << (ethertype % 8)
	}
	return bitmap
}

// NamedIPProtocols returns those that have a name, as the bitmap named_protocols of the programs.
func NamedIPProtocols() (bitmap [(1 << 8) / 8]uint8) {
	for number := range ipProtocols {
		bitmap[number/8] |= 1 << (number % 8)
	}
	return bitmap
}
