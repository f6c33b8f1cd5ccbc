/* SPDX-License-Identifier: MIT */
/*
 * A tx queue: runs frames ring -> backend -> used when its engine's plan says so, and owns the
 * safety envelope that engine.h describes. Frames complete in ring order, always: a front-end that
 * lost us resumes from the used index.
 *
 * Owner: the iothread, from start to stop. The functions below are called there (in jobs of the
 * control thread's), except init and deinit, which are the control thread's while the queue is
 * stopped. Counters may be read by anyone.
 */
#ifndef DATAPATH_TX_QUEUE_H
#define DATAPATH_TX_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"
#include "datapath/iothread.h"
#include "datapath/stats.h"
#include "datapath/tx/batch.h"
#include "datapath/tx/engine.h"
#include "datapath/tx/flight.h"
#include "virtio/virtq.h"

struct tx_queue {
	/* cold: written while the queue is stopped */
	struct iothread *thread;
	struct backend_queue *bq;
	const struct tx_engine *engine;
	void (*on_broken)(struct tx_queue *q); /* on the iothread, once per fault; may be NULL */

	/* hot: the iothread */
	struct virtq vq;
	bool running;
	struct tx_rules rules; /* only enabled changes while it runs */
	bool blocked;          /* the backend was full: the next run waits for BACKEND_ROOM */
	uint32_t burst;
	uint64_t waiting_ns;     /* since when the engine puts off the next run; 0: it does not */
	struct tx_flight flight; /* empty unless the backend completes late */
	uint8_t state[TX_ENGINE_MAX_STATE] __attribute__((aligned(16)));
	struct iothread_work run_work;
	struct iothread_work ready_work;
	struct iothread_timer timer;
	struct iothread_watch kick_watch;
	struct iothread_watch room_watch;
	struct iothread_watch done_watch;
	struct tx_stats stats;
};

struct tx_queue_config {
	struct virtq_config vq;
	int kick_fd; /* borrowed until stop; -1: only tx_queue_kick() kicks */
	unsigned hdr_len;
};

void tx_queue_init(struct tx_queue *q, struct iothread *thread, struct backend_queue *bq,
		   const struct tx_mode *mode);
void tx_queue_deinit(struct tx_queue *q);

/* Begin, and look into the ring as if kicked. 0 or -ENOMEM. */
int tx_queue_start(struct tx_queue *q, const struct tx_queue_config *cfg);

/*
 * No more frames, nothing in flight, no guest memory touched, until tx_queue_resume. What the
 * backend still held is cancelled and completed. Work that was owed is done after resume.
 */
void tx_queue_pause(struct tx_queue *q);
void tx_queue_resume(struct tx_queue *q);

/*
 * Pause for good; virtq_base(). Whoever goes on with the ring does so at its used index, and so
 * does the next tx_queue_start.
 */
uint32_t tx_queue_stop(struct tx_queue *q);

/* While not enabled, frames are completed unsent. */
void tx_queue_enable(struct tx_queue *q, bool enabled);

/* Another engine from here on; no frame is lost. */
void tx_queue_set_mode(struct tx_queue *q, const struct tx_mode *mode);

/* The driver kicked. */
void tx_queue_kick(struct tx_queue *q);

/* The backend has BACKEND_ROOM or BACKEND_DONE; does not run the queue in the caller's frame. */
void tx_queue_ready(struct tx_queue *q);

#endif
