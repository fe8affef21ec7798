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

/*
 * Any frame but the common ones. A global function: few frames come here, and
 * the common ones are spared what the compiler would keep in mind for these.
 */
__noinline int uncommon_xdp(struct xdp_md *ctx)
{
	struct buffer b = buffer_xdp(ctx);
	struct frame f = { .len = xdp_bytes(ctx) };

	/* Drivers leave headers in the first buffer. Should one not, the frame
	 * counts for as much of it as can be seen. */
	frame_parse(&f, &b, true);
	frame_count(&f, DIRECTION_RX, 1);
	return 0;
}

static __always_inline int packet_xdp(struct xdp_md *ctx)
{
	struct buffer b = buffer_xdp(ctx);
	struct frame f = { .len = xdp_bytes(ctx) };
	/* Before parsing: what that finds need not be kept across a call. */
	int verdict = is_cross_connected ? cross_connect_xdp(f.len) : XDP_PASS;

	if (frame_parse_common(&f, &b, true))
		frame_count(&f, DIRECTION_RX, 1);
	else
		uncommon_xdp(ctx);
	return verdict;
}

/* False, and nothing is counted, if headers have to be pulled together first. */
__noinline int uncommon_tc(struct __sk_buff *skb, __u32 direction, __u32 is_pulled)
{
	struct frame f;

	if (frame_parse_skb(&f, skb) == NOT_LINEAR && !is_pulled)
		return false;
	frame_count(&f, direction & 1, segments(skb, f.headers));
	return true;
}

static __always_inline int packet_tc(struct __sk_buff *skb, enum direction direction)
{
	struct buffer b = buffer_skb(skb);
	struct frame f = frame_skb(skb);

	if (frame_parse_common(&f, &b, has_ethernet)) {
		frame_count(&f, direction, segments(skb, f.headers));
	} else if (!uncommon_tc(skb, direction, false)) {
		pull_headers(skb);
		uncommon_tc(skb, direction, true);
	}
	return TC_ACT_UNSPEC; /* the next program, if any, decides */
}

#endif
