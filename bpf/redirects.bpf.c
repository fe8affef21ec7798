//go:build ignore

// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What becomes of the frames that XDP programs redirect to another interface:
 * sent, or dropped and why. The program that redirects a frame never learns.
 *
 * - xdp_devmap_xmit fires once for every bulk of up to 16 frames that a driver
 *   was given by ndo_xdp_xmit (bq_xmit_all() in kernel/bpf/devmap.c).
 * - xdp_redirect_err fires for every frame that did not get that far, and in
 *   generic XDP for each that was dropped (xdp_do_redirect() and
 *   xdp_do_generic_redirect() in net/core/filter.c).
 *
 * The arguments used here are the same from Linux 5.10 to 7.2
 * (include/trace/events/xdp.h); those of xdp_redirect_err that would name the
 * interface the frame was for are not.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "kernel.h"

/* Set by user space before loading: redirects in others are not counted. */
const volatile __u32 network_namespace; /* inode number */

struct row {
	__u32 ingress; /* ifindex */
	__u32 egress;  /* ifindex, 0 where it is not known */
	__u32 error;   /* errno, 0 where the driver had none, but maybe no room */
};

struct frames {
	__u64 sent;
	__u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct row);
	__type(value, struct frames);
} redirects SEC(".maps");

static __always_inline struct frames *frames_of(const struct row *row)
{
	struct frames *known = bpf_map_lookup_elem(&redirects, row);
	struct frames none = {};

	if (known)
		return known;
	bpf_map_update_elem(&redirects, row, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&redirects, row);
}

static __always_inline void
count(const struct net_device *from, __u32 egress, int err, __u32 sent, __u32 dropped)
{
	struct row row = { .egress = egress, .error = -err };
	struct frames *frames;

	if (from->nd_net.net->ns.inum != network_namespace)
		return;
	row.ingress = from->ifindex;
	frames = frames_of(&row);
	if (!frames)
		return;
	frames->sent += sent;
	frames->dropped += dropped;
}

SEC("tp_btf/xdp_devmap_xmit")
int redirects_xmit(__u64 *ctx) /* TP_PROTO(from_dev, to_dev, sent, drops, err) */
{
	const struct net_device *to = (void *)ctx[1];

	count((void *)ctx[0], to->ifindex, ctx[4], ctx[2], ctx[3]);
	return 0;
}

SEC("tp_btf/xdp_redirect_err")
int redirects_err(__u64 *ctx) /* TP_PROTO(dev, xdp, tgt, err, ...) */
{
	count((void *)ctx[0], 0, ctx[3], 0, 1);
	return 0;
}

char __license[] SEC("license") = "Dual MIT/GPL";
