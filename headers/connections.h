/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Connections of all interfaces: one row for a 5-tuple on an interface, seen
 * from the host, so that received and sent frames meet in it.
 *
 * IPv4 has a table of its own: hashing and comparing 16 bytes instead of 40
 * saves much of the price of a row. One table for all CPUs, with atomic
 * counters, since its size and the cost of reading it must not grow with the
 * number of CPUs.
 *
 * Looking up a row takes a call, and calls are most of what a packet costs. Because
 * packets of a connection come in bursts, each CPU has a few slots, in which it
 * counts for the connections that it saw last. A row is looked up when its
 * connection enters a slot, once a tick while it stays, and when it leaves with
 * something to add. User space adds what the slots hold to the rows, so that nothing
 * is lost or late.
 */
#ifndef EBPFTOP_CONNECTIONS_H
#define EBPFTOP_CONNECTIONS_H

#include <linux/errno.h>

#include "counters.h"

#define CONNECTIONS_MAX 65536
#define CONNECTION_EVENTS_BYTES (1 << 20)
#define CONNECTION_SLOTS 32 /* of a CPU, for each of IPv4 and IPv6 */

/* Keys have no padding: every byte is hashed. Ports and addresses are in
 * network order; ports are 0 where the frame carries none. */
struct connection_key4 {
	__be32 local, remote;
	__be16 local_port, remote_port;
	__u32 interface_protocol; /* interface id << 8 | IP protocol */
} __attribute__((aligned(8)));

struct connection_key6 {
	__be32 local[4], remote[4];
	__be16 local_port, remote_port;
	__u32 interface_protocol;
} __attribute__((aligned(8)));

struct connection {
	__u64 rx_packets, rx_bytes;
	__u64 tx_packets, tx_bytes;
	__u64 first_seen, last_seen; /* ticks (jiffies): read in an instruction */
	__u8 rx_flags, tx_flags; /* all TCP flags seen */
	__u8 padding[6];
};

/* A new row. Its key is an IPv4 key in the first bytes if !is_ipv6. */
struct connection_event {
	__u64 time; /* ticks */
	struct connection_key6 key;
	__u32 is_ipv6;
	__u32 padding;
};

/*
 * What a CPU counted for a connection and has not added to its row yet. While the
 * slot changes hands, `entered` and `left` differ. So they do in a copy that user
 * space makes meanwhile, because that is made from the first field to the last.
 */
struct connection_slot {
	__u64 entered; /* how many connections did */
	struct connection_key6 key; /* as in an event */
	struct connection more;
	__u64 left; /* how many connections began to */
};

struct connection_counts {
	__u64 created; /* rows made; less those there are: rows evicted */
	__u64 refused; /* rows that could not be made */
	__u64 events_lost; /* the ring buffer was full */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNECTIONS_MAX);
	__type(key, struct connection_key4);
	__type(value, struct connection);
} connections4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNECTIONS_MAX);
	__type(key, struct connection_key6);
	__type(value, struct connection);
} connections6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CONNECTION_EVENTS_BYTES);
	__type(value, struct connection_event);
} connection_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct connection_counts);
} connection_totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * CONNECTION_SLOTS);
	__type(key, __u32); /* those of IPv4, then those of IPv6 */
	__type(value, struct connection_slot);
} connection_slots SEC(".maps");

/* Set by user space before loading; the verifier removes what is off. */
const volatile bool filter_ports;
const volatile __u8 local_ports[65536 / 8]; /* bit set: tracked, if filter_ports */

static __always_inline bool is_tracked(__u16 local_port)
{
	return !filter_ports || local_ports[local_port >> 3] & (1 << (local_port & 7));
}

/* User space drains the ring once an interval, unless it fills up before. */
static __always_inline __u64 wakeup(void *ring, __u64 size)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > size / 2 ? BPF_RB_FORCE_WAKEUP
								     : BPF_RB_NO_WAKEUP;
}

