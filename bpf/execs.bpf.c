//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs executed: counted, and announced with their arguments.
 *
 * Three ways to see an exec, of which user space loads one:
 *
 * - exec_btf, on the raw tracepoint sched_process_exec: knows everything, and
 *   needs kernel BTF to find it.
 * - exec_tracepoint, on the same tracepoint as tracefs offers it: knows the
 *   filename, and has the arguments from the syscalls' tracepoints, which also
 *   tell failed calls. Needs tracefs.
 * - exec_kprobe: knows who and when; the rest is for user space to look up.
 *
 * Arguments can hold secrets. Programs named bare_* read none, and use no map that
 * could hold one.
 *
 * The tracepoint sched_process_exec fires once for every exec that succeeded,
 * whatever the syscall, 32-bit ones and the kernel's own helpers included
 * (exec_binprm() in fs/exec.c).
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "execs.h"
#include "kernel.h"
#include "processes.h"

struct exec_record {
	struct exec_event event;
	__u8 text[EXEC_FILENAME_MAX + EXEC_ARGS_MAX];
};

/* What a thread in execve() or execveat() asked for. */
struct exec_args {
	__u32 len;
	enum exec_flags flags;
	__u8 text[EXEC_ARGS_MAX];
};

/* Room for one string beyond the end, so that the verifier need not relate
 * the length of a string to where it begins. */
struct exec_args_scratch {
	struct exec_args args;
	__u8 slack[EXEC_ARGS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EXEC_RING_BYTES);
} exec_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_counters);
} exec_counters SEC(".maps");

/* Scratch, because the stack has 512 bytes only. A program does not interrupt itself:
 * the kernel skips a nested run. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_record);
} exec_record SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_args_scratch);
} exec_scratch SEC(".maps");

/* By address of the task_struct: a thread that executes a program takes over
 * its leader's thread id on the way, but stays the same task (de_thread() in
 * fs/exec.c). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct exec_args);
} exec_pending SEC(".maps");

/* The value of this CPU, in a map of one entry. */
static __always_inline void *mine(void *map)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(map, &zero);
}

/* Counts an exec, and begins its event. */
static __always_inline struct exec_record *begin(void)
{
	struct exec_record *r = mine(&exec_record);
	struct exec_counters *c = mine(&exec_counters);

	if (!r || !c)
		return NULL;
	c->total++;

	r->event.time = bpf_ktime_get_ns();
	r->event.pid = bpf_get_current_pid_tgid() >> 32;
	r->event.ppid = 0;
	r->event.uid = bpf_get_current_uid_gid();
	r->event.flags = 0;
	r->event.cgroup = 0;
	r->event.host = 0;
	__builtin_memset(r->event.ancestors, 0, sizeof(r->event.ancestors));
	bpf_get_current_comm(r->event.comm, sizeof(r->event.comm));
	return r;
}

