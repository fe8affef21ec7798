//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Packets that the kernel drops, counted by reason, interface and protocol.
 *
 * - kfree_skb fires for each skb that is freed because it was dropped
 *   (net/core/skbuff.c); what was delivered or sent is freed by consume_skb(), which
 *   does not. An skb that stands for several frames (GRO, GSO) counts as these. Where
 *   several receivers have each a clone, each one that is dropped counts: that receiver
 *   missed it.
 * - xdp_exception, xdp_redirect_err, xdp_devmap_xmit and xdp_bulk_tx
 *   (include/trace/events/xdp.h) tell of frames that have no skb yet. In generic XDP
 *   there is one, and kfree_skb tells.
 *
 * The path of a packet that is not dropped is not touched.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "drops.h"
#include "kernel.h"
#include "parse_slow.h"
#include "wire.h"

/* Set by user space before loading. */
const volatile __u32 network_namespace; /* what is dropped in others is not counted */
const volatile __u32 reason_unspecified; /* SKB_DROP_REASON_NOT_SPECIFIED */
const volatile __u32 reason_no_socket; /* SKB_DROP_REASON_NO_SOCKET */
const volatile __u32 reason_xdp; /* SKB_DROP_REASON_XDP */
const volatile __u32 reason_queue_purge; /* SKB_DROP_REASON_QUEUE_PURGE */
const volatile __u64 no_drops[4]; /* bitmap: reasons by which nothing is dropped */
const volatile __u8 named_ethertypes[(1 << 16) / 8]; /* bitmap */
const volatile __u8 named_protocols[(1 << 8) / 8]; /* bitmap, of IP */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, DROP_ROWS_MAX);
	__type(key, struct drop_key);
	__type(value, struct drop_count);
} drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct drop_rest);
} drops_without_row SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, DROP_RING_BYTES);
	__type(value, struct drop_event);
} drop_events SEC(".maps");

/* The last exception of an XDP program on this CPU, whose frame may be an skb. */
struct xdp_exception {
	__u64 tick; /* jiffies; 0: none */
	__u32 ifindex;
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_exception);
} xdp_exceptions SEC(".maps");

#define AF_INET 2
#define AF_INET6 10
#define AF_PACKET 17

/*
 * Pointers of the kernel's are followed by helpers here. Because instructions that follow one
 * have the verifier look its type up by name among all there are, which takes two milliseconds
 * for each path that leads there, they are for what is done for each frame.
 */

/* What a dropped packet was, as far as it can be read. */
struct dropped {
	struct frame frame;
	union ip_header ip;
	bool was_received;
	bool is_above_ip; /* a transport protocol, or a socket, had it */
};

static __always_inline struct drop_rest *rest(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&drops_without_row, &zero);
}

static __always_inline struct drop_count *count_of(const struct drop_key *key)
{
	struct drop_count *known = bpf_map_lookup_elem(&drops, key);
	struct drop_count none = {};

	if (known)
		return known;
	bpf_map_update_elem(&drops, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&drops, key);
}

/*
 * A flood of drops costs no more than these events for each row, CPU and slice of
 * time, which is 32 ticks: 0.1 s or a little more.
 */
#define SLICE_SHIFT 5
#define ANNOUNCED_MAX 4

static __always_inline bool may_announce(struct drop_count *count)
{
	__u32 slice = (bpf_jiffies64() >> SLICE_SHIFT) + 1; /* 0: none yet */

	if (count->slice != slice) {
		count->slice = slice;
		count->announced = 0;
	}
	return count->announced++ < ANNOUNCED_MAX;
}

