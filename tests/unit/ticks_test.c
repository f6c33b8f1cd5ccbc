/* SPDX-License-Identifier: MIT */
/*
 * datapath/ticks.h against the clock that it stands for. Where this machine's counter is no clock,
 * the tests hold of the clock itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "datapath/ticks.h"
#include "virtio/base.h"

#define RUN_NS    400000000 /* several comparisons */
#define BETWEEN   20000     /* looks at both clocks that are further apart say nothing */
#define OFF_NS    50000     /* 10 ppm of 100 ms is 1 us; a virtual CPU that is held up adds to it */
#define FEW_TRIES 100

/* It never goes back, through the first measurement of the rate and several comparisons. */
static void test_monotonic(void **state)
{
	uint64_t end = monotonic_ns() + RUN_NS, last = 0, now;
	struct ticks t;

	(void)state;
	ticks_init(&t);
	do {
		now = ticks_ns(&t);
		assert_true(now >= last);
		last = now;
	} while (now < end);
	assert_true(monotonic_ns() >= end - OFF_NS);
}

/* Both clocks, looked at together: how far ours is off; UINT64_MAX: never together. */
static uint64_t off_by(struct ticks *t)
{
	for (unsigned i = 0; i < FEW_TRIES; i++) {
		uint64_t before = monotonic_ns(), said = ticks_ns(t), after = monotonic_ns();

		if (after - before > BETWEEN)
			continue;
		return said < before ? before - said : said > after ? said - after : 0;
	}
	return UINT64_MAX;
}

/* It says what CLOCK_MONOTONIC says, after sleeps and without any. */
static void test_true(void **state)
{
	const struct timespec naps[] = { { .tv_nsec = 1000000 },
					 { .tv_nsec = 20000000 },
					 { .tv_nsec = 300000000 } };
	struct ticks t;

	(void)state;
	ticks_init(&t);
	for (unsigned i = 0; i < 30; i++) {
		assert_true(off_by(&t) < OFF_NS);
		nanosleep(&naps[i % 15 == 14 ? 2 : i % 2], NULL);
	}
}

/* Until the counter is the clock; skips where it cannot be. */
static void learn_rate(struct ticks *t)
{
	const struct timespec nap = { .tv_nsec = 15000000 };

	ticks_init(t);
	if (!t->usable)
		skip();
	for (unsigned i = 0; i < FEW_TRIES && !t->span; i++) {
		ticks_ns(t);
		nanosleep(&nap, NULL);
	}
	assert_true(t->span);
}

/* The counter is used where it may be: else all that it saves is lost, and nobody sees it. */
static void test_used(void **state)
{
	struct ticks t;

	(void)state;
	learn_rate(&t);
}

/* A counter that runs at another rate, as on another host after a migration, is no clock. */
static void test_jump(void **state)
{
	const struct timespec nap = { .tv_nsec = 15000000 };
	uint64_t said;
	struct ticks t;

	(void)state;
	learn_rate(&t);
	said = ticks_ns(&t);
	/* As if it had counted for 10 ms more since the mark, and were past the span. */
	t.mark -= t.span / 10;
	t.span = 1;
	for (unsigned i = 0; i < FEW_TRIES && t.usable; i++)
		said = max_u64(said, ticks_ns(&t));
	assert_false(t.usable);
	assert_true(ticks_ns(&t) >= said);
	nanosleep(&nap, NULL);
	assert_true(off_by(&t) < OFF_NS);
}

/* One that is far ahead is given up, and its clock waits for the real one: it never goes back. */
static void test_ahead(void **state)
{
	uint64_t said, now;
	struct ticks t;

	(void)state;
	learn_rate(&t);
	t.base_ns += 80000000;
	said = ticks_ns(&t);
	t.base -= t.span; /* it is time to compare */
	for (unsigned i = 0; i < FEW_TRIES && t.usable; i++) {
		now = ticks_ns(&t);
		assert_true(now >= said);
		said = now;
	}
	assert_false(t.usable);
	do {
		now = ticks_ns(&t);
		assert_true(now >= said);
		said = now;
	} while (monotonic_ns() < said);
	assert_true(off_by(&t) < OFF_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monotonic), cmocka_unit_test(test_true),
		cmocka_unit_test(test_used),      cmocka_unit_test(test_jump),
		cmocka_unit_test(test_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
