/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Reading a frame: from the link layer to the ports.
 *
 * Two lengths matter and must not be confused. `limit` is where the packet ends
 * by what it claims or the wire delivered, and decides whether a frame is
 * malformed. The verifier's data_end is how much of it lies in linear memory,
 * and only says whether we may look at it: tc can hand over a frame whose
 * headers are scattered over pages, which is then pulled together and read
 * again.
 *
 * VLAN tags and IPv6 extension headers are walked in global functions. Few
 * frames have them, so the call costs nothing that matters; and the verifier,
 * which checks a global function once and by itself, is spared the product of
 * all their paths with those of the rest.
 */
#ifndef EBPFTOP_FRAME_H
#define EBPFTOP_FRAME_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* IP protocols that the UAPI headers of old systems lack. */
#define PROTOCOL_MOBILITY 135

#define VLAN_TAGS_MAX 2
#define EXTENSION_HEADERS_MAX 8

#define AUTHENTICATION_HEADER_MIN 12 /* RFC 4302, without the check value */

#define IPV4_OFFSET_MASK 0x1fff /* RFC 791: fragment offset, units of 8 bytes */
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_OFFSET_MASK 0xfff8 /* RFC 8200: fragment offset, in place */
#define IPV6_MORE_FRAGMENTS 0x0001

/* What a frame turned out to be. Zero it before frame_parse(). */
struct frame {
	/* Given by the hook. */
	__u32 len; /* bytes in the buffer, outside linear memory included */
	__u32 outer_tags; /* VLAN tags taken out of the data, as tc does: 0 or 1 */
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
	void *ip; /* the IP header, if is_ip */
};

enum parse_result {
	PARSED,
	NOT_LINEAR, /* the bytes exist, but outside linear memory */
};

/* How far a walk over headers came. Travels in a register. */
union walk {
	struct {
		__u16 next; /* ethertype or IP protocol of what follows */
		__u16 offset; /* where that begins, from the frame's start */
		bool malformed;
		bool not_linear;
		bool is_fragment;
		bool is_later_fragment;
	};
	__u64 all;
};

/* Larger than any offset a walk can reach, small enough for the verifier. */
#define OFFSET_MASK 0x7fff

/* An IPv6 extension header's first bytes; a fragment header is 8 in all. */
struct extension_header {
	__u8 next;
	__u8 length;
	__be16 offset_flags; /* fragment header only */
	__be32 identification;
};

struct ports {
	__be16 source, destination;
};

struct vlan_tag {
	__be16 tci;
	__be16 ethertype; /* of what follows */
};

static __always_inline enum parse_result frame_malformed(struct frame *f)
{
	f->malformed = true;
	return PARSED;
}

static __always_inline bool is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* Steps over at most `tags` VLAN tags that follow the Ethernet header. */
static __always_inline union walk
walk_vlan(void *data, void *end, __u32 limit, __u32 tags, __u16 ethertype)
{
	union walk w = { .next = ethertype, .offset = sizeof(struct ethhdr) };

	for (__u32 i = 0; i < VLAN_TAGS_MAX; i++) {
		struct vlan_tag *tag = data + w.offset;

		if (i >= tags || !is_vlan(w.next))
			break;
		w.malformed = w.offset + sizeof(*tag) > limit;
		w.not_linear = (void *)(tag + 1) > end;
		if (w.malformed || w.not_linear)
			break;
		w.next = bpf_ntohs(tag->ethertype);
		w.offset += sizeof(*tag);
	}
	return w;
}

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

/* Bytes of an extension header; AH counts in other units (RFC 4302). */
static __always_inline __u32
extension_length(const struct extension_header *extension, __u8 protocol)
{
	if (protocol == IPPROTO_FRAGMENT)
		return sizeof(*extension);
	if (protocol == IPPROTO_AH)
		return (extension->length + 2) * 4;
	return (extension->length + 1) * 8;
}

/* Steps over the IPv6 extension headers at offset. What a fragment after the
 * first holds is not a header, so there the walk ends. */
