/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The few fields of kernel structures that the programs read. CO-RE finds
 * where the running kernel keeps them, by name, at load.
 */
#ifndef EBPFTOP_KERNEL_H
#define EBPFTOP_KERNEL_H

#include <linux/types.h>

#define CORE __attribute__((preserve_access_index))

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
} CORE;

struct task_struct {
	int tgid;
	struct mm_struct *mm;
	struct task_struct *real_parent;
} CORE;

struct linux_binprm {
	const char *filename;
} CORE;

/* Which network namespace a device is in. */
struct ns_common {
	unsigned int inum;
} CORE;

struct net {
	struct ns_common ns;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
} CORE;

/* Why a frame is in several buffers: Linux 5.18. */
struct xdp_buff {
	__u32 flags;
} CORE;

#undef CORE

#endif /* EBPFTOP_KERNEL_H */
