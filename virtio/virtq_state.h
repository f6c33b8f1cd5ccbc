/* SPDX-License-Identifier: MIT */
/* What a virtqueue's device half remembers, shared by all layouts. The verbs are in virtq.h. */
#ifndef VIRTIO_VIRTQ_STATE_H
#define VIRTIO_VIRTQ_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/base.h"
#include "virtio/chain.h"
#include "virtio/gmem.h"
#include "virtio/notifier.h"
#include "virtio/virtq_inflight.h"
#include "virtio/vring.h"

/* The three areas of a ring, in our address space: descriptors, the driver's, the device's. */
struct virtq_rings {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
};

struct virtq_config {
	const struct gmem *mem; /* borrowed while the queue is started */
	struct virtq_rings rings;
	uint64_t features;    /* negotiated */
	uint16_t size;        /* entries; a power of two if split */
	uint32_t base;        /* of SET_VRING_BASE; packed: vring_packed_base() is in the ring */
	struct notifier call; /* borrowed; none: the driver polls */
	struct notifier err;  /* borrowed */
	struct virtq_inflight *inflight; /* borrowed, shared memory, or NULL */
};

struct virtq {
	/* cold: written while the queue is stopped */
	struct virtq_rings rings;
	const struct gmem *mem;
	uint16_t size;
	bool packed;
	bool event_idx;
	bool indirect;
	struct notifier call;
	struct notifier err;
	struct virtq_inflight *inflight; /* packed: where the ring stands is noted there; or NULL */

	/*
	 * hot: written by the owner of the running queue. An index runs free if the ring is split,
	 * and is a place (vring.h) if it is packed.
	 */
	uint16_t avail_idx cache_aligned; /* behind the last chain that was seen */
	uint16_t last_avail;              /* next entry to pop */
	uint16_t used_idx;                /* next entry to push */
	uint16_t published_idx;           /* packed: next entry to publish */
	uint16_t signalled_used;          /* used_idx at the last decision to call or not */
	bool signalled_valid; /* false: a call was never decided, so call once too often */
	bool disarmed;        /* the ring says "no kicks": that need not be written again */
	enum virtq_fault fault;
	uint16_t fault_idx; /* the available index, or slot, at which the fault was found */
	unsigned mem_hint;
	uint64_t first_used; /* packed: what goes to published_idx, and makes the batch visible */
};

/* Mark the queue broken (the first fault stays) and notify the front-end's err fd. */
static inline void virtq_break(struct virtq *vq, enum virtq_fault fault)
{
	if (vq->fault)
		return;
	vq->fault = fault;
	vq->fault_idx = vq->packed ? (uint16_t)vring_packed_slot(vq->last_avail) : vq->last_avail;
	notifier_send(&vq->err);
}

/*
 * The table behind an indirect descriptor, which is bytes long at addr: whole, in one piece; *n is
 * its number of entries, which are of one size in both layouts. NULL: the descriptor is bad.
 */
void *virtq_state_table(struct virtq *vq, uint64_t addr, uint32_t bytes, uint16_t flags,
			unsigned *n);

#endif
