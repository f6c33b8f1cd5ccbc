/* SPDX-License-Identifier: MIT */
/*
 * When the tx queue runs: kicks, sleep, timers and bursts with both engines, what slips in between,
 * and that the queue does what an engine's last plan says, also when the engine changes. Each test
 * runs in all combinations of tx_queue_rig.h unless it says otherwise; engines without sense are in
 * tx_queue_fault_test.c.
 */
#include "tests/unit/tx_queue_rig.h"

static void each_timer(rig_test *test)
{
	each_with(test, (struct rig_config){ .engine = &timer_tx_engine, .burst = BURST });
}

/* ---- sleeping, kicks and time ---- */

static void start_empty(struct rig *r)
{
	check_all_out(r);
	check(r, r->n_arrived == 0 && r->q.stats.frames == 0);
}

/*
 * A queue that starts with an empty ring must sleep, and sleep so that the driver's first kick
 * wakes it.
 */
static void test_start_empty(void **state)
{
	(void)state;
	each(start_empty);
}

static void first_kick(struct rig *r)
{
	check(r, send_frames(r, 3));
	turn(r);
	if (r->cfg.engine == &timer_tx_engine) {
		check(r, r->q.timer.armed);
		check(r, r->q.timer.at_ns == iothread_now_ns(r->thread) + DELAY);
		fake_iothread_advance(r->thread, DELAY - 1);
		quiet(r);
		check(r, test_backend_counts(r->backend, 0)->tx_calls == 0);
		fake_iothread_advance(r->thread, 1);
	}
	check(r, test_backend_counts(r->backend, 0)->tx_calls == 1);
	settle(r);
	check(r, r->n_arrived == 3);
	check_all_out(r);
}

/*
 * iothread sends in the turn of the kick; timer not one nanosecond before its delay, and then at
 * once.
 */
static void test_first_kick(void **state)
{
	(void)state;
	each(first_kick);
}

static void second_kick(struct rig *r)
{
	uint64_t runs = r->q.stats.runs, due;

	check(r, send_frames(r, 2));
	quiet(r);
	due = r->q.timer.at_ns;
	fake_iothread_advance(r->thread, DELAY / 2);
	add(r, 1);
	ring_kick_now(&r->guest.ring);
	turn(r);
	check(r, !r->q.timer.armed);
	settle(r);
	check(r, r->n_arrived == 3);
	check(r, r->q.stats.runs == runs + 1);
	fake_iothread_advance(r->thread, due + DELAY - iothread_now_ns(r->thread));
	check(r, r->q.stats.runs == runs + 1);
	check_all_out(r);
}

/*
 * timer: a kick while armed means that the driver ran out of room, so the run is now, and the timer
 * does not come as well.
 */
static void test_second_kick_runs_now(void **state)
{
	(void)state;
	each_timer(second_kick);
}

static void kick_while_owed(struct rig *r)
{
	uint64_t runs = r->q.stats.runs;

	add(r, 2);
	tx_queue_kick(&r->q);
	tx_queue_kick(&r->q);
	tx_queue_kick(&r->q);
	check(r, r->q.run_work.queued);
	settle(r);
	check(r, r->q.stats.runs == runs + 1);
	check_all_out(r);
}

/* iothread: kicks while a run is owed are one run, not several (QEMU's tx_waiting). */
static void test_kick_while_owed(void **state)
{
	(void)state;
	each_with(kick_while_owed, (struct rig_config){ .engine = &bh_tx_engine, .burst = BURST });
}

static void ring_full_kick(struct rig *r)
{
	check(r, send_frames(r, 1));
	quiet(r);
	add(r, SIZE - 1);
	check(r, !ring_reserve(&r->guest.ring, 1));
	ring_kick_now(&r->guest.ring);
	for (unsigned i = 0; i < SIZE / TURN_FRAMES; i++)
		turn(r);
	check(r, r->q.stats.frames == SIZE);
	settle(r);
	check_all_out(r);
}

