/* SPDX-License-Identifier: MIT */
/*
 * Counters of one queue. One writer, the iothread that owns the queue (count_add); any thread may
 * read with load_relaxed. They run from the creation of the device and are never reset, so that a
 * reader can take differences. Every frame that was taken off a ring or a backend and did not
 * arrive is in exactly one drop counter.
 */
#ifndef DATAPATH_STATS_H
#define DATAPATH_STATS_H

#include <stdint.h>

#include "virtio/net_hdr.h"

struct tx_stats {
	uint64_t frames;        /* handed to the backend and not refused by it */
	uint64_t bytes;         /* offered to the backend and taken, without virtio_net_hdr */
	uint64_t kicks;         /* wake-ups by the driver; several kicks may share one */
	uint64_t calls;         /* interrupts sent to the driver */
	uint64_t runs;          /* times the engine let the queue run */
	uint64_t rechecks;      /* going to sleep found something after all */
	uint64_t backend_full;  /* runs that ended because the backend took no more */
	uint64_t unsafe_plans;  /* plans of the engine that the queue had to correct */
	uint64_t drop_size;     /* longer than any backend takes */
	uint64_t drop_disabled; /* the ring was disabled */
	uint64_t drop_backend;  /* the backend failed on it, e.g. the tap is down */
	uint64_t broken;        /* times the guest broke the queue */
	/* virtio_net_hdr claims what was not negotiated or cannot be, by reason */
	uint64_t drop_header[NET_HDR_FAULTS];
};

struct rx_stats {
	uint64_t frames; /* delivered */
	uint64_t bytes;  /* of those, without virtio_net_hdr */
	uint64_t kicks;  /* wake-ups by the driver: it added buffers when there were none */
	uint64_t calls;  /* interrupts sent to the driver */
	uint64_t runs;
	uint64_t no_buffers;   /* runs that ended because the ring had no room */
	uint64_t spilled;      /* frames whose end went through the spill buffer */
	uint64_t drop_size;    /* longer than what one frame may have of buffers */
	uint64_t drop_no_room; /* longer than all buffers of a ring that is full of them */
	uint64_t drop_stopped; /* waited for buffers when the ring was stopped */
	uint64_t drop_backend; /* read failures of the backend */
	uint64_t broken;
};

#endif
