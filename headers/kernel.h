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

struct sk_buff {
	struct net_device *dev;
	unsigned int len, data_len;
	int skb_iif; /* ifindex of the device that it was received by before */
	__be16 protocol;
	__u16 vlan_tci;
	__u16 network_header; /* bytes from head */
	unsigned int end; /* bytes from head: where skb_shared_info is */
	unsigned char *head, *data;
	__u8 pkt_type : 3; /* PACKET_* in linux/if_packet.h */
} CORE;

/* Linux 6.2 has one word for the tag that is beside the data, older ones a bit. */
struct sk_buff___tag_word {
	__u32 vlan_all;
} CORE;

struct sk_buff___tag_bit {
	__u8 vlan_present : 1;
} CORE;

struct skb_shared_info {
	unsigned short gso_size; /* bytes of payload in a segment; 0: no aggregate */
	unsigned short gso_segs; /* 0: not counted yet */
} CORE;

/* Says whether a frame is in several buffers: Linux 5.18. */
struct xdp_buff {
	__u32 flags;
} CORE;

#undef CORE

#endif /* EBPFTOP_KERNEL_H */
