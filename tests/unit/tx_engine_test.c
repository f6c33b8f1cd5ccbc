/* SPDX-License-Identifier: MIT */
/*
 * The tx engines alone, in injected time: what each answers to each event. Nothing is sent
 * here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/tx/engine.h"
#include "virtio/base.h"

#define DELAY 150000
#define SPIN  50000
#define BURST 256
#define NOW   7000000000

struct machine {
	const struct tx_engine *engine;
	uint8_t state[TX_ENGINE_MAX_STATE] __attribute__((aligned(16)));
};

static void machine_init(struct machine *m, const struct tx_engine *engine)
{
	uint64_t values[TX_ENGINE_MAX_PARAMS];
	unsigned i;

	memset(m, 0, sizeof(*m));
	m->engine = engine;
	for (i = 0; i < engine->n_params; i++)
		values[i] = engine->params[i].def;
	engine->init(m->state, values);
}

static struct tx_plan tell(struct machine *m, enum tx_event event, enum tx_stop stop, uint64_t now)
{
	struct tx_view view = { .now_ns = now,
				.sent = stop == TX_STOP_BURST ? BURST : 3,
				.stop = stop,
				.pending = 5,
				.ring_size = 256 };

	return m->engine->plan(m->state, event, &view);
}

static void expect_when(struct machine *m, enum tx_event event, enum tx_stop stop,
			enum tx_when when)
{
	struct tx_plan plan = tell(m, event, stop, NOW);

	assert_int_equal(plan.when, when);
	assert_int_equal(plan.burst, BURST);
}

static void expect_at(struct machine *m, enum tx_event event, enum tx_stop stop, uint64_t now)
{
	struct tx_plan plan = tell(m, event, stop, now);

	assert_int_equal(plan.when, TX_AT);
	assert_int_equal(plan.at_ns, now + DELAY);
	assert_int_equal(plan.burst, BURST);
}

/*
 * A user's parameters are checked against these ranges: they must be sane, and the defaults QEMU's.
 */
static void test_parameters(void **state)
{
	static const struct tx_engine *const engines[] = { &bh_tx_engine, &timer_tx_engine,
							   &poll_tx_engine };
	const struct tx_param *p;
	unsigned i;

	(void)state;
	for (i = 0; i < array_size(engines); i++) {
		assert_int_equal(engines[i]->abi, TX_ENGINE_ABI);
		assert_true(engines[i]->state_size <= TX_ENGINE_MAX_STATE);
		assert_true(engines[i]->n_params <= TX_ENGINE_MAX_PARAMS);
		for (p = engines[i]->params; p < engines[i]->params + engines[i]->n_params; p++) {
			assert_true(p->name && p->unit && p->help);
			assert_true(p->min >= 1 && p->min <= p->def && p->def <= p->max);
			if (!strcmp(p->name, "burst"))
				assert_int_equal(p->def, BURST);
			else if (!strcmp(p->name, "delay"))
				assert_int_equal(p->def, DELAY);
			else if (!strcmp(p->name, "spin"))
				assert_int_equal(p->def, SPIN);
		}
	}
	assert_string_equal(bh_tx_engine.alias, "bh");
}

/* The values given count, not the defaults. */
static void test_values(void **state)
{
	static const uint64_t timer_values[] = { 1000, 7 }, iothread_values[] = { 9 };
	struct machine m = { .engine = &timer_tx_engine };
	struct tx_plan plan;

	(void)state;
	m.engine->init(m.state, timer_values);
	plan = tell(&m, TX_KICK, TX_STOP_EMPTY, NOW);
	assert_int_equal(plan.at_ns, NOW + 1000);
	assert_int_equal(plan.burst, 7);
	m.engine = &bh_tx_engine;
	m.engine->init(m.state, iothread_values);
	assert_int_equal(tell(&m, TX_KICK, TX_STOP_EMPTY, NOW).burst, 9);
}

/* bh: a kick schedules a run, a second one changes nothing. */
static void test_iothread_kick(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &bh_tx_engine);
	expect_when(&m, TX_START, TX_STOP_EMPTY, TX_SOON);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_SOON);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_SOON);
}

/*
 * bh: a full burst runs again without a kick, a drained ring sleeps, what the re-check found means
 * an active driver.
 */
static void test_iothread_ran(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &bh_tx_engine);
	expect_when(&m, TX_RAN, TX_STOP_BURST, TX_SOON);
	expect_when(&m, TX_RAN, TX_STOP_EMPTY, TX_ON_KICK);
	expect_when(&m, TX_RECHECKED, TX_STOP_EMPTY, TX_SOON);
	expect_when(&m, TX_RECHECKED, TX_STOP_BURST, TX_SOON);
}

/* A backend that takes frames again gets them at once, in both engines (QEMU's tx_complete). */
static void test_writable(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &bh_tx_engine);
	expect_when(&m, TX_WRITABLE, TX_STOP_EMPTY, TX_NOW);
	machine_init(&m, &timer_tx_engine);
	expect_when(&m, TX_WRITABLE, TX_STOP_EMPTY, TX_NOW);
	/* That ended what was armed: the next kick is a first one. */
	expect_when(&m, TX_RAN, TX_STOP_EMPTY, TX_ON_KICK);
	expect_at(&m, TX_KICK, TX_STOP_EMPTY, NOW);
}

