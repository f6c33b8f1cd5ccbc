/* SPDX-License-Identifier: MIT */
/*
 * One of the four rings that an AF_XDP socket shares with the kernel: tx and fill, which we
 * produce; rx and completion, which we consume. Entries are struct xdp_desc (tx, rx) or the address
 * of a chunk (fill, completion).
 *
 *     we produce                                   the kernel consumes
 *     write entries; store_release(producer)  A    load_acquire(producer); read entries
 *     load_acquire(consumer); reuse entries   B    read entries; store_release(consumer)
 *
 * and the other way round for rings that we consume. Without A the kernel may see an index before
 * its entries; without B we may write an entry that the kernel still reads.
 *
 * Owner: the iothread of the queue. Kernel: include/uapi/linux/if_xdp.h, net/xdp/xsk_queue.h.
 */
#ifndef DATAPATH_BACKEND_XDP_RING_H
#define DATAPATH_BACKEND_XDP_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/if_xdp.h>

#include "virtio/base.h"

struct xdp_ring {
	uint32_t *producer;
	uint32_t *consumer;
	const uint32_t *flags;
	void *entries;
	uint32_t size; /* a power of two */
	uint32_t idx;  /* ours, runs free: the next entry to produce or consume */
	uint32_t seen; /* the kernel's index, as it was read last */
};

static inline struct xdp_desc *xdp_ring_desc(const struct xdp_ring *r, uint32_t idx)
{
	return (struct xdp_desc *)r->entries + (idx & (r->size - 1));
}

static inline uint64_t *xdp_ring_addr(const struct xdp_ring *r, uint32_t idx)
{
	return (uint64_t *)r->entries + (idx & (r->size - 1));
}

/* We produce: make the entries before idx the kernel's. */
static inline void xdp_ring_submit(struct xdp_ring *r)
{
	store_release(r->producer, r->idx); /* A */
}

/* We produce: how many entries the kernel has yet to consume. */
static inline uint32_t xdp_ring_pending(struct xdp_ring *r)
{
	r->seen = load_acquire(r->consumer); /* B */
	return r->idx - r->seen;
}

/* We consume: how many entries are there; the kernel is asked only if it was fewer than n. */
static inline uint32_t xdp_ring_ready(struct xdp_ring *r, uint32_t n)
{
	if (r->seen - r->idx < n)
		r->seen = load_acquire(r->producer); /* A */
	return r->seen - r->idx;
}

/* We consume: the entries before idx are the kernel's again. */
static inline void xdp_ring_release(struct xdp_ring *r)
{
	store_release(r->consumer, r->idx); /* B */
}

/* The kernel waits for a system call before it goes on with a ring that we produce. */
static inline bool xdp_ring_needs_wakeup(const struct xdp_ring *r)
{
	return load_relaxed(r->flags) & XDP_RING_NEED_WAKEUP;
}

#endif
