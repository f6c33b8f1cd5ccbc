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
	a->samples = calloc(SAMPLES, sizeof(*a->samples));
	if (!a->samples)
		return -ENOMEM;
	/* All of it there before the first frame comes: no page fault between two frames. */
	memset(a->samples, 0xff, SAMPLES * sizeof(*a->samples));
	return 0;
}

void known_account_deinit(struct known_account *a)
{
	free(a->samples);
	a->samples = NULL;
}

void known_account_sample(struct known_account *a, uint64_t ns)
{
	if (a->n_samples < SAMPLES)
		a->samples[a->n_samples++] = (uint32_t)min_u64(ns, UINT32_MAX);
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
static uint32_t sample_at(const struct known_account *a, double share)
{
	double at = share * (double)a->n_samples;
	uint64_t rank = (uint64_t)at;

	if (rank && (double)rank == at)
		rank--;
	return a->n_samples ? a->samples[min_u64(rank, a->n_samples - 1)] : 0;
}

void known_account_print(struct known_account *a)
{
	qsort(a->samples, a->n_samples, sizeof(*a->samples), compare_samples);
	printf("{\"frames\": %" PRIu64 ", \"written\": %" PRIu64 ", \"dropped\": %" PRIu64
	       ", \"duplicated\": %" PRIu64 ", \"reordered\": %" PRIu64 ", \"alone\": %" PRIu64
	       ", \"failed\": %" PRIu64 ", \"discarded\": %" PRIu64 ", \"stalls\": %" PRIu64 ", ",
	       a->frames, a->written, a->dropped, a->duplicated, a->reordered, a->alone, a->failed,
	       a->discarded, a->stalls);
	printf("\"seen_to_written\": {\"n\": %" PRIu64 ", \"min_ns\": %u, \"p50_ns\": %u, "
	       "\"p99_ns\": %u, \"p999_ns\": %u, \"max_ns\": %u}, ",
	       a->n_samples, sample_at(a, 0), sample_at(a, 0.5), sample_at(a, 0.99),
	       sample_at(a, 0.999), sample_at(a, 1));
	printf("\"absent\": {\"n\": %" PRIu64 ", \"ns\": [", a->n_absences);
	for (uint64_t i = 0; i < min_u64(a->n_absences, KNOWN_ACCOUNT_ABSENCES); i++)
		printf("%s%" PRIu64, i ? ", " : "", a->absences[i]);
	puts("]}}");
	fflush(stdout);
}
