/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Reads any frame, from the link layer to the ports.
 *
 * `limit` is where the packet ends by what it claims or the wire delivered, and
 * decides whether a frame is malformed. What is within the limit but cannot be
 * read, because it lies outside linear memory, is not malformed: the frame then
 * counts for as much of it as could be read.
 *
 * VLAN tags and IPv6 extension headers are walked in global functions. Few
 * frames have them, so the call costs nothing that matters; and the verifier,
 * which checks a global function once and by itself, is spared the product of
 * all their paths with those of the rest.
 */
#ifndef EBPFTOP_PARSE_SLOW_H
#define EBPFTOP_PARSE_SLOW_H

#include "frame.h"

#define EXTENSION_HEADERS_MAX 8
#define AUTHENTICATION_HEADER_MIN 12 /* RFC 4302, without the check value */
#define IPV6_OFFSET_MASK 0xfff8 /* RFC 8200: fragment offset, in place */
#define IPV6_MORE_FRAGMENTS 0x0001

/* How far a walk over headers got. Fits into a register. */
union walk {
	struct {
		__u16 next; /* ethertype or IP protocol of what follows */
		__u16 offset; /* where that begins, from the frame's start */
		bool malformed;
		bool unreadable;
		bool is_fragment;
		bool is_later_fragment;
	};
	__u64 all;
};

/* An IPv6 extension header's first bytes; a fragment header is 8 in all. */
struct extension_header {
	__u8 next;
	__u8 length;
	__be16 offset_flags; /* fragment header only */
	__be32 identification;
};

/* Steps over at most `tags` VLAN tags at offset. */
static __always_inline union walk
walk_tags(const struct buffer *b, __u32 limit, __u32 offset, __u32 tags, __u16 ethertype)
{
	union walk w = { .next = ethertype, .offset = offset & OFFSET_MASK };

	for (__u32 i = 0; i < VLAN_TAGS_MAX; i++) {
		struct vlan_tag tag;

		if (i >= tags || !is_vlan(w.next))
			break;
		w.malformed = w.offset + sizeof(tag) > limit;
		if (w.malformed)
			break;
		w.unreadable = !buffer_load(b, w.offset, &tag, sizeof(tag));
		if (w.unreadable)
			break;
		w.next = bpf_ntohs(tag.ethertype);
		w.offset += sizeof(tag);
	}
	return w;
}

/* Bytes of an extension header; AH counts in other units (RFC 4302). */
static __always_inline __u32 extension_length(const struct extension_header *extension,
					      __u8 protocol)
{
	if (protocol == IPPROTO_FRAGMENT)
		return sizeof(*extension);
	if (protocol == IPPROTO_AH)
		return (extension->length + 2) * 4;
	return (extension->length + 1) * 8;
}

/* Whether the walk goes on. What a fragment after the first holds is not a header. */
static __always_inline bool is_at_extension(union walk w)
{
	return is_extension(w.next) && !w.is_later_fragment && !w.malformed && !w.unreadable;
}

/* Steps over the IPv6 extension header that w is at, or does nothing if the walk is over. */
static __always_inline union walk
step_over_extension(const struct buffer *b, __u32 limit, union walk w)
{
	__u32 offset = w.offset & OFFSET_MASK;
	struct extension_header extension;
	__u32 length;

	if (!is_at_extension(w))
		return w;
	w.malformed = offset + sizeof(extension) > limit;
	if (w.malformed)
		return w;
	w.unreadable = !buffer_load(b, offset, &extension, sizeof(extension));
	if (w.unreadable)
		return w;
	length = extension_length(&extension, w.next);
	w.malformed = offset + length > limit ||
		      (w.next == IPPROTO_AH && length < AUTHENTICATION_HEADER_MIN);
	if (w.malformed)
		return w;
	if (w.next == IPPROTO_FRAGMENT) {
		__u16 flags = bpf_ntohs(extension.offset_flags);

		w.is_fragment |= !!(flags & (IPV6_OFFSET_MASK | IPV6_MORE_FRAGMENTS));
		w.is_later_fragment = !!(flags & IPV6_OFFSET_MASK);
	}
	w.next = extension.next;
	w.offset = (offset + length) & OFFSET_MASK;
	return w;
}

/* The walks as global functions, one for each kind of buffer, and the step, so that it is
 * verified once and not once for each header. They take two numbers in one, because a
 * function takes five arguments at most. */
#define TWO(high, low) ((__u64)(high) << 32 | (__u32)(low))

