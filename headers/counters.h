/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Protocol counters of all interfaces.
 *
 * The protocols that make up most traffic have counters in memory, apart for
 * each CPU, so that a frame costs no call and no atomic addition, and that user
 * space reads them without a system call. All other protocols, ethertypes, and
 * malformed frames are rows of a hash table. So are frames that have no counters:
 * on interfaces beyond the number of blocks, and on CPUs that were added after the
 * start.
 */
#ifndef EBPFTOP_COUNTERS_H
#define EBPFTOP_COUNTERS_H

#include "frame.h"
#include "interfaces.h"
#include "traffic.h"

#define PROTOCOL_SLOTS 8
#define OTHER_ROWS_MAX 16384
/* How many ethertypes without a name have a row, for each interface and direction. Others
 * count as OTHER_REST, so that made-up ethertypes cannot use up the table. */
#define UNNAMED_ROWS_EACH 128

/* What one CPU counted on one interface, in cache lines that no other CPU writes to. */
struct protocol_counts {
	struct traffic ip[DIRECTIONS][PROTOCOL_SLOTS];
} __attribute__((aligned(64)));

/* A plain array indexed by CPU, because per-CPU arrays cannot be mmap()ed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space: blocks times CPUs */
	__type(key, __u32); /* block * protocol_cpus + CPU */
	__type(value, struct protocol_counts);
} protocols SEC(".maps");

/* Set by user space before loading. */
const volatile __u32 protocol_cpus = 1; /* that have counters in each block */
const volatile __u8 protocol_slots[256]; /* by IP protocol; PROTOCOL_SLOTS and more: none */
const volatile __u8 named_ethertypes[(1 << 16) / 8]; /* bitmap */

enum other_kind {
	OTHER_PROTOCOL, /* number is an IP protocol */
	OTHER_ETHERTYPE, /* number is an ethertype: not IP, or broken before the IP protocol */
	OTHER_MALFORMED, /* packets that are counted elsewhere, too */
	OTHER_REST,	    /* what the table has no room for; user space makes its rows */
	OTHER_ROWS,	    /* packets is how many rows of ethertypes without a name there are */
	OTHER_AGGREGATED, /* packets beyond the first of each aggregate, counted elsewhere, too */
};

struct other_key {
	__u32 interface; /* id */
	__u8 direction;
	__u8 kind;
	__u16 number;
};

/* Not per CPU, so that its size does not grow with the number of CPUs. Because these
 * frames are few, atomic additions do. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OTHER_ROWS_MAX);
	__type(key, struct other_key);
	__type(value, struct traffic);
} others SEC(".maps");

static __always_inline void traffic_add_atomic(struct traffic *t, __u64 packets, __u64 bytes)
{
	__sync_fetch_and_add(&t->packets, packets);
	__sync_fetch_and_add(&t->bytes, bytes);
}

/* Whether a row may be added. Kinds that have few rows are not limited. */
static __always_inline bool other_may_add(struct other_key key)
{
	struct traffic *rows;

	if (key.kind != OTHER_ETHERTYPE || named_ethertypes[key.number / 8] & 1 << key.number % 8)
		return true;
	key.kind = OTHER_ROWS;
	key.number = 0;
	rows = bpf_map_lookup_elem(&others, &key);
	if (!rows || rows->packets >= UNNAMED_ROWS_EACH)
		return false;
	__sync_fetch_and_add(&rows->packets, 1);
	return true;
}

/*
 * Not on the hot path. A global function, which is verified by itself, because
 * the verifiers of old kernels (5.10 is one) lose what they know about the caller
 * when it calls a static one.
 */
__noinline int count_other(__u64 key_bits, __u64 packets, __u64 bytes)
{
	union {
		__u64 bits;
		struct other_key key;
	} row = { .bits = key_bits };
	const struct traffic zero = {};
	struct traffic *t = bpf_map_lookup_elem(&others, &row.key);

	if (!t && other_may_add(row.key)) {
		bpf_map_update_elem(&others, &row.key, &zero, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&others, &row.key);
	}
	if (!t) {
		row.key.kind = OTHER_REST;
		row.key.number = 0;
		t = bpf_map_lookup_elem(&others, &row.key);
	}
	if (t)
		traffic_add_atomic(t, packets, bytes);
	return 0;
}

static __always_inline void
count_other_kind(const struct interface *i, enum direction direction, enum other_kind kind,
		 __u16 number, const struct traffic *more)
{
	union {
		struct other_key key;
		__u64 bits;
	} row = {
		.key = { .interface = i->id,
			 .direction = direction,
			 .kind = kind,
			 .number = number },
	};

	count_other(row.bits, more->packets, more->bytes);
}

/* protocol_counts_here() returns this CPU's counters for an interface, NULL if it has
 * none. Call it before a frame is read: before Linux 6.10, to ask for the CPU is a
 * call, and few registers survive one. */
static __always_inline struct protocol_counts *protocol_counts_here(const struct interface *i)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 place = i->block * protocol_cpus + cpu;

	if (i->block == NO_BLOCK || cpu >= protocol_cpus)
		return NULL;
	return bpf_map_lookup_elem(&protocols, &place);
}

static __always_inline void
count_protocol(const struct interface *i, struct protocol_counts *here, const struct frame *f,
	       enum direction direction, const struct traffic *more)
{
	__u32 slot = protocol_slots[f->protocol];

	if (f->is_ip && here && slot < PROTOCOL_SLOTS)
		traffic_add(&here->ip[direction][slot], more);
	else if (f->is_ip)
		count_other_kind(i, direction, OTHER_PROTOCOL, f->protocol, more);
	else
		count_other_kind(i, direction, OTHER_ETHERTYPE, f->ethertype, more);
	if (f->malformed)
		count_other_kind(i, direction, OTHER_MALFORMED, 0, more);
}

/* Notes how many frames more than one an aggregate stands for. */
static __always_inline void
count_aggregate(const struct interface *i, enum direction direction, __s64 packets)
{
	const struct traffic more = { .packets = packets < 0 ? packets + 1 : packets - 1 };

	if (packets > 1 || packets < -1)
		count_other_kind(i, direction, OTHER_AGGREGATED, 0, &more);
}

#endif
