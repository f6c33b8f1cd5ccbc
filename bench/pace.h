/* SPDX-License-Identifier: MIT */
/*
 * Open-loop load: moments whose distances are random (exponential), so that the load neither waits
 * for a late system nor beats in time with its timers. The same seed gives the same moments. It
 * sends nothing itself; who waits for a moment spins, as a timer would add its own lateness.
 */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct pace {
	uint64_t at_ns; /* the next moment, CLOCK_MONOTONIC */
	double mean_ns;
	uint64_t random;
};

static inline uint64_t pace_now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Go on to the next moment, whether the last one is over or not. */
static inline void pace_next(struct pace *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	p->at_ns += (uint64_t)(-log((double)((p->random >> 11) + 1) / 0x1p53) * p->mean_ns);
}

/* From now on; the first moment is one distance away. */
static inline void pace_start(struct pace *p, double mean_ns)
{
	*p = (struct pace){ pace_now_ns(CLOCK_MONOTONIC), mean_ns, 88172645463325252 };
	pace_next(p);
}

static inline bool pace_due(const struct pace *p)
{
	return pace_now_ns(CLOCK_MONOTONIC) >= p->at_ns;
}

#endif