/*
 * timer: Linux kicks a full ring whatever the device asked for; the room must come now, not after
 * the delay.
 */
static void test_ring_full_kick(void **state)
{
	(void)state;
	each_with(ring_full_kick, (struct rig_config){ .engine = &timer_tx_engine, .burst = SIZE });
}

static void kick_and_wait(struct rig *r)
{
	uint64_t before = test_backend_counts(r->backend, 0)->tx_calls;

	add(r, 1);
	ring_kick_now(&r->guest.ring);
	quiet(r);
	fake_iothread_advance(r->thread, DELAY - 1);
	check(r, test_backend_counts(r->backend, 0)->tx_calls == before);
	fake_iothread_advance(r->thread, 1);
	check(r, test_backend_counts(r->backend, 0)->tx_calls == before + 1);
	settle(r);
	check_all_out(r);
}

static void never_early(struct rig *r)
{
	struct tx_mode mode = mode_of(&timer_tx_engine, BURST);
	uint32_t idx;

	kick_and_wait(r);
	kick_and_wait(r);
	tx_queue_pause(&r->q);
	tx_queue_resume(&r->q);
	kick_and_wait(r);
	tx_queue_enable(&r->q, true);
	kick_and_wait(r);
	tx_queue_set_mode(&r->q, &mode);
	kick_and_wait(r);
	idx = tx_queue_stop(&r->q);
	start(r, idx);
	kick_and_wait(r);
}

/*
 * timer: the first kick waits out its delay also right after a start, resume, enable or change of
 * mode of an empty ring.
 */
static void test_timer_is_never_early(void **state)
{
	(void)state;
	each_timer(never_early);
}

/* ---- bursts, and what slips in (QEMU's bugs of 2010 to 2022) ---- */

static void bursts(struct rig *r)
{
	static const unsigned counts[] = { BURST, BURST + 1, 2 * BURST, 2 * BURST + 1, SIZE };
	uint64_t runs;
	unsigned i;

	for (i = 0; i < array_size(counts); i++) {
		runs = r->q.stats.runs;
		check(r, send_frames(r, counts[i]));
		settle(r);
		check_all_out(r);
		check(r, r->q.stats.runs - runs >= counts[i] / BURST);
	}
}

/*
 * A full burst leads to another run without a kick: before 2022 QEMU left what was behind it until
 * the next kick.
 */
static void test_bursts(void **state)
{
	(void)state;
	each(bursts);
}

static void burst_rearms(struct rig *r)
{
	check(r, send_frames(r, 2 * BURST + 1));
	quiet(r);
	fake_iothread_advance(r->thread, DELAY);
	check(r, r->q.stats.frames == BURST);
	fake_iothread_advance(r->thread, DELAY - 1);
	check(r, r->q.stats.frames == BURST);
	fake_iothread_advance(r->thread, 1);
	check(r, r->q.stats.frames == 2 * BURST);
	settle(r);
	check_all_out(r);
}

/* timer: after a full burst the whole delay passes again. */
static void test_burst_rearms(void **state)
{
	(void)state;
	each_timer(burst_rearms);
}

static void taking_turns(struct rig *a)
{
	struct rig b;
	unsigned i;

	rig_init(&b, &a->cfg, a->thread);
	start(&b, ring_base(&b.guest.ring));
	settle(&b);
	add(a, 4 * BURST);
	add(&b, 4 * BURST);
	ring_kick_now(&a->guest.ring);
	ring_kick_now(&b.guest.ring);
	for (i = 1; i <= 4; i++) {
		turn(a);
		check(a, a->q.stats.frames == i * BURST);
		check(&b, b.q.stats.frames == i * BURST);
	}
	settle(a);
	settle(&b);
	check_all_out(a);
	check_all_out(&b);
	rig_deinit(&b);
}

/*
 * Two queues on one thread: each has a burst, then the other, or a busy guest starves its
 * neighbour.
 */
