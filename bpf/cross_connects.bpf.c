//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Cross-connects alone, for interfaces on which nothing is counted, or another
 * program on the same hook counts. */
#include <linux/pkt_cls.h>

#include "cross_connect.h"
#include "wire.h"

SEC("xdp")
int connect_xdp(struct xdp_md *ctx)
{
	return cross_connect_xdp(ctx);
}

/* Set by user space before loading. */
const volatile bool has_ethernet = true; /* frames begin with an Ethernet header */

/* The bytes of an aggregate's headers, which every segment repeats on the wire. A global
 * function: see parse_slow.h. */
__noinline int headers_tc(struct __sk_buff *skb)
{
	union ip_header ip;
	struct frame f;

	parse_slow_tc(&f, skb, has_ethernet, &ip);
	return f.headers;
}

static __always_inline struct traffic aggregate_traffic(struct __sk_buff *skb)
{
	struct frame f = frame_tc(skb);

	f.headers = headers_tc(skb);
	return frame_traffic(&f, segments_tc(skb, f.headers));
}

/* For tcx as for a classifier on a clsact qdisc. */
SEC("tc")
int connect_tc(struct __sk_buff *skb)
{
	__u32 generation = cross_connect_generation();
	__u32 egress = cross_connect_egress_tc(generation);
	struct traffic wire = { .packets = 1 };

	if (!egress)
		return TC_ACT_UNSPEC;
	if (skb->gso_size)
		wire = aggregate_traffic(skb);
	else
		wire.bytes = skb->len + skb->vlan_present * VLAN_TAG_BYTES;
	cross_connect_count(generation, &wire);
	return bpf_redirect(egress, 0);
}

char __license[] SEC("license") = "Dual MIT/GPL";
