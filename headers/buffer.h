/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The bytes of a frame, however a hook hands them over.
 *
 * XDP and tc give pointers that the verifier checks. A tracepoint gives an
 * address in kernel memory, from where bytes are copied before they are looked
 * at: each load that may fault costs several instructions.
 */
#ifndef EBPFTOP_BUFFER_H
#define EBPFTOP_BUFFER_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

enum buffer_kind {
	BUFFER_XDP,    /* ctx is a struct xdp_md */
	BUFFER_TC,	   /* ctx is a struct __sk_buff */
	BUFFER_KERNEL, /* data is an address in kernel memory; only for buffer_load() */
	BUFFER_COPY,   /* data is a copy on the stack; only for buffer_at() */
};

struct buffer {
	enum buffer_kind kind; /* constant wherever a buffer is used */
	void *ctx;
	void *data, *end; /* linear memory that holds the frame */
	__u32 copied; /* bytes there are in a copy, instead of end */
};

/* Larger than any offset of a header, small enough for the verifier. */
#define OFFSET_MASK 0x7fff

static __always_inline bool buffer_has(const struct buffer *b, __u32 offset, __u32 bytes)
{
	if (b->kind == BUFFER_COPY)
		return offset + bytes <= b->copied;
	return b->data + offset + bytes <= b->end;
}

/* buffer_at() points to what buffer_has() says is there. */
static __always_inline const void *buffer_at(const struct buffer *b, __u32 offset)
{
	return b->data + offset;
}

/* Buffers for buffer_load() alone. */

static __always_inline struct buffer loads_xdp(struct xdp_md *ctx)
{
	return (struct buffer){ .kind = BUFFER_XDP, .ctx = ctx };
}

static __always_inline struct buffer loads_tc(struct __sk_buff *ctx)
{
	return (struct buffer){ .kind = BUFFER_TC, .ctx = ctx };
}

static __always_inline struct buffer loads_kernel(__u64 data, __u64 end)
{
	return (struct buffer){ .kind = BUFFER_KERNEL, .data = (void *)data, .end = (void *)end };
}

/* buffer_load() copies bytes of a frame. It returns false if they are not within
 * reach: behind the frame's end, or, but for tc, outside linear memory. */
static __always_inline bool buffer_load(const struct buffer *b, __u32 offset, void *to, __u32 bytes)
{
	struct xdp_md *xdp = b->ctx;
	void *from;

	offset &= OFFSET_MASK;
	switch (b->kind) {
	case BUFFER_TC:
		return !bpf_skb_load_bytes(b->ctx, offset, to, bytes);
	case BUFFER_KERNEL:
		return buffer_has(b, offset, bytes) &&
		       !bpf_probe_read_kernel(to, bytes, b->data + offset);
	case BUFFER_XDP:
		/* From the context, because the bounds of a pointer are lost in a
		 * variable. */
		from = (void *)(long)xdp->data + offset;
		if (from + bytes > (void *)(long)xdp->data_end)
			return false;
		__builtin_memcpy(to, from, bytes);
		return true;
	case BUFFER_COPY:
		break;
	}
	return false;
}

#endif
