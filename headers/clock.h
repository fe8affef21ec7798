/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef EBPFTOP_CLOCK_H
#define EBPFTOP_CLOCK_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/* Set by user space before loading, see package tick: ns. */
const volatile __u64 tick_length, tick_offset;

/* CLOCK_MONOTONIC, ns, off by a tick at most. The tick counter is read in an
 * instruction; a clock would cost half of all that is done for a packet. */
static __always_inline __u64 now(void)
{
	return bpf_jiffies64() * tick_length + tick_offset;
}

#endif