/* User space drains the ring once an interval, unless it fills up before. */
static __always_inline __u64 wakeup_at_half(void)
{
	if (bpf_ringbuf_query(&drop_events, BPF_RB_AVAIL_DATA) > DROP_RING_BYTES / 2)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void copy_packet(struct drop_event *e, const struct dropped *d)
{
	e->ethertype = d->frame.ethertype;
	e->is_ip = d->frame.is_ip;
	e->is_ipv6 = d->frame.is_ipv6;
	e->was_received = d->was_received;
	e->source_port = d->frame.source_port;
	e->destination_port = d->frame.destination_port;
	if (d->frame.is_ipv6) {
		__builtin_memcpy(e->source, &d->ip.v6.saddr, 16);
		__builtin_memcpy(e->destination, &d->ip.v6.daddr, 16);
	} else {
		__builtin_memcpy(e->source, &d->ip.v4.saddr, 4);
		__builtin_memcpy(e->destination, &d->ip.v4.daddr, 4);
	}
}

/* Announces a packet. If there is no room, nobody misses a count. */
static __always_inline void
announce(const struct drop_key *key, const struct dropped *d, const struct bpf_prog *program)
{
	struct drop_event *e = bpf_ringbuf_reserve(&drop_events, sizeof(*e), 0);

	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	e->key = *key;
	e->time = bpf_ktime_get_ns();
	if (d)
		copy_packet(e, d);
	if (program)
		BPF_CORE_READ_STR_INTO(&e->program, program, aux, name);
	bpf_ringbuf_submit(e, wakeup_at_half());
}

static __always_inline void count(const struct drop_key *key, __u64 packets,
				  const struct dropped *d, const struct bpf_prog *program)
{
	struct drop_count *count = count_of(key);

	if (!count) {
		struct drop_rest *r = rest();

		if (r)
			r->no_room += packets;
		return;
	}
	count->packets += packets;
	if (may_announce(count))
		announce(key, d, program);
}

/*
 * Where an skb was dropped. What is in a socket's queue has no device any more: UDP
 * keeps a note of its own in the same place (udp_set_dev_scratch()), which is no
 * address in the kernel, so that what is read there is 0. Then the socket says which
 * network namespace it is, or the route.
 */
static __always_inline bool
find_place(const struct sk_buff *skb, struct sock *receiver, struct drop_key *key)
{
	const struct sock *sk = receiver ? receiver : skb->sk;
	const struct net_device *dev = skb->dev;
	const struct dst_entry *dst;

	if (!skb->protocol && !sk)
		return false; /* no packet: what the kernel itself made, and did not use */
	key->ifindex = dev ? dev->ifindex : 0;
	if (key->ifindex) {
		key->network_namespace = BPF_CORE_READ(dev, nd_net.net, ns.inum);
		return true;
	}
	key->ifindex = skb->skb_iif;
	if (sk) { /* which may be of netlink, or a Unix socket */
		__u16 family = sk->__sk_common.skc_family;

		key->network_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
		return family == AF_INET || family == AF_INET6 || family == AF_PACKET;
	}
	dst = (void *)(skb->_skb_refdst & ~7UL);
	if (dst)
		key->network_namespace = BPF_CORE_READ(dst, dev, nd_net.net, ns.inum);
	return true;
}

/* Reads what is in linear memory. */
static __always_inline void read_packet(const struct sk_buff *skb, struct dropped *d)
{
	__u64 data = address_of(skb->data), network = address_of(skb->head) + skb->network_header;
	__u64 end = data + skb->len - skb->data_len;
	struct buffer b = loads_kernel(network, end);

	d->was_received = skb->skb_iif;
	d->frame.ethertype = bpf_ntohs(skb->protocol);
	if (skb->network_header == (__u16)~0 || network >= end)
		return;
	d->frame.len = skb->len + (__u32)(data - network);
	d->is_above_ip = data > network;
	parse_slow(&d->frame, &b, 0, d->frame.ethertype, &d->ip);
}

static __always_inline void set_protocol(struct drop_key *key, const struct frame *f)
{
	if (f->is_ip) {
		if (!(named_protocols[f->protocol / 8] & 1 << f->protocol % 8)) {
			key->protocol = DROP_PROTOCOL_OTHER;
			return;
		}
		key->protocol = DROP_PROTOCOL_IP;
		key->number = f->protocol;
	} else if (!f->ethertype) {
		key->protocol = DROP_PROTOCOL_UNKNOWN;
	} else if (named_ethertypes[f->ethertype / 8] & 1 << f->ethertype % 8) {
		key->protocol = DROP_PROTOCOL_ETHERTYPE;
		key->number = f->ethertype;
	} else {
		key->protocol = DROP_PROTOCOL_OTHER;
	}
}

/* How many frames on the wire an skb stands for. */
static __always_inline __u32 packets_of(const struct sk_buff *skb, const struct frame *f)
{
	const struct skb_shared_info *shared = (void *)(address_of(skb->head) + skb->end);
	struct {
		__u16 size, segs; /* one follows the other */
	} gso = {};

	bpf_probe_read_kernel(&gso, sizeof(gso), &shared->gso_size);
	return segments(gso.size, gso.segs, f->len ? f->len : skb->len, f->headers);
}

static __always_inline bool is_drop(__u32 reason)
{
	return reason >= 64 * 4 || !(no_drops[reason / 64 & 3] >> reason % 64 & 1);
}

/*
 * Whether it is an answer to a ping that a raw socket has got, as that of ping(8) is: a
 * clone of it. The packet itself is then looked for a ping socket in vain (ping_rcv()).
 */
static __always_inline bool
is_answered_ping(const struct sk_buff *skb, __u32 reason, const struct drop_key *key)
{
	return reason == reason_no_socket && reason != reason_unspecified &&
	       key->protocol == DROP_PROTOCOL_IP &&
	       (key->number == IPPROTO_ICMP || key->number == IPPROTO_ICMPV6) &&
	       BPF_CORE_READ_BITFIELD(skb, cloned);
}

#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04

/*
 * Whether it is a segment without data that TCP has taken note of: the last ones of a
 * connection are freed like this in TIME-WAIT (tcp_v4_rcv()), and a FIN that nobody
 * read with the socket. Kernels without reasons do not tell these from others.
 */
static __always_inline bool is_spent_segment(const struct dropped *d, __u32 reason)
{
	const struct frame *f = &d->frame;

	return reason && (reason == reason_unspecified || reason == reason_queue_purge) &&
	       d->is_above_ip && f->is_ip && f->protocol == IPPROTO_TCP && f->len <= f->headers &&
	       !(f->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_RST));
}

