/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the exec programs tell user space: counters, and one event for each
 * program executed.
 */
#ifndef EBPFTOP_EXECS_H
#define EBPFTOP_EXECS_H

#include <linux/types.h>

#define EXEC_COMM_LEN 16	 /* TASK_COMM_LEN, include/linux/sched.h */
#define EXEC_FILENAME_MAX 4096 /* PATH_MAX: a path is never cut */
#define EXEC_ARGS_MAX 2048
#define EXEC_RING_BYTES (1 << 20)
#define EXEC_ANCESTORS_MAX 6

struct exec_counters {
	__u64 total;
	__u64 failed;
	__u64 lost; /* counted in total, but the ring buffer was full */
};

enum exec_flags {
	EXEC_ARGS_TRUNCATED = 1 << 0, /* not all the arguments are there */
};

struct exec_ancestor {
	__u32 pid; /* 0: there are no more, or they are not known */
	__u8 comm[EXEC_COMM_LEN];
};

/*
 * Followed by filename_len bytes of filename, then args_len bytes of
 * arguments, each ended by NUL unless cut. Either length is zero where the
 * hook cannot see it. No implicit padding.
 */
struct exec_event {
	__u64 time; /* ns, CLOCK_MONOTONIC */
	__u32 pid;
	__u32 ppid; /* 0 where the hook cannot see it */
	__u32 uid;
	enum exec_flags flags;
	__u32 filename_len;
	__u32 args_len;
	__u8 comm[EXEC_COMM_LEN];
	struct exec_ancestor ancestors[EXEC_ANCESTORS_MAX]; /* the parent first */
	__u64 cgroup; /* as in struct process; 0 where the hook cannot see it */
	__u64 host; /* as there */
};

#endif /* EBPFTOP_EXECS_H */
