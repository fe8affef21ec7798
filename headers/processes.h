/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Who a process is: its pid and name, its control group, and the host name that it
 * sees. Because paths are long and few, a control group's path and a host name
 * are written once each, to maps of their own.
 *
 * All is read when it happens: a process, or its control group, may be gone before user
 * space could look.
 */
#ifndef EBPFTOP_PROCESSES_H
#define EBPFTOP_PROCESSES_H

#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel.h"

#define COMM_BYTES 16 /* TASK_COMM_LEN, include/linux/sched.h */
#define CGROUP_LEVELS 10
#define CGROUP_NAME_BYTES 112 /* "cri-containerd-" and 64 digits and ".scope" are 85 */
#define HOST_NAME_BYTES 72 /* more than __NEW_UTS_LEN in include/uapi/linux/utsname.h, in words */
#define CGROUPS_MAX 512
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* No padding: it is compared and copied byte by byte. */
struct process {
	__u64 start; /* ns since boot, by CLOCK_BOOTTIME; tells users of a pid apart */
	__u64 cgroup; /* key of cgroup_paths; 0: not known */
	__u32 pid; /* as the first PID namespace has it; 0: no process */
	__u32 uid;
	__u64 host; /* key of host_names; 0: not known */
	__u64 is_kernel; /* a thread of the kernel */
	__u8 comm[COMM_BYTES];
};

/* The names of a control group and those above it, the innermost first; the root has
 * none. */
struct cgroup_path {
	__u8 names[CGROUP_LEVELS][CGROUP_NAME_BYTES];
};

struct host_name {
	__u8 name[HOST_NAME_BYTES];
} __attribute__((aligned(8)));

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CGROUPS_MAX);
	__type(key, __u64);
	__type(value, struct cgroup_path);
} cgroup_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CGROUPS_MAX);
	__type(key, __u64);
	__type(value, struct host_name);
} host_names SEC(".maps");

/* Scratch: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_path);
} cgroup_scratch SEC(".maps");

/* Linux 6.15 renamed the field. */
static __always_inline struct kernfs_node *parent_of(struct kernfs_node *node)
{
	struct kernfs_node___renamed *renamed = (void *)node;

	if (bpf_core_field_exists(renamed->__parent))
		return BPF_CORE_READ(renamed, __parent);
	return BPF_CORE_READ(node, parent);
}

static __always_inline void note_cgroup_path(__u64 key, struct kernfs_node *node)
{
	struct cgroup_path *path;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(&cgroup_paths, &key))
		return;
	path = bpf_map_lookup_elem(&cgroup_scratch, &zero);
	if (!path)
		return;
	for (int level = 0; level < CGROUP_LEVELS; level++) {
		struct kernfs_node *parent = node ? parent_of(node) : NULL;

		path->names[level][0] = 0;
		if (parent) /* else it is the root, whose name says nothing */
			bpf_probe_read_kernel_str(path->names[level], CGROUP_NAME_BYTES,
						  BPF_CORE_READ(node, name));
		node = parent;
	}
	bpf_map_update_elem(&cgroup_paths, &key, path, BPF_ANY);
}

/* A control group of version 1 has a number of its own hierarchy, which may be that of
 * another group in another hierarchy. */
#define CGROUP_V1 (1ULL << 63)

/*
 * The control group that names what a process belongs to. Where the one of version 2 is
 * the root, as on hosts that manage containers by version 1, it is that of the controller
 * for pids.
 */
static __always_inline __u64 note_cgroup(struct task_struct *task)
{
	struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	struct css_set *set;
	__u64 key;

	if (!node)
		return 0;
	key = BPF_CORE_READ(node, id);
	if (!parent_of(node) && bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id)) {
		struct cgroup_subsys_state *css = NULL;

		set = BPF_CORE_READ(task, cgroups);
		bpf_probe_read_kernel(
			&css, sizeof(css),
			(void *)set + bpf_core_field_offset(struct css_set, subsys) +
				bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id) * 8);
		if (css) {
			node = BPF_CORE_READ(css, cgroup, kn);
			key = BPF_CORE_READ(node, id) | CGROUP_V1;
		}
	}
	note_cgroup_path(key, node);
	return key;
}

/*
 * Returns the key of the host name that a process sees, which is its hash: a UTS namespace
 * may change its name, and its inode soon be another one's. An exiting process has left its
 * namespaces, and then the name is not known.
 */
static __always_inline __u64 note_host_name(struct task_struct *task)
{
	struct uts_namespace *uts = BPF_CORE_READ(task, nsproxy, uts_ns);
	struct host_name host = {};
	const __u64 *words = (const __u64 *)&host;
	__u64 key = 1;

	if (!uts)
		return 0;
	bpf_probe_read_kernel_str(host.name, 65, BPF_CORE_READ(uts, name.nodename));
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < sizeof(host) / sizeof(*words); i++)
		key = (key ^ words[i]) * 0x9e3779b97f4a7c15; /* 2^64 / golden ratio: mixes well */
	if (!bpf_map_lookup_elem(&host_names, &key))
		bpf_map_update_elem(&host_names, &key, &host, BPF_ANY);
	return key;
}

/* Fills in the process that a task is a thread of. */
static __always_inline void note_process(struct process *p, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	__builtin_memset(p, 0, sizeof(*p));
	p->start = BPF_CORE_READ(leader, start_boottime);
	p->pid = BPF_CORE_READ(task, tgid);
	p->uid = BPF_CORE_READ(task, cred, uid.val);
	p->is_kernel = !!(BPF_CORE_READ(task, flags) & PF_KTHREAD);
	p->cgroup = note_cgroup(task);
	p->host = note_host_name(task);
	bpf_probe_read_kernel_str(p->comm, sizeof(p->comm), leader->comm);
}

#endif /* EBPFTOP_PROCESSES_H */
