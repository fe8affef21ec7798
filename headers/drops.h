/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the drop programs tell user space: a count for each reason, interface and
 * protocol, and an event for some of the dropped packets.
 */
#ifndef EBPFTOP_DROPS_H
#define EBPFTOP_DROPS_H

#include <linux/types.h>

#define DROP_ROWS_MAX 2048
#define DROP_RING_BYTES (1 << 16)
#define DROP_PROGRAM_NAME 16 /* BPF_OBJ_NAME_LEN, include/linux/bpf.h */

/* Who says that a packet was dropped, and so what `reason` and `place` are. */
enum drop_source {
	/* kfree_skb. The reason is the kernel's enum skb_drop_reason. Where that says
	 * nothing, the place is an address in the function that dropped. */
	DROP_SKB,
	/* xdp_exception. The reason is the action, the place the program's id. */
	DROP_XDP_EXCEPTION,
	/* xdp_redirect_err. The reason is the errno, the place the program's id. */
	DROP_XDP_REDIRECT,
	/* xdp_devmap_xmit: a driver did not take what was redirected to it. The reason is
	 * the errno, 0 if it had none. The program is not known. */
	DROP_XDP_XMIT,
	/* xdp_bulk_tx: the same, of frames that XDP sends back (XDP_TX). */
	DROP_XDP_TX,
};

/* What drop_key.number is. */
enum drop_protocol {
	DROP_PROTOCOL_UNKNOWN,
	DROP_PROTOCOL_IP, /* an IP protocol that has a name */
	DROP_PROTOCOL_ETHERTYPE, /* an ethertype that has a name */
	DROP_PROTOCOL_OTHER, /* 0: any other one, so that made-up ones share a row */
};

struct drop_key {
	__u64 place;
	__u32 network_namespace; /* inode number */
	__u32 ifindex; /* 0: no device */
	__u32 reason;
	enum drop_source source;
	enum drop_protocol protocol;
	__u32 number;
};

/* Of one CPU. */
struct drop_count {
	__u64 packets;
	__u32 slice; /* of time, in which the last packet was announced */
	__u32 announced; /* packets in that slice */
};

/* What has no row. */
struct drop_rest {
	__u64 no_room; /* packets: the table was full */
	__u64 no_namespace; /* packets: neither device, socket nor route says which it is */
};

/* No implicit padding. */
struct drop_event {
	struct drop_key key;
	__u64 time; /* ns, CLOCK_MONOTONIC */
	__u8 source[16], destination[16]; /* IPv4: the first four bytes */
	__be16 source_port, destination_port; /* 0 where there are none */
	__u16 ethertype; /* host order; 0 if it is not known */
	__u8 is_ip, is_ipv6; /* whether there are addresses, and of which kind */
	__u8 was_received; /* came in by a device, and is not the host's own */
	__u8 padding[7];
	__u8 program[DROP_PROGRAM_NAME]; /* of XDP */
};

#endif /* EBPFTOP_DROPS_H */
