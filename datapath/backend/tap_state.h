/* SPDX-License-Identifier: MIT */
/* What a tap's two halves share: tap.c moves the frames, tap_link.c sees to the interface. */
#ifndef DATAPATH_BACKEND_TAP_STATE_H
#define DATAPATH_BACKEND_TAP_STATE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"

struct tap_queue {
	/* cold */
	struct backend_queue base;
	int fd;
	bool attached;
	uint64_t flushed; /* frames thrown away by start, which rx has yet to count */

	/* hot: the iothread */
	uint32_t max_len; /* no longer frame is expected, header included */
	uint32_t hdr_len; /* set by start */
};

struct tap_backend {
	struct backend base;
	char describe[96];
	char name[IFNAMSIZ]; /* to open it again by; empty: the fds were passed in */
	bool macvtap;        /* or ipvtap: the kernel's other driver of such fds */
	int carrier;         /* what set_link said last; -1: nothing yet */
	int sock;            /* for what the interface is asked by name */
	unsigned offloads;   /* TUN_F_*, as the driver negotiated them */
	unsigned usable;     /* TUN_F_*: what it takes */
	int hdr_len;
	uint16_t mtu;           /* what set_mtu said last; 0: nothing yet */
	struct tap_queue *list; /* the queues themselves */
	struct backend_queue *queues[];
};

/* What the queue waits for: fd, or -1 when it is not to wait. */
static inline void tap_set_fd(struct tap_queue *q, int fd)
{
	q->base.room.fd = q->base.frames.fd = fd;
}

#endif
