/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The few fields of kernel structures that the programs read. CO-RE finds
 * where the running kernel keeps them, by name, at load.
 */
#ifndef EBPFTOP_KERNEL_H
#define EBPFTOP_KERNEL_H

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#define CORE __attribute__((preserve_access_index))

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
} CORE;

/* A pid in one PID namespace. */
struct upid {
	int nr;
} CORE;

struct pid {
	unsigned int level; /* how deep the PID namespace is in others */
	struct upid numbers[1]; /* in the outermost first */
} CORE;

/* What a process belongs to: control group, UTS namespace, user. */
struct kernfs_node {
	struct kernfs_node *parent;
	const char *name;
	__u64 id;
} CORE;

struct kernfs_node___renamed {
	struct kernfs_node *__parent;
} CORE;

struct cgroup {
	struct kernfs_node *kn;
} CORE;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
} CORE;

enum cgroup_subsys_id {
	pids_cgrp_id = 1, /* which it is depends on what was built in */
};

struct css_set {
	struct cgroup_subsys_state *subsys[1]; /* there are more */
	struct cgroup *dfl_cgrp; /* of version 2 */
} CORE;

struct ns_common {
	unsigned int inum;
} CORE;

struct new_utsname {
	char nodename[65];
} CORE;

struct uts_namespace {
	struct new_utsname name;
	struct ns_common ns;
} CORE;

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct net *net_ns;
} CORE;

typedef struct {
	unsigned int val;
} CORE kuid_t;

struct cred {
	kuid_t uid;
} CORE;

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	__u64 start_boottime; /* ns, CLOCK_BOOTTIME */
	struct pid *thread_pid;
	struct mm_struct *mm;
	struct task_struct *real_parent, *group_leader;
	const struct cred *cred;
	struct nsproxy *nsproxy; /* NULL: it has ended */
	struct css_set *cgroups;
	char comm[16];
} CORE;

struct linux_binprm {
	const char *filename;
} CORE;

/* Which network namespace a device or a socket is in. */
struct net {
	struct ns_common ns;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

/* The name is taken by linux/in6.h. */
struct in6_addr___kernel {
	union {
		__be32 u6_addr32[4];
	} in6_u;
} CORE;

struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr___kernel skc_v6_daddr, skc_v6_rcv_saddr;
} CORE;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} CORE;

struct tcp_sock {
	__u32 srtt_us; /* eighths of a microsecond */
	__u32 total_retrans;
	__u32 snd_cwnd, packets_out; /* segments */
} CORE;

struct inet_sock {
	__be16 inet_sport; /* stays when a socket is closed */
} CORE;

struct socket {
	struct sock *sk;
} CORE;

struct inode {
	__u16 i_mode;
} CORE;

struct file {
	struct inode *f_inode;
	void *private_data;
} CORE;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} CORE;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} CORE;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
} CORE;

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
} CORE;

struct bpf_prog_aux {
	__u32 id;
	char name[16]; /* BPF_OBJ_NAME_LEN */
} CORE;

struct bpf_prog {
	struct bpf_prog_aux *aux;
} CORE;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
	struct bpf_prog *xdp_prog; /* of generic XDP */
} CORE;

struct dst_entry {
	struct net_device *dev;
} CORE;

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned long _skb_refdst; /* address of the struct dst_entry, and flags */
	unsigned int len, data_len;
	int skb_iif; /* ifindex of the device that it was received by before */
	__be16 protocol;
	__u16 vlan_tci;
	__u16 network_header; /* bytes from head */
	unsigned int end; /* bytes from head: where skb_shared_info is */
	unsigned char *head, *data;
	__u8 pkt_type : 3; /* PACKET_* in linux/if_packet.h */
	__u8 cloned : 1; /* somebody has, or had, a copy with the same data */
	__u8 ip_summed : 2; /* what is known of the checksum */
	__u8 csum_not_inet : 1; /* SCTP's */
	__u8 tc_skip_classify : 1; /* it comes back from an ifb, whose index skb_iif is */
	__u16 mac_header, csum_start; /* bytes from head */
	__u16 csum_offset; /* bytes from csum_start */
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

/* An address as a number: what may be read as a pointer (skb->data from Linux 6.17
 * on) becomes one only by way of memory. It returns 0 if that cannot be read. */
static __always_inline __u64 address_of(const void *pointer)
{
	const void *volatile there = pointer;
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), (const void *)&there);
	return address;
}

#endif /* EBPFTOP_KERNEL_H */