#define DEFINE_WALKS(name, made_of, passed, parameters...)                                       \
	__noinline __u64 walk_tags_##name(parameters, __u64 limit_offset, __u64 tags_ethertype)  \
	{                                                                                        \
		const struct buffer b = made_of;                                                 \
                                                                                                 \
		return walk_tags(&b, limit_offset >> 32, limit_offset, tags_ethertype >> 32,     \
				 tags_ethertype)                                                 \
			.all;                                                                    \
	}                                                                                        \
	__noinline __u64 step_over_extension_##name(parameters, __u32 limit, __u64 walked)       \
	{                                                                                        \
		const struct buffer b = made_of;                                                 \
		union walk w = { .all = walked };                                                \
                                                                                                 \
		return step_over_extension(&b, limit, w).all;                                    \
	}                                                                                        \
	__noinline __u64 walk_extensions_##name(parameters, __u64 limit_offset, __u32 protocol)  \
	{                                                                                        \
		union walk w = { .next = (__u8)protocol, .offset = limit_offset & OFFSET_MASK }; \
		__u64 before;                                                                    \
                                                                                                 \
		for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {                                \
			before = w.all;                                                          \
			w.all = step_over_extension_##name(passed, limit_offset >> 32, before);  \
			if (w.all == before)                                                     \
				break;                                                           \
		}                                                                                \
		return w.all;                                                                    \
	}

#define DATA_AND_END data, end

DEFINE_WALKS(xdp, loads_xdp(ctx), ctx, struct xdp_md *ctx)
DEFINE_WALKS(tc, loads_tc(ctx), ctx, struct __sk_buff *ctx)
DEFINE_WALKS(kernel, loads_kernel(data, end), DATA_AND_END, __u64 data, __u64 end)

static __always_inline union walk
buffer_walk_tags(const struct buffer *b, __u32 limit, __u32 offset, __u32 tags, __u16 ethertype)
{
	__u64 limit_offset = TWO(limit, offset), tags_ethertype = TWO(tags, ethertype);
	union walk w;

	if (b->kind == BUFFER_XDP)
		w.all = walk_tags_xdp(b->ctx, limit_offset, tags_ethertype);
	else if (b->kind == BUFFER_TC)
		w.all = walk_tags_tc(b->ctx, limit_offset, tags_ethertype);
	else
		w.all = walk_tags_kernel((__u64)b->data, (__u64)b->end, limit_offset,
					 tags_ethertype);
	return w;
}

static __always_inline union walk
buffer_walk_extensions(const struct buffer *b, __u32 limit, __u32 offset, __u8 protocol)
{
	__u64 limit_offset = TWO(limit, offset);
	union walk w;

	if (b->kind == BUFFER_XDP)
		w.all = walk_extensions_xdp(b->ctx, limit_offset, protocol);
	else if (b->kind == BUFFER_TC)
		w.all = walk_extensions_tc(b->ctx, limit_offset, protocol);
	else
		w.all = walk_extensions_kernel((__u64)b->data, (__u64)b->end, limit_offset,
					       protocol);
	return w;
}

/*
 * Linux takes a zero UDP length for "the rest" over IPv6 (RFC 2675). A fragment
 * carries less than the length says, and of an aggregate it may be the length
 * of one segment.
 */
static __always_inline bool
is_udp_length_wrong(const struct frame *f, __u32 length, __u32 available, bool is_fragment)
{
	if (length < 8)
		return length != 0 || !f->is_ipv6;
	return length > available && !is_fragment && !f->is_aggregate;
}

/* Ports and flags, of a whole packet or its first fragment. */
static __always_inline void parse_slow_transport(struct frame *f, const struct buffer *b,
						 __u32 offset, __u32 limit, bool is_fragment)
{
	__u32 header = transport_minimum(f->protocol);
	union {
		struct ports ports;
		__be16 words[4];
		__u8 bytes[TCP_BYTES];
	} transport = {};

	f->malformed = offset + header > limit;
	if (f->malformed || header < 8 || f->protocol == IPPROTO_ICMP)
		return;
	if (!buffer_load(b, offset, &transport, 8))
		return;
	if (f->protocol == IPPROTO_TCP) {
		if (!buffer_load(b, offset, &transport, TCP_BYTES))
			return;
		header = (transport.bytes[12] >> 4) * 4;
		f->malformed = header < TCP_BYTES || offset + header > limit;
		f->tcp_flags = transport.bytes[13];
	} else if (f->protocol == IPPROTO_UDP) {
		f->malformed = is_udp_length_wrong(f, bpf_ntohs(transport.words[2]), limit - offset,
						   is_fragment);
	}
	if (f->malformed)
		return;
	f->source_port = transport.ports.source;
	f->destination_port = transport.ports.destination;
	f->headers = offset + header;
}

