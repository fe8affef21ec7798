//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What ebpftop is measured against: for each of the tutorials it descends from,
 * a program that does what that one does, written anew and no slower. They are
 * no part of ebpftop.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_PROTOCOLS 256
#define VLAN_TAGS 2
#define EVERY 5 /* new tuples for one event */

/* The port whose connections are counted. */
const volatile __u16 local_port = 8080;

SEC("xdp")
int bare_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packet_count SEC(".maps");

SEC("xdp")
int single_counter(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&packet_count, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, IP_PROTOCOLS);
	__type(key, __u32);
	__type(value, __u64);
} protocol_counts SEC(".maps");

/* The ethertype behind VLAN tags; `next` is what follows, NULL for a short frame. */
static __always_inline __be16 ethertype_of(void *data, void *end, void **next)
{
	struct ethhdr *ethernet = data;
	__be16 type;

	*next = NULL;
	if ((void *)(ethernet + 1) > end)
		return 0;
	type = ethernet->h_proto;
	data = ethernet + 1;
	for (int i = 0; i < VLAN_TAGS; i++) {
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if (data + 4 > end)
			return 0;
		type = ((__be16 *)data)[1];
		data += 4;
	}
	*next = data;
	return type;
}

SEC("xdp")
int protocol_array(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *header;
	__be16 type = ethertype_of(data, end, &header);
	__u32 protocol = 0;
	__u64 *count;

	if (!header)
		return XDP_DROP;
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = header;

		if ((void *)(ip + 1) <= end)
			protocol = ip->protocol;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = header;

		if ((void *)(ip + 1) <= end)
			protocol = ip->nexthdr;
	}
	count = bpf_map_lookup_elem(&protocol_counts, &protocol);
	if (count)
		*count += 1;
	return XDP_PASS;
}

/* Without implicit padding, unlike its ancestor. */
struct tuple {
	__be32 address;
	__be16 port;
	__u16 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct tuple);
	__type(value, __u64);
} tuple_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} tuple_events SEC(".maps");

__u64 new_tuples;

static __always_inline void tell(const struct tuple *tuple)
{
	struct tuple *event = bpf_ringbuf_reserve(&tuple_events, sizeof(*event), 0);

	if (!event)
		return;
	*event = *tuple;
	bpf_ringbuf_submit(event, 0);
}

/* IPv4 without options, TCP alone, as its ancestor. */
SEC("xdp")
int tuple_hash(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	struct tuple tuple = {};
	__u64 *count, one = 1;

	if ((void *)(tcp + 1) > end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	if (tcp->dest != bpf_htons(local_port))
		return XDP_PASS;
	tuple.address = ip->saddr;
	tuple.port = tcp->source;
	count = bpf_map_lookup_elem(&tuple_counts, &tuple);
	if (!count) {
		bpf_map_update_elem(&tuple_counts, &tuple, &one, BPF_ANY);
		if (__sync_fetch_and_add(&new_tuples, 1) % EVERY == 0)
			tell(&tuple);
		return XDP_PASS;
	}
	__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} redirect_ports SEC(".maps");

/* As its ancestor: the devmap is indexed by the ifindex of the ingress. */
SEC("xdp")
int devmap_redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&redirect_ports, ctx->ingress_ifindex, 0);
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next_program SEC(".maps");

__u32 turn;
const volatile __u32 turns = 1; /* a power of two */

/* No baseline: gives the next program each frame from another source address,
 * the low bytes of which are the turn. */
SEC("xdp")
int in_turn(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > end)
		return XDP_ABORTED;
	turn = (turn + 1) & (turns - 1);
	ip->saddr = bpf_htonl(0x0a000000 + turn);
	bpf_tail_call(ctx, &next_program, 0);
	return XDP_ABORTED;
}

char __license[] SEC("license") = "Dual MIT/GPL";
