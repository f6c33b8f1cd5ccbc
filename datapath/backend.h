/* SPDX-License-Identifier: MIT */
/*
 * The contract between the queues and whatever takes and gives frames: tap, null, loop, AF_XDP.
 *
 * A backend is made by its own constructor (datapath/backend/NAME.c), with as many queues as the
 * device has pairs. Its cold operations run on the control thread; queue operations run on the
 * iothread that owns the queue, once per batch, and never wait.
 *
 * tx completes in order. A backend that is done with a frame when tx() returns counts it as taken
 * and leaves tx_done NULL; one that finishes later keeps what it needs of the frame (the iovecs'
 * array is gone when tx() returns, the memory is not) and reports through tx_done. Frames not taken
 * stay the queue's, which offers them again after BACKEND_ROOM.
 */
#ifndef DATAPATH_BACKEND_H
#define DATAPATH_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/frame.h"
#include "datapath/stats.h"

/* What a queue may be waiting for. */
enum backend_event {
	BACKEND_ROOM = 1,   /* tx may take frames again */
	BACKEND_DONE = 2,   /* tx has completed some: ask tx_done */
	BACKEND_FRAMES = 4, /* rx may have frames */
};

/*
 * How a queue learns of one of these: by an fd, by wake(), or by looking again. Looking again is
 * the queue's own affair, with a timer: a backend that completes late and has an fd that is always
 * ready (a socket for which there is always room) costs no spin.
 *
 * A backend may change its waits on the control thread while the queue is stopped or paused; the
 * queue reads them anew when it goes on. On the iothread, from the queue's own operations, it may
 * only set an fd to -1: it will never be ready again, and is not waited for any more; and change
 * look_us, which is read when the queue begins to wait.
 */
struct backend_wait {
	int fd;           /* ready for events; -1: none */
	short events;     /* poll's */
	uint32_t look_us; /* fd -1: look again after so many us; 0: wake() tells */
};

/* What became of the thing behind a backend. */
enum backend_health {
	BACKEND_HEALTHY,
	BACKEND_LOST, /* gone, and reopen() may bring it back */
	BACKEND_DEAD, /* gone for good, e.g. fds that were passed in */
};

struct backend;
struct backend_queue;

/*
 * Constructors return 0 or a negative errno; then err says in one line what failed and what to do
 * about it.
 */
#define BACKEND_ERR_LEN 256

struct backend_ops {
	const char *name;

	/* control thread; these may wait for the kernel */

	/*
	 * Get ready for a driver that negotiated features, whose header is hdr_len bytes: set
	 * offloads, and throw away what waits in the queues: it came for the driver before.
	 * 0 or negative errno; then nothing has changed. Called before the first queue of a driver
	 * starts, again when the next driver comes.
	 */
	int (*start)(struct backend *backend, uint64_t features, unsigned hdr_len);
	/* Frames up to mtu bytes behind the Ethernet header will come. NULL: nothing to do. */
	int (*set_mtu)(struct backend *backend, uint16_t mtu);
	/*
	 * Queue q of a multi-queue backend is used or not from here on; all are at first. Before
	 * the queue's first frame and after its last: it is stopped, paused or disabled meanwhile.
	 * 0 or negative errno. NULL: nothing to do.
	 */
	int (*set_queue)(struct backend *backend, unsigned q, bool used);
	/*
	 * A guest is there or not: the carrier that the host sees follows. Frames may be moving
	 * meanwhile. Cannot fail: where the host forbids it, its carrier stays. NULL: nothing to
	 * do.
	 */
	void (*set_link)(struct backend *backend, bool up);
	/*
	 * Is the thing behind the backend still there? Unless it is healthy, why says in one line
	 * what happened to it. No side effect and no wait; frames may be moving meanwhile. NULL: it
	 * is always healthy.
	 */
	enum backend_health (*check)(struct backend *backend, char why[BACKEND_ERR_LEN]);
	/*
	 * Take it again after BACKEND_LOST, with the offloads, MTU and link that it was last told,
	 * also while it was lost; all its queues are used, as at first. They are paused or stopped
	 * now, and their waits are new afterwards. 0, or a negative errno and err: it is
	 * lost as before. NULL together with check, or when check never says BACKEND_LOST.
	 */
	int (*reopen)(struct backend *backend, char err[BACKEND_ERR_LEN]);
	void (*free)(struct backend *backend);

	/* iothread of the queue; these never wait */

	/*
	 * Take frames from the front; returns how many (dropped ones included: their n_chains
	 * count in stats), fewer than n when full. Each is taken whole or not at all.
	 */
	unsigned (*tx)(struct backend_queue *q, const struct frame *frames, unsigned n,
		       struct tx_stats *stats);
	/*
	 * How many frames completed since the last call. NULL: every frame that tx() took is
	 * complete.
	 */
	unsigned (*tx_done)(struct backend_queue *q);
	/*
	 * Give up what is in flight. True: nothing is any more, tx_done reports all that was taken.
	 * False: some frames cannot be recalled; BACKEND_DONE and tx_done will tell of them, and
	 * their memory is read until then. Such a backend's done has an fd or look_us, since no
	 * operation is called meanwhile that could wake(). What did not arrive is in
	 * stats->drop_backend. NULL together with tx_done.
	 */
	bool (*tx_cancel)(struct backend_queue *q, struct tx_stats *stats);
	/*
	 * Fill frames in order; sets each one's len. Returns how many, fewer than n when there are
	 * no more now, and always after a frame that spilled. NULL: nothing ever comes.
	 */
	unsigned (*rx)(struct backend_queue *q, struct frame *frames, unsigned n,
		       struct spill *spill, struct rx_stats *stats);
	/*
	 * Send an Ethernet frame (without virtio_net_hdr) that is no driver's: the device's own
	 * word, now and then. On the iothread of queue 0, between two calls of its tx; tx_done
	 * never counts it. 0, or a negative errno: it is lost. NULL: nothing would receive it.
	 */
	int (*send)(struct backend *backend, const void *frame, unsigned len);
};

/*
 * One queue pair. A backend whose wait has neither an fd nor look_us calls wake() from inside tx(),
 * tx_done() or rx() of the same pair.
 */
struct backend_queue {
	const struct backend_ops *ops;
	struct backend_wait room;   /* BACKEND_ROOM, while tx took fewer frames than it was given */
	struct backend_wait done;   /* BACKEND_DONE, while frames are in flight */
	struct backend_wait frames; /* BACKEND_FRAMES */
	const uint32_t *rx_waiting; /* frames that wait; NULL: not known before rx looks for them */
	int vhost_fd; /* the tap's queue, for the kernel's vhost-net in our place; -1: no tap */

	/* set by the device; may be NULL when no queue listens */
	void (*wake)(void *ctx, unsigned events);
	void *wake_ctx;
};

struct backend {
	const struct backend_ops *ops;
	uint64_t features; /* virtio-net bits that it can honour */
	/*
	 * Of these, by which many frames are better sent as one; 0: none. With tx_done it is 0: the
	 * header of a merged frame, and its parts, are gone when tx() returns.
	 */
	uint64_t merges;
	unsigned n_queues;
	struct backend_queue **queues; /* n_queues */
	const char *describe;          /* for the log: "tap tap0 (2 queues, TSO USO)" */
	const char *note; /* what it has to do without, and why, in a line; NULL or "": nothing */
};

static inline void backend_free(struct backend *backend)
{
	if (backend)
		backend->ops->free(backend);
}

static inline void backend_wake(struct backend_queue *q, unsigned events)
{
	if (q->wake)
		q->wake(q->wake_ctx, events);
}

#endif
