/* SPDX-License-Identifier: MIT */
/*
 * What the driver's half of a virtqueue remembers, shared by all layouts. The verbs are in ring.h.
 *
 * Everything the driver relies on is kept here, never read back from shared memory: a device that
 * scribbles over descriptors harms its own view only.
 */
#ifndef VIRTIO_DRIVER_RING_STATE_H
#define VIRTIO_DRIVER_RING_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/base.h"
#include "virtio/virtq_state.h"

/* What a device did wrong. The ring gives nothing back from then on. */
enum ring_fault {
	RING_OK,
	RING_FAULT_USED_IDX, /* more used than was available */
	RING_FAULT_ID,       /* a used id beyond the table */
	RING_FAULT_IDLE,     /* a used id that was not in flight */
	RING_FAULT_LEN,      /* more bytes written than the chain has room for */
	RING_FAULT_ORDER,    /* IN_ORDER, and a later chain before an earlier one */
	RING_FAULTS,
};

/* One chain in flight, kept at the index of its head (split) or its buffer id (packed). */
struct ring_slot {
	uint64_t token;
	uint32_t in_len; /* bytes that the device may write */
	uint16_t n;      /* ring descriptors that it took; 0: not in flight */
	uint16_t last;   /* the last of them; if packed, the chain's id */
};

struct ring_config {
	struct virtq_rings areas;
	uint64_t features; /* negotiated */
	unsigned size;     /* entries; a power of two if split */
	uint16_t base;     /* entries that went before: 0 unless wrap-around is to come soon */
	int kick_fd;       /* borrowed eventfd or -1 */
	/* Indirect tables, table_len descriptors each, one for each entry of the ring; or NULL */
	struct vring_desc *tables;
	uint64_t tables_gpa;
	unsigned table_len;
};

struct ring {
	/* cold */
	struct ring_config cfg;
	struct ring_slot *slots;
	/*
	 * Split: the next free descriptor; of one in flight: the next of its chain. Packed: the
	 * free buffer ids, from free_head round to free_tail.
	 */
	uint16_t *next;

	/* what fill, use and submit read only */
	struct virtq_rings areas cache_aligned;
	uint16_t size;
	bool packed;
	bool event_idx;
	bool in_order;

	/*
	 * hot: written by the one thread that plays the driver. An index runs free if the ring is
	 * split, and is a place (virtio/vring.h) if it is packed.
	 */
	uint16_t avail_idx;     /* next entry to fill */
	uint16_t submitted_idx; /* what the device may see */
	uint16_t kicked_idx;    /* submitted_idx at the last decision to kick or not */
	uint16_t used_idx;      /* split: the device's index as last read */
	uint16_t last_used;     /* next entry to use */
	uint16_t free_head;
	uint16_t free_tail;
	uint16_t oldest;   /* IN_ORDER: the head that must be used next */
	uint16_t skip;     /* IN_ORDER: chains left of a batch that one used element ended */
	uint32_t skip_len; /* and the length that belongs to its last */
	unsigned n_free;
	uint64_t first_avail; /* packed: what goes to submitted_idx, and makes the batch visible */
	enum ring_fault fault;
};

/* One chain that came back. */
struct ring_used {
	uint64_t token;
	uint32_t len; /* bytes that the device wrote */
};

enum ring_outcome {
	RING_EMPTY,
	RING_USED,
	RING_BROKEN, /* r->fault says what the device did */
};

/* The next index of a table as long as the ring. */
static inline uint16_t ring_inc(const struct ring *r, uint16_t i)
{
	return i + 1 == r->size ? 0 : (uint16_t)(i + 1);
}

/* Marks the ring broken; the first fault stays. */
static inline enum ring_outcome ring_break(struct ring *r, enum ring_fault fault)
{
	if (!r->fault)
		r->fault = fault;
	return RING_BROKEN;
}

/*
 * IN_ORDER: a device may use a batch, here of at most limit chains, by its last element alone. *id
 * and *len are that element's, or of no matter within a batch; they become those of the chain that
 * is the next to come back. False: the ring broke.
 */
bool ring_skip(struct ring *r, unsigned limit, uint32_t *id, uint32_t *len);

#endif
