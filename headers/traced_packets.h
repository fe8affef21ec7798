/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The packet program on the kernel's own tracepoints, which every frame of every
 * interface passes:
 *
 * - netif_receive_skb, once for an skb's way up from a device
 *   (__netif_receive_skb_core() in net/core/dev.c): before generic XDP and tc, so
 *   no program of others hides a frame. It does not fire again for a device on top
 *   (bond, team, VLAN, macvlan, ipvlan), which gets the frame by another round of
 *   that function.
 * - net_dev_start_xmit, before each call of a driver (xmit_one(), same file):
 *   behind tc and the queueing discipline, so sent means sent.
 * - net_dev_xmit, after it. A driver that was busy is called again with the same
 *   skb, so what was counted for the first call is taken back.
 *
 * Only what lies in linear memory can be read there. Where the kernel lets us
 * (bpf_dynptr_from_skb(), Linux 6.12), headers outside it are copied; before,
 * such a frame counts for as much of it as can be read.
 */
#ifndef EBPFTOP_TRACED_PACKETS_H
#define EBPFTOP_TRACED_PACKETS_H

#include <linux/if_link.h>
#include <linux/if_packet.h>

#include <bpf/bpf_core_read.h>

#include "packets.h"

#define NETDEV_TX_BUSY 0x10 /* include/linux/netdevice.h */

/* A copy of the headers behind the link layer, for parse_fast(). More may be copied than
 * there are, because linear memory is followed by struct skb_shared_info, which is
 * larger. */
struct copied_headers {
	__u64 words[(IPV6_BYTES + TCP_BYTES + 7) / 8];
};

#define IPV4_WORDS ((IPV4_BYTES + TCP_BYTES) / 8)

static __always_inline const __u64 *words_at(__u64 address)
{
	return words_of((void *)address);
}

/* How a program reads kernel memory. A constant in each program. */
enum reading {
	READ_IN_PLACE, /* by instructions */
	READ_BY_CALLS, /* by bpf_probe_read_kernel() */
};

/* Bytes of headers that are copied if they are outside linear memory. */
#define SCATTERED_BYTES 512

struct scattered {
	__u8 bytes[SCATTERED_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scattered);
} scattered_headers SEC(".maps");

extern int
bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym __weak;

/* What an skb says about its frame before the frame is parsed. */
struct traced {
	__u64 frame; /* address of the first byte */
	__u64 end; /* of linear memory */
	__u32 len, link; /* bytes of the frame, and of its link layer: 0 or 14 */
	__u16 gso_size, gso_segs;
	__be16 ethertype; /* of what follows the link layer */
	__u8 outer_tags;
};

static __always_inline bool traced_has_tag(const struct sk_buff *skb)
{
	const struct sk_buff___tag_word *word = (const void *)skb;
	const struct sk_buff___tag_bit *bit = (const void *)skb;

	if (bpf_core_field_exists(word->vlan_all))
		return word->vlan_all;
	return BPF_CORE_READ_BITFIELD(bit, vlan_present);
}

/* Received: skb->data is behind the Ethernet header. */
static __always_inline struct traced traced_rx(const struct sk_buff *skb, bool has_ethernet)
{
	__u32 link = has_ethernet ? sizeof(struct ethhdr) : 0;

	return (struct traced){
		.frame = (__u64)skb->data - link,
		.end = (__u64)skb->data + skb->len - skb->data_len,
		.len = skb->len + link,
		.link = link,
		.ethertype = skb->protocol,
		.outer_tags = traced_has_tag(skb),
	};
}

/* What a device without Ethernet puts before the network header (GRE does) is no
 * part of its frames. */
static __always_inline struct traced traced_tx(const struct sk_buff *skb, bool has_ethernet)
{
	struct traced t = {
		.frame = (__u64)skb->data,
		.end = (__u64)skb->data + skb->len - skb->data_len,
		.len = skb->len,
		.ethertype = skb->protocol,
		.outer_tags = traced_has_tag(skb),
	};
	__u64 network = (__u64)skb->head + skb->network_header;

	if (has_ethernet) {
		t.link = sizeof(struct ethhdr);
	} else if (network > t.frame && network <= t.end) {
		t.len -= network - t.frame;
		t.frame = network;
	}
	return t;
}

