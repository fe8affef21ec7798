//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The packet program's entries, one for each hook. All there is to know about
 * them is in headers/packets.h. */
#include "packets.h"

SEC("xdp")
int xdp_rx(struct xdp_md *ctx)
{
	return packet_xdp(ctx, COUNT_CONNECTIONS);
}

SEC("xdp")
int xdp_connect(struct xdp_md *ctx)
{
	return packet_xdp(ctx, COUNT_CONNECTIONS | CROSS_CONNECT);
}

SEC("xdp")
int proto_xdp_rx(struct xdp_md *ctx)
{
	return packet_xdp(ctx, 0);
}

SEC("xdp")
int proto_connect(struct xdp_md *ctx)
{
	return packet_xdp(ctx, CROSS_CONNECT);
}

/* For tcx as for a classifier on a clsact qdisc: same context, same verdicts. */
SEC("tc")
int tc_rx(struct __sk_buff *skb)
{
	return packet_tc(skb, DIRECTION_RX, COUNT_CONNECTIONS);
}

SEC("tc")
int tc_tx(struct __sk_buff *skb)
{
	return packet_tc(skb, DIRECTION_TX, COUNT_CONNECTIONS);
}

SEC("tc")
int proto_tc_rx(struct __sk_buff *skb)
{
	return packet_tc(skb, DIRECTION_RX, 0);
}

SEC("tc")
int proto_tc_tx(struct __sk_buff *skb)
{
	return packet_tc(skb, DIRECTION_TX, 0);
}

char __license[] SEC("license") = "Dual MIT/GPL";
