/* SPDX-License-Identifier: MIT */
/*
 * Wire layout of split and packed virtqueues (virtio 1.2 sections 2.7 and 2.8). The structures are
 * the kernel's UAPI; this page adds their sizes and alignments, the two event words that hang off
 * the ends of a split ring, and how one counts in a packed ring.
 */
#ifndef VIRTIO_VRING_H
#define VIRTIO_VRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

/* Largest ring of either layout; a split one is a power of two as well. */
#define VRING_MAX_SIZE 32768

/* The upper half of a descriptor (len and two more words) in one load or store. */
typedef uint64_t __attribute__((may_alias)) vring_u64;

/* An event suppression structure of a packed ring likewise: place, then flags. */
typedef uint32_t __attribute__((may_alias)) vring_u32;

#define VRING_DESC_ALIGN  16
#define VRING_AVAIL_ALIGN 2
#define VRING_USED_ALIGN  4
#define VRING_EVENT_ALIGN 4

static inline size_t vring_desc_len(unsigned size)
{
	return sizeof(struct vring_desc) * size;
}

/* With used_event, which is there whether EVENT_IDX was negotiated or not. */
static inline size_t vring_avail_len(unsigned size)
{
	return offsetof(struct vring_avail, ring) + sizeof(uint16_t) * size + sizeof(uint16_t);
}

/* With avail_event, likewise. */
static inline size_t vring_used_len(unsigned size)
{
	return offsetof(struct vring_used, ring) + sizeof(struct vring_used_elem) * size +
	       sizeof(uint16_t);
}

/* Driver writes, device reads: call me when the used index passes this. */
static inline uint16_t *vring_avail_used_event(struct vring_avail *avail, unsigned size)
{
	return &avail->ring[size];
}

/* Device writes, driver reads: kick me when the avail index passes this. */
static inline uint16_t *vring_used_avail_event(struct vring_used *used, unsigned size)
{
	return (uint16_t *)(void *)&used->ring[size];
}

/*
 * A place in a packed ring: the slot in bits 0 to 14, the lap's wrap counter in bit 15, as in the
 * event areas and in SET_VRING_BASE. The same slot is another place in the next lap, and the same
 * place again in the lap after that.
 */
#define VRING_PACKED_WRAP (1U << 15)
#define VRING_PACKED_SLOT (VRING_PACKED_WRAP - 1)

/* Where a new ring begins. */
#define VRING_PACKED_START VRING_PACKED_WRAP

#define VRING_PACKED_AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define VRING_PACKED_USED  (1U << VRING_PACKED_DESC_F_USED)

static inline unsigned vring_packed_slot(uint16_t at)
{
	return at & VRING_PACKED_SLOT;
}

/* n <= size slots further on. */
static inline uint16_t vring_packed_forward(uint16_t at, unsigned n, unsigned size)
{
	unsigned slot = vring_packed_slot(at) + n;

	if (slot < size)
		return (uint16_t)(at + n);
	return (uint16_t)((slot - size) | (~at & VRING_PACKED_WRAP));
}

/* n <= size slots back. */
static inline uint16_t vring_packed_back(uint16_t at, unsigned n, unsigned size)
{
	unsigned slot = vring_packed_slot(at);

	if (n <= slot)
		return (uint16_t)(at - n);
	return (uint16_t)((slot + size - n) | (~at & VRING_PACKED_WRAP));
}

/* Slots from one place forward to another: 0 .. 2 * size - 1. */
static inline unsigned vring_packed_distance(uint16_t from, uint16_t to, unsigned size)
{
	int n = (int)vring_packed_slot(to) - (int)vring_packed_slot(from);

	if ((from ^ to) & VRING_PACKED_WRAP)
		n += (int)size;
	else if (n < 0)
		n += 2 * (int)size;
	return (unsigned)n;
}

/*
 * Has the way from old to now, less than two laps, led over event? The other side asks for an event
 * less than a lap before or behind old.
 */
static inline bool vring_packed_passed(uint16_t event, uint16_t now, uint16_t old, unsigned size)
{
	return vring_packed_distance(old, event, size) < vring_packed_distance(old, now, size);
}

/* What AVAIL and USED are together in a descriptor that is available, or used, in the lap of at. */
static inline uint16_t vring_packed_avail_flags(uint16_t at)
{
	return at & VRING_PACKED_WRAP ? VRING_PACKED_AVAIL : VRING_PACKED_USED;
}

static inline uint16_t vring_packed_used_flags(uint16_t at)
{
	return at & VRING_PACKED_WRAP ? VRING_PACKED_AVAIL | VRING_PACKED_USED : 0;
}

static inline bool vring_packed_is_avail(uint16_t flags, uint16_t at)
{
	return (flags & (VRING_PACKED_AVAIL | VRING_PACKED_USED)) == vring_packed_avail_flags(at);
}

static inline bool vring_packed_is_used(uint16_t flags, uint16_t at)
{
	return (flags & (VRING_PACKED_AVAIL | VRING_PACKED_USED)) == vring_packed_used_flags(at);
}

/* len, id and flags, which both sides read and write as one. */
static inline vring_u64 *vring_packed_word(struct vring_packed_desc *desc)
{
	return (vring_u64 *)(void *)&desc->len;
}

static inline uint64_t vring_packed_join(uint32_t len, uint16_t id, uint16_t flags)
{
	return len | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

static inline vring_u32 *vring_packed_event(struct vring_packed_desc_event *event)
{
	return (vring_u32 *)(void *)event;
}

/* "Notify me when you pass at." */
static inline uint32_t vring_packed_event_at(uint16_t at)
{
	return at | (uint32_t)VRING_PACKED_EVENT_FLAG_DESC << 16;
}

/* "Always" or "never": ENABLE or DISABLE. */
static inline uint32_t vring_packed_event_flag(unsigned flag)
{
	return (uint32_t)flag << 16;
}

/*
 * Does the other side's event word ask for a notification of what came between old and now? Both
 * sides decide so. A flag that is reserved, or means nothing without EVENT_IDX, asks for all.
 */
static inline bool vring_packed_event_wanted(uint32_t event, bool event_idx, uint16_t now,
					     uint16_t old, unsigned size)
{
	unsigned flag = (event >> 16) & 3;

	if (event_idx && flag == VRING_PACKED_EVENT_FLAG_DESC)
		return vring_packed_passed((uint16_t)event, now, old, size);
	return flag != VRING_PACKED_EVENT_FLAG_DISABLE;
}

/*
 * The place where a device goes on after this SET_VRING_BASE, which holds the place of the next
 * available chain and, in the upper half, of the next used one. Chains are used in order, so the
 * upper half counts. DPDK's virtio-user sets the lower half only.
 */
static inline uint16_t vring_packed_base(uint32_t base)
{
	return (uint16_t)(base >> 16 ? base >> 16 : base);
}

#endif
