/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The packet program: one pass over a frame, whatever hook it came by.
 * Parse, count by protocol, count by connection, pass on.
 */
#ifndef EBPFTOP_PACKETS_H
#define EBPFTOP_PACKETS_H

#include <linux/pkt_cls.h>

#include "connections.h"

/* Set by user space before loading. */
const volatile bool has_ethernet = true; /* false: tunnels that begin with IP */
const volatile bool has_xdp_frags; /* bpf_xdp_get_buff_len, Linux 5.18 */

#define VLAN_TAG_BYTES 4
#define PULL_MAX 2048 /* bytes pulled to linear memory to find the headers */

/* Counts f, which stands for `packets` frames on the wire. */
static __always_inline void
frame_count(const struct frame *f, enum direction direction, __u32 packets)
{
	/* Every frame has the tag that tc holds beside the data, and every
	 * segment but the first, which the buffer has, its own headers. */
	__u32 tag = f->outer_tags * VLAN_TAG_BYTES;
	struct traffic wire = {
		.packets = packets,
		.bytes = f->len + tag + (__u64)(packets - 1) * (f->headers + tag),
	};

	count_protocol(f, direction, &wire);
	count_connection(f, direction, &wire);
}

static __always_inline int packet_xdp(struct xdp_md *ctx)
{
	struct buffer b = {
		.ctx = ctx, .data = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end,
	};
	struct frame f = {
		.len = has_xdp_frags ? bpf_xdp_get_buff_len(ctx) : b.end - b.data,
	};

	/* Drivers leave headers in the first buffer. Should one not, the frame
	 * counts for as much of it as can be seen. */
	frame_parse(&f, &b, true);
	frame_count(&f, DIRECTION_RX, 1);
	return XDP_PASS;
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

static __always_inline enum parse_result
frame_parse_skb(struct frame *f, struct __sk_buff *skb)
{
	struct buffer b = {
		.ctx = skb, .data = (void *)(long)skb->data, .end = (void *)(long)skb->data_end,
		.is_skb = true,
	};

	*f = (struct frame){
		.len = skb->len,
		.outer_tags = skb->vlan_present,
		.is_aggregate = skb->gso_size,
		.ethertype = has_ethernet ? 0 : bpf_ntohs(skb->protocol),
	};
	return frame_parse(f, &b, has_ethernet);
}

static __always_inline int packet_tc(struct __sk_buff *skb, enum direction direction)
{
	struct frame f;

	if (frame_parse_skb(&f, skb) == NOT_LINEAR) {
		bpf_skb_pull_data(skb, skb->len < PULL_MAX ? skb->len : PULL_MAX);
		frame_parse_skb(&f, skb);
	}
	frame_count(&f, direction, segments(skb, f.headers));
	return TC_ACT_UNSPEC; /* the next program, if any, decides */
}

#endif
