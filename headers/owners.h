/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Owners of sockets: who opened each, or has it now. No frame is looked at: what is
 * noted is noted when a socket is opened, connected, accepted or closed.
 *
 * The owner of a socket lies with the socket, in its local storage. What user space has
 * to know is queued in owner_changes by the socket's tuple, where a newer change takes the
 * place of an older one that was not read yet.
 */
#ifndef EBPFTOP_OWNERS_H
#define EBPFTOP_OWNERS_H

#include <linux/types.h>

#include "processes.h"

#define OWNER_CHANGES_MAX 65536
#define SOCKETS_MAX 65536 /* before Linux 5.11 */
#define LISTENERS_MAX 4096 /* before Linux 5.11 */

/* How sure it is that a process has a socket. */
enum certainty {
	OWNER_UNKNOWN,
	OWNER_OPENED, /* it called socket(), connect() or listen(), or is the only one to have it */
	OWNER_INHERITED, /* another one opened the socket, and it was passed on */
	OWNER_LISTENER, /* it listens on the socket that this one was accepted from */
};

/* Who has a socket. */
struct owned {
	struct process process;
	__u64 since; /* ns, CLOCK_MONOTONIC: when the socket was opened or connected; 0: before our start */
	enum certainty certainty;
	__u32 survey; /* the last one that found it with this process */
};

/* Addresses are those of IPv6; those of IPv4 are mapped (::ffff:0:0/96). No padding. */
struct socket_tuple {
	__be32 local[4], remote[4];
	__be16 local_port, remote_port; /* 0: none yet, or not connected */
	__u32 network_namespace; /* inode */
	__u32 protocol;
	__u32 distinct; /* tells sockets apart that share all this, at once or one after another */
};

/* How well a TCP connection does, as this end sees it. */
struct stream_quality {
	__u32 rtt; /* us, smoothed; 0: not measured */
	__u32 retransmits; /* segments that were sent again, since the start */
	__u32 cwnd; /* segments that may be under way */
	__u32 unacked; /* segments that are */
};

/* What an iterator tells of a TCP connection. No padding. */
struct stream_report {
	struct socket_tuple tuple;
	struct stream_quality quality;
};

struct owner_change {
	struct owned owned;
	struct stream_quality quality; /* of TCP that is closed */
	__u64 time; /* ns, CLOCK_MONOTONIC */
	__u32 state,
		before; /* of TCP: TCP_* in the kernel's include/net/tcp_states.h; others: closed, or 0 */
};

struct listener_key {
	__u32 network_namespace;
	__be16 port;
	__u16 padding;
};

/* Who listens on a port. */
struct listener {
	struct owned owned; /* no process: of several sockets, it is not known which */
	__u64 address; /* of the socket */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE); /* accepted sockets inherit it */
	__type(key, int);
	__type(value, struct owned);
} stream_owners SEC(".maps");

/* UDP and whatever else is not TCP. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct owned);
} datagram_owners SEC(".maps");

/* In place of stream_owners before Linux 5.11, where tracing programs have no storage: by
 * the socket's address, and by what it listens on. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SOCKETS_MAX);
	__type(key, __u64);
	__type(value, struct owned);
} owners_by_address SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LISTENERS_MAX);
	__type(key, struct listener_key);
	__type(value, struct listener);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, OWNER_CHANGES_MAX);
	__type(key, struct socket_tuple);
	__type(value, struct owner_change);
} owner_changes SEC(".maps");

#endif /* EBPFTOP_OWNERS_H */
