/* SPDX-License-Identifier: MIT */
/* How many lines a minute a front-end may cause, and that those it may not are told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/log.h"

#define MINUTE   60000
#define START_MS (5 * MINUTE)

/* n lines, all at this time: how many may be written. */
static unsigned take(struct log_limit *l, int64_t now_ms, unsigned n, unsigned *missed)
{
	unsigned allowed = 0, m;

	*missed = 0;
	while (n--) {
		allowed += log_limit_take(l, now_ms, &m);
		*missed += m;
	}
	return allowed;
}

/* A log that is not flooded has each line, and says of none that it is missing. */
static void test_few_lines(void **state)
{
	struct log_limit l;
	unsigned missed, i;

	(void)state;
	log_limit_init(&l);
	for (i = 0; i < 100; i++) {
		assert_int_equal(take(&l, START_MS + i * MINUTE, LOG_LIMIT_LINES, &missed),
				 LOG_LIMIT_LINES);
		assert_int_equal(missed, 0);
	}
}

/* A minute of a flood has so many lines, and the next one begins with how many more there were. */
static void test_flood(void **state)
{
	struct log_limit l;
	unsigned missed, i;

	(void)state;
	log_limit_init(&l);
	assert_int_equal(take(&l, START_MS, 10, &missed), 10);
	assert_int_equal(take(&l, START_MS + MINUTE - 1, 3000, &missed), LOG_LIMIT_LINES - 10);
	assert_int_equal(missed, 0);
	for (i = 0; i < 3; i++) {
		assert_true(log_limit_take(&l, START_MS + MINUTE + i * MINUTE, &missed));
		assert_int_equal(missed, i ? 2001 - LOG_LIMIT_LINES : 3010 - LOG_LIMIT_LINES);
		assert_int_equal(take(&l, START_MS + 3 * MINUTE / 2 + i * MINUTE, 2000, &missed),
				 LOG_LIMIT_LINES - 1);
		assert_int_equal(missed, 0);
	}
}

/* After silence, too, and once only. */
static void test_missed_is_told_once(void **state)
{
	struct log_limit l;
	unsigned missed;

	(void)state;
	log_limit_init(&l);
	take(&l, START_MS, LOG_LIMIT_LINES + 7, &missed);
	assert_true(log_limit_take(&l, START_MS + 60 * MINUTE, &missed));
	assert_int_equal(missed, 7);
	assert_true(log_limit_take(&l, START_MS + 62 * MINUTE, &missed));
	assert_int_equal(missed, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_lines),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_missed_is_told_once),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
