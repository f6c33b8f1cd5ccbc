/* SPDX-License-Identifier: MIT */
/* Times of one kind, as the result file has them: a histogram and the exact sum. One writer. */
#ifndef BENCH_TXBENCH_TIMINGS_H
#define BENCH_TXBENCH_TIMINGS_H

#include <stdint.h>

#include "datapath/histogram.h"

/* All zero at first. */
struct timings {
	struct histogram histogram;
	uint64_t sum_ns;
};

static inline void timings_add(struct timings *t, uint64_t ns)
{
	histogram_add(&t->histogram, ns);
	t->sum_ns += ns;
}

#endif
