/* SPDX-License-Identifier: MIT */
/*
 * How long frames are with a queue, and why the slowest were slow. Always on: a stamp a batch, not
 * a frame (docs/latency.md says what it costs).
 *
 * A frame's residence begins when the queue could first know of it and ends when the driver can see
 * it used (rx: filled). What is seen, and when:
 *
 *  - a wake-up (a kick, a backend that has frames, a look before going to sleep that found some)
 *    counts for all frames that the next look at the ring finds;
 *  - frames that a look found, and that no batch took yet, keep their time;
 *  - what a later look finds, of a ring that may never have been empty, counts from the end of the
 *    batch before.
 *
 * So it is exact for the first frame after a wake-up, and an upper bound for those behind it.
 *
 * Between its stamps a queue is always in one enum latency_part; the time in each adds up to the
 * residence exactly, and the largest is the reason why a frame was slow.
 *
 * Owner: the iothread of the queue. Readers, on any thread, use latency_copy().
 */
#ifndef DATAPATH_LATENCY_H
#define DATAPATH_LATENCY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "datapath/histogram.h"
#include "virtio/base.h"

/* What a queue does while a frame waits. */
enum latency_part {
	LATENCY_IDLE,  /* sleeps, or is paused: no frame is seen */
	LATENCY_TURN,  /* waits for its turn: the iothread does something else */
	LATENCY_DELAY, /* its engine puts the run off, until the time that it planned */
	LATENCY_LATE,  /* that time is gone by, and the timer is not yet called */
	LATENCY_FULL,  /* the backend takes no more; rx: the driver gave no buffers */
	LATENCY_RUN,   /* moves frames itself, the backend's system calls included */
	LATENCY_DONE,  /* the backend has the frame and is not done with it */
	LATENCY_PARTS,
};

/* How the queue learned of a frame. */
enum latency_cause {
	LATENCY_KICK, /* it slept, and was woken: tx by the driver, rx by the backend */
	LATENCY_LOOK, /* it looked before it went to sleep, or was started anew */
	LATENCY_BUSY, /* it found the frame while it ran */
	LATENCY_CAUSES,
};

/* One of the slowest: n frames of one batch. 64-bit words, which readers copy one by one. */
struct latency_worst {
	uint64_t when_ns; /* CLOCK_MONOTONIC: when the last of them was used */
	uint64_t residence_ns;
	uint64_t frames;
	uint64_t cause;  /* enum latency_cause */
	uint64_t reason; /* enum latency_part: the largest of waited_ns */
	uint64_t waited_ns[LATENCY_PARTS];
};

#define LATENCY_WORST       10
#define LATENCY_INTERVAL_NS 10000000000

/* The worst batches of an interval, in no order. */
struct latency_interval {
	uint64_t start_ns; /* CLOCK_MONOTONIC; 0: there was no such interval */
	uint64_t n;
	struct latency_worst worst[LATENCY_WORST];
};

/* What is kept of a queue, since its creation. */
struct latency_record {
	struct histogram residence; /* ns, of frames */
	struct histogram to_sent;   /* ns: seen -> the backend took it. Only of frames done later */
	struct histogram to_used;   /* ns: that -> used. Likewise; else the two are one moment */
	struct histogram batch;     /* frames, of batches */
	struct histogram wake;      /* ns: what made a run due -> it began */
	struct histogram late;      /* ns: the time of a TX_AT plan -> the timer was called */
	struct histogram run;       /* ns: runs that moved frames, without others' turns between */
	struct latency_interval intervals[2]; /* the present one, and the one before */
};

/* Batches that a backend has and is not done with; more than these share the last one. */
#define LATENCY_MARKS 64

struct latency_mark {
	uint64_t seen_ns;
	uint64_t sent_ns;
	uint64_t waited_ns[LATENCY_PARTS]; /* until it was sent */
	uint32_t n;                        /* chains left of it */
	uint32_t cause;
};

/* All that is found by the next look. */
#define LATENCY_ALL UINT32_MAX

struct latency {
	/* hot: the iothread */
	uint64_t at_ns; /* the last stamp: part goes on since then */
	uint64_t total_ns[LATENCY_PARTS];
	uint64_t known_ns; /* when the queue saw what is known */
	uint64_t worst_ns; /* a residence above belongs to the worst of this interval */
	uint64_t end_ns;   /* of the interval */
	uint64_t told_ns;  /* what makes the next run due came then */
	uint64_t wake_ns;  /* of the run that is open: told_ns to its begin */
	uint64_t ran_ns;   /* total_ns[LATENCY_RUN] at its begin */
	enum latency_part part;
	enum latency_cause cause;
	uint32_t known;                         /* chains seen and not taken, or LATENCY_ALL */
	uint64_t known_total_ns[LATENCY_PARTS]; /* total_ns at known_ns */

	/* for a backend that completes late: oldest first, from first_mark on, around */
	uint32_t first_mark, n_marks;
	struct latency_mark marks[LATENCY_MARKS];

	/* written here, read by anyone */
	uint64_t sequence; /* odd while record.intervals is written */
	struct latency_record record;
};

/* In memory that is touched where it is used; NULL: there is none. */
struct latency *latency_new(void);
void latency_free(struct latency *l);

/* The queue starts, or goes on: what it knew before is void, the record stays. */
void latency_start(struct latency *l, uint64_t now_ns);

/* Any thread, any time. to is all zero. */
void latency_copy(struct latency_record *to, const struct latency *l);