static __always_inline union walk
walk_extensions(void *data, void *end, __u32 limit, __u32 offset, __u8 protocol)
{
	union walk w = { .next = protocol };

	offset &= OFFSET_MASK;
#pragma clang loop unroll(disable)
	for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		struct extension_header *extension = data + offset;
		__u32 length;

		if (!is_extension(w.next) || w.is_later_fragment)
			break;
		w.malformed = offset + sizeof(*extension) > limit;
		w.not_linear = (void *)(extension + 1) > end;
		if (w.malformed || w.not_linear)
			break;
		length = extension_length(extension, w.next);
		w.malformed = offset + length > limit ||
			(w.next == IPPROTO_AH && length < AUTHENTICATION_HEADER_MIN);
		if (w.malformed)
			break;
		if (w.next == IPPROTO_FRAGMENT) {
			__u16 flags = bpf_ntohs(extension->offset_flags);

			w.is_fragment |= !!(flags & (IPV6_OFFSET_MASK | IPV6_MORE_FRAGMENTS));
			w.is_later_fragment = !!(flags & IPV6_OFFSET_MASK);
		}
		w.next = extension->next;
		offset = (offset + length) & OFFSET_MASK;
	}
	w.offset = offset;
	return w;
}

/* The walks as global functions, one for each kind of context. */
#define DEFINE_WALKS(hook, context)                                                                \
	__noinline __u64 walk_vlan_##hook(struct context *ctx, __u32 limit, __u32 tags,           \
					  __u32 ethertype)                                        \
	{                                                                                         \
		return walk_vlan((void *)(long)ctx->data, (void *)(long)ctx->data_end, limit,     \
				 tags, ethertype).all;                                            \
	}                                                                                         \
	__noinline __u64 walk_extensions_##hook(struct context *ctx, __u32 limit, __u32 offset,   \
						__u32 protocol)                                   \
	{                                                                                         \
		return walk_extensions((void *)(long)ctx->data, (void *)(long)ctx->data_end,      \
				       limit, offset, protocol).all;                              \
	}

DEFINE_WALKS(xdp, xdp_md)
DEFINE_WALKS(skb, __sk_buff)

/* What a hook hands over, and the walks that fit its context. */
struct buffer {
	void *ctx;
	void *data, *end;
	bool is_skb;
};

static __always_inline union walk
buffer_walk_vlan(const struct buffer *b, __u32 limit, __u32 tags, __u16 ethertype)
{
	union walk w;

	w.all = b->is_skb ? walk_vlan_skb(b->ctx, limit, tags, ethertype) :
			    walk_vlan_xdp(b->ctx, limit, tags, ethertype);
	return w;
}

static __always_inline union walk
buffer_walk_extensions(const struct buffer *b, __u32 limit, __u32 offset, __u8 protocol)
{
	union walk w;

	w.all = b->is_skb ? walk_extensions_skb(b->ctx, limit, offset, protocol) :
			    walk_extensions_xdp(b->ctx, limit, offset, protocol);
	return w;
}