/* Counts a row made, and tells user space. */
static __always_inline void announce(const struct connection_slot *slot, bool is_ipv6)
{
	struct connection_counts *totals;
	struct connection_event *event;
	__u32 zero = 0;

	totals = bpf_map_lookup_elem(&connection_totals, &zero);
	if (!totals)
		return;
	totals->created++;
	event = bpf_ringbuf_reserve(&connection_events, sizeof(*event), 0);
	if (!event) {
		totals->events_lost++;
		return;
	}
	event->time = slot->more.first_seen;
	event->key = slot->key;
	event->is_ipv6 = is_ipv6;
	event->padding = 0;
	bpf_ringbuf_submit(event, wakeup(&connection_events, CONNECTION_EVENTS_BYTES));
}

static __always_inline void refuse(void)
{
	__u32 zero = 0;
	struct connection_counts *totals = bpf_map_lookup_elem(&connection_totals, &zero);

	if (totals)
		totals->refused++;
}

/* Adds one direction to a row, to which other CPUs may add at the same time. */
static __always_inline void connection_add(struct connection *row, enum direction direction,
					   __u64 packets, __u64 bytes, __u8 tcp_flags, __u64 time)
{
	__u8 *flags;

	/* The compiler must not merge the branches into one addition at a computed
	 * offset, which verifiers may take for any (big-endian, Linux 6.12). */
	if (direction == DIRECTION_RX) {
		barrier_var(row);
		__sync_fetch_and_add(&row->rx_packets, packets);
		__sync_fetch_and_add(&row->rx_bytes, bytes);
		flags = &row->rx_flags;
	} else {
		__sync_fetch_and_add(&row->tx_packets, packets);
		__sync_fetch_and_add(&row->tx_bytes, bytes);
		flags = &row->tx_flags;
	}
	if (row->last_seen < time) /* a slot may have waited long */
		row->last_seen = time;
	/* Two CPUs adding different flags of one direction at once can lose
	 * one, until it is seen again: atomic or needs Linux 5.12. */
	if (tcp_flags & ~*flags)
		*flags |= tcp_flags;
}

static __always_inline void
connection_add_both(struct connection *row, const struct connection *more)
{
	if (more->rx_packets)
		connection_add(row, DIRECTION_RX, more->rx_packets, more->rx_bytes, more->rx_flags,
			       more->last_seen);
	if (more->tx_packets)
		connection_add(row, DIRECTION_TX, more->tx_packets, more->tx_bytes, more->tx_flags,
			       more->last_seen);
}

/* Finds or makes the row of a slot's connection in table, and adds to it. */
static __always_inline void slot_add(void *table, const struct connection_slot *slot, bool is_ipv6)
{
	struct connection *row = bpf_map_lookup_elem(table, &slot->key);
	long error;

	if (row) {
		connection_add_both(row, &slot->more);
		return;
	}
	error = bpf_map_update_elem(table, &slot->key, &slot->more, BPF_NOEXIST);
	if (!error) {
		announce(slot, is_ipv6);
		return;
	}
	/* Another CPU was first. */
	row = error == -EEXIST ? bpf_map_lookup_elem(table, &slot->key) : NULL;
	if (row)
		connection_add_both(row, &slot->more);
	else
		refuse();
}

/*
 * Adds what a slot counted to the table. A global function, for the reason that
 * count_other() is one. It takes the slot's number, because the verifiers of old
 * kernels cannot pass it a pointer.
 */
__noinline int slot_flush(__u32 number)
{
	struct connection_slot *slot = bpf_map_lookup_elem(&connection_slots, &number);

	if (!slot)
		return 0;
	if (number < CONNECTION_SLOTS)
		slot_add(&connections4, slot, false);
	else
		slot_add(&connections6, slot, true);
	return 0;
}

static __always_inline void slot_empty(struct connection_slot *slot)
{
	slot->more.rx_packets = slot->more.rx_bytes = 0;
	slot->more.tx_packets = slot->more.tx_bytes = 0;
	slot->more.rx_flags = slot->more.tx_flags = 0;
}

static __always_inline void
slot_count(struct connection_slot *slot, const struct frame *f, enum direction direction,
	   const struct traffic *more, __u64 time)
{
	if (direction == DIRECTION_RX) {
		barrier_var(slot); /* as in connection_add() */
		slot->more.rx_packets += more->packets;
		slot->more.rx_bytes += more->bytes;
		slot->more.rx_flags |= f->tcp_flags;
	} else {
		slot->more.tx_packets += more->packets;
		slot->more.tx_bytes += more->bytes;
		slot->more.tx_flags |= f->tcp_flags;
	}
	slot->more.last_seen = time;
}

