/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * From what a hook hands over to frames on the wire.
 */
#ifndef EBPFTOP_WIRE_H
#define EBPFTOP_WIRE_H

#include "frame.h"
#include "kernel.h"
#include "traffic.h"

/* Set by user space before loading. */
const volatile bool has_ethernet = true; /* false: tunnels that begin with IP */
const volatile bool has_xdp_frags; /* bpf_xdp_get_buff_len, Linux 5.18 */

#define VLAN_TAG_BYTES 4
#define PULL_MAX 2048 /* bytes pulled to linear memory to find the headers */

/* Linux 6.2; costs nothing, unlike a helper. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

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
	return may_have_frags(ctx) ? bpf_xdp_get_buff_len(ctx) :
		(void *)(long)ctx->data_end - (void *)(long)ctx->data;
}

/*
 * How many frames on the wire an skb stands for. A guest behind a tap device
 * may have left gso_segs for the kernel to compute, and so do we.
 */
static __always_inline __u32 segments(const struct __sk_buff *skb, __u32 headers)
{
	if (!skb->gso_size)
		return 1;
	if (skb->gso_segs)
		return skb->gso_segs;
	if (skb->len <= headers)
		return 1;
	return (skb->len - headers + skb->gso_size - 1) / skb->gso_size;
}

static __always_inline struct buffer buffer_xdp(struct xdp_md *ctx)
{
	return (struct buffer){
		.ctx = ctx, .data = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end,
	};
}

static __always_inline struct buffer buffer_skb(struct __sk_buff *skb)
{
	return (struct buffer){
		.ctx = skb, .data = (void *)(long)skb->data, .end = (void *)(long)skb->data_end,
		.is_skb = true,
	};
}

/* What an skb tells of a frame before that is parsed. */
static __always_inline struct frame frame_skb(const struct __sk_buff *skb)
{
	return (struct frame){
		.len = skb->len,
		.outer_tags = skb->vlan_present,
		.is_aggregate = skb->gso_size,
		.ethertype = has_ethernet ? 0 : bpf_ntohs(skb->protocol),
	};
}

static __always_inline enum parse_result
frame_parse_skb(struct frame *f, struct __sk_buff *skb)
{
	struct buffer b = buffer_skb(skb);

	*f = frame_skb(skb);
	return frame_parse(f, &b, has_ethernet);
}

/* Pulls headers together that are scattered over pages. */
static __always_inline void pull_headers(struct __sk_buff *skb)
{
	bpf_skb_pull_data(skb, skb->len < PULL_MAX ? skb->len : PULL_MAX);
}

/* The traffic of f, which stands for `packets` frames. */
static __always_inline struct traffic frame_traffic(const struct frame *f, __u32 packets)
{
	/* Every frame has the tag that tc holds beside the data, and every
	 * segment but the first, which the buffer has, its own headers. */
	__u32 tag = f->outer_tags * VLAN_TAG_BYTES;

	return (struct traffic){
		.packets = packets,
		.bytes = f->len + tag + (__u64)(packets - 1) * (f->headers + tag),
	};
}

#endif
