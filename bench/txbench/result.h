/* SPDX-License-Identifier: MIT */
/*
 * What one run measured, and how it is told: as JSON (docs/txbench.md has the schema), as a table.
 * Filled by the driver's loop (drive.h), usage.h and noise.h.
 */
#ifndef BENCH_TXBENCH_RESULT_H
#define BENCH_TXBENCH_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/histogram.h"
#include "bench/txbench/noise.h"
#include "bench/txbench/options.h"
#include "bench/txbench/port.h"
#include "bench/txbench/usage.h"

enum stage {
	STAGE_PUBLISHED,
	STAGE_WIRE,
	STAGE_USED,
	STAGE_CALL,
	STAGE_RECEIVED,
	STAGES,
};

extern const char *const stage_names[STAGES];

#define TIMELINE_BINS  100
#define RESULT_UNKNOWN UINT64_MAX /* a count that was not taken: null */

/* One bin of the time line, of the last stage that is watched, by when frames were due. */
struct timeline_bin {
	uint64_t frames;
	uint64_t p50_ns;
	uint64_t max_ns;
};

struct repetition {
	uint64_t ns; /* frames were offered for so long */
	uint64_t frames;
	uint64_t bytes;
	uint64_t lost;
	uint64_t duplicated; /* or RESULT_UNKNOWN */
	uint64_t reordered;  /* or RESULT_UNKNOWN */

	struct histogram late; /* the generator's own; none in closed-loop */
	uint64_t waited_ns;    /* the driver was ready to run, but had no CPU */

	struct histogram stages[STAGES]; /* n is 0: not watched */
	double stage_sum_ns[STAGES];

	uint64_t kicks; /* with the forced ones */
	uint64_t forced_kicks;
	uint64_t calls;
	uint64_t syscalls; /* or RESULT_UNKNOWN */

	struct usage usage; /* what was used between start and end */
	struct noise noise;

	uint64_t bin_ns;
	unsigned n_bins;
	struct timeline_bin bins[TIMELINE_BINS];
};

struct run_result {
	const struct options *options;
	const struct port *port; /* open until the result is written */
	char started[32];        /* ISO 8601, UTC */
	struct repetition *repetitions;
	unsigned n;
	char incomplete[200]; /* why it ended early; empty: it did not */
	char failed[200];     /* why it does not count; empty: it does */
};

/*
 * Replaces the file as a whole, or writes to what is no regular file. 0 or a negative errno.
 */
int result_write(const struct run_result *r, const char *path);
/* The table, to stdout. */
void result_print(const struct run_result *r);

#endif