static void test_queues_take_turns(void **state)
{
	(void)state;
	each_with(taking_turns, (struct rig_config){ .engine = &bh_tx_engine, .burst = BURST });
}

/* An engine around the one under test: the driver may act at the very moment of a plan. */
static struct {
	const struct tx_engine *inner;
	struct rig *rig;
	unsigned left; /* times that a frame slips in */
} slip;

static void slip_init(void *state, const uint64_t *values)
{
	slip.inner->init(state, values);
}

static struct tx_plan slip_plan(void *state, enum tx_event event, const struct tx_view *view)
{
	struct tx_plan plan = slip.inner->plan(state, event, view);

	/*
	 * Going to sleep, with notifications still off: the driver adds and sees no reason to kick.
	 */
	if (event == TX_RAN && plan.when == TX_ON_KICK && slip.left) {
		slip.left--;
		check(slip.rig, !send_frames(slip.rig, 1));
	}
	return plan;
}

static const struct tx_engine slip_engine = {
	.name = "slip",
	.abi = TX_ENGINE_ABI,
	.state_size = TX_ENGINE_MAX_STATE,
	.init = slip_init,
	.plan = slip_plan,
};

static void slip_in(struct rig *r)
{
	struct tx_mode mode = mode_of(r->cfg.engine, BURST);

	slip.inner = r->cfg.engine;
	slip.rig = r;
	slip.left = 0;
	mode.engine = &slip_engine;
	tx_queue_set_mode(&r->q, &mode);
	settle(r);
	slip.left = 3;
	check(r, send_frames(r, 2));
	settle(r);
	check(r, slip.left == 0);
	check(r, r->q.stats.rechecks == 3);
	check(r, r->n_arrived == 5);
	check_all_out(r);
}

/*
 * A frame added between the end of a run and "kick me" has no kick: the re-check must find it,
 * every time.
 */
static void test_slip_in(void **state)
{
	(void)state;
	each(slip_in);
}

static void recheck_then(struct rig *r)
{
	slip_in(r);
	slip.left = 1;
	check(r, send_frames(r, 1));
	let_run(r);
	check(r, r->q.stats.frames == 7);
	/* QEMU: the guest is active, so do not sleep after what the re-check found. */
	if (r->cfg.engine == &timer_tx_engine)
		check(r,
		      r->q.timer.armed && r->q.timer.at_ns == iothread_now_ns(r->thread) + DELAY);
	settle(r);
	check_all_out(r);
}

/*
 * What the re-check found is sent in that same run, and then timer waits a delay before it looks
 * again.
 */
static void test_recheck_runs_now(void **state)
{
	(void)state;
	each(recheck_then);
}

/* ---- plans ---- */

/* An engine that says what the test told it to. */
static struct tx_plan told_plan;
static enum tx_event told_events[16];
static unsigned n_told;

static struct tx_plan told(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)view;
	told_events[n_told++ % array_size(told_events)] = event;
	return told_plan;
}

static void told_init(void *state, const uint64_t *values)
{
	(void)state;
	(void)values;
}

static const struct tx_engine told_engine = {
	.name = "told",
	.abi = TX_ENGINE_ABI,
	.init = told_init,
	.plan = told,
};

static void replaced(struct rig *r)
{
	struct tx_mode mode = { .engine = &told_engine };
	uint64_t now = iothread_now_ns(r->thread);

	told_plan = (struct tx_plan){ .when = TX_AT, .at_ns = now + 1000, .burst = 1 };
	tx_queue_set_mode(&r->q, &mode);
	/*
	 * A later time instead of an earlier one, then sleep instead of a time, then a time instead
	 * of "soon".
	 */
	told_plan.at_ns = now + 5000;
	tx_queue_kick(&r->q);
	check(r, r->q.timer.at_ns == now + 5000);
	told_plan.when = TX_ON_KICK;
	tx_queue_kick(&r->q);
	check(r, !r->q.timer.armed);
	told_plan.when = TX_SOON;
	tx_queue_kick(&r->q);
	check(r, r->q.run_work.queued);
	told_plan = (struct tx_plan){ .when = TX_AT, .at_ns = now + 5000, .burst = 1 };
	tx_queue_kick(&r->q);
	check(r, !r->q.run_work.queued && r->q.timer.armed);
	told_plan.when = TX_ON_KICK;
	n_told = 0;
	fake_iothread_advance(r->thread, 5000);
	check(r, n_told == 1 && told_events[0] == TX_TIMER);
	check_asleep(r);
}