/* Bytes that a transport header has at least; 0: we know no more of it. */
static __always_inline __u32 transport_minimum(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 20;
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
static __always_inline enum parse_result
parse_transport(struct frame *f, const struct buffer *b, __u32 offset, __u32 limit, bool is_fragment)
{
	__u32 header = transport_minimum(f->protocol);
	void *transport = b->data + offset;

	if (offset + header > limit)
		return frame_malformed(f);
	if (header < 8 || f->protocol == IPPROTO_ICMP)
		return PARSED;
	if (transport + 8 > b->end)
		return NOT_LINEAR;

	if (f->protocol == IPPROTO_TCP) {
		if (transport + 20 > b->end)
			return NOT_LINEAR;
		header = (((__u8 *)transport)[12] >> 4) * 4;
		if (header < 20 || offset + header > limit)
			return frame_malformed(f);
		f->tcp_flags = ((__u8 *)transport)[13];
	} else if (f->protocol == IPPROTO_UDP) {
		__u32 length = bpf_ntohs(((__be16 *)transport)[2]);

		if (is_udp_length_wrong(f, length, limit - offset, is_fragment))
			return frame_malformed(f);
	}
	f->source_port = ((struct ports *)transport)->source;
	f->destination_port = ((struct ports *)transport)->destination;
	f->headers = offset + header;
	return PARSED;
}

static __always_inline enum parse_result
parse_ipv4(struct frame *f, const struct buffer *b, __u32 offset)
{
	struct iphdr *ip = b->data + offset;
	__u32 header, total;
	__u16 fragment;

	if (offset + sizeof(*ip) > f->len)
		return frame_malformed(f);
	if ((void *)(ip + 1) > b->end)
		return NOT_LINEAR;
	header = (*(__u8 *)ip & 0x0f) * 4;
	if (*(__u8 *)ip >> 4 != 4 || header < sizeof(*ip))
		return frame_malformed(f);

	f->protocol = ip->protocol;
	f->is_ip = true;
	f->ip = ip;
	total = bpf_ntohs(ip->tot_len);
	if (total == 0 && f->is_aggregate) /* BIG TCP: 16 bits cannot say it */
		total = f->len - offset;
	if (total < header || offset + total > f->len)
		return frame_malformed(f);

	f->headers = offset + header;
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & IPV4_OFFSET_MASK)
		return PARSED;
	return parse_transport(f, b, offset + header, offset + total,
			       fragment & IPV4_MORE_FRAGMENTS);
}

static __always_inline enum parse_result
parse_ipv6(struct frame *f, const struct buffer *b, __u32 offset)
{
	struct ipv6hdr *ip = b->data + offset;
	union walk w = {};
	__u32 limit;

	if (offset + sizeof(*ip) > f->len)
		return frame_malformed(f);
	if ((void *)(ip + 1) > b->end)
		return NOT_LINEAR;
	if (*(__u8 *)ip >> 4 != 6)
		return frame_malformed(f);

	f->protocol = ip->nexthdr;
	f->is_ip = true;
	f->is_ipv6 = true;
	f->ip = ip;
	offset += sizeof(*ip);
	f->headers = offset;
	limit = offset + bpf_ntohs(ip->payload_len);
	if (limit > f->len)
		return frame_malformed(f);
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
		if (w.not_linear)
			return NOT_LINEAR;
		if (w.malformed || w.is_later_fragment)
			return PARSED;
	}
	return parse_transport(f, b, offset, limit, w.is_fragment);
}

/* Fills f from a buffer. Without an Ethernet header (tunnels), the caller has
 * set f->ethertype. */
static __always_inline enum parse_result
frame_parse(struct frame *f, const struct buffer *b, bool has_ethernet)
{
	struct ethhdr *ethernet = b->data;
	__u32 offset = 0;

	if (has_ethernet) {
		if (sizeof(*ethernet) > f->len)
			return frame_malformed(f);
		if ((void *)(ethernet + 1) > b->end)
			return NOT_LINEAR;
		f->ethertype = bpf_ntohs(ethernet->h_proto);
		offset = sizeof(*ethernet);
	}
	if (has_ethernet && is_vlan(f->ethertype)) {
		union walk w = buffer_walk_vlan(b, f->len, VLAN_TAGS_MAX - f->outer_tags, f->ethertype);

		f->ethertype = w.next;
		f->malformed = w.malformed;
		offset = w.offset & OFFSET_MASK;
		if (w.not_linear)
			return NOT_LINEAR;
		if (w.malformed)
			return PARSED;
	}
	f->headers = offset;
	switch (f->ethertype) {
	case ETH_P_IP:
		return parse_ipv4(f, b, offset);
	case ETH_P_IPV6:
		return parse_ipv6(f, b, offset);
	}
	if (has_ethernet && f->ethertype < ETH_P_802_3_MIN) { /* a length: LLC follows */
		f->malformed = offset + f->ethertype > f->len;
		f->ethertype = ETH_P_802_2;
	}
	return PARSED;
}


/* Bytes of the smallest headers. */
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define UDP_BYTES 8
/* What is looked at first, at once: frames with less behind the link layer are
 * not common. */
#define COMMON_BYTES (IPV4_BYTES + TCP_BYTES)

/* The transport header of a common frame, of which `payload` bytes are there;
 * a TCP header's are in linear memory. */
