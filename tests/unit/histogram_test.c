/* SPDX-License-Identifier: MIT */
/* datapath/histogram.h against exact order statistics: what it says is off by less than 1 %. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/histogram.h"

#define N 100000

static struct histogram h;

static int set_up(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

static void assert_near(uint64_t said, uint64_t truth)
{
	uint64_t off = said > truth ? said - truth : truth - said;

	assert_true(off <= truth / 100);
}

/* Small values, and the ends, are not rounded: a latency of 3 ns must not read as 2 or 4. */
static void test_exact(void **state)
{
	(void)state;
	assert_int_equal(histogram_at(&h, 0.5), 0);
	for (uint64_t v = 0; v < 128; v++)
		histogram_add(&h, v);
	for (unsigned v = 1; v <= 128; v++)
		assert_int_equal(histogram_at(&h, v / 128.0), v - 1);
	histogram_add(&h, 1000003);
	assert_int_equal(histogram_at(&h, 1), 1000003);
	assert_int_equal(histogram_at(&h, 0), 0);
}

/* Each bucket's both ends, over all 64 bits: none falls outside of the array, none is 1 % off. */
static void test_error(void **state)
{
	(void)state;
	for (unsigned bit = 7; bit < 64; bit++) {
		uint64_t from = 1ULL << bit, step = from / HISTOGRAM_HALF;

		for (uint64_t i = 0; i < HISTOGRAM_HALF; i++) {
			uint64_t ends[] = { from + i * step, from + i * step + step - 1 };

			for (unsigned k = 0; k < 2; k++) {
				memset(&h, 0, sizeof(h));
				histogram_add(&h, 0);
				histogram_add(&h, ends[k]);
				histogram_add(&h, UINT64_MAX);
				assert_near(histogram_at(&h, 0.5), ends[k]);
			}
		}
	}
	assert_int_equal(histogram_at(&h, 1), UINT64_MAX);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The percentiles that are printed, of values over many scales, beside those of the sorted list. */
static void test_percentiles(void **state)
{
	const double shares[] = { 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999 };
	uint64_t *values = calloc(N, sizeof(*values)), x = 88172645463325252;

	(void)state;
	assert_non_null(values);
	for (unsigned i = 0; i < N; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		values[i] = x >> (20 + x % 40);
		histogram_add(&h, values[i]);
	}
	qsort(values, N, sizeof(*values), compare);
	assert_int_equal(h.n, N);
	assert_int_equal(h.min, values[0]);
	assert_int_equal(h.max, values[N - 1]);
	for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		assert_near(histogram_at(&h, shares[i]), values[(size_t)(shares[i] * N) - 1]);
	free(values);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_exact, set_up),
		cmocka_unit_test_setup(test_error, set_up),
		cmocka_unit_test_setup(test_percentiles, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
