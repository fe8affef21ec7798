/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a process tells of the network namespace that it is in.
 */
#ifndef EBPFTOP_HOSTNAMES_H
#define EBPFTOP_HOSTNAMES_H

#include <linux/types.h>

#define HOSTNAME_LEN 65 /* __NEW_UTS_LEN + 1, include/uapi/linux/utsname.h */

/* One for each process in another network namespace than the reader's. */
struct hostname {
	__u64 started; /* ns, CLOCK_BOOTTIME */
	__u32 network_namespace; /* inode number */
	__u32 uts_namespace; /* inode number: its processes have one host name */
	__u32 pid; /* in the reader's PID namespace */
	__u8 name[HOSTNAME_LEN];
	__u8 padding[3];
};

#endif /* EBPFTOP_HOSTNAMES_H */
