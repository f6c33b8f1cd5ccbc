/* SPDX-License-Identifier: MIT */
/*
 * The state of a drive, for the three files that share it: drive.c (set-up, repetition, loops),
 * out.c (a frame is offered) and back.c (it is seen again, at one stage after the other). Nobody
 * else includes it.
 *
 * Owner: the thread that drives.
 */
#ifndef BENCH_TXBENCH_DRIVE_STATE_H
#define BENCH_TXBENCH_DRIVE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "bench/txbench/drive.h"
#include "bench/txbench/flow.h"
#include "bench/txbench/frames.h"
#include "bench/txbench/load.h"
#include "bench/wire.h"
#include "virtio/base.h"

#define ETHERTYPE_TX 0x88b5 /* IEEE: for local experiments; what the driver sends */
#define ETHERTYPE_RX 0x88b6 /* likewise; what is put in at the wire */
#define NUMBER_AT    14     /* where a frame has its number, of 8 bytes: after the header */

#define TURN       64        /* most frames of one kind, before others have their turn */
#define GIVE_UP_NS 200000000 /* closed-loop: nothing came for so long, so go on without */

struct drive {
	struct drive_config cfg;
	const struct options *o;
	struct port *port;
	struct ring *tx;
	struct ring *rx;
	struct frames frames;
	struct load load;
	struct flow flow; /* where the options have one */

	/* what is done */
	bool open_loop;
	bool sends;    /* through the tx ring; else frames are put in at the wire */
	bool watches;  /* each frame on the wire: wire is open */
	bool receives; /* frames are awaited in the rx ring */
	bool numbered; /* the number in a frame is read, at the wire or in the rx ring */
	uint16_t awaited_type;
	struct wire wire;
	int inject_fd;                   /* or -1 */
	uint8_t injected[LOAD_MAX_SIZE]; /* the frame that is put in there */

	uint16_t *free_bufs; /* tx buffers that are not in flight */
	unsigned n_free;
	unsigned rx_unseen; /* rx buffers that were posted, but not submitted */
	unsigned rx_rest;   /* further buffers of the frame that is being received */

	/* the present repetition */
	struct repetition *rep;
	uint64_t now_ns;   /* this turn's */
	uint64_t start_ns; /* moments of the load count from here */
	uint64_t length_ns;
	uint64_t due_ns;       /* of the next frame; UINT64_MAX: none is left */
	uint64_t full_ns;      /* when the ring was last found full by a frame that was due */
	bool forced;           /* and the device was kicked for it */
	uint64_t published_ns; /* the last frame's */
	uint64_t moved_ns;     /* when something last came back, or was sent with nothing out */
	uint64_t unanswered;   /* frames that were offered since */
	uint64_t look_ns;      /* when to look whether the back-end is still there */
	uint64_t tell_ns;      /* when to tell of the progress */
	uint64_t given_up;     /* closed-loop: frames that are no longer waited for */
	unsigned n_given_up_in_turn;

	/* --calls each */
	bool armed;        /* a call comes with the next used frame */
	bool called_for;   /* it is owed: a frame was used */
	uint64_t *waiting; /* numbers of frames that were used, and whose call has not come */
	unsigned n_waiting, max_waiting;

	bool broken;
	char *why;
	unsigned why_size;
};

static inline uint64_t drive_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Frames of this repetition. */
static inline uint64_t drive_sent(const struct drive *d)
{
	return d->frames.next - d->frames.base;
}

/* Chains that the device has. */
static inline unsigned drive_in_ring(const struct drive *d)
{
	return d->tx->size - d->n_free;
}

/* Frames on their way: until they are used, or received where that is awaited. */
static inline uint64_t drive_in_flight(const struct drive *d)
{
	uint64_t answered = d->frames.seen + d->given_up;

	if (!d->receives)
		return drive_in_ring(d);
	/* What was given up may come after all. */
	return drive_sent(d) - min_u64(answered, drive_sent(d));
}

/* Something came back at at_ns. */
static inline void drive_moved(struct drive *d, uint64_t at_ns)
{
	d->moved_ns = at_ns;
	d->unanswered = 0;
	d->n_given_up_in_turn = 0;
}

/* No frame is due within ns. */
static inline bool drive_has_time(const struct drive *d, uint64_t ns)
{
	return d->due_ns > d->now_ns + ns;
}

/* The run ends; of several reasons the first one stays. */
void drive_fail(struct drive *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Open-loop: the frames that are due by now, as far as there is room; at least one is due. */
void out_offer_due(struct drive *d);
/* Open-loop: on to the next moment. */
void out_next_due(struct drive *d);
/* Closed-loop: as many of these frames as there is room for, at most a batch. */
void out_offer(struct drive *d, unsigned n);

/* The device is notified, and it is counted and timed. */
void out_kick(struct drive *d, struct ring *r);

/* Whatever has come back by now, from each place that is watched. */
void back_look(struct drive *d);
/* A frame lies on the wire or in the rx ring. */
bool back_has_more(const struct drive *d);
/* Calls since the last time, of the rings that they count of. */
uint64_t back_take_calls(struct drive *d);

#endif
