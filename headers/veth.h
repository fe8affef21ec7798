/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What native XDP of a veth does not show. The far end hands over an skb, which may
 * have its VLAN tag beside the data, and a checksum that is left to be filled in.
 * The driver keeps the skb right behind the struct xdp_buff, in its struct
 * veth_xdp_buff (drivers/net/veth.c, Linux 6.3), so both can be read there.
 */
#ifndef EBPFTOP_VETH_H
#define EBPFTOP_VETH_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "frame.h"
#include "kernel.h"

/* Set by user space before loading: where the skb is from the struct xdp_buff on. 0: the
 * kernel keeps none, or does not say where. */
const volatile __u32 veth_skb_offset;

/* Linux 6.2; costs nothing, unlike a helper. */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/* Says what is at an address, at no cost, so that it can be read by an instruction:
 * Linux 6.2. Programs that need it are not loaded where it is missing. */
extern void *bpf_rdonly_cast(const void *at, __u32 type) __ksym __weak;

/* Memory as eight-byte words: says that struct rtnl_link_stats64 is there, which is made
 * of nothing else. */
static __always_inline const __u64 *words_of(const void *at)
{
	return bpf_rdonly_cast(at, bpf_core_type_id_kernel(struct rtnl_link_stats64));
}

#define CHECKSUM_PARTIAL 3 /* include/linux/skbuff.h: left to be filled in */
#define CHECKSUM_CHUNK 256
#define FRAME_CHUNKS_MAX (65536 / CHECKSUM_CHUNK + 1)

/* veth_skb() returns the skb of a frame that native XDP of a veth sees, NULL if it has
 * none (XDP redirected it there) or that is not known. */
static __always_inline const struct sk_buff *veth_skb(struct xdp_md *ctx)
{
	const void *buff;
	const __u64 *at;

	if (!veth_skb_offset || !bpf_cast_to_kern_ctx || !bpf_rdonly_cast)
		return NULL;
	buff = bpf_cast_to_kern_ctx(ctx);
	at = words_of(buff + veth_skb_offset);
	if (!*at)
		return NULL;
	return bpf_rdonly_cast((const void *)*at, bpf_core_type_id_kernel(struct sk_buff));
}

static __always_inline __u32 veth_tag(const struct sk_buff *skb)
{
	const struct sk_buff___tag_word *word = (const void *)skb;

	return bpf_core_field_exists(word->vlan_all) ? word->vlan_all : 0;
}

/* veth_outer_tags() returns how many VLAN tags, 0 or 1, a frame has beside its data. */
static __always_inline __u32 veth_outer_tags(struct xdp_md *ctx)
{
	const struct sk_buff *skb = veth_skb(ctx);

	return skb && veth_tag(skb);
}

#define NO_SUM (1ULL << 32) /* more than any sum */

/* Adds the bytes of a frame from an offset to its end, a chunk of them at most, to a sum.
 * A global function, so that the verifier looks at it once. It returns NO_SUM if they
 * cannot be read. */
__noinline __u64 sum_chunk(struct xdp_md *ctx, __u32 offset, __u32 sum)
{
	__u8 chunk[CHECKSUM_CHUNK] = {};
	__u32 last; /* byte of the chunk that is in the frame */
	__s64 more;

	if (!veth_skb_offset)
		return NO_SUM; /* nor has the kernel these functions */
	last = bpf_xdp_get_buff_len(ctx) - offset - 1;
	if (last >= sizeof(chunk))
		last = sizeof(chunk) - 1;
	barrier_var(last);
	last &= sizeof(chunk) - 1; /* by this the verifier knows that there is at least a byte */
	if (bpf_xdp_load_bytes(ctx, offset, chunk, last + 1))
		return NO_SUM;
	more = bpf_csum_diff(NULL, 0, (__be32 *)chunk, sizeof(chunk), sum);
	return more < 0 ? NO_SUM : (__u32)more;
}

/* Sums up the frame from an offset on. It returns NO_SUM if that cannot be read. */
static __always_inline __u64 sum_up(struct xdp_md *ctx, __u32 start)
{
	__u32 len = bpf_xdp_get_buff_len(ctx);
	__u64 sum = 0;

	for (__u32 i = 0; i < FRAME_CHUNKS_MAX; i++) {
		if (start + i * CHECKSUM_CHUNK >= len || sum == NO_SUM)
			break;
		sum = sum_chunk(ctx, start + i * CHECKSUM_CHUNK, sum);
	}
	return sum;
}

/* Fills in a checksum, as skb_checksum_help() in net/core/dev.c does. The place of it
 * holds the sum of the pseudo header. */
static __always_inline int fill_checksum(struct xdp_md *ctx, const struct sk_buff *skb)
{
	__u32 start = (__u16)(skb->csum_start - skb->mac_header);
	__u64 sum = sum_up(ctx, start);
	__u16 folded;

	if (sum == NO_SUM)
		return -1;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	folded = ~sum;
	if (!folded)
		folded = 0xffff; /* 0 is no checksum */
	return bpf_xdp_store_bytes(ctx, start + skb->csum_offset, &folded, sizeof(folded));
}

/* Puts a tag in front of the ethertype. */
static __always_inline int push_tag(struct xdp_md *ctx, __u32 tag)
{
	struct tagged {
		__u8 addresses[2 * ETH_ALEN];
		__be16 tpid, tci;
	} *to;
	union {
		__u32 vlan_all;
		struct {
			__be16 tpid;
			__u16 tci; /* host order */
		};
	} from = { .vlan_all = tag };

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct vlan_tag)))
		return -1;
	to = (void *)(long)ctx->data;
	if ((void *)(to + 1) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memmove(to->addresses, (__u8 *)to + sizeof(struct vlan_tag),
			  sizeof(to->addresses));
	to->tpid = from.tpid;
	to->tci = bpf_htons(from.tci);
	return 0;
}

/* Whether the checksum is SCTP's, which is of another kind. */
static __always_inline bool is_crc(const struct sk_buff *skb)
{
	return bpf_core_field_exists(skb->csum_not_inet) &&
	       BPF_CORE_READ_BITFIELD(skb, csum_not_inet);
}

/* veth_complete() makes a frame that native XDP of a veth sees what it is on the wire:
 * with its tag, and its checksum unless that is SCTP's. It returns less than 0 if that
 * cannot be done. */
__noinline int veth_complete(struct xdp_md *ctx)
{
	const struct sk_buff *skb = veth_skb(ctx);
	__u32 tag;

	if (!skb)
		return 0;
	tag = veth_tag(skb);
	if (BPF_CORE_READ_BITFIELD(skb, ip_summed) == CHECKSUM_PARTIAL && !is_crc(skb) &&
	    fill_checksum(ctx, skb))
		return -1;
	return tag ? push_tag(ctx, tag) : 0;
}

#endif
