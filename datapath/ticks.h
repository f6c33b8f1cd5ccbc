/* SPDX-License-Identifier: MIT */
/*
 * CLOCK_MONOTONIC at the price of reading the CPU's time-stamp counter: 11 ns where clock_gettime()
 * takes 26 (docs/latency.md). The counter is used where the CPU promises that it runs at one rate
 * in all states; elsewhere, and until the rate is known, each look is a clock_gettime().
 *
 * The rate is measured between looks that are 10 ms or more apart. Ten times a second a look
 * compares with the real clock and takes up its rate and its offset, so what ticks_ns() says stays
 * within some microseconds of CLOCK_MONOTONIC. It never goes back: where it was ahead it runs
 * slower until the real clock has caught up.
 *
 * One thread has one struct ticks; nothing is shared.
 */
#ifndef DATAPATH_TICKS_H
#define DATAPATH_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#define ticks_counter() __rdtsc()
#else
#define ticks_counter() 0ULL
#endif

struct ticks {
	uint64_t base;    /* the counter when the clock said base_ns */
	uint64_t base_ns; /* 0: it has not been looked at */
	uint64_t span;    /* from base, in ticks, for which rate holds; 0: the rate is not known */
	uint64_t rate;    /* ns a tick, in units of 2^-32 */
	uint64_t mark;    /* counter and real clock at the last comparison */
	uint64_t mark_ns;
	bool usable; /* the counter can be a clock */
};

void ticks_init(struct ticks *t);

/* The slow way: looks at the real clock, and takes up its rate when it is time to. ns. */
uint64_t ticks_look(struct ticks *t);

/* CLOCK_MONOTONIC, ns; see above. */
static inline uint64_t ticks_ns(struct ticks *t)
{
	uint64_t gone = ticks_counter() - t->base;

	/* No overflow: span is less than 2^31, rate less than 2^33. */
	return gone < t->span ? t->base_ns + (gone * t->rate >> 32) : ticks_look(t);
}

#endif
