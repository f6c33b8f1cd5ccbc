/* SPDX-License-Identifier: MIT */
/*
 * Where a ring stands, in memory that outlives this process: a queue's region in the buffer of
 * GET_INFLIGHT_FD and SET_INFLIGHT_FD (vhost-user.rst, "Inflight I/O tracking").
 *
 * Chains are used in order, so the place of the next one to use tells all, and of the regions'
 * states of single descriptors none is needed: they say that nothing is in flight, now and for any
 * other back-end that gets the region. A split ring shows its place itself, in its used index: of
 * its region only the version is written. Of a packed ring both wrap counters and indices lie in
 * one word, which is written twice: the new place before a batch becomes visible in the ring, and
 * the old place behind it. Whether a device that died in between had made its batch visible, the
 * ring tells.
 *
 * Who does what: the session makes the buffer (virtq_inflight_len() a queue, virtq_inflight_init()
 * each) or gets it back, sees to it that it cannot shrink under us (F_SEAL_SHRINK, else a touch is
 * SIGBUS), and passes each ring's region in virtq_config. virtq_find_base() reads it, virtq_start()
 * and virtq_publish() write it. The memory is shared with the front-end: what is read is checked.
 */
#ifndef VIRTIO_VIRTQ_INFLIGHT_H
#define VIRTIO_VIRTQ_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/base.h"
#include "virtio/vring.h"

/*
 * The head of QueueRegionPacked, the first 16 bytes of which are those of QueueRegionSplit, too.
 * States of descriptors follow.
 */
struct virtq_inflight {
	uint64_t features; /* 0 */
	uint16_t version;  /* 0: new, else VIRTQ_INFLIGHT_VERSION */
	uint16_t desc_num; /* the ring's size */
	union {
		struct {
			uint16_t last_batch_head;
			uint16_t used_idx;
		} split;
		struct {
			uint16_t free_head;
			uint16_t old_free_head;
		} packed;
	};
	uint64_t place; /* packed: see virtq_inflight_word() */
	uint64_t padding;
};

#define VIRTQ_INFLIGHT_VERSION 1

_Static_assert(sizeof(struct virtq_inflight) == 32 &&
		       offsetof(struct virtq_inflight, split.used_idx) == 14 &&
		       offsetof(struct virtq_inflight, place) == 16,
	       "as vhost-user.rst says");

/* Bytes of one queue's region, a multiple of 64. Regions lie one behind the other. */
size_t virtq_inflight_len(bool packed, unsigned size);

/* Make a region of zeroes, of that many bytes, aligned to 64, one of a new ring. */
void virtq_inflight_init(struct virtq_inflight *region, bool packed, unsigned size);

/*
 * Where a packed ring of this size stands by its region. False: the region is new, or not of such a
 * ring. Cold; ring: its descriptors.
 */
bool virtq_inflight_find(const struct virtq_inflight *region, struct vring_packed_desc *ring,
			 unsigned size, uint16_t *at);

/* Note where a ring starts: its used index, or place. Cold. */
void virtq_inflight_start(struct virtq_inflight *region, bool packed, unsigned size, uint16_t at);

/* used_idx, old_used_idx, used_wrap_counter, old_used_wrap_counter, and padding. */
static inline uint64_t virtq_inflight_word(uint16_t at, uint16_t old)
{
	return vring_packed_slot(at) | (uint64_t)vring_packed_slot(old) << 16 |
	       (uint64_t)(at >> 15) << 32 | (uint64_t)(old >> 15) << 40;
}

/* Around the store that makes a batch visible, which releases: it ends at this place. */
static inline void virtq_inflight_begin(struct virtq_inflight *region, uint16_t at, uint16_t old)
{
	store_relaxed(&region->place, virtq_inflight_word(at, old));
}

static inline void virtq_inflight_end(struct virtq_inflight *region, uint16_t at)
{
	store_release(&region->place, virtq_inflight_word(at, at));
}

#endif
