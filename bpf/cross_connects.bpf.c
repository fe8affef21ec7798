//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Cross-connects alone, for an interface on which nothing else is counted, or
 * is by another program on the same hook. */
#include <linux/pkt_cls.h>

#include "cross_connect.h"
#include "wire.h"

SEC("xdp")
int connect_xdp(struct xdp_md *ctx)
{
	return cross_connect_xdp(xdp_bytes(ctx));
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
	if (skb->gso_size) { /* an aggregate: headers tell of how many bytes */
		struct frame f;

		frame_parse_skb(&f, skb);
		wire = frame_traffic(&f, segments(skb, f.headers));
	} else {
		wire.bytes = skb->len + skb->vlan_present * VLAN_TAG_BYTES;
	}
	cross_connect_count(generation, &wire);
	return bpf_redirect(egress, 0);
}

char __license[] SEC("license") = "Dual MIT/GPL";
