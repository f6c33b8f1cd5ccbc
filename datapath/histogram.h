/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram of any 64-bit values: exact below 128, then 64 buckets for each power of
 * two, so that what it says is off by less than 1 % (1/128). Smallest and largest value are exact.
 * It keeps no sum and no units. Start from all zero; one writer.
 */
#ifndef DATAPATH_HISTOGRAM_H
#define DATAPATH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_EXACT   128 /* values below are their own bucket */
#define HISTOGRAM_HALF    64  /* buckets of each power of two above */
#define HISTOGRAM_BUCKETS (HISTOGRAM_EXACT + (64 - 7) * HISTOGRAM_HALF)

struct histogram {
	uint64_t n;
	uint64_t min;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The bits below a value's leading seven. */
static inline unsigned histogram_shift(uint64_t value)
{
	return value < HISTOGRAM_EXACT ? 0 : 57 - (unsigned)__builtin_clzll(value);
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	unsigned shift = histogram_shift(value);

	h->buckets[shift * HISTOGRAM_HALF + (value >> shift)]++;
	h->min = !h->n || value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
	h->n++;
}

/* The middle of a bucket. */
static inline uint64_t histogram_value(unsigned bucket)
{
	unsigned shift = bucket < HISTOGRAM_EXACT ? 0 : bucket / HISTOGRAM_HALF - 1;

	return ((uint64_t)(bucket - shift * HISTOGRAM_HALF) << shift) + (1ULL << shift) / 2;
}

/* The smallest value that is at or above this share (0 to 1) of all values; 0 if there is none. */
static inline uint64_t histogram_at(const struct histogram *h, double share)
{
	double wanted = share * (double)h->n;
	uint64_t seen = 0, value;
	unsigned i;

	if (wanted <= 1)
		return h->min;
	if (wanted >= (double)h->n)
		return h->max;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (!h->buckets[i] || (double)seen < wanted)
			continue;
		value = histogram_value(i);
		return value < h->min ? h->min : value > h->max ? h->max : value;
	}
	return h->max;
}

#endif
