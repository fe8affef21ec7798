//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Owners of sockets.
 *
 * - TCP: the raw tracepoint inet_sock_set_state. CLOSE to SYN-SENT happens in connect()
 *   and CLOSE to LISTEN in listen(), so the current process is the owner. Accepted sockets
 *   inherit it. In connect() the local port is not chosen yet, so the tuple is told from
 *   ESTABLISHED on, or when the attempt fails.
 * - All others: cgroup/sock_create, which runs in socket(), and cgroup/sock_release, in
 *   the last close(). While such a socket is open, an iterator finds it by its storage, or
 *   where the kernel lets no program look through that, by the files of all processes.
 * - Sockets from before our start, and those that were passed on: an iterator over the
 *   files of all processes.
 *
 * Which process closes a socket can be seen, too: it is the one that has it in the end.
 *
 * How well TCP connections do: the same, now and then, and when they are closed.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "owners.h"

/* include/linux/socket.h, include/net/tcp_states.h, linux/in.h */
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262 /* made of sockets of TCP, which are looked at */
#define S_IFMT 0170000
#define S_IFSOCK 0140000

enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_CLOSE = 7,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
};

/* Set by user space before loading; the verifier removes what is off. */
const volatile bool has_storage; /* for tracing programs: Linux 5.11 */

/* Set by user space before each survey. */
__u32 survey;

/* Changes for which there was no room. */
__u64 changes_lost;

/* The owner of a TCP socket, NULL if none is known; made of initial, if that is not NULL. */
static __always_inline struct owned *stream_owner(struct sock *sk, struct owned *initial)
{
	__u64 address = (__u64)sk;

	if (has_storage) {
		if (initial)
			return bpf_sk_storage_get(&stream_owners, sk, initial,
						  BPF_SK_STORAGE_GET_F_CREATE);
		return bpf_sk_storage_get(&stream_owners, sk, 0, 0);
	}
	if (initial)
		bpf_map_update_elem(&owners_by_address, &address, initial, BPF_ANY);
	return bpf_map_lookup_elem(&owners_by_address, &address);
}

static __always_inline void forget_stream(struct sock *sk)
{
	__u64 address = (__u64)sk;

	if (!has_storage)
		bpf_map_delete_elem(&owners_by_address, &address);
}

static __always_inline struct listener_key listener_of(struct sock *sk)
{
	return (struct listener_key){
		.network_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
		.port = BPF_CORE_READ((struct inet_sock *)sk, inet_sport),
	};
}

/*
 * Before Linux 5.11, what accepted sockets inherit is found by the port that was listened
 * on. Where several processes listen on it, with an address each or the same one, surveys
 * tell who has what was accepted.
 */
static __always_inline void note_listener(struct sock *sk, struct owned *o)
{
	struct listener now = { .owned = *o, .address = (__u64)sk };
	struct listener_key key;
	struct listener *known;

	if (has_storage)
		return;
	key = listener_of(sk);
	known = bpf_map_lookup_elem(&listeners, &key);
	if (known && known->address != now.address && known->owned.process.pid != o->process.pid)
		known->owned.process.pid = 0;
	else
		bpf_map_update_elem(&listeners, &key, &now, BPF_ANY);
}

static __always_inline void forget_listener(struct sock *sk)
{
	struct listener_key key;
	struct listener *known;

	forget_stream(sk);
	if (has_storage)
		return;
	key = listener_of(sk);
	known = bpf_map_lookup_elem(&listeners, &key);
	if (known && known->address == (__u64)sk)
		bpf_map_delete_elem(&listeners, &key);
}

static __always_inline struct owned *inherited(struct sock *sk)
{
	struct listener_key key;
	struct listener *l;

	if (has_storage)
		return stream_owner(sk, NULL);
	key = listener_of(sk);
	l = bpf_map_lookup_elem(&listeners, &key);
	return l && l->owned.process.pid ? stream_owner(sk, &l->owned) : NULL;
}

static __always_inline void map_address(__be32 *to, __be32 ipv4)
{
	to[0] = to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = ipv4;
}

/* Returns false for a socket that has no port, and so no traffic that can be told from
 * that of others. */
