/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef EBPFTOP_CLOCK_H
#define EBPFTOP_CLOCK_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

/* Set by user space before loading. */
const volatile bool has_coarse_clock; /* bpf_ktime_get_coarse_ns, Linux 5.11 */

/* CLOCK_MONOTONIC, ns; the coarse one is a tick late at most, and cheaper. */
static __always_inline __u64 now(void)
{
	return has_coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

#endif
