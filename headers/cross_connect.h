/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Cross-connects: what enters an interface leaves by another, unchanged. The
 * maps are of one ingress interface, except for the control word, which all
 * interfaces of a set of pairs share. So the price of a frame does not grow with
 * the number of interfaces, and their ifindexes do not matter.
 *
 * The forwarding table is double-buffered: user space fills the idle generation
 * on all interfaces, then flips control.word. Its entries are devices, not
 * numbers: the kernel empties one when its device goes, with no process running.
 */
#ifndef EBPFTOP_CROSS_CONNECT_H
#define EBPFTOP_CROSS_CONNECT_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "wire.h"

#define GENERATIONS 2
#define INTERFACE_NAME_BYTES 16 /* IFNAMSIZ */

struct generation_control {
	/* deadline << 1 | active generation. From the deadline on, unless it is
	 * 0, the other generation is active. In ticks (jiffies), which are the
	 * same for all programs at all times. */
	__u64 word;
	/* Until when filters redirect, in ticks. Because a filter outlives the
	 * process that added it, that process has to renew this. */
	__u64 lease;
	__u64 revision; /* of the set; user space counts its changes */
};

/* What one generation wants of an interface. The program does not use it: it is
 * here so that every process that finds the program finds the plan. */
struct cross_connect_plan {
	__u8 peer[INTERFACE_NAME_BYTES]; /* empty: not connected */
	__u8 requested; /* for frames that enter here */
	__u8 peer_requested; /* for those that enter the peer */
	__u8 is_a; /* this interface was named first */
	__u8 may_wait;
	__u32 padding;
	/* The part of the counters that is not this pair's: to be subtracted,
	 * modulo 2^64. */
	struct traffic traffic_before;
	__u64 dropped_before;
};

/* Identifies a process even if its pid is given out again. All 0: none. */
struct process {
	__u32 pid;
	__u32 pid_namespace; /* inode */
	__u64 start; /* in ticks since boot, as /proc/PID/stat has it */
};

struct cross_connect {
	struct process owner; /* that it ends with; none: kept */
	struct process watcher; /* whose program also counts */
	__u32 ifindex; /* of the ingress interface, 0: missing */
	__u32 padding;
	__u8 name[INTERFACE_NAME_BYTES]; /* of the ingress interface */
	struct cross_connect_plan plans[GENERATIONS];
};

/* Variables are maps, too, but programs know their address: no lookup is needed. */
struct generation_control cross_connect_control SEC(".data.control");
struct cross_connect cross_connect_record SEC(".data.record");

/* The devices that an ingress has to do with. By generation, the one where frames
 * leave (none: pass), and the one where frames enter. The kernel empties an entry
 * when its device is deleted or moves to another network namespace.
 *
 * XDP and tc have a map each: generic XDP and tc can be attached at once, and then
 * only one of them redirects; and programs of different types cannot use the same
 * DEVMAP (__bpf_prog_map_compatible() in kernel/bpf/core.c).
 *
 * Key and value have sizes instead of types, because the kernel refuses types for
 * this kind of map, and takes a grace period of RCU to do so, some ten milliseconds
 * (dev_map_free() in kernel/bpf/devmap.c). */
#define INGRESS GENERATIONS
#define DEVICES (INGRESS + 1)

struct cross_connect_devices {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, DEVICES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32)); /* ifindex */
};

struct cross_connect_devices xdp_devices SEC(".maps");
struct cross_connect_devices tc_devices SEC(".maps");

/* What was redirected, by generation. The counters of the idle one stand still, so
 * that nothing is missed or counted for the wrong pair when the word is flipped. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GENERATIONS);
	__type(key, __u32); /* generation */
	__type(value, struct traffic);
} cross_connect_traffic SEC(".maps");

/* Set by user space before loading. */
const volatile bool is_leased;
const volatile bool is_native_veth; /* native XDP on a veth */

/* The generation that is active now. */
static __always_inline __u32 cross_connect_generation(void)
{
	/* Once: it may change. */
	__u64 word = ((const volatile struct generation_control *)&cross_connect_control)->word;
	__u64 deadline = word >> 1;

	if (deadline && bpf_jiffies64() >= deadline)
		word ^= 1;
	return word & 1;
}

/* Whether the program may still redirect. Without a lease, it always may. */
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

/* The ifindex of the device with that key, 0 if there is none or it has gone. */
static __always_inline __u32 cross_connect_device(struct cross_connect_devices *devices, __u32 key)
{
	const __u32 *ifindex = bpf_map_lookup_elem(devices, &key);

	return ifindex ? *ifindex : 0;
}

/* Whether the interface is where user space attached this program: XDP and tcx
 * programs stay attached to one that moves to another network namespace, where
 * another device may have the ifindex of the peer. */
static __always_inline bool cross_connect_is_home(struct cross_connect_devices *devices)
{
	return cross_connect_device(devices, INGRESS);
}

/* The verdict on a frame, which is then complete if it leaves. */
static __always_inline int cross_connect_xdp(struct xdp_md *ctx)
{
	struct traffic frame = { .packets = 1 };
	__u32 generation = cross_connect_generation();

	/* Passes on what has no entry. */
	if (!cross_connect_is_home(&xdp_devices) ||
	    bpf_redirect_map(&xdp_devices, generation, XDP_PASS) != XDP_REDIRECT)
		return XDP_PASS;
	if (is_native_veth && veth_complete(ctx))
		return XDP_ABORTED;
	frame.bytes = xdp_bytes(ctx);
	cross_connect_count(generation, &frame);
	return XDP_REDIRECT;
}

/* The ifindex of the device that tc redirects to, 0 if it passes frames on. */
static __always_inline __u32 cross_connect_egress_tc(__u32 generation)
{
	if (!has_lease() || !cross_connect_is_home(&tc_devices))
		return 0;
	return cross_connect_device(&tc_devices, generation);
}

#endif
