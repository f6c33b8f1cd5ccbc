/* SPDX-License-Identifier: MIT */
/*
 * The driver's half of a virtqueue: what a guest's kernel does, for tests, benches and fuzzers.
 * Offer chains, take them back, agree with the device on when to notify. It never blocks and never
 * copies. The hostile guest is not here: it writes into r->areas (and the raw indices) directly.
 *
 *   reserve   how many descriptors may be filled
 *   fill      one chain, not yet visible
 *   submit    make filled chains visible
 *   kick      notify the device if it wants that
 *   peek      how many used chains wait
 *   use       take one back; its descriptors are free again
 *   disarm_call   do not interrupt me
 *   arm_call      interrupt me; tells whether something slipped in meanwhile
 *
 * Owner: one thread at a time. The device half is virtio/virtq.h. Layouts: ring_split.h,
 * ring_packed.h.
 */
#ifndef VIRTIO_DRIVER_RING_H
#define VIRTIO_DRIVER_RING_H

#include "virtio/driver/arena.h"
#include "virtio/driver/ring_packed.h"
#include "virtio/driver/ring_split.h"
#include "virtio/driver/ring_state.h"

/*
 * Take the ring's areas (and indirect tables, where cfg->table_len is not 0) for cfg->size entries
 * from the arena's region and note them in cfg. -EINVAL: a bad size; -ENOSPC: the region is too
 * small.
 */
int ring_place(struct ring_config *cfg, struct arena *arena, unsigned region);

/* 0, -EINVAL (a size that the layout does not have) or -ENOMEM. The areas are zeroed. */
int ring_init(struct ring *r, const struct ring_config *cfg);
/* May run twice. The areas stay the caller's. */
void ring_deinit(struct ring *r);

/*
 * As after ring_init(), at another base: chains in flight are forgotten. The device must be
 * stopped.
 */
void ring_reset(struct ring *r, uint16_t base);

/*
 * For SET_VRING_BASE, if the device used all chains that it took: it goes on behind the last used
 * chain in the ring.
 */
uint32_t ring_base(const struct ring *r);

/* What the device did wrong, in words. */
const char *ring_fault_name(enum ring_fault fault);

/* Kick whatever the device asked for, as Linux does when it finds a tx ring full. */
void ring_kick_now(struct ring *r);

/* How many of n descriptors are free; a chain takes one each, or one in all if it is indirect. */
static inline unsigned ring_reserve(const struct ring *r, unsigned n)
{
	return r->n_free < n ? r->n_free : n;
}

/* A chain of one descriptor, which was reserved. token comes back with it. */
static inline void ring_fill(struct ring *r, struct chain_part part, uint64_t token)
{
	if (r->packed)
		ring_packed_fill(r, part, token);
	else
		ring_split_fill(r, part, token);
}

/* A chain of n >= 1 descriptors, which were reserved; device-readable parts first. */
static inline void ring_fill_chain(struct ring *r, const struct chain_part *parts, unsigned n,
				   uint64_t token)
{
	if (r->packed)
		ring_packed_fill_chain(r, parts, n, token);
	else
		ring_split_fill_chain(r, parts, n, token);
}

/* The same in an indirect table; takes one reserved descriptor. 1 <= n <= cfg.table_len. */
static inline void ring_fill_indirect(struct ring *r, const struct chain_part *parts, unsigned n,
				      uint64_t token)
{
	if (r->packed)
		ring_packed_fill_indirect(r, parts, n, token);
	else
		ring_split_fill_indirect(r, parts, n, token);
}

static inline void ring_submit(struct ring *r)
{
	if (r->packed)
		ring_packed_submit(r);
	else
		ring_split_submit(r);
}

/*
 * Whether the device wants a kick for what was submitted since this was last asked. Ask at least
 * once for each ring size of descriptors: the answer is then one for all of them.
 */
static inline bool ring_kick_wanted(struct ring *r)
{
	return r->packed ? ring_packed_kick_wanted(r) : ring_split_kick_wanted(r);
}

/* After submit: kick if the device wants it. True if it was kicked. */
static inline bool ring_kick(struct ring *r)
{
	if (!ring_kick_wanted(r))
		return false;
	ring_kick_now(r);
	return true;
}

/*
 * Used chains that wait. A split ring's used index is read here, and use relies on that; a packed
 * ring does not tell how many, 1 is "some", and use looks for itself.
 */
static inline unsigned ring_peek(struct ring *r)
{
	return r->packed ? ring_packed_peek(r) : ring_split_peek(r);
}

/* Take back one of the chains that the last peek (or arm) saw; RING_EMPTY if there is none left. */
static inline enum ring_outcome ring_use(struct ring *r, struct ring_used *u)
{
	return r->packed ? ring_packed_use(r, u) : ring_split_use(r, u);
}

static inline void ring_disarm_call(struct ring *r)
{
	if (r->packed)
		ring_packed_disarm_call(r);
	else
		ring_split_disarm_call(r);
}

/*
 * Ask for a call when more than after further chains (packed: descriptors) have been used; after
 * counts with EVENT_IDX only, else give 0, and is less than the ring's size. Then look again. True:
 * they have been already (packed: one has) and no call may come, so do not sleep.
 */
static inline bool ring_arm_call(struct ring *r, uint16_t after)
{
	return r->packed ? ring_packed_arm_call(r, after) : ring_split_arm_call(r, after);
}

#endif
