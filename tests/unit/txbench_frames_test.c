/* SPDX-License-Identifier: MIT */
/* bench/txbench/frames.h: what was lost, came twice or out of order, and whose latency is whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/txbench/frames.h"

#define START  1000000
#define WINDOW 16

static struct frames f;
static struct repetition rep;

static void begin(uint64_t ns)
{
	memset(&rep, 0, sizeof(rep));
	frames_begin(&f, &rep, STAGE_WIRE, START, ns);
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(frames_init(&f, WINDOW - 3), 0);
	assert_int_equal(f.mask, WINDOW - 1);
	begin(100000);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	frames_deinit(&f);
	frames_deinit(&f);
	return 0;
}

/* Frame number i of this repetition is due i us after the start. */
static void send(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		frames_add(&f, START + (f.next - f.base) * 1000);
}

static enum frames_outcome saw(enum stage stage, uint64_t i, uint64_t latency_ns)
{
	return frames_saw(&f, stage, f.base + i, START + i * 1000 + latency_ns);
}

/* Each stage has its own latencies, all from when the frame was due. */
static void test_stages(void **state)
{
	(void)state;
	send(2);
	assert_int_equal(saw(STAGE_PUBLISHED, 0, 10), FRAMES_NEW);
	assert_int_equal(saw(STAGE_USED, 1, 70), FRAMES_NEW);
	assert_int_equal(saw(STAGE_WIRE, 0, 20), FRAMES_NEW);
	assert_int_equal(saw(STAGE_WIRE, 1, 40), FRAMES_NEW);
	frames_end(&f);
	assert_int_equal(rep.frames, 2);
	assert_int_equal(rep.lost, 0);
	assert_int_equal(rep.stages[STAGE_PUBLISHED].histogram.n, 1);
	assert_int_equal(rep.stages[STAGE_USED].histogram.max, 70);
	assert_int_equal(rep.stages[STAGE_WIRE].histogram.min, 20);
	assert_int_equal(rep.stages[STAGE_WIRE].histogram.max, 40);
	assert_true(rep.stages[STAGE_WIRE].sum_ns == 60);
	assert_false(f.backwards);
}

/* Only the last stage decides what is lost, also round the end of the window. */
static void test_lost(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		send(7);
		for (unsigned i = 0; i < 7; i++) {
			saw(STAGE_USED, 7 * round + i, 5);
			if (i != 3)
				saw(STAGE_WIRE, 7 * round + i, 5);
		}
	}
	frames_end(&f);
	assert_int_equal(rep.frames, 70);
	assert_int_equal(rep.lost, 10);
	assert_int_equal(rep.duplicated, 0);
	assert_int_equal(rep.reordered, 0);
}

/* The second sight is no latency. Twice at another stage is not twice on the wire. */
static void test_duplicated(void **state)
{
	(void)state;
	send(3);
	saw(STAGE_USED, 1, 5);
	saw(STAGE_USED, 1, 6);
	assert_int_equal(saw(STAGE_WIRE, 1, 5), FRAMES_NEW);
	assert_int_equal(saw(STAGE_WIRE, 1, 500), FRAMES_TWICE);
	assert_int_equal(saw(STAGE_WIRE, 1, 600), FRAMES_TWICE);
	saw(STAGE_WIRE, 2, 5);
	frames_end(&f);
	assert_int_equal(rep.duplicated, 2);
	assert_int_equal(rep.lost, 1);
	assert_int_equal(rep.reordered, 0);
	assert_int_equal(rep.stages[STAGE_WIRE].histogram.max, 5);
}

/* A swapped pair is one frame out of order; one that comes last of all is one, too. */
static void test_reordered(void **state)
{
	static const unsigned order[] = { 1, 0, 2, 4, 5, 6, 3, 7 };

	(void)state;
	send(8);
	for (unsigned i = 0; i < 8; i++)
		saw(STAGE_WIRE, order[i], 5);
	frames_end(&f);
	assert_int_equal(rep.reordered, 2);
	assert_int_equal(rep.lost, 0);
}

/* Who comes when the window has gone on is not taken for the frame that has the record now. */
static void test_old(void **state)
{
	(void)state;
	send(WINDOW);
	assert_int_equal(saw(STAGE_WIRE, 0, 5), FRAMES_NEW);
	send(2);
	assert_int_equal(saw(STAGE_WIRE, 1, 5), FRAMES_TWICE);
	assert_int_equal(saw(STAGE_WIRE, 2, 7), FRAMES_NEW);
	assert_int_equal(saw(STAGE_WIRE, WINDOW + 1, 9), FRAMES_NEW);
	frames_end(&f);
	assert_int_equal(rep.lost, WINDOW + 2 - 3);
	assert_int_equal(rep.duplicated, 1);
	assert_int_equal(rep.stages[STAGE_WIRE].histogram.n, 3);
}

/* What a former repetition left, and what was never sent, is none of this one's. */
static void test_others(void **state)
{
	(void)state;
	send(5);
	begin(100000);
	send(1);
	assert_int_equal(frames_saw(&f, STAGE_WIRE, f.base - 1, START + 5), FRAMES_OTHER);
	assert_int_equal(frames_saw(&f, STAGE_WIRE, f.next, START + 5), FRAMES_OTHER);
	assert_int_equal(frames_saw(&f, STAGE_WIRE, UINT64_MAX, START + 5), FRAMES_OTHER);
	assert_int_equal(saw(STAGE_WIRE, 0, 5), FRAMES_NEW);
	frames_end(&f);
	assert_int_equal(rep.frames, 1);
	assert_int_equal(rep.lost, 0);
	assert_int_equal(rep.duplicated, 0);
}

/* A bin is of the frames that were due in its time, whenever they came; the last of all later. */
static void test_timeline(void **state)
{
	(void)state;
	send(102); /* one for each us; a bin is 1 us */
	saw(STAGE_WIRE, 98, 7);
	saw(STAGE_WIRE, 99, 50000);
	saw(STAGE_WIRE, 100, 30);
	saw(STAGE_WIRE, 101, 30);
	frames_end(&f);
	assert_int_equal(rep.n_bins, TIMELINE_BINS);
	assert_int_equal(rep.bin_ns, 1000);
	assert_int_equal(rep.bins[0].frames, 0);
	assert_int_equal(rep.bins[0].max_ns, 0);
	assert_int_equal(rep.bins[98].frames, 1);
	assert_int_equal(rep.bins[98].p50_ns, 7);
	assert_int_equal(rep.bins[99].frames, 3);
	assert_int_equal(rep.bins[99].p50_ns, 30);
	assert_int_equal(rep.bins[99].max_ns, 50000);
}

/* A microsecond is the clocks' own; more is a clock that was set back. */
static void test_backwards(void **state)
{
	(void)state;
	send(2);
	frames_saw(&f, STAGE_WIRE, f.base, START - 900);
	assert_false(f.backwards);
	assert_int_equal(rep.stages[STAGE_WIRE].histogram.max, 0);
	frames_saw(&f, STAGE_WIRE, f.base + 1, START);
	assert_false(f.backwards);
	send(1);
	frames_saw(&f, STAGE_WIRE, f.base + 2, START - 1);
	assert_true(f.backwards);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_duplicated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reordered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_timeline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_backwards, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