/*
 * Arguments of the slow path. They are numbers, because before Linux 6.8 a global
 * function of a tracing program cannot take the context.
 */
struct slow_traced {
	__u32 place; /* of the interface */
	__u8 link;
	__u8 direction : 1, outer_tags : 1;
	__u8 take_back : 1; /* what was counted, instead of counting */
	__be16 ethertype;
};

union slow_traced_bits {
	struct slow_traced args;
	__u64 bits;
};

static __always_inline int
slow_path_traced(__u64 frame, __u64 end, __u64 bits, __u32 len, __u32 gso, __u32 tasks)
{
	union slow_traced_bits from = { .bits = bits };
	const struct interface *i = bpf_map_lookup_elem(&interfaces, &from.args.place);
	const struct buffer b = loads_kernel(frame, end);
	__u16 gso_size = gso >> 16, ethertype = bpf_ntohs(from.args.ethertype);
	struct frame f = {
		.len = len,
		.outer_tags = from.args.outer_tags,
		.is_aggregate = gso_size,
	};
	union ip_header ip;
	struct traffic wire;

	if (!i)
		return 0;
	if (!from.args.link)
		parse_slow(&f, &b, 0, ethertype, &ip);
	else if (from.args.direction == DIRECTION_TX || ethertype < ETH_P_802_3_MIN)
		parse_slow_ethernet(&f, &b, &ip);
	else
		parse_slow(&f, &b, sizeof(struct ethhdr), ethertype, &ip);
	wire = frame_traffic(&f, segments(gso_size, gso, len, f.headers));
	if (from.args.take_back) {
		wire.packets = -wire.packets;
		wire.bytes = -wire.bytes;
	}
	count_traffic(i, protocol_counts_here(i), &f, from.args.direction, &wire, tasks);
	return 0;
}

__noinline int slow_traced(__u64 frame, __u64 end, __u64 bits, __u32 len, __u32 gso)
{
	return slow_path_traced(frame, end, bits, len, gso, COUNT_CONNECTIONS);
}

__noinline int slow_traced_protocols(__u64 frame, __u64 end, __u64 bits, __u32 len, __u32 gso)
{
	return slow_path_traced(frame, end, bits, len, gso, 0);
}

/* Copies headers that are outside linear memory, and points t to the copy. Headers
 * before skb->data, the received Ethernet header, are always inside. */
static __always_inline void
gather_headers(struct sk_buff *skb, struct traced *t, enum direction direction)
{
	__u32 zero = 0, before = direction == DIRECTION_RX ? t->link : 0;
	__u32 bytes = t->len - before;
	struct scattered *copy;
	struct bpf_dynptr all;

	if (t->end - t->frame >= t->len || t->end - t->frame >= SCATTERED_BYTES ||
	    !bpf_dynptr_from_skb)
		return;
	copy = bpf_map_lookup_elem(&scattered_headers, &zero);
	if (!copy || bpf_dynptr_from_skb(skb, 0, &all))
		return;
	if (bytes > SCATTERED_BYTES - sizeof(struct ethhdr))
		bytes = SCATTERED_BYTES - sizeof(struct ethhdr);
	if (before && bpf_probe_read_kernel(copy->bytes, sizeof(struct ethhdr), (void *)t->frame))
		return;
	if (bpf_dynptr_read(copy->bytes + (before ? sizeof(struct ethhdr) : 0), bytes, &all, 0, 0))
		return;
	t->frame = (__u64)copy->bytes;
	t->end = t->frame + before + bytes;
}