static __always_inline bool
is_key_of(const struct connection_slot *slot, const __u64 *key, __u32 words)
{
	const __u64 *own = (const __u64 *)&slot->key;
	__u64 difference = 0;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < words; i++)
		difference |= own[i] ^ key[i];
	return !difference;
}

/* Gives a slot to a connection, maybe the one that has it. Looks up or makes the row of
 * the connection, and counts this frame in it at once. */
static __always_inline void
slot_enter(struct connection_slot *slot, __u32 number, void *table, const __u64 *key, __u32 words,
	   const struct frame *f, enum direction direction, const struct traffic *more, __u64 time)
{
	struct connection *row;

	slot->left++;
	barrier();
	if (slot->more.rx_packets | slot->more.tx_packets)
		slot_flush(number);
	slot_empty(slot);
	__builtin_memcpy(&slot->key, key, words * sizeof(*key));
	slot->more.first_seen = slot->more.last_seen = time;
	row = bpf_map_lookup_elem(table, &slot->key);
	if (row) {
		connection_add(row, direction, more->packets, more->bytes, f->tcp_flags, time);
	} else if ((__s64)more->packets > 0) { /* else it takes back from a row that is gone */
		slot_count(slot, f, direction, more, time);
		slot_flush(number);
		slot_empty(slot);
	}
	barrier();
	slot->entered++;
}

/* Counts a frame of the connection whose key has that many words. */
static __always_inline void
connection_count(__u32 number, void *table, const __u64 *key, __u32 words, const struct frame *f,
		 enum direction direction, const struct traffic *more)
{
	struct connection_slot *slot = bpf_map_lookup_elem(&connection_slots, &number);
	__u64 time = bpf_jiffies64();

	if (!slot)
		return;
	/* The row of a connection that stays in its slot is looked up once a tick, because the
	 * table evicts what was not looked up for longest. If it was evicted, it is made anew. */
	if (is_key_of(slot, key, words) && slot->more.last_seen == time)
		slot_count(slot, f, direction, more, time);
	else
		slot_enter(slot, number, table, key, words, f, direction, more, time);
}

/* The interface counts, too, so that both ends of a forwarded connection have slots. */
static __always_inline __u32 slot_number(const struct interface *i, const struct frame *f)
{
	__u32 hash = f->source_port ^ f->destination_port ^ i->id;

	return (hash ^ hash >> 8) % CONNECTION_SLOTS;
}

static __always_inline void count_connection(const struct interface *i, const struct frame *f,
					     enum direction direction, const struct traffic *more)
{
	bool received = direction == DIRECTION_RX;
	__be16 local_port = received ? f->destination_port : f->source_port;
	__be16 remote_port = received ? f->source_port : f->destination_port;
	__u32 interface_protocol = i->id << 8 | f->protocol;

	if (!f->is_ip || f->malformed)
		return;
	if (!is_tracked(bpf_ntohs(local_port)))
		return;
	if (f->is_ipv6) {
		const struct ipv6hdr *ip = f->ip;
		struct connection_key6 key = {
			.local_port = local_port,
			.remote_port = remote_port,
			.interface_protocol = interface_protocol,
		};
		__builtin_memcpy(key.local, received ? &ip->daddr : &ip->saddr, 16);
		__builtin_memcpy(key.remote, received ? &ip->saddr : &ip->daddr, 16);
		connection_count(CONNECTION_SLOTS + slot_number(i, f), &connections6,
				 (const __u64 *)&key, sizeof(key) / sizeof(__u64), f, direction,
				 more);
	} else {
		const struct iphdr *ip = f->ip;
		struct connection_key4 key = {
			.local = received ? ip->daddr : ip->saddr,
			.remote = received ? ip->saddr : ip->daddr,
			.local_port = local_port,
			.remote_port = remote_port,
			.interface_protocol = interface_protocol,
		};
		connection_count(slot_number(i, f), &connections4, (const __u64 *)&key,
				 sizeof(key) / sizeof(__u64), f, direction, more);
	}
}

#endif
