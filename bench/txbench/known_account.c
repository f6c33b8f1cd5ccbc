/* SPDX-License-Identifier: MIT */
/* Samples and their report: contracts in known_account.h. */
#include "bench/txbench/known_account.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/base.h"

#define SAMPLES 4000000

int known_account_init(struct known_account *a)
{
	uint32_t *all = calloc(3 * SAMPLES, sizeof(*all));

	if (!all)
		return -ENOMEM;
	/* All of it there before the first frame comes: no page fault between two frames. */
	memset(all, 0xff, 3 * SAMPLES * sizeof(*all));
	a->samples.written = all;
	a->samples.least = all + SAMPLES;
	a->samples.most = all + 2 * SAMPLES;
	return 0;
}

void known_account_deinit(struct known_account *a)
{
	free(a->samples.written);
	memset(&a->samples, 0, sizeof(a->samples));
}

static uint32_t clipped(uint64_t ns)
{
	return (uint32_t)min_u64(ns, UINT32_MAX);
}

void known_account_delay(struct known_account *a, const struct known_account_times *t)
{
	if (a->n_samples == SAMPLES)
		return;
	a->samples.written[a->n_samples] = clipped(t->written_ns - t->seen_ns);
	a->samples.least[a->n_samples] = clipped(t->began_ns - t->seen_ns);
	a->samples.most[a->n_samples] = clipped(t->written_ns - t->before_ns);
	a->n_samples++;
}

void known_account_absence(struct known_account *a, uint64_t ns)
{
	if (a->n_absences < KNOWN_ACCOUNT_ABSENCES)
		a->absences[a->n_absences] = ns;
	a->n_absences++;
}

static int compare_samples(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of sorted samples: the smallest that is at or above this share of all. */
static uint32_t sample_at(const struct known_account *a, const uint32_t *samples, double share)
{
	double at = share * (double)a->n_samples;
	uint64_t rank = (uint64_t)at;

	if (rank && (double)rank == at)
		rank--;
	return a->n_samples ? samples[min_u64(rank, a->n_samples - 1)] : 0;
}

/* In thousandths, from the least to the most. */
static void print_quantiles(const struct known_account *a, const char *name,
			    const uint32_t *samples)
{
	printf("\"%s\": [", name);
	for (unsigned i = 0; i <= 1000; i++)
		printf("%s%u", i ? ", " : "", sample_at(a, samples, i / 1000.0));
	printf("], ");
}

void known_account_print(struct known_account *a)
{
	const uint32_t *written = a->samples.written;

	qsort(a->samples.written, a->n_samples, sizeof(*written), compare_samples);
	qsort(a->samples.least, a->n_samples, sizeof(*written), compare_samples);
	qsort(a->samples.most, a->n_samples, sizeof(*written), compare_samples);
	printf("{\"frames\": %" PRIu64 ", \"written\": %" PRIu64 ", \"dropped\": %" PRIu64
	       ", \"duplicated\": %" PRIu64 ", \"reordered\": %" PRIu64 ", \"alone\": %" PRIu64
	       ", \"failed\": %" PRIu64 ", \"discarded\": %" PRIu64 ", \"stalls\": %" PRIu64
	       ", \"kicks\": %" PRIu64 ", ",
	       a->frames, a->written, a->dropped, a->duplicated, a->reordered, a->alone, a->failed,
	       a->discarded, a->stalls, a->kicks);
	printf("\"seen_to_written\": {\"n\": %" PRIu64 ", \"p50_ns\": %u}, ", a->n_samples,
	       sample_at(a, written, 0.5));
	print_quantiles(a, "least_ns", a->samples.least);
	print_quantiles(a, "most_ns", a->samples.most);
	printf("\"absent\": {\"n\": %" PRIu64 ", \"ns\": [", a->n_absences);
	for (uint64_t i = 0; i < min_u64(a->n_absences, KNOWN_ACCOUNT_ABSENCES); i++)
		printf("%s%" PRIu64, i ? ", " : "", a->absences[i]);
	puts("]}}");
	fflush(stdout);
}
