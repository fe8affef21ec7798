/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Reads the frames that make up nearly all traffic, in a straight line: whole
 * packets of IPv4 without options or of IPv6 without extension headers, with
 * nothing wrong, and all headers in linear memory.
 */
#ifndef EBPFTOP_PARSE_FAST_H
#define EBPFTOP_PARSE_FAST_H

#include "frame.h"

/* Bytes behind the link layer that one check makes sure of. Shorter frames take the
 * slow path. */
#define FAST_BYTES (IPV4_BYTES + TCP_BYTES)

/* The transport header, of which TCP_BYTES are in linear memory, and `payload`
 * bytes are in the packet. */
static __always_inline bool
parse_fast_transport(struct frame *f, const __u8 *transport, __u32 offset, __u32 payload)
{
	__u32 header;

	if (f->protocol == IPPROTO_TCP) {
		header = (transport[12] >> 4) * 4;
		if (header < TCP_BYTES || header > payload)
			return false;
		f->tcp_flags = transport[13];
	} else if (f->protocol == IPPROTO_UDP) {
		__u32 length = bpf_ntohs(((const __be16 *)transport)[2]);

		header = UDP_BYTES;
		if (length < UDP_BYTES || length > payload)
			return false;
	} else {
		f->headers = offset;
		return f->protocol != IPPROTO_SCTP && transport_minimum(f->protocol) <= payload;
	}
	f->source_port = ((const struct ports *)transport)->source;
	f->destination_port = ((const struct ports *)transport)->destination;
	f->headers = offset + header;
	return true;
}

static __always_inline bool
parse_fast_ipv4(struct frame *f, const struct buffer *b, __u32 at, __u32 offset)
{
	const struct iphdr *ip = buffer_at(b, at);
	/* A total length that is too small makes this larger than any frame. */
	__u32 payload = bpf_ntohs(ip->tot_len) - IPV4_BYTES;

	if (*(const __u8 *)ip != 0x45 || payload > f->len - offset - IPV4_BYTES ||
	    ip->frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS))
		return false;
	f->is_ip = true;
	f->ip = ip;
	f->protocol = ip->protocol;
	return parse_fast_transport(f, buffer_at(b, at + IPV4_BYTES), offset + IPV4_BYTES, payload);
}

static __always_inline bool
parse_fast_ipv6(struct frame *f, const struct buffer *b, __u32 at, __u32 offset)
{
	const struct ipv6hdr *ip = buffer_at(b, at);
	__u32 payload;

	if (!buffer_has(b, at, IPV6_BYTES + TCP_BYTES) || *(const __u8 *)ip >> 4 != 6)
		return false;
	payload = bpf_ntohs(ip->payload_len);
	if (payload > f->len - offset - IPV6_BYTES)
		return false;
	f->is_ip = f->is_ipv6 = true;
	f->ip = ip;
	f->protocol = ip->nexthdr;
	if (is_extension(f->protocol))
		return false;
	return parse_fast_transport(f, buffer_at(b, at + IPV6_BYTES), offset + IPV6_BYTES, payload);
}

static __always_inline bool
parse_fast_ip(struct frame *f, const struct buffer *b, __be16 ethertype, __u32 at, __u32 offset)
{
	if (ethertype == bpf_htons(ETH_P_IP))
		return parse_fast_ipv4(f, b, at, offset);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return parse_fast_ipv6(f, b, at, offset);
	return false;
}

/* Steps over VLAN tags. It returns the ethertype of what follows, or 0 if the
 * beginning of that is not within reach. */
static __always_inline __be16 parse_fast_tags(const struct frame *f, const struct buffer *b,
					      __be16 ethertype, __u32 *at)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VLAN_TAGS_MAX; i++) {
		if (!is_vlan(bpf_ntohs(ethertype)) || i + f->outer_tags >= VLAN_TAGS_MAX)
			break; /* what is no IP is for the slow path anyway */
		if (!buffer_has(b, *at, sizeof(struct vlan_tag) + FAST_BYTES))
			return 0;
		ethertype = ((const struct vlan_tag *)buffer_at(b, *at))->ethertype;
		*at += sizeof(struct vlan_tag);
	}
	return ethertype;
}

/*
 * parse_fast() reads what follows the link layer, `at` bytes into the buffer and
 * `offset` bytes into the frame. It returns false if it does not read the frame,
 * which is then for parse_slow(). Of frames that both read, both make the same.
 */
static __always_inline bool
parse_fast(struct frame *f, const struct buffer *b, __be16 ethertype, __u32 at, __u32 offset)
{
	__u32 first = at;

	if (!buffer_has(b, at, FAST_BYTES))
		return false;
	/* Without tags, every offset is a constant. */
	if (!is_vlan(bpf_ntohs(ethertype)))
		return parse_fast_ip(f, b, ethertype, at, offset);
	ethertype = parse_fast_tags(f, b, ethertype, &at);
	return parse_fast_ip(f, b, ethertype, at, offset + at - first);
}

#endif
