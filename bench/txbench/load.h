/* SPDX-License-Identifier: MIT */
/*
 * The open-loop loads: when each frame is due, as a time from the start, and how long frames are.
 * Nothing here waits or knows the time, so a late system cannot shift what is due.
 */
#ifndef BENCH_TXBENCH_LOAD_H
#define BENCH_TXBENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/txbench/options.h"
#include "bench/txbench/trace.h"

#define LOAD_MIN_SIZE 60
#define LOAD_MAX_SIZE 1514

struct load {
	const struct options *options;
	const struct trace *trace; /* or NULL */
	uint64_t n;                /* frames so far */
	double at_ns;              /* LOAD_POISSON: the last one's */
	uint64_t random;
	uint64_t burst; /* LOAD_ONOFF: frames of one */
};

/* The same seed gives the same moments. trace is needed if the options name one. */
void load_start(struct load *l, const struct options *o, const struct trace *trace, uint64_t seed);

/* When the next frame is due, from the start; UINT64_MAX: there is none, the trace is over. */
uint64_t load_next_ns(struct load *l);

/* What lies between two frames on average; 0: closed-loop, or a trace of one frame. */
double load_gap_ns(const struct options *o, const struct trace *trace);

/* The length of frame number n: of any load, open or closed. */
unsigned load_size(const struct load *l, uint64_t n);

#endif
