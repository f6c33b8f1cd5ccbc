/* SPDX-License-Identifier: MIT */
/*
 * Wire layout of a split virtqueue (virtio 1.2 section 2.7). The structures are the kernel's UAPI;
 * this page adds their sizes, alignments and the two event words that hang off their ends. The
 * packed ring's layout comes beside it.
 */
#ifndef VIRTIO_VRING_H
#define VIRTIO_VRING_H

#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

/* Largest split ring (2.7: Queue Size is a power of two, at most 32768). */
#define VRING_MAX_SIZE 32768

/* The upper half of a descriptor (len, flags, next) in one load or store. */
typedef uint64_t __attribute__((may_alias)) vring_u64;

#define VRING_DESC_ALIGN  16
#define VRING_AVAIL_ALIGN 2
#define VRING_USED_ALIGN  4

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

#endif