/* The names of enum latency_part and enum latency_cause in what users read. */
extern const char *const latency_parts[LATENCY_PARTS];
extern const char *const latency_causes[LATENCY_CAUSES];

/* Cold: m was used at now_ns, and is among the worst or the first of an interval. */
void latency_remember(struct latency *l, uint64_t now_ns, const struct latency_mark *m);

/* The time in each part since total_ns was total. */
static inline void latency_waited(const struct latency *l, uint64_t waited_ns[LATENCY_PARTS],
				  const uint64_t *total_ns)
{
	for (unsigned i = 0; i < LATENCY_PARTS; i++)
		waited_ns[i] = l->total_ns[i] - total_ns[i];
}

/* From now_ns on the queue does something else. */
static inline void latency_enter(struct latency *l, uint64_t now_ns, enum latency_part part)
{
	if (now_ns > l->at_ns) {
		l->total_ns[l->part] += now_ns - l->at_ns;
		l->at_ns = now_ns;
	}
	l->part = part;
}

/* The queue sees frames from from_ns on: total_ns is that of this moment. */
static inline void latency_know(struct latency *l, uint32_t n, uint64_t from_ns,
				enum latency_cause cause)
{
	l->known = n;
	l->known_ns = from_ns;
	l->cause = cause;
	memcpy(l->known_total_ns, l->total_ns, sizeof(l->total_ns));
}

/* Something makes a run due, at now_ns; of frames not known before the queue learns by it. */
static inline void latency_wake(struct latency *l, uint64_t now_ns, enum latency_cause cause)
{
	if (l->known)
		return;
	latency_enter(l, now_ns, LATENCY_TURN);
	latency_know(l, LATENCY_ALL, l->at_ns, cause);
}

/* The ring is drained, and the queue sleeps. */
static inline void latency_sleep(struct latency *l, uint64_t now_ns)
{
	latency_enter(l, now_ns, LATENCY_IDLE);
	l->known = 0;
}

/* The time of a TX_AT plan, at_ns, is gone by, and the timer is called. */
static inline void latency_timer(struct latency *l, uint64_t now_ns, uint64_t at_ns)
{
	latency_enter(l, at_ns, LATENCY_LATE);
	histogram_add(&l->record.late, now_ns > at_ns ? now_ns - at_ns : 0);
}

static inline void latency_begin_run(struct latency *l, uint64_t now_ns)
{
	latency_enter(l, now_ns, LATENCY_RUN);
	l->wake_ns = now_ns > l->told_ns ? now_ns - l->told_ns : 0;
	l->ran_ns = l->total_ns[LATENCY_RUN];
}

/* moved: the run moved frames. */
static inline void latency_end_run(struct latency *l, bool moved)
{
	if (!moved)
		return;
	histogram_add(&l->record.wake, l->wake_ns);
	histogram_add(&l->record.run, l->total_ns[LATENCY_RUN] - l->ran_ns);
}

/*
 * n frames are used at now_ns that were seen at from_ns, when l->total_ns was total_ns; NULL: all
 * the time since was the queue's own run.
 */
static inline void latency_add(struct latency *l, uint64_t now_ns, uint64_t from_ns, uint32_t n,
			       const uint64_t *total_ns)
{
	struct latency_mark m = { .seen_ns = from_ns, .n = n, .cause = LATENCY_BUSY };
	uint64_t ns = now_ns - from_ns;

	histogram_add_n(&l->record.residence, ns, n);
	if (ns <= l->worst_ns && now_ns < l->end_ns)
		return;
	if (total_ns) {
		m.cause = l->cause;
		latency_waited(l, m.waited_ns, total_ns);
	} else {
		m.waited_ns[LATENCY_RUN] = ns;
	}
	latency_remember(l, now_ns, &m);
}

/* n chains of a batch that began at from_ns left the ring; left were seen and are there still. */
static inline void latency_left(struct latency *l, uint64_t from_ns, uint32_t n, uint32_t left)
{
	if (l->known != LATENCY_ALL && l->known > n) {
		l->known -= n;
	} else if (!left) {
		l->known = 0;
	} else if (l->known == LATENCY_ALL) {
		l->known = left;
	} else {
		latency_know(l, left, from_ns, LATENCY_BUSY);
		l->known_total_ns[LATENCY_RUN] -= l->at_ns - from_ns;
	}
}

/* A batch is over, within a run: n chains are used at now_ns, left as above. */
static inline void latency_batch(struct latency *l, uint64_t now_ns, uint32_t n, uint32_t left)
{
	uint32_t known = n < l->known ? n : l->known;
	uint64_t from_ns = l->at_ns;

	latency_enter(l, now_ns, LATENCY_RUN);
	if (n)
		histogram_add(&l->record.batch, n);
	if (known)
		latency_add(l, l->at_ns, l->known_ns, known, l->known_total_ns);
	if (n > known)
		latency_add(l, l->at_ns, from_ns, n - known, NULL);
	latency_left(l, from_ns, n, left);
}

/* When the first frame of the batch that is on its way was seen; of those that the backend has. */
static inline uint64_t latency_oldest(const struct latency *l)
{
	return l->known ? l->known_ns : l->at_ns;
}

static inline uint64_t latency_oldest_sent(const struct latency *l)
{
	return l->n_marks ? l->marks[l->first_mark].seen_ns : l->at_ns;
}

/* The same for a backend that completes late: it has them now. */
void latency_sent(struct latency *l, uint64_t now_ns, uint32_t n, uint32_t left);
/* The oldest n that it has are used now. */
void latency_done(struct latency *l, uint64_t now_ns, uint32_t n);

#endif