static __always_inline struct xdp_exception *last_exception(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&xdp_exceptions, &zero);
}

/* Ticks within which an skb is freed after its exception. It is the next thing that its CPU
 * does, but a virtual CPU may be stopped in between for some 10 ms. */
#define XDP_EXCEPTION_TICKS 16

/*
 * Whether xdp_exception has told of it. Native XDP of a veth works on the skb that the far
 * end sent, and frees that after an exception, without a reason and before it was
 * received by a device (veth_xdp_rcv_skb()). Other drivers have no skb then.
 */
static __always_inline bool
is_told_by_xdp(const struct sk_buff *skb, __u32 reason, const struct drop_key *key)
{
	struct xdp_exception *e;

	if (skb->skb_iif || (reason != reason_unspecified && reason != reason_xdp))
		return false;
	e = last_exception();
	if (!e || !e->tick || e->ifindex != key->ifindex ||
	    bpf_jiffies64() - e->tick > XDP_EXCEPTION_TICKS)
		return false;
	e->tick = 0;
	return true;
}

static __always_inline int
dropped_skb(const struct sk_buff *skb, __u64 location, __u32 reason, struct sock *receiver)
{
	struct drop_key key = { .source = DROP_SKB, .reason = reason };
	struct dropped d = {};

	if (!is_drop(reason) || !find_place(skb, receiver, &key))
		return 0;
	if (!key.network_namespace) {
		struct drop_rest *r = rest();

		if (r)
			r->no_namespace++;
		return 0;
	}
	if (key.network_namespace != network_namespace)
		return 0;
	if (is_told_by_xdp(skb, reason, &key))
		return 0;
	if (reason == reason_unspecified)
		key.place = location;
	read_packet(skb, &d);
	set_protocol(&key, &d.frame);
	if (is_answered_ping(skb, reason, &key) || is_spent_segment(&d, reason))
		return 0;
	count(&key, packets_of(skb, &d.frame), &d, NULL);
	return 0;
}

/* Of these, user space loads the one that fits the kernel's arguments. */

SEC("tp_btf/kfree_skb")
int drop_receiver(__u64 *ctx) /* TP_PROTO(skb, location, reason, rx_sk): Linux 6.11 */
{
	return dropped_skb((void *)ctx[0], ctx[1], ctx[2], (void *)ctx[3]);
}

SEC("tp_btf/kfree_skb")
int drop_reason(__u64 *ctx) /* TP_PROTO(skb, location, reason): Linux 5.17 */
{
	return dropped_skb((void *)ctx[0], ctx[1], ctx[2], NULL);
}

SEC("tp_btf/kfree_skb")
int drop_location(__u64 *ctx) /* TP_PROTO(skb, location) */
{
	return dropped_skb((void *)ctx[0], ctx[1], reason_unspecified, NULL);
}

static __always_inline int dropped_xdp(const struct net_device *dev, const struct bpf_prog *program,
				       enum drop_source source, __u32 reason, __u32 packets)
{
	struct drop_key key = { .source = source, .reason = reason };

	if (!packets)
		return 0;
	key.network_namespace = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	if (key.network_namespace != network_namespace)
		return 0;
	/* Of generic XDP, kfree_skb tells. */
	if (program && BPF_CORE_READ(dev, xdp_prog) == program)
		return 0;
	key.ifindex = dev->ifindex;
	if (source == DROP_XDP_EXCEPTION) {
		struct xdp_exception *e = last_exception();

		if (e)
			*e = (struct xdp_exception){ bpf_jiffies64(), key.ifindex, 0 };
	}
	if (program)
		key.place = BPF_CORE_READ(program, aux, id);
	count(&key, packets, NULL, program);
	return 0;
}

SEC("tp_btf/xdp_exception")
int drop_xdp(__u64 *ctx) /* TP_PROTO(dev, xdp, act) */
{
	return dropped_xdp((void *)ctx[0], (void *)ctx[1], DROP_XDP_EXCEPTION, ctx[2], 1);
}

SEC("tp_btf/xdp_redirect_err")
int drop_redirect(__u64 *ctx) /* TP_PROTO(dev, xdp, tgt, err, ...) */
{
	return dropped_xdp((void *)ctx[0], (void *)ctx[1], DROP_XDP_REDIRECT, -(int)ctx[3], 1);
}

SEC("tp_btf/xdp_devmap_xmit")
int drop_xmit(__u64 *ctx) /* TP_PROTO(from_dev, to_dev, sent, drops, err) */
{
	return dropped_xdp((void *)ctx[1], NULL, DROP_XDP_XMIT, -(int)ctx[4], ctx[3]);
}

SEC("tp_btf/xdp_bulk_tx")
int drop_tx(__u64 *ctx) /* TP_PROTO(dev, sent, drops, err) */
{
	return dropped_xdp((void *)ctx[0], NULL, DROP_XDP_TX, -(int)ctx[3], ctx[2]);
}

char __license[] SEC("license") = "Dual MIT/GPL";