static __always_inline bool
common_transport(struct frame *f, const __u8 *transport, __u32 offset, __u32 payload)
{
	__u32 header = UDP_BYTES;

	if (f->protocol == IPPROTO_TCP) {
		header = (transport[12] >> 4) * 4;
		if (header < TCP_BYTES || header > payload)
			return false;
		f->tcp_flags = transport[13];
	} else if (f->protocol == IPPROTO_UDP) {
		__u32 length = bpf_ntohs(((const __be16 *)transport)[2]);

		if (length < UDP_BYTES || length > payload)
			return false;
	} else {
		return false;
	}
	f->source_port = ((const struct ports *)transport)->source;
	f->destination_port = ((const struct ports *)transport)->destination;
	f->headers = offset + header;
	return true;
}

static __always_inline bool
common_ipv4(struct frame *f, const struct buffer *b, __u32 offset)
{
	const struct iphdr *ip = b->data + offset;
	/* Of a total length too small, larger than any frame. */
	__u32 payload = bpf_ntohs(ip->tot_len) - IPV4_BYTES;

	if (*(const __u8 *)ip != 0x45 || payload > f->len - offset - IPV4_BYTES ||
	    ip->frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS))
		return false;
	f->is_ip = true;
	f->ip = (void *)ip;
	f->protocol = ip->protocol;
	return common_transport(f, (const __u8 *)ip + IPV4_BYTES, offset + IPV4_BYTES, payload);
}

static __always_inline bool
common_ipv6(struct frame *f, const struct buffer *b, __u32 offset)
{
	const struct ipv6hdr *ip = b->data + offset;
	__u32 payload;

	if ((void *)ip + IPV6_BYTES + TCP_BYTES > b->end || *(const __u8 *)ip >> 4 != 6)
		return false;
	payload = bpf_ntohs(ip->payload_len);
	if (payload > f->len - offset - IPV6_BYTES)
		return false;
	f->is_ip = f->is_ipv6 = true;
	f->ip = (void *)ip;
	f->protocol = ip->nexthdr;
	return common_transport(f, (const __u8 *)ip + IPV6_BYTES, offset + IPV6_BYTES, payload);
}

/* Steps over VLAN tags. Gives the ethertype of what follows; 0 if the beginning
 * of that is not there. */
static __always_inline __be16
common_tags(const struct frame *f, const struct buffer *b, __be16 ethertype, __u32 *offset)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VLAN_TAGS_MAX; i++) {
		const struct vlan_tag *tag = b->data + *offset;

		if (!is_vlan(bpf_ntohs(ethertype)) || i + f->outer_tags >= VLAN_TAGS_MAX)
			break; /* what is no IP is not common anyway */
		if ((void *)(tag + 1) + COMMON_BYTES > b->end)
			return 0;
		ethertype = tag->ethertype;
		*offset += sizeof(*tag);
	}
	return ethertype;
}

/*
 * Reads the frames that make up nearly all traffic, in a straight line: TCP or
 * UDP in whole packets of IPv4 without options or of IPv6 without extension
 * headers, nothing wrong, all headers in linear memory. False for any other
 * frame: frame_parse() knows those, and finds the same of these.
 */
static __always_inline bool
frame_parse_common(struct frame *f, const struct buffer *b, bool has_ethernet)
{
	__u32 offset = has_ethernet ? sizeof(struct ethhdr) : 0;
	__be16 ethertype;

	if (b->data + offset + COMMON_BYTES > b->end)
		return false;
	ethertype = has_ethernet ? ((const __be16 *)b->data)[6] : bpf_htons(f->ethertype);
	/* Without tags, every offset is a constant. */
	if (ethertype == bpf_htons(ETH_P_IP))
		return common_ipv4(f, b, offset);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return common_ipv6(f, b, offset);
	if (!has_ethernet || !is_vlan(bpf_ntohs(ethertype)))
		return false;
	ethertype = common_tags(f, b, ethertype, &offset);
	if (ethertype == bpf_htons(ETH_P_IP))
		return common_ipv4(f, b, offset);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return common_ipv6(f, b, offset);
	return false;
}

#endif
