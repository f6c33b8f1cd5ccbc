/* SPDX-License-Identifier: MIT */
/* From what was counted to figures per frame and per second: contracts in metric.h. */
#include "bench/txbench/metric.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const scalar_names[METRIC_SCALARS] = {
	[METRIC_FRAMES_PER_S] = "frames_per_s",
	[METRIC_BYTES_PER_S] = "bytes_per_s",
	[METRIC_CPU_DRIVER] = "cpu_ns_per_frame.driver",
	[METRIC_CPU_BACKEND] = "cpu_ns_per_frame.backend",
	[METRIC_CPU_BACKEND_USER] = "cpu_ns_per_frame.backend_user",
	[METRIC_CPU_BACKEND_KERNEL] = "cpu_ns_per_frame.backend_kernel",
	[METRIC_CPU_SOFTIRQ] = "cpu_ns_per_frame.softirq",
	[METRIC_KICKS] = "kicks_per_frame",
	[METRIC_CALLS] = "calls_per_frame",
	[METRIC_SYSCALLS] = "syscalls_per_frame",
	[METRIC_LOST] = "lost",
	[METRIC_DUPLICATED] = "duplicated",
	[METRIC_REORDERED] = "reordered",
	[METRIC_LATE_P99] = "generator.late_p99_ns",
};

/* A quantile takes as many values as leave one above it. */
static const struct {
	const char *name;
	double share;
	uint64_t least;
} stats[STATS] = {
	[STAT_P50] = { "p50_ns", 0.5, 1 },
	[STAT_P90] = { "p90_ns", 0.9, 10 },
	[STAT_P99] = { "p99_ns", 0.99, 100 },
	[STAT_P999] = { "p999_ns", 0.999, 1000 },
	[STAT_P9999] = { "p9999_ns", 0.9999, 10000 },
	[STAT_MAX] = { "max_ns", 1, 1 },
	[STAT_MEAN] = { "mean_ns", 0, 1 },
};

const char *metric_name(unsigned metric, char name[METRIC_NAME_LEN])
{
	unsigned i = metric - METRIC_SCALARS;

	if (metric < METRIC_SCALARS)
		snprintf(name, METRIC_NAME_LEN, "%s", scalar_names[metric]);
	else
		snprintf(name, METRIC_NAME_LEN, "%s.%s", stage_names[i / STATS],
			 stats[i % STATS].name);
	return name;
}

uint64_t metric_quantile(const struct histogram *h, enum statistic stat)
{
	assert(stat <= STAT_MAX);
	return h->n < stats[stat].least ? RESULT_UNKNOWN : histogram_at(h, stats[stat].share);
}

bool metric_backend_known(const struct usage *u)
{
	return u->backend_ns > 0;
}

bool metric_split_known(const struct usage *u)
{
	return metric_backend_known(u) && u->backend_user_ns + u->backend_kernel_ns > 0;
}

static double known(uint64_t count)
{
	return count == RESULT_UNKNOWN ? NAN : (double)count;
}

static double of_stage(const struct repetition *r, unsigned stage, unsigned stat)
{
	const struct histogram *h = &r->stages[stage];

	if (stat == STAT_MEAN)
		return h->n ? r->stage_sum_ns[stage] / (double)h->n : NAN;
	return known(metric_quantile(h, stat));
}

double metric_value(const struct repetition *r, unsigned metric)
{
	double frames = r->frames ? (double)r->frames : NAN;
	double seconds = r->ns ? (double)r->ns / 1e9 : NAN;
	double backend = metric_backend_known(&r->usage) ? 1 / frames : NAN;
	double split = metric_split_known(&r->usage) ? backend : NAN;

	if (metric >= METRIC_SCALARS)
		return of_stage(r, (metric - METRIC_SCALARS) / STATS,
				(metric - METRIC_SCALARS) % STATS);
	switch ((enum metric)metric) {
	case METRIC_FRAMES_PER_S:
		return (double)r->frames / seconds;
	case METRIC_BYTES_PER_S:
		return (double)r->bytes / seconds;
	case METRIC_CPU_DRIVER:
		return (double)r->usage.driver_ns / frames;
	case METRIC_CPU_BACKEND:
		return (double)r->usage.backend_ns * backend;
	case METRIC_CPU_BACKEND_USER:
		return (double)r->usage.backend_user_ns * split;
	case METRIC_CPU_BACKEND_KERNEL:
		return (double)r->usage.backend_kernel_ns * split;
	case METRIC_CPU_SOFTIRQ:
		return (double)r->usage.softirq_ns / frames;
	case METRIC_KICKS:
		return (double)r->kicks / frames;
	case METRIC_CALLS:
		return (double)r->calls / frames;
	case METRIC_SYSCALLS:
		return known(r->syscalls) / frames;
	case METRIC_LOST:
		return (double)r->lost;
	case METRIC_DUPLICATED:
		return known(r->duplicated);
	case METRIC_REORDERED:
		return known(r->reordered);
	case METRIC_LATE_P99:
		return known(metric_quantile(&r->late, STAT_P99));
	case METRIC_SCALARS:
		break;
	}
	return NAN;
}

struct interval metric_interval(const struct run_result *run, unsigned metric)
{
	double *v = calloc(run->n + 1, sizeof(*v));
	struct interval got = interval_of(NULL, 0);

	if (!v)
		return got;
	for (unsigned i = 0; i < run->n; i++)
		v[i] = metric_value(&run->repetitions[i], metric);
	got = interval_of(v, run->n);
	free(v);
	return got;
}

bool metric_watched(const struct run_result *run, enum stage stage)
{
	for (unsigned i = 0; i < run->n; i++) {
		if (run->repetitions[i].stages[stage].n)
			return true;
	}
	return false;
}
