/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The packet program: one pass over a frame, whatever hook it came by.
 * Parse, count by protocol, count by connection, and pass on; or send on by
 * another interface, where XDP does that, which has room for one program only.
 */
#ifndef EBPFTOP_PACKETS_H
#define EBPFTOP_PACKETS_H

#include <linux/pkt_cls.h>

#include "connections.h"
#include "cross_connect.h"
#include "wire.h"

/* Set by user space before loading: the interface has an XDP cross-connect. */
const volatile bool is_cross_connected;

/* Counts f, which stands for `packets` frames on the wire. */
static __always_inline void
frame_count(const struct frame *f, enum direction direction, __u32 packets)
{
	struct traffic wire = frame_traffic(f, packets);

	count_protocol(f, direction, &wire);
	count_connection(f, direction, &wire);
}

static __always_inline int packet_xdp(struct xdp_md *ctx)
{
	struct buffer b = {
		.ctx = ctx, .data = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end,
	};
	struct frame f = { .len = xdp_bytes(ctx) };

	/* Drivers leave headers in the first buffer. Should one not, the frame
	 * counts for as much of it as can be seen. */
	frame_parse(&f, &b, true);
	frame_count(&f, DIRECTION_RX, 1);
	return is_cross_connected ? cross_connect_xdp(xdp_bytes(ctx)) : XDP_PASS;
}

static __always_inline int packet_tc(struct __sk_buff *skb, enum direction direction)
{
	struct frame f;

	frame_parse_skb(&f, skb);
	frame_count(&f, direction, segments(skb, f.headers));
	return TC_ACT_UNSPEC; /* the next program, if any, decides */
}

#endif
