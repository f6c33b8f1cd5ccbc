/* SPDX-License-Identifier: MIT */
/* What readers on other threads get of a record while its iothread writes: true numbers. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "datapath/latency.h"

#define COPIES 20000

struct writer {
	struct latency *latency;
	bool stop;
};

/*
 * Each batch waits longer than the one before, so each is among the worst, and all numbers of one
 * follow from its residence. An interval is over after some hundred.
 */
static void *write_on(void *arg)
{
	struct writer *w = arg;
	uint64_t now_ns = 1000000000, i;

	latency_start(w->latency, now_ns);
	for (i = 1; !load_relaxed(&w->stop); i++) {
		latency_wake(w->latency, now_ns, LATENCY_KICK);
		latency_begin_run(w->latency, now_ns + 2 * i);
		now_ns += 3 * i;
		latency_batch(w->latency, now_ns, (uint32_t)i, 0);
		latency_end_run(w->latency, true);
		latency_sleep(w->latency, now_ns);
		if (i == 100000)
			i = 0;
	}
	return NULL;
}

static uint64_t check_interval(const struct latency_interval *interval)
{
	assert_true(interval->n <= LATENCY_WORST);
	for (uint64_t k = 0; k < interval->n; k++) {
		const struct latency_worst *w = &interval->worst[k];
		uint64_t i = w->frames;

		assert_true(i > 0);
		assert_int_equal(w->residence_ns, 3 * i);
		assert_int_equal(w->waited_ns[LATENCY_TURN], 2 * i);
		assert_int_equal(w->waited_ns[LATENCY_RUN], i);
		assert_int_equal(w->reason, LATENCY_TURN);
		assert_true(w->when_ns >= interval->start_ns);
	}
	return interval->n;
}

/* No entry of the worst is a mixture of two, and what was counted once stays counted. */
static void test_readers(void **state)
{
	struct writer w = { .latency = latency_new() };
	struct latency_record *copy = malloc(sizeof(*copy));
	uint64_t n = 0, seen = 0;
	pthread_t thread;

	(void)state;
	assert_non_null(w.latency);
	assert_non_null(copy);
	assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
	for (unsigned i = 0; i < COPIES || !seen; i++) {
		memset(copy, 0, sizeof(*copy));
		latency_copy(copy, w.latency);
		assert_true(copy->residence.n >= n);
		n = copy->residence.n;
		seen += check_interval(&copy->intervals[0]);
		seen += check_interval(&copy->intervals[1]);
	}
	store_relaxed(&w.stop, true);
	pthread_join(thread, NULL);
	memset(copy, 0, sizeof(*copy));
	latency_copy(copy, w.latency);
	assert_int_equal(copy->residence.n, w.latency->record.residence.n);
	assert_int_equal(copy->run.n, copy->batch.n);
	free(copy);
	latency_free(w.latency);
}

/* The marks of a late backend have an end: batches beyond share the last, and none is lost. */
static void test_marks(void **state)
{
	struct latency *l = latency_new();
	uint64_t now_ns = 1000;

	(void)state;
	assert_non_null(l);
	latency_start(l, now_ns);
	for (unsigned i = 0; i < 3 * LATENCY_MARKS; i++) {
		latency_wake(l, now_ns, LATENCY_KICK);
		latency_begin_run(l, now_ns);
		latency_sent(l, now_ns, 2, 0);
		latency_sleep(l, now_ns);
		now_ns += 10;
	}
	assert_int_equal(l->record.to_sent.n, 6 * LATENCY_MARKS);
	latency_done(l, now_ns, 5 * LATENCY_MARKS);
	latency_done(l, now_ns, LATENCY_MARKS);
	assert_int_equal(l->record.residence.n, 6 * LATENCY_MARKS);
	assert_int_equal(l->record.residence.max, now_ns - 1000);
	assert_int_equal(l->n_marks, 0);
	latency_free(l);
}

static unsigned resident_pages(void *at, size_t len)
{
	unsigned char pages[256];
	unsigned n = 0;
	uintptr_t from = (uintptr_t)at & ~(uintptr_t)4095;
	size_t n_pages = ((uintptr_t)at + len - from + 4095) / 4096;

	assert_in_range(n_pages, 1, sizeof(pages));
	assert_int_equal(mincore((void *)from, n_pages * 4096, pages), 0);
	for (size_t i = 0; i < n_pages; i++)
		n += pages[i] & 1;
	return n;
}

/* One that is not used takes no memory, also where cards came and went before. */
static void test_unused(void **state)
{
	struct latency *l[8];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < array_size(l); i++) {
			l[i] = latency_new();
			assert_non_null(l[i]);
			assert_in_range(resident_pages(l[i], sizeof(*l[i])), 0, 2);
		}
		for (unsigned i = 0; i < array_size(l); i++)
			latency_free(l[i]);
	}
	latency_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
