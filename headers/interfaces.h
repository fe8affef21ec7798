/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The interfaces that are watched. One program serves them all, and finds here
 * what it has to know about the one that a frame is on.
 *
 * An interface is at the place of interface_place(). If another one is there, it has a
 * place behind all those that the mask reaches, and is chained to that one.
 */
#ifndef EBPFTOP_INTERFACES_H
#define EBPFTOP_INTERFACES_H

#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#define INTERFACE_CHAIN_MAX 8 /* interfaces that can share a place */
#define INTERFACE_SPREAD 61 /* odd: no two namespaces in a row share a place */
#define NO_BLOCK 0xffff

enum interface_flag {
	INTERFACE_ETHERNET = 1 << 0,  /* its frames have an Ethernet header */
	INTERFACE_TRACE_RX = 1 << 1,  /* received frames are counted by tracepoint */
	INTERFACE_TRACE_TX = 1 << 2,  /* and sent ones */
	INTERFACE_NATIVE_VETH = 1 << 3, /* received ones by native XDP of a veth */
};

/* User space writes ifindex last, and clears it first. */
struct interface {
	__u32 ifindex; /* 0: nothing is here */
	__u32 network_namespace; /* inode number */
	__u32 id; /* never used twice; 24 bits */
	__u16 block; /* of protocol counters; NO_BLOCK: none */
	__u16 flags; /* enum interface_flag */
	__u32 next; /* place of the next one in the chain; 0: none */
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space: twice as many as the mask has places */
	__type(key, __u32); /* place */
	__type(value, struct interface);
} interfaces SEC(".maps");

/* Set by user space before loading. */
const volatile __u32 interfaces_mask;
const volatile __u32 network_namespace; /* the one that tc and XDP programs are in */

/* interface_place() is where the chain of an interface begins: by ifindex in our own
 * network namespace. Others come one after the other, and each begins to count at 1:
 * there the inode number spreads them. */
static __always_inline __u32 interface_place(__u32 ifindex, __u32 of)
{
	return (ifindex + (of - network_namespace) * INTERFACE_SPREAD) & interfaces_mask;
}

static __always_inline bool is_interface(const struct interface *i, __u32 ifindex, __u32 of)
{
	return i->ifindex == ifindex && i->network_namespace == of;
}

/* interface_chained() returns the place of an interface, of a network namespace, in the
 * chain that begins at place `next`, 0 if it is not there. A global function: few come here. */
__noinline __u32 interface_chained(__u32 next, __u32 ifindex, __u32 of)
{
	for (int n = 0; n < INTERFACE_CHAIN_MAX; n++) {
		const struct interface *i = bpf_map_lookup_elem(&interfaces, &next);

		if (!next || !i)
			return 0;
		if (is_interface(i, ifindex, of))
			return next;
		next = i->next;
	}
	return 0;
}

/* interface_find() returns a watched interface of a network namespace, and sets *place.
 * It returns NULL if the interface is not watched. */
static __always_inline const struct interface *interface_find(__u32 ifindex, __u32 of, __u32 *place)
{
	const struct interface *i;

	*place = interface_place(ifindex, of);
	i = bpf_map_lookup_elem(&interfaces, place);
	if (!i || is_interface(i, ifindex, of))
		return i;
	if (!i->next)
		return NULL;
	*place = interface_chained(i->next, ifindex, of);
	return *place ? bpf_map_lookup_elem(&interfaces, place) : NULL;
}

#endif
