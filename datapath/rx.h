/* SPDX-License-Identifier: MIT */
/*
 * An rx queue: backend -> ring. Frames are read straight into the guest's buffers; only the end of
 * a frame that is larger than expected goes through a private spill buffer, so that none is ever
 * cut.
 *
 * The backend is never asked while the ring has no buffers. Ownership and threads as in tx/queue.h.
 */
#ifndef DATAPATH_RX_H
#define DATAPATH_RX_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/await.h"
#include "datapath/backend.h"
#include "datapath/iothread.h"
#include "datapath/latency.h"
#include "datapath/stats.h"
#include "virtio/virtq.h"

struct rx_queue {
	/* cold: written while the queue is stopped */
	struct iothread *thread;
	struct backend_queue *bq;
	unsigned hdr_len;
	bool mergeable;                        /* a frame may take several chains */
	void (*on_broken)(struct rx_queue *q); /* on the iothread, once per fault; may be NULL */

	struct latency *latency; /* of the queue, until deinit; what it points to is hot */

	/* hot: the iothread */
	struct virtq vq;
	bool running;
	bool enabled;    /* false: frames stay in the backend */
	unsigned batch;  /* frames to ask the backend for, where it does not tell how many wait */
	unsigned gather; /* frames for which to gather chains, since a recent one needed several */
	const uint8_t *parked; /* a whole frame in private memory that waits for buffers, or NULL */
	uint32_t parked_len;
	uint8_t *memory; /* room for it: as much before spill.buf as behind */
	struct spill spill;
	struct iothread_work run_work;
	struct iothread_watch kick_watch;
	struct await ready;
	struct rx_stats stats;
};

struct rx_queue_config {
	struct virtq_config vq;
	int kick_fd; /* borrowed until stop; -1: only rx_queue_kick() kicks */
	unsigned hdr_len;
};

/* 0 or -ENOMEM. */
int rx_queue_init(struct rx_queue *q, struct iothread *thread, struct backend_queue *bq);
void rx_queue_deinit(struct rx_queue *q);
/* Another iothread runs it when it starts next: it is stopped. */
void rx_queue_set_thread(struct rx_queue *q, struct iothread *thread);

/* 0 or -ENOMEM. */
int rx_queue_start(struct rx_queue *q, const struct rx_queue_config *cfg);
/*
 * No guest memory is touched until rx_queue_resume(): rx is never in flight, so a pause ends at
 * once.
 */
void rx_queue_pause(struct rx_queue *q);
void rx_queue_resume(struct rx_queue *q);
/*
 * Pause for good; returns virtq_base(). A parked frame is dropped. Whatever goes on with the ring
 * (the kernel, the next rx_queue_start) does so at its used index.
 */
uint32_t rx_queue_stop(struct rx_queue *q);

/* A frame that was taken off the backend waits for buffers: it would be lost by a stop. */
static inline bool rx_queue_has_parked(const struct rx_queue *q)
{
	return q->parked;
}

/* While not enabled, nothing is asked of the backend. */
void rx_queue_enable(struct rx_queue *q, bool enabled);

/* The driver kicked: it added buffers. */
void rx_queue_kick(struct rx_queue *q);

/* The backend has BACKEND_FRAMES; does not run the queue in the caller's frame. */
void rx_queue_ready(struct rx_queue *q);

#endif
