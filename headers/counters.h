/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Protocol counters of one interface. Every interface has maps of its own, so
 * no packet pays for finding out which interface it is on.
 */
#ifndef EBPFTOP_COUNTERS_H
#define EBPFTOP_COUNTERS_H

#include "frame.h"
#include "traffic.h"

#define IP_PROTOCOLS 256
#define ETHERTYPES_MAX 1024 /* rows of both directions together */
#define ETHERTYPE_OTHER 0xffff /* counts what the table has no room for */

enum direction { DIRECTION_RX, DIRECTION_TX, DIRECTIONS };

/* What one CPU counted; in cache lines that no other one writes to. */
struct protocol_counts {
	struct traffic ip[DIRECTIONS][IP_PROTOCOLS];
	__u64 malformed[DIRECTIONS]; /* packets */
} __attribute__((aligned(64)));

/* No BPF_MAP_TYPE_PERCPU_ARRAY, for those cannot be mapped: so user space reads
 * without a system call. A program finds its place by the number of its CPU, for
 * as many calls as the other took: none from Linux 6.10 on, one before. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space: as many as there can be CPUs */
	__type(key, __u32); /* CPU */
	__type(value, struct protocol_counts);
} protocols SEC(".maps");

/* Frames that are not IP, or broken before the IP protocol. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, ETHERTYPES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* direction << 16 | ethertype */
	__type(value, struct traffic);
} ethertypes SEC(".maps");

/*
 * Apart from the hot path: frames that are not IP are few. A global function,
 * verified by itself: the verifiers of old kernels (5.10 is one) lose track of
 * what the caller knows across the call of a static one, take states that
 * differ for the same, and remove branches that are needed.
 */
__noinline int count_ethertype(__u32 key, __u64 packets, __u64 bytes)
{
	const struct traffic zero = {}, more = { .packets = packets, .bytes = bytes };
	struct traffic *t = bpf_map_lookup_elem(&ethertypes, &key);

	if (!t) {
		bpf_map_update_elem(&ethertypes, &key, &zero, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&ethertypes, &key);
	}
	if (!t) { /* full; user space made the rows for the rest */
		key |= ETHERTYPE_OTHER;
		t = bpf_map_lookup_elem(&ethertypes, &key);
	}
	if (t)
		traffic_add(t, &more);
	return 0;
}

/* Where this CPU counts. Asked for before a frame is read: across a call, little of
 * that can be kept in registers. */
static __always_inline struct protocol_counts *protocol_counts_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&protocols, &cpu);
}

static __always_inline void
count_protocol(struct protocol_counts *here, const struct frame *f, enum direction direction,
	       const struct traffic *more)
{
	if (f->is_ip)
		traffic_add(&here->ip[direction][f->protocol], more);
	else
		count_ethertype(direction << 16 | f->ethertype, more->packets, more->bytes);
	if (f->malformed)
		here->malformed[direction] += more->packets;
}

#endif
