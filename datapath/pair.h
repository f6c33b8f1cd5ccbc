/* SPDX-License-Identifier: MIT */
/*
 * One queue pair of a device: its two queues, the iothread that runs them, and what is needed to
 * start them once more. For the device's files only: device.c passes on what a session asks,
 * handover.c lends the rings to the kernel.
 *
 * Owner: the control thread, which reaches the queues by jobs of the pair's iothread, one at a
 * time. A ring that the session started stays "started" while the kernel has it; the queue is
 * stopped then, and a stopped queue ignores kicks, timers and the backend.
 */
#ifndef DATAPATH_PAIR_H
#define DATAPATH_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/device_types.h"
#include "datapath/rx.h"
#include "datapath/tx/queue.h"
#include "virtio/virtq.h"

/* As in vhost-user and in vhost_net.h: 0 is the guest's rx ring, 1 its tx ring. */
enum { PAIR_RX, PAIR_TX, PAIR_RINGS };

enum pair_owner {
	PAIR_USER,
	PAIR_KERNEL,
};

/* Whether the user datapath can let go of a pair. */
enum pair_release {
	PAIR_RELEASED, /* the queues touch nothing; all chains taken off a ring are used */
	PAIR_PARKED,   /* not released: a received frame waits for buffers */
	PAIR_BROKEN,   /* not released: the guest broke a ring */
};

/* What the control thread may ask of a pair's iothread. */
enum pair_op {
	PAIR_START, /* these four: of one ring, see the functions below */
	PAIR_STOP,
	PAIR_ENABLE,
	PAIR_TAKE_FDS,
	PAIR_SET_MODE,     /* see pair_set_mode() */
	PAIR_SET_COALESCE, /* of the job: enabled */
	PAIR_PROGRESS,     /* see pair_progress() */
	PAIR_PAUSE, /* no ring touches guest memory, no frame is in flight, until PAIR_RESUME */
	PAIR_RESUME,
	PAIR_ASK,     /* what PAIR_RELEASE would answer now, in job.release; nothing stops for it */
	PAIR_RELEASE, /* stop both queues so that another may go on, if job.release says so */
	/*
	 * Start the queues that the session started at the rings' used indices, run each once as
	 * if it had been kicked, and call the driver once for each. It needs no more watches and
	 * memory than the queues had before PAIR_RELEASE, so it has no cause to fail; if it did,
	 * the log would name the ring that stands still.
	 */
	PAIR_RECLAIM,
};

struct pair_ring {
	bool started; /* by the session */
	bool wanted;  /* enabled by it; the device's, which may want otherwise */
	bool enabled;
	/* while started */
	struct virtq_config vq;
	int kick_fd;
};

/* The job in progress, what it is about, and its answer. */
struct pair_job {
	struct iothread_job job;
	enum pair_op op;
	unsigned ring;
	bool enabled;
	int result;
	uint32_t base;
	enum pair_release release;
	struct device_progress progress;
	bool releasing; /* PAIR_RELEASE has begun to stop the queues */
};

struct pair {
	/* cold */
	const struct device_config *cfg; /* borrowed */
	struct iothread *thread;
	unsigned index;
	unsigned hdr_len;      /* of the rings that are started */
	enum pair_owner owner; /* changes only while both queues are stopped */
	uint64_t released_ns;  /* CLOCK_MONOTONIC: when PAIR_RELEASE stopped the queues */
	struct pair_ring rings[PAIR_RINGS];
	struct pair_job job;
	bool attached;       /* the backend's queue: see backend_ops.set_queue */
	struct tx_mode mode; /* what its tx queue runs by, or will when it has the ring again */
	bool mode_waits;     /* it was changed while the kernel has the ring */

	/* each with its own hot part */
	struct rx_queue rx;
	struct tx_queue tx;
};

/* 0 or -ENOMEM. The mode of cfg is copied. */
int pair_init(struct pair *p, const struct device_config *cfg, unsigned index,
	      struct iothread *thread);
void pair_deinit(struct pair *p);

/* Whether a ring of it can move frames. */
bool pair_in_use(const struct pair *p);

/*
 * Attach the backend's queue or detach it, of a pair that is not in use; it may wait long for the
 * kernel, and no iothread waits with it. A failure is logged. Attached before the pair's first
 * frame, detached some time after its last.
 */
void pair_attach(struct pair *p, bool attached);

/* An operation on the whole pair, as one of a batch; and alone, until it has ended. */
void pair_post(struct pair *p, struct iothread_batch *batch, enum pair_op op);
void pair_run(struct pair *p, enum pair_op op);

/* What a session asks of a ring that the kernel does not have (fds: or has). */
int pair_start(struct pair *p, unsigned ring, const struct virtq_config *vq, int kick_fd,
	       unsigned hdr_len);
uint32_t pair_stop(struct pair *p, unsigned ring);
void pair_enable(struct pair *p, unsigned ring, bool enabled);
void pair_set_fds(struct pair *p, unsigned ring, struct notifier call, struct notifier err);
/*
 * Another tx mode from here on, for this session and those that come; no frame is lost or overtaken
 * by it. While the kernel has the pair the mode waits until PAIR_RECLAIM.
 */
void pair_set_mode(struct pair *p, const struct tx_mode *mode);
/* Whether neighbours of a flow leave as one, where the backend gains by it; from here on. */
void pair_set_coalesce(struct pair *p, bool on);
/* How far its tx queue is; nothing stops for it. Of a pair that the kernel does not have. */
struct device_progress pair_progress(struct pair *p);
/* While paused: the control thread may touch the queue. */
void pair_move(struct pair *p, unsigned ring, const struct virtq_rings *rings);

/*
 * Another iothread runs the pair from here on, with no frame lost. Not PAIR_RELEASED: it stays
 * where it is. The user datapath has it; thread has room for its watches.
 */
enum pair_release pair_set_thread(struct pair *p, struct iothread *thread);

/* PAIR_RELEASE of a pair whose rings are started. */
enum pair_release pair_release(struct pair *p);

#endif
