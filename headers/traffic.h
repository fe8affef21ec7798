/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef EBPFTOP_TRAFFIC_H
#define EBPFTOP_TRAFFIC_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* Frames on the wire, and their bytes without frame check sequence. */
struct traffic {
	__u64 packets;
	__u64 bytes;
};

static __always_inline void traffic_add(struct traffic *t, const struct traffic *more)
{
	t->packets += more->packets;
	t->bytes += more->bytes;
}

#endif