static __always_inline bool tuple_of(struct socket_tuple *t, struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	__builtin_memset(t, 0, sizeof(*t));
	if (family == AF_INET) {
		map_address(t->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		map_address(t->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&t->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
		BPF_CORE_READ_INTO(&t->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32);
	} else {
		return false;
	}
	t->local_port = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);
	t->remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	t->network_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	t->protocol = BPF_CORE_READ(sk, sk_protocol);
	return t->local_port;
}

/* The same of a TCP socket that can be read by instructions: a fifth of the time. */
static __always_inline bool
stream_tuple(struct socket_tuple *t, struct sock *sk, __u32 network_namespace)
{
	const struct sock_common *c = &sk->__sk_common;

	__builtin_memset(t, 0, sizeof(*t));
	if (c->skc_family == AF_INET) {
		map_address(t->local, c->skc_rcv_saddr);
		map_address(t->remote, c->skc_daddr);
	} else if (c->skc_family == AF_INET6) {
#pragma clang loop unroll(full)
		for (int i = 0; i < 4; i++) {
			t->local[i] = c->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			t->remote[i] = c->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	} else {
		return false;
	}
	t->local_port = BPF_CORE_READ((struct inet_sock *)sk, inet_sport);
	t->remote_port = c->skc_dport;
	t->network_namespace = network_namespace;
	t->protocol = IPPROTO_TCP;
	return t->local_port;
}

static __always_inline struct stream_quality quality_of(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	return (struct stream_quality){
		.rtt = BPF_CORE_READ(tp, srtt_us) >> 3,
		.retransmits = BPF_CORE_READ(tp, total_retrans),
		.cwnd = BPF_CORE_READ(tp, snd_cwnd),
		.unacked = BPF_CORE_READ(tp, packets_out),
	};
}

/* Queues a change. */
static __always_inline void put_change(struct sock *sk, const struct socket_tuple *tuple,
				       const struct owned *o, __u32 before, __u32 state)
{
	struct owner_change change = {
		.time = bpf_ktime_get_ns(),
		.before = before,
		.state = state,
	};

	if (o)
		change.owned = *o;
	if (state == TCP_CLOSE && tuple->protocol == IPPROTO_TCP)
		change.quality = quality_of(sk);
	if (bpf_map_update_elem(&owner_changes, tuple, &change, BPF_ANY))
		__sync_fetch_and_add(&changes_lost, 1);
}

/* Tells user space of a socket. */
static __always_inline void tell(struct sock *sk, const struct owned *o, __u32 before, __u32 state)
{
	struct socket_tuple tuple;

	if (!tuple_of(&tuple, sk))
		return;
	if (tuple.protocol != IPPROTO_TCP)
		tuple.distinct = address_of(sk) >> 6 ^ o->since;
	put_change(sk, &tuple, o, before, state);
}

/*
 * Tells user space of a TCP socket. A NULL owner is one that nobody knows. A change that is
 * queued already is changed in place, unless it is the last: user space may be taking it out
 * at this moment, and then what is written is lost until there is another one.
 */
static __always_inline void tell_stream(struct sock *sk, __u32 network_namespace,
					const struct owned *o, __u32 before, __u32 state)
{
	struct owner_change *queued;
	struct socket_tuple tuple;

	if (!stream_tuple(&tuple, sk, network_namespace))
		return;
	if (o) /* one after another may use a tuple before user space has looked */
		tuple.distinct = o->since;
	queued = state == TCP_CLOSE || state == TCP_ESTABLISHED
			 ? NULL
			 : bpf_map_lookup_elem(&owner_changes, &tuple);
	if (queued && o && queued->owned.process.pid == o->process.pid &&
	    queued->owned.since == o->since && queued->owned.certainty == o->certainty) {
		queued->before = before;
		queued->state = state;
		return;
	}
	put_change(sk, &tuple, o, before, state);
}

static __always_inline void note_current(struct owned *o)
{
	__builtin_memset(o, 0, sizeof(*o));
	note_process(&o->process, (struct task_struct *)bpf_get_current_task());
	o->since = bpf_ktime_get_ns();
	o->certainty = OWNER_OPENED;
}

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* The current process closes the socket, so it is the one that has it. What is in flight
 * between processes is closed by the kernel, which is not. */
static __always_inline void closed_by_current(struct owned *o)
{
	struct process p;

	if (o->process.pid == current_pid()) {
		if (o->certainty == OWNER_LISTENER)
			o->certainty = OWNER_OPENED;
		return;
	}
	note_process(&p, (struct task_struct *)bpf_get_current_task());
	if (p.is_kernel)
		return;
	o->process = p;
	o->certainty = OWNER_INHERITED;
}

/* Returns the owner, who was not known if o is NULL: its opening was missed, or it was accepted
 * from a socket of MPTCP that was there before our start. */
static __always_inline struct owned *stream_closed(struct sock *sk, struct owned *o)
{
	struct owned now;

	if (o) {
		closed_by_current(o);
		return o;
	}
	note_current(&now);
	now.since = 0;
	return now.process.is_kernel ? NULL : stream_owner(sk, &now);
}

static __always_inline void stream_opened(struct sock *sk, __u32 state)
{
	struct owned now, *o;

	note_current(&now);
	o = stream_owner(sk, &now);
	if (o)
		*o = now; /* of a socket that is used again */
	if (state == TCP_LISTEN)
		note_listener(sk, &now);
}

SEC("tp_btf/inet_sock_set_state")
int stream_state(__u64 *ctx) /* TP_PROTO(sk, oldstate, newstate) */
{
	struct sock *sk = (struct sock *)ctx[0];
	__u32 before = ctx[1], state = ctx[2];
	/* Here, because it takes the verifier two milliseconds for each path that leads to it:
	 * it looks the type of a pointer up by name, among all there are. */
	__u32 network_namespace = sk->__sk_common.skc_net.net->ns.inum;
	struct owned *o;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (before == TCP_CLOSE && (state == TCP_SYN_SENT || state == TCP_LISTEN)) {
		stream_opened(sk, state);
		return 0;
	}
	if (before == TCP_LISTEN) {
		if (state == TCP_CLOSE)
			forget_listener(sk);
		return 0;
	}
	if (before == TCP_SYN_RECV && state == TCP_ESTABLISHED) {
		o = inherited(sk);
		if (o) {
			o->since = bpf_ktime_get_ns();
			o->certainty = OWNER_LISTENER;
		}
	} else {
		o = stream_owner(sk, NULL);
	}
	/* Only close() and shutdown() lead to these (tcp_close_state() in net/ipv4/tcp.c). */
	if (state == TCP_FIN_WAIT1 || state == TCP_LAST_ACK)
		o = stream_closed(sk, o);
	tell_stream(sk, network_namespace, o, before, state);
	if (state == TCP_CLOSE)
		forget_stream(sk);
	return 0;
}

SEC("cgroup/sock_create")
int datagram_created(struct bpf_sock *ctx)
{
	struct owned now;

	if (ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_MPTCP)
		return 1;
	note_current(&now);
	bpf_sk_storage_get(&datagram_owners, ctx, &now, BPF_SK_STORAGE_GET_F_CREATE);
	return 1;
}

/* Its port cannot be read as a field of the context here, but the context is the socket
 * itself (__cgroup_bpf_run_filter_sk() in kernel/bpf/cgroup.c). */
SEC("cgroup/sock_release")
int datagram_released(struct bpf_sock *ctx)
{
	struct owned *o = bpf_sk_storage_get(&datagram_owners, ctx, 0, 0);

	if (!o)
		return 1;
	closed_by_current(o);
	tell((struct sock *)ctx, o, 0, TCP_CLOSE);
	return 1;
}

/* Tells of the open sockets that are not TCP. */
SEC("iter/bpf_sk_storage_map")
int datagram_list(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	const struct owned *o = ctx->value;

	if (sk && o)
		tell(sk, o, 0, 0);
	return 0;
}

/* Not inlined, so that struct stream_report is among the types that bpf2go finds. It returns
 * false for a socket without a connection. */
static __noinline bool describe_stream(struct stream_report *r, struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (state == TCP_CLOSE || state == TCP_LISTEN || !tuple_of(&r->tuple, sk))
		return false;
	r->quality = quality_of(sk);
	return true;
}

static __always_inline void tell_quality(struct bpf_iter_meta *meta, struct sock *sk)
{
	struct stream_report report = {};

	if (describe_stream(&report, sk))
		bpf_seq_write(meta->seq, &report, sizeof(report));
}

/* Tells how well an open TCP connection does. */
SEC("iter/bpf_sk_storage_map")
int stream_list(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	if (ctx->sk && ctx->value)
		tell_quality(ctx->meta, ctx->sk);
	return 0;
}

/*
 * Decides whether a process that was found to have a socket is its owner from now on. It
 * is if nobody else is known, if the other one is but the listener that it was accepted
 * from or the init that opened it for a service, or if the other one has let go of it: in
 * the last survey and until now, it was not found to have the socket.
 */
static __always_inline bool takes_over(const struct owned *o)
{
	return !o->process.pid || o->certainty == OWNER_LISTENER || o->process.pid == 1 ||
	       o->survey + 1 < survey;
}

/* Returns whether the owner changed. */
static __always_inline bool found_with(struct owned *o, struct task_struct *task)
{
	__u32 pid = BPF_CORE_READ(task, tgid);
	bool is_known = o->process.pid;
	__u32 certainty = o->certainty;

	if (o->process.pid == pid) {
		o->survey = survey;
		if (certainty == OWNER_LISTENER)
			o->certainty = OWNER_OPENED;
		return o->certainty != certainty;
	}
	/* Only the second survey knows who has let go of it. */
	if (is_known && !o->survey && certainty == OWNER_OPENED && o->process.pid != 1) {
		o->survey = survey - 1;
		return false;
	}
	if (!takes_over(o))
		return false;
	note_process(&o->process, task);
	o->survey = survey;
	o->certainty = is_known ? OWNER_INHERITED : OWNER_OPENED;
	return true;
}

static __always_inline struct sock *socket_of(struct file *file)
{
	struct socket *socket;

	if (has_storage) {
		socket = bpf_sock_from_file(file);
		return socket ? socket->sk : NULL;
	}
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return socket ? BPF_CORE_READ(socket, sk) : NULL;
}

/* datagram_list for kernels that let no program look through socket storage. Because a socket
 * can be in the files of several processes, it may be told of several times. */
SEC("iter/task_file")
int datagram_files(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	const struct owned *o;
	struct sock *sk;

	if (!file)
		return 0;
	sk = socket_of(file);
	if (!sk)
		return 0;
	o = bpf_sk_storage_get(&datagram_owners, sk, 0, 0);
	if (o)
		tell(sk, o, 0, 0);
	return 0;
}

/* stream_list for the same kernels. */
SEC("iter/task_file")
int stream_files(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct sock *sk;

	if (!file)
		return 0;
	sk = socket_of(file);
	if (sk && stream_owner(sk, NULL))
		tell_quality(ctx->meta, sk);
	return 0;
}

static __always_inline struct owned *
survey_owner(struct sock *sk, bool is_stream, struct owned *initial)
{
	if (is_stream)
		return stream_owner(sk, initial);
	if (!has_storage) /* only programs of control groups have it */
		return NULL;
	if (initial)
		return bpf_sk_storage_get(&datagram_owners, sk, initial,
					  BPF_SK_STORAGE_GET_F_CREATE);
	return bpf_sk_storage_get(&datagram_owners, sk, 0, 0);
}

/* Finds out who has which sockets. */
SEC("iter/task_file")
int socket_survey(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct owned initial = {}, *o;
	bool is_stream, is_new;
	struct sock *sk;
	__u16 family, protocol;
	__u8 state;

	if (!task || !file)
		return 0;
	sk = socket_of(file);
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	protocol = BPF_CORE_READ(sk, sk_protocol);
	is_stream = protocol == IPPROTO_TCP;
	if ((is_stream && state == TCP_CLOSE) || protocol == IPPROTO_MPTCP)
		return 0;
	o = survey_owner(sk, is_stream, NULL);
	is_new = !o;
	if (is_new)
		o = survey_owner(sk, is_stream, &initial);
	if (!o) { /* cannot be remembered: UDP before Linux 5.11 */
		found_with(&initial, task);
		tell(sk, &initial, 0, 0);
		return 0;
	}
	if (!found_with(o, task) && !is_new && state != TCP_SYN_SENT)
		return 0;
	if (is_stream && state == TCP_LISTEN)
		note_listener(sk, o);
	else if (is_stream)
		tell(sk, o, state, state);
	return 0;
}

char __license[] SEC("license") = "Dual MIT/GPL";
