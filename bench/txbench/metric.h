/* SPDX-License-Identifier: MIT */
/* The figures of a run that have an interval over its repetitions: "summary" of the result file. */
#ifndef BENCH_TXBENCH_METRIC_H
#define BENCH_TXBENCH_METRIC_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/histogram.h"
#include "bench/txbench/interval.h"
#include "bench/txbench/result.h"

enum metric {
	METRIC_FRAMES_PER_S,
	METRIC_BYTES_PER_S,
	METRIC_CPU_DRIVER, /* ns per frame, as the next four */
	METRIC_CPU_BACKEND,
	METRIC_CPU_BACKEND_USER,
	METRIC_CPU_BACKEND_KERNEL,
	METRIC_CPU_SOFTIRQ,
	METRIC_KICKS, /* per frame, as the next two */
	METRIC_CALLS,
	METRIC_SYSCALLS,
	METRIC_LOST,
	METRIC_DUPLICATED,
	METRIC_REORDERED,
	METRIC_LATE_P99,
	METRIC_SCALARS,
};

/* What is said of a stage. */
enum statistic {
	STAT_P50,
	STAT_P90,
	STAT_P99,
	STAT_P999,
	STAT_P9999,
	STAT_MAX,
	STAT_MEAN,
	STATS,
};

/* Metrics are numbered: the scalars, then STATS for each stage. */
#define METRICS (METRIC_SCALARS + STAGES * STATS)

static inline unsigned metric_of_stage(enum stage stage, enum statistic stat)
{
	return METRIC_SCALARS + (unsigned)stage * STATS + (unsigned)stat;
}

#define METRIC_NAME_LEN 40

/* As in the result file. Returns name. */
const char *metric_name(unsigned metric, char name[METRIC_NAME_LEN]);

/* A quantile (STAT_P50 to STAT_P9999) or the maximum; RESULT_UNKNOWN: too few values for it. */
uint64_t metric_quantile(const struct histogram *h, enum statistic stat);

/* The back-end's CPU time is known, and how much of it was user space's and the kernel's. */
bool metric_backend_known(const struct usage *u);
bool metric_split_known(const struct usage *u);

/* Of one repetition; NAN: not measured. */
double metric_value(const struct repetition *r, unsigned metric);

/* Over those repetitions that measured it. */
struct interval metric_interval(const struct run_result *run, unsigned metric);

/* A stage that was watched in some repetition. */
bool metric_watched(const struct run_result *run, enum stage stage);

#endif