/* timer: a kick waits the delay, measured from the kick. */
static void test_timer_kick(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &timer_tx_engine);
	expect_at(&m, TX_KICK, TX_STOP_EMPTY, NOW);
	expect_when(&m, TX_TIMER, TX_STOP_EMPTY, TX_NOW);
	expect_when(&m, TX_RAN, TX_STOP_EMPTY, TX_ON_KICK);
	expect_at(&m, TX_KICK, TX_STOP_EMPTY, NOW + 12345);
}

/* timer: a second kick while armed runs at once; a third, after that run, is a first one again. */
static void test_timer_second_kick(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &timer_tx_engine);
	expect_at(&m, TX_KICK, TX_STOP_EMPTY, NOW);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_NOW);
	expect_when(&m, TX_RAN, TX_STOP_EMPTY, TX_ON_KICK);
	expect_at(&m, TX_KICK, TX_STOP_EMPTY, NOW);
}

/*
 * timer: a full burst and what the re-check found arm again for the whole delay, and count as armed
 * for the next kick.
 */
static void test_timer_rearm(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &timer_tx_engine);
	expect_at(&m, TX_RAN, TX_STOP_BURST, NOW);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_NOW);
	expect_at(&m, TX_RECHECKED, TX_STOP_EMPTY, NOW + 5);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_NOW);
	expect_at(&m, TX_RECHECKED, TX_STOP_BURST, NOW + 6);
}

/*
 * timer: a start with work owed arms, so that a kick is a second one; with none the first kick
 * waits its delay.
 */
static void test_timer_start(void **state)
{
	struct tx_view empty = { .now_ns = NOW };
	struct machine m;

	(void)state;
	machine_init(&m, &timer_tx_engine);
	expect_at(&m, TX_START, TX_STOP_EMPTY, NOW);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_NOW);
	machine_init(&m, &timer_tx_engine);
	assert_int_equal(m.engine->plan(m.state, TX_START, &empty).when, TX_ON_KICK);
	expect_at(&m, TX_KICK, TX_STOP_EMPTY, NOW + 1);
}

/* What a run without a frame leads to, at a time. */
static enum tx_when nothing_at(struct machine *m, uint64_t now)
{
	struct tx_view view = { .now_ns = now, .stop = TX_STOP_EMPTY, .ring_size = 256 };

	return m->engine->plan(m->state, TX_RAN, &view).when;
}

/* poll: runs as iothread does while there is work. */
static void test_poll_busy(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &poll_tx_engine);
	expect_when(&m, TX_START, TX_STOP_EMPTY, TX_SOON);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_SOON);
	expect_when(&m, TX_RAN, TX_STOP_BURST, TX_SOON);
	expect_when(&m, TX_RAN, TX_STOP_EMPTY, TX_SOON);
	expect_when(&m, TX_RECHECKED, TX_STOP_EMPTY, TX_SOON);
	expect_when(&m, TX_WRITABLE, TX_STOP_EMPTY, TX_NOW);
}

/* poll: the time to sleep counts from the last frame; a drained ring sleeps then, not before. */
static void test_poll_spins(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &poll_tx_engine);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_SOON);
	assert_int_equal(tell(&m, TX_RAN, TX_STOP_EMPTY, NOW).when, TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + SPIN - 1), TX_SOON);
	/* Three frames more: the time begins again. */
	assert_int_equal(tell(&m, TX_RAN, TX_STOP_EMPTY, NOW + SPIN).when, TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + 2 * SPIN - 1), TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + 2 * SPIN), TX_ON_KICK);
}

/* poll: after a wake-up that brought nothing it spins its whole time again, not the rest of it. */
static void test_poll_wakes(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &poll_tx_engine);
	assert_int_equal(nothing_at(&m, NOW), TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + SPIN), TX_ON_KICK);
	expect_when(&m, TX_KICK, TX_STOP_EMPTY, TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + 3 * SPIN), TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + 4 * SPIN), TX_ON_KICK);
}

/* poll: a backend that was full ends the idle time, too. */
static void test_poll_full(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m, &poll_tx_engine);
	assert_int_equal(nothing_at(&m, NOW), TX_SOON);
	expect_when(&m, TX_RAN, TX_STOP_FULL, TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + SPIN), TX_SOON);
	assert_int_equal(nothing_at(&m, NOW + 2 * SPIN), TX_ON_KICK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parameters),        cmocka_unit_test(test_values),
		cmocka_unit_test(test_iothread_kick),     cmocka_unit_test(test_iothread_ran),
		cmocka_unit_test(test_writable),          cmocka_unit_test(test_timer_kick),
		cmocka_unit_test(test_timer_second_kick), cmocka_unit_test(test_timer_rearm),
		cmocka_unit_test(test_timer_start),       cmocka_unit_test(test_poll_busy),
		cmocka_unit_test(test_poll_spins),        cmocka_unit_test(test_poll_wakes),
		cmocka_unit_test(test_poll_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