static __always_inline void traced_slowly(struct sk_buff *skb, struct traced *t, __u32 place,
					  enum direction direction, bool take_back, __u32 tasks)
{
	__u32 gso = (__u32)t->gso_size << 16 | t->gso_segs;
	__u64 frame, linear;
	union slow_traced_bits to = {
		.args = {
			.place = place, .link = t->link, .direction = direction,
			.outer_tags = t->outer_tags, .take_back = take_back, .ethertype = t->ethertype,
		},
	};

	gather_headers(skb, t, direction);
	linear = t->end - t->frame;
	frame = address_of((void *)t->frame);
	if (tasks & COUNT_CONNECTIONS)
		slow_traced(frame, frame + linear, to.bits, t->len, gso);
	else
		slow_traced_protocols(frame, frame + linear, to.bits, t->len, gso);
}

/* The interface whose frames are counted here, NULL if they are not. It is in the network
 * namespace of dev. */
static __always_inline const struct interface *
traced_interface(int ifindex, const struct net_device *dev, enum interface_flag traced,
		 __u32 *place)
{
	const struct interface *i = interface_find(ifindex, dev->nd_net.net->ns.inum, place);

	return i && i->flags & traced ? i : NULL;
}

/*
 * The interface that a frame is received by. An ifb gives a frame back as if it came again
 * from the device that it was redirected at (ifb_ri_tasklet() in drivers/net/ifb.c), which
 * has received it already.
 */
static __always_inline int receiving_ifindex(const struct sk_buff *skb)
{
	int before = skb->skb_iif;

	return before && BPF_CORE_READ_BITFIELD(skb, tc_skip_classify) ? before : skb->dev->ifindex;
}

/*
 * Whether the frame comes from outside, and for the first time. The host's own
 * multicast is looped back (dev_loopback_xmit()). A packet comes a second time after
 * IPsec decrypted it (xfrm_input()).
 */
static __always_inline bool is_received(const struct sk_buff *skb)
{
	return skb->skb_iif != skb->dev->ifindex &&
	       BPF_CORE_READ_BITFIELD(skb, pkt_type) != PACKET_LOOPBACK;
}

/* Reads, from behind linear memory, whether the skb is an aggregate. */
static __always_inline void
traced_aggregate(struct traced *t, const struct sk_buff *skb, enum reading reading)
{
	const struct skb_shared_info *shared = (void *)skb->head + skb->end;
	union {
		__u32 both;
		__u16 size_segs[2]; /* one follows the other */
	} gso = {};

	if (reading == READ_IN_PLACE)
		gso.both = *(const __u32 *)words_at((__u64)&shared->gso_size);
	else
		bpf_probe_read_kernel(&gso, sizeof(gso), &shared->gso_size);
	t->gso_size = gso.size_segs[0];
	t->gso_segs = gso.size_segs[1];
}

/* The ethertype of a sent frame is read from its Ethernet header, because skb->protocol
 * may be anything (packet(7)). */
static __always_inline __be16 traced_ethertype(const struct traced *t, enum direction direction,
					       enum reading reading)
{
	__u64 at = t->frame + offsetof(struct ethhdr, h_proto);
	__be16 ethertype = 0;

	if (direction == DIRECTION_RX || !t->link)
		return t->ethertype;
	if (reading == READ_IN_PLACE)
		return *(const __be16 *)words_at(at);
	bpf_probe_read_kernel(&ethertype, sizeof(ethertype), (void *)at);
	return ethertype;
}

/* Steps over VLAN tags at *at. It returns the ethertype of what follows. */
static __always_inline __be16 traced_tags(const struct traced *t, __be16 ethertype, __u64 *at,
					  enum reading reading)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VLAN_TAGS_MAX; i++) {
		struct vlan_tag tag;

		if (!is_vlan(bpf_ntohs(ethertype)) || i + t->outer_tags >= VLAN_TAGS_MAX)
			break; /* what is no IP is for the slow path anyway */
		if (reading == READ_IN_PLACE)
			tag.ethertype = ((const __be16 *)words_at(*at))[1];
		else if (bpf_probe_read_kernel(&tag, sizeof(tag), (void *)*at))
			break;
		ethertype = tag.ethertype;
		*at += sizeof(tag);
	}
	return ethertype;
}

