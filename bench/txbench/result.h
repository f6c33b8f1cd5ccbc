/* SPDX-License-Identifier: MIT */
/*
 * What one run measured, and its file: raw data only (docs/txbench.md has the schema). Whatever can
 * be computed from it, a quantile or a mean, is computed by those that read it.
 * Filled by the driver's loop (drive.h), usage.h, company.h, busy.h and noise.h.
 */
#ifndef BENCH_TXBENCH_RESULT_H
#define BENCH_TXBENCH_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/txbench/busy.h"
#include "bench/txbench/company.h"
#include "bench/txbench/noise.h"
#include "bench/txbench/options.h"
#include "bench/txbench/port.h"
#include "bench/txbench/timings.h"
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

/* What the load took: with --cost in the part with a closed wire, else in the watched one. */
struct cost {
	bool observed; /* the wire was open meanwhile: it costs the back-end time */
	uint64_t ns;
	uint64_t frames;
	uint64_t lost; /* for the verdict only */
	uint64_t kicks;
	uint64_t kick_ns;
	struct usage usage;
	uint64_t busy_ns; /* the back-end's CPU was not idle, or not the company's */
	enum busy_from busy_from;
	uint64_t others_ns; /* of that: threads that have nothing to do with it */
};

struct repetition {
	uint64_t ns; /* frames were offered for so long */
	uint64_t frames;
	uint64_t bytes;
	uint64_t lost;
	uint64_t duplicated; /* or RESULT_UNKNOWN */
	uint64_t reordered;  /* or RESULT_UNKNOWN */

	struct timings late; /* the generator's own; none in closed-loop */
	struct timings stages[STAGES];

	uint64_t kicks; /* with the forced ones */
	uint64_t forced_kicks;
	uint64_t kick_ns; /* within them */
	uint64_t calls;
	uint64_t syscalls; /* or RESULT_UNKNOWN */

	uint64_t publishes;
	uint64_t fill_sum; /* chains in the tx ring just after each of them */

	struct usage usage; /* what was used between start and end */
	struct cost cost;
	struct company_loss company;
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

/* Replaces the file as a whole, or writes to what is no regular file. 0 or a negative errno. */
int result_write(const struct run_result *r, const char *path);
/* A file in memory, at /proc/self/fd/N for children too; N, or a negative errno. */
int result_in_memory(const struct run_result *r);

#endif
