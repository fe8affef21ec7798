//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The packet program's entries, one for each hook and task. All there is to know
 * about them is in headers/packets.h and headers/traced_packets.h. User space
 * loads those that it attaches.
 */
#include "traced_packets.h"

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

/*
 * Tracepoints. ctx has their arguments: the skb and, when it is sent, the device; at
 * net_dev_xmit the driver's result comes between them. Programs named copy_* do
 * without bpf_rdonly_cast().
 */
#define SKB ((struct sk_buff *)ctx[0])
#define DEV(n) ((const struct net_device *)ctx[n])
#define TRACED_ENTRIES(prefix, reading, tasks)                                     \
	SEC("tp_btf/netif_receive_skb") int prefix##_rx(__u64 *ctx)                \
	{                                                                          \
		return packet_traced(SKB, SKB->dev, DIRECTION_RX, reading, tasks); \
	}                                                                          \
	SEC("tp_btf/net_dev_start_xmit") int prefix##_tx(__u64 *ctx)               \
	{                                                                          \
		return packet_traced(SKB, DEV(1), DIRECTION_TX, reading, tasks);   \
	}                                                                          \
	SEC("tp_btf/net_dev_xmit") int prefix##_busy(__u64 *ctx)                   \
	{                                                                          \
		return packet_given_back(SKB, ctx[1], DEV(2), reading, tasks);     \
	}

TRACED_ENTRIES(trace, READ_IN_PLACE, COUNT_CONNECTIONS)
TRACED_ENTRIES(proto_trace, READ_IN_PLACE, 0)
TRACED_ENTRIES(copy, READ_BY_CALLS, COUNT_CONNECTIONS)
TRACED_ENTRIES(proto_copy, READ_BY_CALLS, 0)

char __license[] SEC("license") = "Dual MIT/GPL";
