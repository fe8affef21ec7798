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

/*
 * What a program does besides counting by protocol. Constant in each: of what a
 * variable switches off, instructions that are never reached still cost the others
 * registers.
 */
enum task { COUNT_CONNECTIONS = 1 << 0, CROSS_CONNECT = 1 << 1 };

/* Counts f, which stands for `packets` frames on the wire. */
static __always_inline void
frame_count(struct protocol_counts *here, const struct frame *f, enum direction direction,
	    __u32 packets, __u32 tasks)
{
	struct traffic wire = frame_traffic(f, packets);

	count_protocol(here, f, direction, &wire);
	if (tasks & COUNT_CONNECTIONS)
		count_connection(f, direction, &wire);
}

/*
 * Any frame but the common ones. In global functions: few frames come here, and
 * the common ones are spared what the compiler would keep in mind for these.
 */
static __always_inline int count_uncommon_xdp(struct xdp_md *ctx, __u32 tasks)
{
	struct protocol_counts *here = protocol_counts_here();
	struct buffer b = buffer_xdp(ctx);
	struct frame f = { .len = xdp_bytes(ctx) };

	if (!here)
		return 0;
	/* Drivers leave headers in the first buffer. Should one not, the frame
	 * counts for as much of it as can be seen. */
	frame_parse(&f, &b, true);
	frame_count(here, &f, DIRECTION_RX, 1, tasks);
	return 0;
}

__noinline int uncommon_xdp(struct xdp_md *ctx)
{
	return count_uncommon_xdp(ctx, COUNT_CONNECTIONS);
}

__noinline int uncommon_xdp_protocols(struct xdp_md *ctx)
{
	return count_uncommon_xdp(ctx, 0);
}

static __always_inline int packet_xdp(struct xdp_md *ctx, __u32 tasks)
{
	/* What needs calls comes first: across one, little can be kept. */
	struct frame f = { .len = xdp_bytes(ctx) };
	int verdict = tasks & CROSS_CONNECT ? cross_connect_xdp(f.len) : XDP_PASS;
	struct protocol_counts *here = protocol_counts_here();
	struct buffer b = buffer_xdp(ctx);

	if (!here)
		return verdict;
	if (frame_parse_common(&f, &b, true))
		frame_count(here, &f, DIRECTION_RX, 1, tasks);
	else if (tasks & COUNT_CONNECTIONS)
		uncommon_xdp(ctx);
	else
		uncommon_xdp_protocols(ctx);
	return verdict;
}

/* False, and nothing is counted, if headers have to be pulled together first. */
static __always_inline int
count_uncommon_tc(struct __sk_buff *skb, __u32 direction, __u32 is_pulled, __u32 tasks)
{
	struct protocol_counts *here = protocol_counts_here();
	struct frame f;

	if (frame_parse_skb(&f, skb) == NOT_LINEAR && !is_pulled)
		return false;
	if (here)
		frame_count(here, &f, direction & 1, segments(skb, f.headers), tasks);
	return true;
}

__noinline int uncommon_tc(struct __sk_buff *skb, __u32 direction, __u32 is_pulled)
{
	return count_uncommon_tc(skb, direction, is_pulled, COUNT_CONNECTIONS);
}

__noinline int uncommon_tc_protocols(struct __sk_buff *skb, __u32 direction, __u32 is_pulled)
{
	return count_uncommon_tc(skb, direction, is_pulled, 0);
}

static __always_inline int
uncommon(struct __sk_buff *skb, enum direction direction, bool is_pulled, __u32 tasks)
{
	return tasks & COUNT_CONNECTIONS ? uncommon_tc(skb, direction, is_pulled) :
					   uncommon_tc_protocols(skb, direction, is_pulled);
}

static __always_inline int
packet_tc(struct __sk_buff *skb, enum direction direction, __u32 tasks)
{
	struct protocol_counts *here = protocol_counts_here();
	struct buffer b = buffer_skb(skb);
	struct frame f = frame_skb(skb);

	if (!here)
		return TC_ACT_UNSPEC;
	if (frame_parse_common(&f, &b, has_ethernet)) {
		frame_count(here, &f, direction, segments(skb, f.headers), tasks);
	} else if (!uncommon(skb, direction, false, tasks)) {
		pull_headers(skb);
		uncommon(skb, direction, true, tasks);
	}
	return TC_ACT_UNSPEC; /* the next program, if any, decides */
}

#endif
