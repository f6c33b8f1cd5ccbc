/* SPDX-License-Identifier: MIT */
/* What a virtqueue's device half remembers, shared by all layouts. The verbs are in virtq.h. */
#ifndef VIRTIO_VIRTQ_STATE_H
#define VIRTIO_VIRTQ_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/base.h"
#include "virtio/chain.h"
#include "virtio/gmem.h"
#include "virtio/vring.h"

/* The three areas of a split ring, in our address space. */
struct virtq_rings {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

struct virtq_config {
	const struct gmem *mem; /* borrowed while the queue is started */
	struct virtq_rings rings;
	uint64_t features; /* negotiated */
	uint16_t size;     /* entries, a power of two */
	uint16_t base;     /* as SET_VRING_BASE gives it */
	int call_fd;       /* borrowed eventfd, O_NONBLOCK, or -1: the driver polls */
	int err_fd;        /* borrowed eventfd, O_NONBLOCK, or -1 */
};

struct virtq {
	/* cold: written while the queue is stopped */
	struct virtq_rings rings;
	const struct gmem *mem;
	uint16_t size;
	bool event_idx;
	bool indirect;
	int call_fd;
	int err_fd;

	/* hot: written by the owner of the running queue */
	uint16_t avail_idx cache_aligned; /* the driver's index as last read */
	uint16_t last_avail;              /* next entry to pop, runs free */
	uint16_t used_idx;                /* next entry to push, runs free */
	uint16_t signalled_used;          /* used_idx at the last decision to call or not */
	bool signalled_valid; /* false: a call was never decided, so call once too often */
	enum virtq_fault fault;
	uint16_t fault_idx; /* the available index at which the fault was found */
	unsigned mem_hint;
};

/* Mark the queue broken (the first fault stays) and signal err_fd. */
void virtq_break(struct virtq *vq, enum virtq_fault fault);

#endif
