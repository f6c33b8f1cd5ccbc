/* SPDX-License-Identifier: MIT */
/* bench/txbench/load.h: when frames are due, and how long they are. A moment that drifts, or that
 * waits for anything, would make the load another than the one that was asked for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/txbench/load.h"

#define SECOND_NS 1000000000ULL

/* Each moment is the number's share of the time, also after hours, and with a distance that no
 * whole number of ns is. */
static void test_constant(void **state)
{
	const struct options o = { .load = LOAD_CONSTANT, .rate = 3000 };
	struct load l;

	(void)state;
	load_start(&l, &o, NULL, 1);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(load_next_ns(&l), i * SECOND_NS / 3000);
	l.n = 3000ULL * 3600 * 24;
	assert_int_equal(load_next_ns(&l), 3600 * 24 * SECOND_NS);
	assert_int_equal(load_next_ns(&l), 3600 * 24 * SECOND_NS + 333333);
}

/* The mean is the rate's within 1 %, the spread that of an exponential distribution, and no moment
 * comes before the last one. */
static void test_poisson(void **state)
{
	const struct options o = { .load = LOAD_POISSON, .rate = 1e6 };
	const unsigned n = 200000;
	double sum = 0, squares = 0;
	uint64_t last = 0, at;
	struct load l;

	(void)state;
	load_start(&l, &o, NULL, 7);
	for (unsigned i = 0; i < n; i++) {
		at = load_next_ns(&l);
		assert_true(at >= last);
		sum += (double)(at - last);
		squares += (double)(at - last) * (double)(at - last);
		last = at;
	}
	assert_true(fabs(sum / n - 1000) < 10);
	assert_true(fabs(sqrt(squares / n - sum / n * (sum / n)) - 1000) < 20);
}

/* Repetitions differ, but a run can be repeated. */
static void test_seeds(void **state)
{
	const struct options o = { .load = LOAD_POISSON, .rate = 1e6 };
	struct load a, b, c;

	(void)state;
	load_start(&a, &o, NULL, 0);
	load_start(&b, &o, NULL, 0);
	load_start(&c, &o, NULL, 1);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t at = load_next_ns(&a);

		assert_int_equal(at, load_next_ns(&b));
		assert_int_not_equal(at, load_next_ns(&c));
	}
}

/* At the rate while it is on, 200 frames a burst; the next burst at the next period. */
static void test_onoff(void **state)
{
	const struct options o = {
		.load = LOAD_ONOFF, .rate = 200000, .on_ns = 1000000, .off_ns = 9000000
	};
	struct load l;

	(void)state;
	load_start(&l, &o, NULL, 1);
	for (uint64_t burst = 0; burst < 3; burst++)
		for (uint64_t i = 0; i < 200; i++)
			assert_int_equal(load_next_ns(&l), burst * 10000000 + i * 5000);
}

/* Too short for two frames is one frame, not none. */
static void test_short_burst(void **state)
{
	const struct options o = {
		.load = LOAD_ONOFF, .rate = 10, .on_ns = 1000, .off_ns = 999000
	};
	struct load l;

	(void)state;
	load_start(&l, &o, NULL, 1);
	assert_int_equal(load_next_ns(&l), 0);
	assert_int_equal(load_next_ns(&l), 1000000);
}

/* The trace's moments once, then no more; its lengths, of which short ones are padded. */
static void test_trace(void **state)
{
	const struct options o = { .load = LOAD_TRACE, .size = SIZE_TRACE };
	struct trace_frame frames[] = { { 0, 1514 }, { 5, 42 }, { 5, 100 } };
	const struct trace t = { frames, 3, true };
	struct load l;

	(void)state;
	load_start(&l, &o, &t, 1);
	assert_int_equal(load_next_ns(&l), 0);
	assert_int_equal(load_next_ns(&l), 5);
	assert_int_equal(load_next_ns(&l), 5);
	assert_true(load_next_ns(&l) == UINT64_MAX);
	assert_int_equal(load_size(&l, 0), 1514);
	assert_int_equal(load_size(&l, 1), LOAD_MIN_SIZE);
	assert_int_equal(load_size(&l, 2), 100);
}

/* What lies between frames on average: a burst's share of its period, a trace's of its length. */
static void test_gap(void **state)
{
	const struct options poisson = { .load = LOAD_POISSON, .rate = 2000 };
	const struct options onoff = {
		.load = LOAD_ONOFF, .rate = 200000, .on_ns = 1000000, .off_ns = 9000000
	};
	const struct options trace = { .load = LOAD_TRACE };
	const struct options flood = { .load = LOAD_FLOOD };
	struct trace_frame frames[] = { { 0, 64 }, { 5, 64 }, { 12, 64 } };
	const struct trace t = { frames, 3, true };

	(void)state;
	assert_true(load_gap_ns(&poisson, NULL) == 500000);
	assert_true(load_gap_ns(&onoff, NULL) == 50000);
	assert_true(load_gap_ns(&trace, &t) == 4);
	assert_true(load_gap_ns(&flood, NULL) == 0);
}

/* Twelve frames of IMIX: seven, four, one. */
static void test_sizes(void **state)
{
	const struct options imix = { .size = SIZE_IMIX };
	const struct options fixed = { .size = SIZE_FIXED, .size_bytes = 61 };
	unsigned n64 = 0, n576 = 0, n1514 = 0;
	struct load l;

	(void)state;
	load_start(&l, &imix, NULL, 1);
	for (uint64_t i = 1000; i < 1012; i++) {
		n64 += load_size(&l, i) == 64;
		n576 += load_size(&l, i) == 576;
		n1514 += load_size(&l, i) == 1514;
	}
	assert_int_equal(n64, 7);
	assert_int_equal(n576, 4);
	assert_int_equal(n1514, 1);
	load_start(&l, &fixed, NULL, 1);
	assert_int_equal(load_size(&l, 12345), 61);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant),    cmocka_unit_test(test_poisson),
		cmocka_unit_test(test_seeds),       cmocka_unit_test(test_onoff),
		cmocka_unit_test(test_short_burst), cmocka_unit_test(test_trace),
		cmocka_unit_test(test_sizes),       cmocka_unit_test(test_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