/*
 * A plan replaces the one before it: there is no run that the engine's last word did not ask for.
 */
static void test_plan_replaces_plan(void **state)
{
	(void)state;
	each(replaced);
}

static void not_asked(struct rig *r)
{
	struct tx_mode mode = { .engine = &told_engine };

	told_plan = (struct tx_plan){ .when = TX_SOON, .burst = BURST };
	test_backend_room(r->backend, 0, 1);
	add(r, 3);
	tx_queue_set_mode(&r->q, &mode);
	while (!r->q.blocked)
		turn(r);
	n_told = 0;
	ring_kick_now(&r->guest.ring);
	fake_iothread_advance(r->thread, DELAY);
	quiet(r);
	check(r, n_told == 0);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	told_plan.when = TX_ON_KICK;
	settle(r);
	check(r, n_told > 0 && told_events[0] == TX_WRITABLE);
	check_all_out(r);
}

/*
 * While the backend is full the engine hears nothing, and then first of all that it is not any
 * more.
 */
static void test_not_asked_while_full(void **state)
{
	(void)state;
	each(not_asked);
}

static void other_engine(struct rig *r)
{
	static unsigned turn_of;
	struct tx_mode mode = mode_of(++turn_of % 2 ? &timer_tx_engine : &bh_tx_engine, BURST);

	tx_queue_set_mode(&r->q, &mode);
}

static void change_engine(struct rig *r)
{
	unsigned i;

	for (i = 0; i < 4; i++) {
		/* Kicked, not run. */
		add(r, 2 * BURST);
		ring_kick_now(&r->guest.ring);
		turn(r);
		other_engine(r);
		settle(r);
		check_all_out(r);
		/* Added without a kick. */
		add(r, 1);
		other_engine(r);
		settle(r);
		check_all_out(r);
		/* The backend full. */
		test_backend_room(r->backend, 0, 3);
		check(r, send_frames(r, 3 * BURST));
		settle(r);
		check(r, r->q.blocked);
		other_engine(r);
		settle(r);
		check(r, r->q.blocked);
		test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
		settle(r);
		check_all_out(r);
		/* Paused. */
		add(r, 2);
		tx_queue_pause(&r->q);
		other_engine(r);
		quiet(r);
		check(r, reclaim(r) == 0);
		tx_queue_resume(&r->q);
		settle(r);
		check_all_out(r);
	}
}

/*
 * The engine may change at any time, whatever is owed, armed or in flight, and no frame needs a
 * kick for it.
 */
static void test_change_of_engine(void **state)
{
	(void)state;
	each(change_engine);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_empty),
		cmocka_unit_test(test_first_kick),
		cmocka_unit_test(test_second_kick_runs_now),
		cmocka_unit_test(test_kick_while_owed),
		cmocka_unit_test(test_ring_full_kick),
		cmocka_unit_test(test_timer_is_never_early),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_burst_rearms),
		cmocka_unit_test(test_queues_take_turns),
		cmocka_unit_test(test_slip_in),
		cmocka_unit_test(test_recheck_runs_now),
		cmocka_unit_test(test_plan_replaces_plan),
		cmocka_unit_test(test_not_asked_while_full),
		cmocka_unit_test(test_change_of_engine),
	};

	return cmocka_run_group_tests_name("split", tests, guest_split, NULL) |
	       cmocka_run_group_tests_name("packed", tests, guest_packed, NULL);
}
