/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Computes frames on the wire from what a hook hands over.
 */
#ifndef EBPFTOP_WIRE_H
#define EBPFTOP_WIRE_H

#include "kernel.h"
#include "parse_slow.h"
#include "traffic.h"
#include "veth.h"

/* Set by user space before loading. */
const volatile bool has_xdp_frags; /* bpf_xdp_get_buff_len, Linux 5.18 */

#define VLAN_TAG_BYTES 4

#define XDP_FLAGS_HAS_FRAGS 1 /* include/net/xdp.h */

/* Whether a frame may be longer than its first buffer. */
static __always_inline bool may_have_frags(struct xdp_md *ctx)
{
	const struct xdp_buff *buff;

	if (!bpf_cast_to_kern_ctx)
		return has_xdp_frags;
	buff = bpf_cast_to_kern_ctx(ctx);
	return buff->flags & XDP_FLAGS_HAS_FRAGS;
}

static __always_inline __u64 xdp_bytes(struct xdp_md *ctx)
{
	return may_have_frags(ctx) ? bpf_xdp_get_buff_len(ctx)
				   : (void *)(long)ctx->data_end - (void *)(long)ctx->data;
}

/* segments() returns how many frames on the wire an aggregate of len bytes, of
 * which `headers` are headers, stands for. A guest behind a tap device may have
 * left gso_segs for the kernel to compute, and so do we. */
static __always_inline __u32 segments(__u32 gso_size, __u32 gso_segs, __u32 len, __u32 headers)
{
	if (!gso_size)
		return 1;
	if (gso_segs)
		return gso_segs;
	if (len <= headers)
		return 1;
	return (len - headers + gso_size - 1) / gso_size;
}

static __always_inline __u32 segments_tc(const struct __sk_buff *skb, __u32 headers)
{
	return segments(skb->gso_size, skb->gso_segs, skb->len, headers);
}

static __always_inline struct buffer buffer_xdp(struct xdp_md *ctx)
{
	return (struct buffer){
		.kind = BUFFER_XDP,
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
}

static __always_inline struct buffer buffer_tc(struct __sk_buff *skb)
{
	return (struct buffer){
		.kind = BUFFER_TC,
		.ctx = skb,
		.data = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
	};
}

/* What an skb says about its frame before the frame is parsed. */
static __always_inline struct frame frame_tc(const struct __sk_buff *skb)
{
	return (struct frame){
		.len = skb->len,
		.outer_tags = skb->vlan_present,
		.is_aggregate = skb->gso_size,
	};
}

#define NETWORK_OFFSET_MAX 190

/*
 * Where the network header of a device without Ethernet begins: behind what the kernel left
 * of the outer headers (GRE, VTI, XFRM, whose Ethernet header may be among them), which are
 * no part of its frames. No field says how many bytes these are, so the header is looked
 * for: 0 if it is not found.
 */
__noinline __u32 network_offset(struct __sk_buff *skb)
{
	__u32 header[IPV4_BYTES / 4], here[IPV4_BYTES / 4];

	if (bpf_skb_load_bytes_relative(skb, 0, header, sizeof(header), BPF_HDR_START_NET))
		return 0;
	for (__u32 offset = 0; offset <= NETWORK_OFFSET_MAX; offset += 2) {
		if (bpf_skb_load_bytes(skb, offset, here, sizeof(here)))
			return 0;
		if (header[0] == here[0] && header[1] == here[1] && header[2] == here[2] &&
		    header[3] == here[3] && header[4] == here[4])
			return offset;
	}
	return 0;
}

static __always_inline void
parse_slow_tc(struct frame *f, struct __sk_buff *skb, bool has_ethernet, union ip_header *ip)
{
	struct buffer b = buffer_tc(skb);
	__u32 offset;

	*f = frame_tc(skb);
	if (has_ethernet) {
		parse_slow_ethernet(f, &b, ip);
		return;
	}
	offset = network_offset(skb) & OFFSET_MASK;
	parse_slow(f, &b, offset, bpf_ntohs(skb->protocol), ip);
	f->len -= offset;
	f->headers -= f->headers < offset ? f->headers : offset;
}

/* The traffic of f, which stands for `packets` frames. */
static __always_inline struct traffic frame_traffic(const struct frame *f, __u32 packets)
{
	/* On the wire, every segment has the tag that is beside the data, and
	 * headers of its own; the buffer has only those of the first. */
	__u32 tag = f->outer_tags * VLAN_TAG_BYTES;

	return (struct traffic){
		.packets = packets,
		.bytes = f->len + tag + (__u64)(packets - 1) * (f->headers + tag),
	};
}

#endif
