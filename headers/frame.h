/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A frame, as the programs know it.
 *
 * Two parsers fill it. parse_fast() (parse_fast.h) reads the frames that make
 * up nearly all traffic in a straight line, and gives up on any other;
 * parse_slow() (parse_slow.h) reads them all. Tests run both against an
 * independent parser on the same frames.
 */
#ifndef EBPFTOP_FRAME_H
#define EBPFTOP_FRAME_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "buffer.h"

/* IP protocols that the UAPI headers of old systems lack. */
#define PROTOCOL_MOBILITY 135

#define VLAN_TAGS_MAX 2

#define IPV4_OFFSET_MASK 0x1fff /* RFC 791: fragment offset, units of 8 bytes */
#define IPV4_MORE_FRAGMENTS 0x2000

/* Bytes of the smallest headers. */
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define UDP_BYTES 8

enum direction { DIRECTION_RX, DIRECTION_TX, DIRECTIONS };

struct frame {
	/* Given by the hook. */
	__u32 len; /* bytes in the buffer, outside linear memory included */
	__u32 outer_tags; /* VLAN tags beside the data: 0 or 1 */
	bool is_aggregate; /* stands for several frames on the wire (GRO, GSO) */

	/* Found by parsing. */
	__u32 headers; /* bytes of headers read: what each segment repeats */
	__u16 ethertype; /* host order; 0 if the frame ends before it */
	__u8 protocol; /* IP protocol, if is_ip */
	bool is_ip; /* `protocol` could be read */
	bool is_ipv6;
	bool malformed;
	__u8 tcp_flags;
	__be16 source_port, destination_port; /* 0 where there are none */
	const void *ip; /* struct iphdr or ipv6hdr, if is_ip */
};

struct ports {
	__be16 source, destination;
};

struct vlan_tag {
	__be16 tci;
	__be16 ethertype; /* of what follows */
};

static __always_inline bool is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* Whether an IPv6 header announces that another one follows, before the transport. */
static __always_inline bool is_extension(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case PROTOCOL_MOBILITY:
		return true;
	}
	return false;
}

/* The bytes of the smallest transport header, 0 if the protocol is not known here. */
static __always_inline __u32 transport_minimum(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return TCP_BYTES;
	case IPPROTO_SCTP:
		return 12;
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
		return 8;
	case IPPROTO_ICMPV6:
		return 4;
	}
	return 0;
}

#endif
