/* SPDX-License-Identifier: MIT */
/*
 * A tx queue: runs frames ring -> backend -> used when its engine's plan says so, and owns the
 * safety envelope that engine.h describes. Frames complete in ring order, always: a front-end that
 * lost its back-end resumes from the used index.
 *
 * Owner: the iothread, from start to stop. The functions below are called there (in jobs of the
 * control thread's), except init and deinit, which are the control thread's while the queue is
 * stopped. Counters may be read by anyone.
 */
#ifndef DATAPATH_TX_QUEUE_H
#define DATAPATH_TX_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/await.h"
#include "datapath/backend.h"
#include "datapath/iothread.h"
#include "datapath/latency.h"
#include "datapath/stats.h"
#include "datapath/tx/batch.h"
#include "datapath/tx/engine.h"
#include "datapath/tx/flight.h"
#include "virtio/virtq.h"

/* A run in the making: up to a burst of frames, in as many turns of the iothread as it takes. */
struct tx_run {
	bool open; /* the bytes of a turn were used up: it goes on, the engine is not asked yet */
	bool rest; /* it had its bytes in this turn before the turn came to the queue's work */
	enum tx_event told_as; /* what the engine will hear: TX_RAN or TX_RECHECKED */
	uint32_t sent;
};

struct tx_queue {
	/* cold: written while the queue is stopped */
	struct iothread *thread;
	struct backend_queue *bq;
	const struct tx_engine *engine;
	void (*on_broken)(struct tx_queue *q); /* on the iothread, once per fault; may be NULL */
	/*
	 * on the iothread: a pause that tx_queue_pause() left unfinished is complete; may be NULL
	 */
	void (*on_paused)(struct tx_queue *q);

	const char *nic; /* these two for tracers (probe.h); "" if its card has no name */
	unsigned pair;
	struct latency *latency; /* of the queue, until deinit; what it points to is hot */

	/* hot: the iothread */
	struct virtq vq;
	bool running;
	bool pausing;          /* not running, but frames are still in flight */
	bool blocked;          /* the backend was full: the next run waits for BACKEND_ROOM */
	bool unheard;          /* the engine was changed while blocked and has not heard TX_START */
	struct tx_rules rules; /* only enabled and merges change while it runs */
	uint32_t burst;        /* of the next run, or of the one that is open */
	struct tx_run run;
	uint64_t waiting_ns;     /* since when the engine puts off the next run; 0: it does not */
	struct tx_flight flight; /* empty unless the backend completes late */
	uint8_t state[TX_ENGINE_MAX_STATE] __attribute__((aligned(16)));
	struct iothread_work run_work;
	struct iothread_work ready_work;
	unsigned ready; /* for ready_work: enum backend_event, or-ed */
	struct iothread_timer timer;
	struct iothread_watch kick_watch;
	struct await room;
	struct await done;
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
/* Another iothread runs it when it starts next: it is stopped. */
void tx_queue_set_thread(struct tx_queue *q, struct iothread *thread);

/* Begin, and look into the ring as if the driver had kicked. 0 or -ENOMEM. */
int tx_queue_start(struct tx_queue *q, const struct tx_queue_config *cfg);

/*
 * No more frames are taken, and what the backend holds is cancelled and completed. True: nothing is
 * in flight and no guest memory is touched until tx_queue_resume(). False: the backend cannot
 * recall some frames; on_paused() tells when the last has completed, and only then is it so. Work
 * that was owed is done after resume. Pausing what is paused changes nothing.
 */
bool tx_queue_pause(struct tx_queue *q);
void tx_queue_resume(struct tx_queue *q);

/*
 * Pause for good; returns virtq_base(). If the backend cannot recall frames, the queue must have
 * been paused before, until on_paused(). Whatever goes on with the ring (the kernel, the next
 * tx_queue_start) does so at its used index.
 */
uint32_t tx_queue_stop(struct tx_queue *q);

/* While not enabled, frames are completed unsent. */
void tx_queue_enable(struct tx_queue *q, bool enabled);

/*
 * Another engine from here on; no frame is lost. The first that it hears is TX_START: now, or when
 * the queue is resumed or the backend has room.
 */
void tx_queue_set_mode(struct tx_queue *q, const struct tx_mode *mode);

/* The driver kicked. */
void tx_queue_kick(struct tx_queue *q);

/*
 * The backend has BACKEND_ROOM, BACKEND_DONE or both; does not run the queue in the caller's frame.
 */
void tx_queue_ready(struct tx_queue *q, unsigned events);

#endif
