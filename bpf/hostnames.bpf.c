//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Whose network namespaces there are: the host names of the processes in them, as
 * one list that user space reads.
 *
 * The iterator goes through the threads of the reader's PID namespace
 * (task_seq_get_next() in kernel/bpf/task_iter.c). So it needs no right to look at
 * any process, and enters no namespace.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "hostnames.h"
#include "kernel.h"

/* Set by user space before loading: processes in it are left out. */
const volatile __u32 network_namespace; /* inode number */

/* pid_here() returns the pid of a process in the PID namespace of the reader. */
static __always_inline __u32 pid_here(struct task_struct *task)
{
	struct task_struct *reader = (void *)bpf_get_current_task();
	__u32 level = BPF_CORE_READ(reader, thread_pid, level);
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	/* CO-RE knows how large an element is in the running kernel only if asked. */
	void *number = (void *)&pid->numbers[0].nr + level * bpf_core_type_size(struct upid);
	int nr = 0;

	bpf_probe_read_kernel(&nr, sizeof(nr), number);
	return nr;
}

/* Not inlined, so that struct hostname is among the types that bpf2go finds. */
static __noinline void
describe(struct hostname *h, struct task_struct *task, struct nsproxy *namespaces)
{
	h->started = BPF_CORE_READ(task, start_boottime);
	h->uts_namespace = BPF_CORE_READ(namespaces, uts_ns, ns.inum);
	h->pid = pid_here(task);
	BPF_CORE_READ_STR_INTO(&h->name, namespaces, uts_ns, name.nodename);
}

SEC("iter/task")
int hostnames(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct nsproxy *namespaces;
	struct hostname h = {};

	/* After the last thread there is one call without any. */
	if (!task || task->pid != task->tgid)
		return 0;
	namespaces = task->nsproxy;
	if (!namespaces)
		return 0; /* it has ended */
	h.network_namespace = BPF_CORE_READ(namespaces, net_ns, ns.inum);
	if (h.network_namespace == network_namespace)
		return 0;
	describe(&h, task, namespaces);
	bpf_seq_write(ctx->meta->seq, &h, sizeof(h));
	return 0;
}

char __license[] SEC("license") = "Dual MIT/GPL";
