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

struct protocols_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, IP_PROTOCOLS);
	__type(key, __u32); /* IP protocol */
	__type(value, struct traffic);
};

struct protocols_map protocols_rx SEC(".maps");
struct protocols_map protocols_tx SEC(".maps");

/* Frames that are not IP, or broken before the IP protocol. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, ETHERTYPES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* direction << 16 | ethertype */
	__type(value, struct traffic);
} ethertypes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DIRECTIONS);
	__type(key, __u32); /* direction */
	__type(value, __u64); /* packets */
} malformed SEC(".maps");

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

static __always_inline void count_malformed(enum direction direction, __u64 packets)
{
	__u32 key = direction;
	__u64 *count = bpf_map_lookup_elem(&malformed, &key);

	if (count)
		*count += packets;
}

static __always_inline void
count_protocol(const struct frame *f, enum direction direction, const struct traffic *more)
{
	if (f->is_ip) {
		__u32 key = f->protocol;
		struct traffic *t = direction == DIRECTION_RX ?
			bpf_map_lookup_elem(&protocols_rx, &key) :
			bpf_map_lookup_elem(&protocols_tx, &key);

		if (t)
			traffic_add(t, more);
	} else {
		count_ethertype(direction << 16 | f->ethertype, more->packets, more->bytes);
	}
	if (f->malformed)
		count_malformed(direction, more->packets);
}

#endif
