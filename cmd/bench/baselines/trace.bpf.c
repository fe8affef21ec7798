//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs that do nothing, where ebpftop's count frames. What the kernel says that
 * they take is the cost of the measurement itself.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tp_btf/netif_receive_skb")
int null_rx(void *ctx)
{
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int null_tx(void *ctx)
{
	return 0;
}

SEC("tp_btf/net_dev_xmit")
int null_busy(void *ctx)
{
	return 0;
}

SEC("tc")
int null_tc(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char __license[] SEC("license") = "Dual MIT/GPL";
