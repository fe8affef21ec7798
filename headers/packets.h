/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The packet program on XDP and tc: parse, count by protocol, count by
 * connection, and pass on. On XDP, which has room for only one program, it can
 * also send frames on by another interface.
 */
#ifndef EBPFTOP_PACKETS_H
#define EBPFTOP_PACKETS_H

#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "connections.h"
#include "cross_connect.h"
#include "parse_fast.h"
#include "wire.h"

/*
 * What a program does besides counting by protocol. A constant in each program,
 * because instructions that a variable switches off still cost registers.
 */
enum task { COUNT_CONNECTIONS = 1 << 0, CROSS_CONNECT = 1 << 1 };

/* Counts f as `wire`: the frames on the wire that it stands for. */
static __always_inline void
count_traffic(const struct interface *i, struct protocol_counts *here, const struct frame *f,
	      enum direction direction, const struct traffic *wire, __u32 tasks)
{
	count_protocol(i, here, f, direction, wire);
	if (f->is_aggregate)
		count_aggregate(i, direction, wire->packets);
	if (tasks & COUNT_CONNECTIONS)
		count_connection(i, f, direction, wire);
}

/* Counts f, which stands for `packets` frames on the wire. */
static __always_inline void
count_frame(const struct interface *i, struct protocol_counts *here, const struct frame *f,
	    enum direction direction, __u32 packets, __u32 tasks)
{
	struct traffic wire = frame_traffic(f, packets);

	count_traffic(i, here, f, direction, &wire, tasks);
}

/*
 * The slow path is in global functions, so that the compiler keeps no registers
 * for it on the fast path. Few frames come here.
 */
static __always_inline int slow_path_xdp(struct xdp_md *ctx, __u32 outer_tags, __u32 tasks)
{
	__u32 place;
	const struct interface *i = interface_find(ctx->ingress_ifindex, network_namespace, &place);
	struct buffer b = buffer_xdp(ctx);
	struct frame f = { .len = xdp_bytes(ctx), .outer_tags = outer_tags & 1 };
	union ip_header ip;

	if (!i)
		return 0;
	/* Drivers leave headers in the first buffer. If one does not, the frame
	 * counts for as much of it as is there. */
	parse_slow_ethernet(&f, &b, &ip);
	count_frame(i, protocol_counts_here(i), &f, DIRECTION_RX, 1, tasks);
	return 0;
}

__noinline int slow_xdp(struct xdp_md *ctx, __u32 outer_tags)
{
	return slow_path_xdp(ctx, outer_tags, COUNT_CONNECTIONS);
}

__noinline int slow_xdp_protocols(struct xdp_md *ctx, __u32 outer_tags)
{
	return slow_path_xdp(ctx, outer_tags, 0);
}

static __always_inline int packet_xdp(struct xdp_md *ctx, __u32 tasks)
{
	/* Calls come first, because few registers survive one. */
	int verdict = tasks & CROSS_CONNECT ? cross_connect_xdp(ctx) : XDP_PASS;
	struct frame f = { .len = xdp_bytes(ctx) };
	__u32 place;
	const struct interface *i = interface_find(ctx->ingress_ifindex, network_namespace, &place);
	struct protocol_counts *here;
	struct buffer b;

	if (!i)
		return verdict;
	here = protocol_counts_here(i);
	if (i->flags & INTERFACE_NATIVE_VETH && verdict == XDP_PASS)
		f.outer_tags = veth_outer_tags(ctx);
	b = buffer_xdp(ctx);
	if (buffer_has(&b, 0, sizeof(struct ethhdr)) &&
	    parse_fast(&f, &b, ((const __be16 *)b.data)[6], sizeof(struct ethhdr),
		       sizeof(struct ethhdr)))
		count_frame(i, here, &f, DIRECTION_RX, 1, tasks);
	else if (tasks & COUNT_CONNECTIONS)
		slow_xdp(ctx, f.outer_tags);
	else
		slow_xdp_protocols(ctx, f.outer_tags);
	return verdict;
}

static __always_inline int slow_path_tc(struct __sk_buff *skb, __u32 direction, __u32 tasks)
{
	__u32 place;
	const struct interface *i = interface_find(skb->ifindex, network_namespace, &place);
	struct frame f;
	union ip_header ip;

	if (!i)
		return 0;
	parse_slow_tc(&f, skb, i->flags & INTERFACE_ETHERNET, &ip);
	count_frame(i, protocol_counts_here(i), &f, direction & 1, segments_tc(skb, f.headers),
		    tasks);
	return 0;
}

__noinline int slow_tc(struct __sk_buff *skb, __u32 direction)
{
	return slow_path_tc(skb, direction, COUNT_CONNECTIONS);
}

__noinline int slow_tc_protocols(struct __sk_buff *skb, __u32 direction)
{
	return slow_path_tc(skb, direction, 0);
}

static __always_inline int packet_tc(struct __sk_buff *skb, enum direction direction, __u32 tasks)
{
	__u32 place;
	const struct interface *i = interface_find(skb->ifindex, network_namespace, &place);
	struct protocol_counts *here;
	struct buffer b;
	struct frame f;

	/* The host's own multicast, which it loops back, was not received. */
	if (!i || (direction == DIRECTION_RX && skb->pkt_type == PACKET_LOOPBACK))
		return TC_ACT_UNSPEC;
	here = protocol_counts_here(i);
	b = buffer_tc(skb);
	f = frame_tc(skb);
	if (i->flags & INTERFACE_ETHERNET && buffer_has(&b, 0, sizeof(struct ethhdr)) &&
	    parse_fast(&f, &b, ((const __be16 *)b.data)[6], sizeof(struct ethhdr),
		       sizeof(struct ethhdr)))
		count_frame(i, here, &f, direction, segments_tc(skb, f.headers), tasks);
	else if (tasks & COUNT_CONNECTIONS)
		slow_tc(skb, direction);
	else
		slow_tc_protocols(skb, direction);
	return TC_ACT_UNSPEC; /* the next program, if any, decides */
}

#endif
