/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Connections of all interfaces: one row for a 5-tuple on an interface, seen
 * from the host, so that received and sent frames meet in it.
 *
 * IPv4 has a table of its own: hashing and comparing 16 bytes instead of 40
 * saves a third of the price of a packet. One table for all CPUs, with atomic
 * counters, since its size and the cost of reading it must not grow with the
 * number of CPUs.
 */
#ifndef EBPFTOP_CONNECTIONS_H
#define EBPFTOP_CONNECTIONS_H

#include <linux/errno.h>

#include "clock.h"
#include "counters.h"

#define CONNECTIONS_MAX 65536
#define CONNECTION_EVENTS_BYTES (1 << 20)

/* Keys have no padding: every byte is hashed. Ports and addresses are in
 * network order; ports are 0 where the frame carries none. */
struct connection_key4 {
	__be32 local, remote;
	__be16 local_port, remote_port;
	__u32 interface_protocol; /* interface id << 8 | IP protocol */
};

struct connection_key6 {
	__be32 local[4], remote[4];
	__be16 local_port, remote_port;
	__u32 interface_protocol;
};

struct connection {
	__u64 rx_packets, rx_bytes;
	__u64 tx_packets, tx_bytes;
	__u64 first_seen, last_seen; /* CLOCK_MONOTONIC, ns */
	__u8 rx_flags, tx_flags; /* all TCP flags seen */
	__u8 padding[6];
};

/* A new row. Its key is an IPv4 key in the first bytes if !is_ipv6. */
struct connection_event {
	__u64 time; /* CLOCK_MONOTONIC, ns */
	struct connection_key6 key;
	__u32 is_ipv6;
	__u32 padding;
};

struct connection_counts {
	__u64 created; /* rows made: minus those there, rows evicted */
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

/* Set by user space before loading; the verifier removes what is off. */
const volatile bool track_connections = true;
const volatile bool filter_ports;
const volatile __u8 local_ports[65536 / 8]; /* bit set: tracked, if filter_ports */
const volatile __u32 interface_id; /* 24 bits */

static __always_inline bool is_tracked(__u16 local_port)
{
	return !filter_ports || local_ports[local_port >> 3] & (1 << (local_port & 7));
}

/* User space drains the ring once a tick: wake it only if that is too late. */
static __always_inline __u64 wakeup(void *ring, __u64 size)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > size / 2 ?
		BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Counts a row made, and tells user space. Nothing may be decided after it, see
 * count_ethertype(); a global function could not take the key before Linux 5.13. */
static __noinline int announce(const void *key, __u32 is_ipv6, __u64 time)
{
	struct connection_counts *totals;
	struct connection_event *event;
	__u32 zero = 0;

	totals = bpf_map_lookup_elem(&connection_totals, &zero);
	if (!totals)
		return 0;
	totals->created++;
	event = bpf_ringbuf_reserve(&connection_events, sizeof(*event), 0);
	if (!event) {
		totals->events_lost++;
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time = time;
	event->is_ipv6 = is_ipv6;
	if (is_ipv6)
		event->key = *(const struct connection_key6 *)key;
	else
		__builtin_memcpy(&event->key, key, sizeof(struct connection_key4));
	bpf_ringbuf_submit(event, wakeup(&connection_events, CONNECTION_EVENTS_BYTES));
	return 0;
}

static __always_inline void refuse(void)
{
	__u32 zero = 0;
	struct connection_counts *totals = bpf_map_lookup_elem(&connection_totals, &zero);

	if (totals)
		totals->refused++;
}

static __always_inline void
connection_add(struct connection *row, const struct frame *f, enum direction direction,
	       const struct traffic *more, __u64 time)
{
	__u8 *flags;

	if (direction == DIRECTION_RX) {
		__sync_fetch_and_add(&row->rx_packets, more->packets);
		__sync_fetch_and_add(&row->rx_bytes, more->bytes);
		flags = &row->rx_flags;
	} else {
		__sync_fetch_and_add(&row->tx_packets, more->packets);
		__sync_fetch_and_add(&row->tx_bytes, more->bytes);
		flags = &row->tx_flags;
	}
	row->last_seen = time;
	/* Two CPUs adding different flags of one direction at once can lose
	 * one, until it is seen again: atomic or needs Linux 5.12. */
	if (f->tcp_flags & ~*flags)
		*flags |= f->tcp_flags;
}

/* Finds or makes the row of key in table, and counts the frame in it. */
static __always_inline void
connection_count(void *table, const void *key, const struct frame *f,
		 enum direction direction, const struct traffic *more)
{
	struct connection *row = bpf_map_lookup_elem(table, key);
	__u64 time = now();
	struct connection fresh = { .first_seen = time, .last_seen = time };
	long error;

	if (row) {
		connection_add(row, f, direction, more, time);
		return;
	}
	if (direction == DIRECTION_RX) {
		fresh.rx_packets = more->packets;
		fresh.rx_bytes = more->bytes;
		fresh.rx_flags = f->tcp_flags;
	} else {
		fresh.tx_packets = more->packets;
		fresh.tx_bytes = more->bytes;
		fresh.tx_flags = f->tcp_flags;
	}
	error = bpf_map_update_elem(table, key, &fresh, BPF_NOEXIST);
	if (!error) {
		announce(key, f->is_ipv6, time);
		return;
	}
	/* Another CPU was first. */
	row = error == -EEXIST ? bpf_map_lookup_elem(table, key) : NULL;
	if (row)
		connection_add(row, f, direction, more, time);
	else
		refuse();
}

static __always_inline void
count_connection(const struct frame *f, enum direction direction, const struct traffic *more)
{
	bool received = direction == DIRECTION_RX;
	__be16 local_port = received ? f->destination_port : f->source_port;
	__be16 remote_port = received ? f->source_port : f->destination_port;
	__u32 interface_protocol = interface_id << 8 | f->protocol;

	if (!track_connections || !f->is_ip || f->malformed)
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
		connection_count(&connections6, &key, f, direction, more);
	} else {
		const struct iphdr *ip = f->ip;
		struct connection_key4 key = {
			.local = received ? ip->daddr : ip->saddr,
			.remote = received ? ip->saddr : ip->daddr,
			.local_port = local_port,
			.remote_port = remote_port,
			.interface_protocol = interface_protocol,
		};
		connection_count(&connections4, &key, f, direction, more);
	}
}

#endif
