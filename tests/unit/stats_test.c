/* SPDX-License-Identifier: MIT */
/*
 * The tables of counters: each counter of a struct is in them once, with all that a reader needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/stats.h"

/*
 * The counters of a struct that stats_read() finds by name, when each has its offset as its value.
 */
static unsigned check(const struct stats_counter *table, uint64_t *words, size_t size)
{
	unsigned n, i;

	for (i = 0; i < size / sizeof(*words); i++)
		words[i] = i * sizeof(*words);
	for (n = 0; table[n].name; n++) {
		assert_true(*table[n].name && *table[n].unit && *table[n].help);
		assert_int_equal(stats_read(words, &table[n]), table[n].offset);
		for (i = 0; i < n; i++) {
			assert_string_not_equal(table[n].name, table[i].name);
			assert_int_not_equal(table[n].offset, table[i].offset);
		}
	}
	return n;
}

static void tables(void **state)
{
	struct tx_stats tx;
	struct rx_stats rx;

	(void)state;
	/* drop_header[NET_HDR_OK] is no counter. */
	assert_int_equal(check(stats_tx, (uint64_t *)&tx, sizeof(tx)), sizeof(tx) / 8 - 1);
	assert_int_equal(check(stats_rx, (uint64_t *)&rx, sizeof(rx)), sizeof(rx) / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tables) };

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
