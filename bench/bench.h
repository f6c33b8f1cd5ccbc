/* SPDX-License-Identifier: MIT */
/*
 * What the benches of txring-bench share: how they are asked to run, and where figures go. A bench
 * (tx_null.c, pairs.c, tx_tap.c, tx_xdp.c, rx.c, idle.c, timer.c, offload.c) starts its subjects,
 * measures them beside their ceilings, and reports rows; it ends the program when it cannot.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>

#include "bench/measure.h"

struct bench_options {
	const char *txringd; /* the program under test */
	bool quick;          /* few and short windows: shows that it works, not how fast */
};

/* One line of the table. */
struct bench_row {
	const char *bench;
	char what[64];
	const char *unit;
	struct measure_outcome got;
	const char *ceiling; /* what stands beside it; NULL: nothing does */
	double max;          /* target: got.subject's median at most; 0: none */
	double max_ratio;    /* target: got.ratio's median at most; 0: none */
};

/* Can AF_XDP be measured? Says so if not. */
bool bench_has_xdp(const struct bench_options *opt, const char *bench);

/* Sets where report writes JSON to besides the table; NULL: nowhere. */
void bench_report_begin(const char *json_path, const struct bench_options *opt);
void bench_report(const struct bench_row *row);
/* Ends the JSON and says how many targets were met. How many figures there were. */
unsigned bench_report_end(void);
/* True: some figure was over three times its target. */
bool bench_report_gross(void);

/* How many windows, and how large: less when quick. */
static inline unsigned bench_scale(const struct bench_options *opt, unsigned full, unsigned quick)
{
	return opt->quick ? quick : full;
}

void bench_tx_null(const struct bench_options *opt);
void bench_pairs(const struct bench_options *opt);
void bench_tx_tap(const struct bench_options *opt);
void bench_rx_tap(const struct bench_options *opt);
void bench_tx_xdp(const struct bench_options *opt);
void bench_rx_xdp(const struct bench_options *opt);
void bench_idle(const struct bench_options *opt);
void bench_timer(const struct bench_options *opt);
void bench_offload(const struct bench_options *opt);

#endif
