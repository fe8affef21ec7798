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

static __always_inline void
parse_slow_tc(struct frame *f, struct __sk_buff *skb, bool has_ethernet, union ip_header *ip)
{
	struct buffer b = buffer_tc(skb);

	*f = frame_tc(skb);
	if (has_ethernet)
		parse_slow_ethernet(f, &b, ip);
	else
		parse_slow(f, &b, 0, bpf_ntohs(skb->protocol), ip);
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
