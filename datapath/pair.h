/* SPDX-License-Identifier: MIT */
/*
 * One queue pair of a device: its two queues, the iothread that runs them, and what is needed to
 * start them once more. For the device's files only: device.c tells it what a session wants,
 * handover.c lends its rings to the kernel.
 *
 * Owner: the control thread, which reaches the queues by iothread_call. A ring that the session
 * started stays "started" while the kernel has it; the queue is stopped then, and a stopped queue
 * ignores kicks, timers and the backend.
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

struct pair_ring {
	bool started; /* by the session */
	bool enabled;
	/* while started */
	struct virtq_config vq;
	int kick_fd;
};

struct pair {
	/* cold */
	const struct device_config *cfg; /* borrowed */
	struct iothread *thread;
	unsigned index;
	unsigned hdr_len;      /* of the rings that are started */
	enum pair_owner owner; /* changes only while both queues are stopped */
	uint64_t released_ns;  /* CLOCK_MONOTONIC: when pair_release() stopped the queues */
	struct pair_ring rings[PAIR_RINGS];
	bool attached; /* the backend's queue, see backend_ops.set_queue */

	/* each with its own hot part */
	struct rx_queue rx;
	struct tx_queue tx;
};

/* 0 or -ENOMEM. mode is copied. */
int pair_init(struct pair *p, const struct device_config *cfg, unsigned index,
	      struct iothread *thread);
void pair_deinit(struct pair *p);

/* Whether a ring of it can move frames. */
bool pair_in_use(const struct pair *p);

/* What a session asks of a ring that the kernel does not have (fds: or has). */
int pair_start(struct pair *p, unsigned ring, const struct virtq_config *vq, int kick_fd,
	       unsigned hdr_len);
uint32_t pair_stop(struct pair *p, unsigned ring);
void pair_enable(struct pair *p, unsigned ring, bool enabled);
void pair_set_fds(struct pair *p, unsigned ring, struct notifier call, struct notifier err);
void pair_pause(struct pair *p);
void pair_resume(struct pair *p);
/* While paused. */
void pair_move(struct pair *p, unsigned ring, const struct virtq_rings *rings);

enum pair_release {
	PAIR_RELEASED, /* nobody touches rings, tap or kicks; all that was taken is used */
	PAIR_PARKED,   /* not released: a received frame waits for buffers */
	PAIR_BROKEN,   /* not released: the guest broke a ring */
};

/* Stop both queues, of a pair whose rings are started, so that another may go on. */
enum pair_release pair_release(struct pair *p);
/* What pair_release() would answer now: nothing stops for the asking. */
enum pair_release pair_may_release(struct pair *p);
/*
 * Start them again where the rings stand now, look once as if kicked, and call once. It takes what
 * a release gave up, no more, so it has no cause to fail; if it did, the log would say which ring
 * stands still.
 */
void pair_reclaim(struct pair *p);

#endif
