/* SPDX-License-Identifier: MIT */
/*
 * What a device, its hand-over to the kernel and its queue pairs share: their configuration, and
 * the words for what moves the frames. Types only: device.h is what others include.
 */
#ifndef DATAPATH_DEVICE_TYPES_H
#define DATAPATH_DEVICE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"
#include "datapath/iothread.h"
#include "datapath/tx/engine.h"
#include "virtio/foreign.h"

/* How urgent a line for the log is. */
enum device_level {
	DEVICE_WARNING, /* guest, front-end, kernel or backend do something wrong */
	DEVICE_INFO,
	DEVICE_DEBUG, /* each message of a front-end */
};

struct device_config {
	struct backend *backend; /* borrowed; its queues are the device's queue pairs */
	struct iothread *const
		*threads; /* borrowed; the pairs take turns on them, from first_thread */
	unsigned n_threads;
	unsigned first_thread;
	const char *name; /* of the card, for tracers; borrowed, until device_free(); NULL: none */
	const struct tx_mode *mode; /* copied */
	uint16_t mtu;               /* offered to the driver; 0: none */
	bool coalesce; /* neighbours of a flow leave as one, where the backend gains by it */
	bool has_mac;  /* the MAC is offered to a front-end that asks for it */
	/* A line for the log, without newline; control thread or an iothread, never per frame. */
	void (*log)(void *ctx, enum device_level level, const char *line);
	void *log_ctx;
	struct foreign foreign; /* how what front-ends sent is given up */
};

/* What moves the frames, and what is to be done about it. */
enum device_driver {
	DEVICE_KERNEL, /* the kernel, those of all pairs in use */
	DEVICE_WAITS,  /* the user datapath: the kernel is not wanted, or the driver is not ready */
	DEVICE_RETRY,  /* the user datapath, for now: a frame on its way is in the way */
	DEVICE_CANNOT, /* the user datapath: the kernel cannot be had */
};

/* How far a pair's tx queue is with what the driver has offered. */
struct device_progress {
	bool rests;   /* it sleeps until the next kick: the ring is empty, nothing is on its way */
	bool broken;  /* by the guest: nothing more leaves */
	bool full;    /* the backend takes no more for now */
	bool put_off; /* the engine waits for its time */
	unsigned in_flight; /* frames that the backend has not completed */
	uint64_t left;      /* frames that have left the ring for good, ever */
	unsigned ring_size; /* so many may wait in it */
};

/* No deadline. */
#define DEVICE_NEVER UINT64_MAX

/*
 * How long nothing must have changed before what is slow is done: a front-end that starts a driver
 * changes each ring many times, and one may go to and fro.
 */
#define DEVICE_QUIET_NS 20000000

/*
 * Hand-overs one way, each of one queue pair or of several at a time. A blackout is the time in
 * which the frames of one of them stood still.
 */
struct device_handovers {
	uint64_t n;
	uint64_t last_us;
	uint64_t max_us;
};

#endif