/* User space drains the ring once an interval, unless it fills up before. */
static __always_inline __u64 wakeup_at_half(void)
{
	__u64 size = bpf_ringbuf_query(&exec_events, BPF_RB_RING_SIZE);

	if (bpf_ringbuf_query(&exec_events, BPF_RB_AVAIL_DATA) > size / 2)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void
submit(struct exec_record *r, __u64 filename_len, __u64 args_len, __u64 wakeup)
{
	struct exec_counters *c = mine(&exec_counters);

	r->event.filename_len = filename_len;
	r->event.args_len = args_len;
	if (bpf_ringbuf_output(&exec_events, r, sizeof(r->event) + filename_len + args_len,
			       wakeup) &&
	    c)
		c->lost++;
}

/* Length, with the NUL. Unsigned, so that one comparison tells the verifier
 * both bounds: errors are beyond the upper one. */
static __always_inline __u64 read_filename(struct exec_record *r, const void *from)
{
	__u64 n = bpf_probe_read_kernel_str(r->text, EXEC_FILENAME_MAX, from);

	return n > EXEC_FILENAME_MAX ? 0 : n;
}

static __always_inline void note_ancestors(struct exec_event *event, struct task_struct *task)
{
	for (int i = 0; i < EXEC_ANCESTORS_MAX; i++) {
		__u32 pid;

		task = BPF_CORE_READ(task, real_parent, group_leader);
		pid = BPF_CORE_READ(task, tgid);
		if (!pid) /* the idle task is its own parent */
			break;
		event->ancestors[i].pid = pid;
		bpf_probe_read_kernel_str(event->ancestors[i].comm, EXEC_COMM_LEN, task->comm);
	}
}

static __always_inline int executed(__u64 *ctx, bool with_args) /* TP_PROTO(task, old_pid, bprm) */
{
	struct task_struct *task = (void *)ctx[0];
	struct linux_binprm *bprm = (void *)ctx[2];
	struct exec_record *r = begin();
	__u64 start, len, n;

	if (!r)
		return 0;
	r->event.ppid = BPF_CORE_READ(task, real_parent, tgid);
	r->event.cgroup = note_cgroup(task);
	r->event.host = note_host_name(task);
	note_ancestors(&r->event, task);
	n = read_filename(r, BPF_CORE_READ(bprm, filename));
	if (!with_args) {
		r->event.flags = EXEC_ARGS_TRUNCATED;
		submit(r, n, 0, wakeup_at_half());
		return 0;
	}
	start = BPF_CORE_READ(task, mm, arg_start);
	len = BPF_CORE_READ(task, mm, arg_end) - start;
	if (len > EXEC_ARGS_MAX) {
		len = EXEC_ARGS_MAX;
		r->event.flags |= EXEC_ARGS_TRUNCATED;
	}
	/* The kernel has just written these pages: they are almost surely there. */
	if (bpf_probe_read_user(r->text + n, len, (void *)start)) {
		len = 0;
		r->event.flags |= EXEC_ARGS_TRUNCATED;
	}
	submit(r, n, len, wakeup_at_half());
	return 0;
}

SEC("tp_btf/sched_process_exec")
int exec_btf(__u64 *ctx)
{
	return executed(ctx, true);
}

SEC("tp_btf/sched_process_exec")
int bare_btf(__u64 *ctx)
{
	return executed(ctx, false);
}

/* Contexts of the tracepoints, as events/.../format in tracefs lays them out.
 * The first eight bytes, common to all, are not for programs to read. */
struct sched_process_exec {
	__u64 common;
	__u32 filename; /* __data_loc: offset in the lower half, length above */
	__u32 pid;
	__u32 old_pid;
};

struct sys_enter {
	__u64 common;
	__u64 nr;
	__u64 args[6];
};

struct sys_exit {
	__u64 common;
	__u64 nr;
	__s64 ret;
};

/*
 * User memory that is not resident cannot be read here, nor more arguments than
 * this. Then the event has EXEC_ARGS_TRUNCATED.
 */
#define EXEC_ARGS_COUNT_MAX 256

static __always_inline int execve_enter(const char *const *argv)
{
	struct exec_args_scratch *s = mine(&exec_scratch);
	__u64 task = bpf_get_current_task();
	bool complete = false;
	__u64 len = 0;

	if (!s)
		return 0;
	for (int i = 0; i < EXEC_ARGS_COUNT_MAX && len < EXEC_ARGS_MAX; i++) {
		const char *arg;
		__u64 n;

		/* A missing vector counts as an empty one (man 2 execve). */
		if (argv && bpf_probe_read_user(&arg, sizeof(arg), &argv[i]))
			break;
		if (!argv || !arg) {
			complete = true;
			break;
		}
		n = bpf_probe_read_user_str(s->args.text + len, EXEC_ARGS_MAX, arg);
		if (n > EXEC_ARGS_MAX)
			break;
		/* Kernels up to 6.12 return 0 for an empty string, which is
		 * there all the same (mm/maccess.c). */
		len += n ?: 1;
	}
	if (len > EXEC_ARGS_MAX)
		len = EXEC_ARGS_MAX;
	s->args.len = len;
	s->args.flags = complete ? 0 : EXEC_ARGS_TRUNCATED;
	bpf_map_update_elem(&exec_pending, &task, &s->args, BPF_ANY);
	return 0;
}

static __always_inline void count_failure(const struct sys_exit *ctx)
{
	struct exec_counters *c = mine(&exec_counters);

	if (ctx->ret < 0 && c)
		c->failed++;
}

static __always_inline int execve_exit(const struct sys_exit *ctx)
{
	__u64 task = bpf_get_current_task();

	count_failure(ctx);
	bpf_map_delete_elem(&exec_pending, &task);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_execve")
int enter_execve(struct sys_enter *ctx)
{
	return execve_enter((const char *const *)ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_execveat")
int enter_execveat(struct sys_enter *ctx)
{
	return execve_enter((const char *const *)ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_execve")
int exit_execve(struct sys_exit *ctx)
{
	return execve_exit(ctx);
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int exit_execveat(struct sys_exit *ctx)
{
	return execve_exit(ctx);
}

SEC("tracepoint/syscalls/sys_exit_execve")
int bare_execve(struct sys_exit *ctx)
{
	count_failure(ctx);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int bare_execveat(struct sys_exit *ctx)
{
	count_failure(ctx);
	return 0;
}

/* The parent, and arguments that could not be read, are for user space to look
 * up while the process lives, so it is woken at once. */
SEC("tracepoint/sched/sched_process_exec")
int exec_tracepoint(struct sched_process_exec *ctx)
{
	__u64 task = bpf_get_current_task();
	struct exec_record *r = begin();
	struct exec_args *args;
	__u64 n, len = 0;

	if (!r)
		return 0;
	n = read_filename(r, (void *)ctx + (ctx->filename & 0xffff));

	args = bpf_map_lookup_elem(&exec_pending, &task);
	if (args) {
		len = args->len;
		r->event.flags = args->flags;
		if (len > EXEC_ARGS_MAX || bpf_probe_read_kernel(r->text + n, len, args->text))
			len = 0;
	} else {
		r->event.flags = EXEC_ARGS_TRUNCATED;
	}
	submit(r, n, len, BPF_RB_FORCE_WAKEUP);
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int bare_tracepoint(struct sched_process_exec *ctx)
{
	struct exec_record *r = begin();
	__u64 n;

	if (!r)
		return 0;
	r->event.flags = EXEC_ARGS_TRUNCATED;
	n = read_filename(r, (void *)ctx + (ctx->filename & 0xffff));
	submit(r, n, 0, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/*
 * finalize_exec() has been called once in every successful exec of a binary,
 * by every binary format, since Linux 4.17 (fs/exec.c, fs/binfmt_elf.c). That it
 * takes no argument we need keeps us from reading registers, which differ from
 * one architecture to another.
 */
SEC("kprobe/finalize_exec")
int exec_kprobe(void *ctx __attribute__((unused)))
{
	struct exec_record *r = begin();

	if (!r)
		return 0;
	r->event.flags = EXEC_ARGS_TRUNCATED;
	submit(r, 0, 0, BPF_RB_FORCE_WAKEUP);
	return 0;
}

char __license[] SEC("license") = "Dual MIT/GPL";
