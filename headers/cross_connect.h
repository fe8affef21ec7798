/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Cross-connects: what enters an interface leaves by another, unchanged. The
 * maps are of one ingress interface, except for the control word, which all
 * interfaces of a wiring share. So nothing is to be looked up but the counters,
 * and the number of interfaces and their ifindexes do not matter.
 *
 * Where a frame goes is told twice, once for each of two generations, of which
 * one counts. User space prepares the other one on all interfaces, and then
 * makes it count everywhere by one store.
 */
#ifndef EBPFTOP_CROSS_CONNECT_H
#define EBPFTOP_CROSS_CONNECT_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "traffic.h"

#define GENERATIONS 2
#define INTERFACE_NAME_BYTES 16 /* IFNAMSIZ */

struct generation_control {
	/* deadline << 1 | generation that counts. From the deadline on, if it
	 * is not 0, the other one does. In ticks (jiffies), which are the same
	 * for all programs at all times. */
	__u64 word;
	/* Ticks, too; for filters that outlive the process that added them, and
	 * must then redirect no more. */
	__u64 lease;
	__u64 revision; /* of the set; user space counts its changes */
};

/* What one generation wants of an interface. The program has no use for it: it
 * is here so that every process finds it where the program is. */
struct cross_connect_plan {
	__u8 peer[INTERFACE_NAME_BYTES]; /* empty: not connected */
	__u8 wish; /* for frames that enter here */
	__u8 peer_wish; /* for those that enter the peer */
	__u8 is_a; /* this interface was named first */
	__u8 may_wait;
	__u32 padding;
	/* Of what the counters show, what is not this pair's: to be subtracted,
	 * modulo 2^64. */
	struct traffic traffic_before;
	__u64 dropped_before;
};

struct cross_connect {
	__u32 egress[GENERATIONS]; /* ifindex for tc; 0: pass. XDP has its own */
	__u32 owner; /* pid of the process it ends with, 0: kept */
	__u32 watcher; /* pid of the process whose program also counts, or 0 */
	__u32 is_promiscuous; /* made so by us, to be undone */
	__u32 ifindex; /* of the ingress interface, 0: missing */
	__u8 name[INTERFACE_NAME_BYTES]; /* of the ingress interface */
	struct cross_connect_plan plans[GENERATIONS];
};

/* Variables are maps, too, of which programs know the address. */
struct generation_control cross_connect_control SEC(".data.control");
struct cross_connect cross_connect_record SEC(".data.record");

/* For XDP. The kernel empties an entry when its device goes. It takes no types for
 * this kind of map, and to refuse them waits for a grace period of RCU, some ten
 * milliseconds (dev_map_free() in kernel/bpf/devmap.c). */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, GENERATIONS);
	__uint(key_size, sizeof(__u32)); /* generation */
	__uint(value_size, sizeof(__u32)); /* ifindex */
} cross_connect_egress SEC(".maps");

/* What was redirected. A generation that does not count stands still here, too:
 * so nothing is missed or counted for the wrong pair while they change places. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GENERATIONS);
	__type(key, __u32); /* generation */
	__type(value, struct traffic);
} cross_connect_traffic SEC(".maps");

/* Set by user space before loading. */
const volatile bool is_leased;

/* The generation that counts now. */
static __always_inline __u32 cross_connect_generation(void)
{
	/* Once: it may change. */
	__u64 word = ((const volatile struct generation_control *)&cross_connect_control)->word;
	__u64 deadline = word >> 1;

	if (deadline && bpf_jiffies64() >= deadline)
		word ^= 1;
	return word & 1;
}

/* Whether a filter, should this be one, may still redirect. */
static __always_inline bool has_lease(void)
{
	return !is_leased ||
	       bpf_jiffies64() <
		       ((const volatile struct generation_control *)&cross_connect_control)->lease;
}

static __always_inline void cross_connect_count(__u32 generation, const struct traffic *more)
{
	struct traffic *t = bpf_map_lookup_elem(&cross_connect_traffic, &generation);

	if (t)
		traffic_add(t, more);
}

/* The verdict on a frame of that many bytes. */
static __always_inline int cross_connect_xdp(__u64 bytes)
{
	const struct traffic frame = { .packets = 1, .bytes = bytes };
	__u32 generation = cross_connect_generation();

	/* Passes on what has no entry. */
	if (bpf_redirect_map(&cross_connect_egress, generation, XDP_PASS) != XDP_REDIRECT)
		return XDP_PASS;
	cross_connect_count(generation, &frame);
	return XDP_REDIRECT;
}

/* The ifindex where frames leave that tc sees, 0 if they go on as they were. */
static __always_inline __u32 cross_connect_egress_tc(__u32 generation)
{
	if (!has_lease())
		return 0;
	/* The verifier of Linux 5.10 does not see the bound, but this. */
	asm volatile("%0 &= 1" : "+r"(generation));
	return ((const volatile struct cross_connect *)&cross_connect_record)->egress[generation];
}

#endif