/* Copies first what IPv4 needs. */
static __always_inline bool
copy_headers(struct copied_headers *copy, __u64 from, __be16 ethertype, enum reading reading)
{
	const __u64 *words;

	if (reading == READ_BY_CALLS)
		return !bpf_probe_read_kernel(copy, sizeof(*copy), (void *)from);
	words = words_at(from);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < IPV4_WORDS; i++)
		copy->words[i] = words[i];
	if (ethertype == bpf_htons(ETH_P_IP))
		return true;
#pragma clang loop unroll(full)
	for (__u32 i = IPV4_WORDS; i < sizeof(copy->words) / sizeof(copy->words[0]); i++)
		copy->words[i] = words[i];
	return true;
}

static __always_inline bool
traced_parse_fast(struct frame *f, struct traced *t, enum direction direction, enum reading reading)
{
	__be16 ethertype = traced_ethertype(t, direction, reading);
	__u64 from = t->frame + t->link;
	struct copied_headers copy;
	struct buffer b = { .kind = BUFFER_COPY, .data = &copy };

	if (is_vlan(bpf_ntohs(ethertype)))
		ethertype = traced_tags(t, ethertype, &from, reading);
	if (from + FAST_BYTES > t->end || !copy_headers(&copy, from, ethertype, reading))
		return false;
	b.copied = t->end - from;
	return parse_fast_ip(f, &b, ethertype, 0, from - t->frame);
}

static __always_inline struct traced traced_skb(const struct sk_buff *skb, enum direction direction,
						bool has_ethernet, enum reading reading)
{
	struct traced t = direction == DIRECTION_RX ? traced_rx(skb, has_ethernet)
						    : traced_tx(skb, has_ethernet);

	traced_aggregate(&t, skb, reading);
	return t;
}

static __always_inline int
packet_traced(struct sk_buff *skb, const struct net_device *dev, enum direction direction,
	      enum reading reading, __u32 tasks)
{
	enum interface_flag traced =
		direction == DIRECTION_RX ? INTERFACE_TRACE_RX : INTERFACE_TRACE_TX;
	__u32 place;
	int ifindex = direction == DIRECTION_RX ? receiving_ifindex(skb) : dev->ifindex;
	const struct interface *i = traced_interface(ifindex, dev, traced, &place);
	struct protocol_counts *here;
	struct traced t;
	struct frame f;

	if (!i || (direction == DIRECTION_RX && !is_received(skb)))
		return 0;
	here = protocol_counts_here(i);
	t = traced_skb(skb, direction, i->flags & INTERFACE_ETHERNET, reading);
	f = (struct frame){
		.len = t.len,
		.outer_tags = t.outer_tags,
		.is_aggregate = t.gso_size,
	};
	if (traced_parse_fast(&f, &t, direction, reading))
		count_frame(i, here, &f, direction,
			    segments(t.gso_size, t.gso_segs, t.len, f.headers), tasks);
	else
		traced_slowly(skb, &t, place, direction, false, tasks);
	return 0;
}

/* Takes back a frame that the driver of dev gave back. What skb->dev is by then depends
 * on the driver: veth leaves the far end there. */
static __always_inline int
packet_given_back(struct sk_buff *skb, int result, const struct net_device *dev,
		  enum reading reading, __u32 tasks)
{
	__u32 place;
	const struct interface *i;
	struct traced t;

	if (result != NETDEV_TX_BUSY)
		return 0;
	i = traced_interface(dev->ifindex, dev, INTERFACE_TRACE_TX, &place);
	if (!i)
		return 0;
	t = traced_skb(skb, DIRECTION_TX, i->flags & INTERFACE_ETHERNET, reading);
	traced_slowly(skb, &t, place, DIRECTION_TX, true, tasks);
	return 0;
}

#endif