static __always_inline void
parse_slow_ipv4(struct frame *f, const struct buffer *b, __u32 offset, struct iphdr *ip)
{
	__u32 header, total;
	__u16 fragment;

	f->malformed = offset + sizeof(*ip) > f->len;
	if (f->malformed || !buffer_load(b, offset, ip, sizeof(*ip)))
		return;
	header = (*(__u8 *)ip & 0x0f) * 4;
	f->malformed = *(__u8 *)ip >> 4 != 4 || header < sizeof(*ip);
	if (f->malformed)
		return;

	f->protocol = ip->protocol;
	f->is_ip = true;
	f->ip = ip;
	total = bpf_ntohs(ip->tot_len);
	if (total == 0 && f->is_aggregate) /* BIG TCP: 16 bits cannot say it */
		total = f->len - offset;
	f->malformed = total < header || offset + total > f->len;
	if (f->malformed)
		return;

	f->headers = offset + header;
	fragment = bpf_ntohs(ip->frag_off);
	if (!(fragment & IPV4_OFFSET_MASK))
		parse_slow_transport(f, b, offset + header, offset + total,
				     fragment & IPV4_MORE_FRAGMENTS);
}

static __always_inline void
parse_slow_ipv6(struct frame *f, const struct buffer *b, __u32 offset, struct ipv6hdr *ip)
{
	union walk w = {};
	__u32 limit;

	f->malformed = offset + sizeof(*ip) > f->len;
	if (f->malformed || !buffer_load(b, offset, ip, sizeof(*ip)))
		return;
	f->malformed = *(__u8 *)ip >> 4 != 6;
	if (f->malformed)
		return;

	f->protocol = ip->nexthdr;
	f->is_ip = true;
	f->is_ipv6 = true;
	f->ip = ip;
	offset += sizeof(*ip);
	f->headers = offset;
	limit = offset + bpf_ntohs(ip->payload_len);
	f->malformed = limit > f->len;
	if (f->malformed)
		return;
	/* Zero means a jumbogram (RFC 2675), which hop-by-hop options announce,
	 * or BIG TCP. */
	if (limit == offset && (f->protocol == IPPROTO_HOPOPTS || f->is_aggregate))
		limit = f->len;

	if (is_extension(f->protocol)) {
		w = buffer_walk_extensions(b, limit, offset, f->protocol);
		f->protocol = w.next;
		f->malformed = w.malformed;
		offset = w.offset & OFFSET_MASK;
		f->headers = offset;
		if (w.unreadable || w.malformed || w.is_later_fragment)
			return;
	}
	parse_slow_transport(f, b, offset, limit, w.is_fragment);
}

/* A copy of the IP header, for frame.ip to point to. */
union ip_header {
	struct iphdr v4;
	struct ipv6hdr v6;
};

/* parse_slow() reads what follows the link layer, `offset` bytes into the frame: as a rule
 * 0 if the device has no link layer. Behind an Ethernet header, `ethertype` may be a
 * length. */
static __always_inline void parse_slow(struct frame *f, const struct buffer *b, __u32 offset,
				       __u16 ethertype, union ip_header *ip)
{
	bool has_ethernet = offset;

	f->ethertype = ethertype;
	if (is_vlan(ethertype)) {
		union walk w = buffer_walk_tags(b, f->len, offset, VLAN_TAGS_MAX - f->outer_tags,
						ethertype);

		f->ethertype = w.next;
		f->malformed = w.malformed;
		offset = w.offset & OFFSET_MASK;
		if (w.unreadable || w.malformed)
			return;
	}
	f->headers = offset;
	if (f->ethertype == ETH_P_IP) {
		parse_slow_ipv4(f, b, offset, &ip->v4);
	} else if (f->ethertype == ETH_P_IPV6) {
		parse_slow_ipv6(f, b, offset, &ip->v6);
	} else if (has_ethernet && f->ethertype < ETH_P_802_3_MIN) { /* LLC follows */
		f->malformed = offset + f->ethertype > f->len;
		f->ethertype = ETH_P_802_2;
	}
}

/* parse_slow_ethernet() reads a frame that begins with an Ethernet header. */
static __always_inline void
parse_slow_ethernet(struct frame *f, const struct buffer *b, union ip_header *ip)
{
	struct ethhdr ethernet;

	f->malformed = sizeof(ethernet) > f->len;
	if (!f->malformed && buffer_load(b, 0, &ethernet, sizeof(ethernet)))
		parse_slow(f, b, sizeof(ethernet), bpf_ntohs(ethernet.h_proto), ip);
}

#endif
