/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram of any 64-bit values: exact below 128, then 64 buckets for each power of
 * two, so that what it says is off by less than 1 % (1/128). Smallest and largest value are exact.
 * It keeps no sum and no units. Start from all zero; one writer, and any thread may read with
 * load_relaxed or histogram_copy(). Its 30 KB are touched where values fall: in lazily mapped
 * memory one that has seen three powers of two takes a page or two.
 */
#ifndef DATAPATH_HISTOGRAM_H
#define DATAPATH_HISTOGRAM_H

#include <stdint.h>

#include "virtio/base.h"

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

/* The same value, n times; n is not 0. */
static inline void histogram_add_n(struct histogram *h, uint64_t value, uint64_t n)
{
	unsigned shift = histogram_shift(value);

	if (!h->n || value < h->min)
		store_relaxed(&h->min, value);
	if (value > h->max)
		store_relaxed(&h->max, value);
	count_add(&h->buckets[shift * HISTOGRAM_HALF + (value >> shift)], n);
	count_add(&h->n, n);
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	histogram_add_n(h, value, 1);
}

/*
 * Any thread, while the writer goes on: to, which is all zero, gets each bucket as it stands. Its n
 * is the sum of these.
 */
static inline void histogram_copy(struct histogram *to, const struct histogram *h)
{
	uint64_t count;

	to->min = load_relaxed(&h->min);
	to->max = load_relaxed(&h->max);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		count = load_relaxed(&h->buckets[i]);
		/* Pages of zeros stay untouched. */
		if (count)
			to->buckets[i] = count;
		to->n += count;
	}
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
