/* SPDX-License-Identifier: MIT */
/*
 * The tx mode changes while frames move: a million times, at random moments of driver, backend and
 * time, in each of the rig's sixteen combinations. The rig checks that each frame arrives once, in
 * order; here, that none is stuck when all is idle, and that what is stopped, full or broken begins
 * by the new mode.
 */
#include "tests/unit/tx_queue_rig.h"

#include <limits.h>

/* Changes in each combination: a million in all, fewer where a sanitizer looks on. */
static unsigned n_changes = 62500;
/* After so many the driver stops, and all must come out. */
#define CHANGES_IDLE 500

static struct tx_mode random_mode(uint64_t *random)
{
	static const struct tx_engine *const engines[] = { &bh_tx_engine, &timer_tx_engine,
							   &poll_tx_engine };
	const struct tx_engine *engine = engines[test_random_below(random, array_size(engines))];
	struct tx_mode mode = { .engine = engine };
	/* Some are longer than a turn. */
	uint32_t burst = 1 + test_random_below(random, test_random_below(random, 2) ? BURST : 200);

	mode.values[engine->n_params - 1] = burst;
	if (engine != &bh_tx_engine)
		mode.values[0] = 1000 + test_random_below(random, 2 * DELAY);
	return mode;
}

/* The driver offers up to two bursts, and kicks if it is to. */
static void some_frames(struct rig *r, uint64_t *random)
{
	unsigned n = test_random_below(random, test_random_below(random, 4) ? 2 * BURST : SIZE);

	while (n-- && add_shape(r, (enum shape)test_random_below(random, SHAPES), FATE_SENT))
		;
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
}

static void step(struct rig *r, uint64_t *random)
{
	switch (test_random_below(random, 8)) {
	case 0:
	case 1:
		some_frames(r, random);
		break;
	case 2:
		reclaim(r);
		break;
	case 3:
		test_backend_room(r->backend, 0, test_random_below(random, 2 * BURST));
		break;
	case 4:
		test_backend_finish(r->backend, 0, test_random_below(random, BURST));
		break;
	case 5:
		fake_iothread_advance(r->thread, test_random_below(random, 2 * DELAY));
		break;
	default:
		turn(r);
		break;
	}
}

/* The rings are lent to another, or move in memory: it changes while the queue is stopped. */
static void change_stopped(struct rig *r, const struct tx_mode *mode, bool pause)
{
	uint32_t idx;

	if (pause) {
		tx_queue_pause(&r->q);
		tx_queue_set_mode(&r->q, mode);
		tx_queue_resume(&r->q);
		return;
	}
	idx = tx_queue_stop(&r->q);
	tx_queue_set_mode(&r->q, mode);
	check(r, idx == ring_base(&r->guest.ring));
	start(r, idx);
}

/* The driver rests; time goes on, which poll needs to sleep. */
static void all_out(struct rig *r)
{
	unsigned i;

	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	for (i = 0; i < TURNS; i++) {
		turn(r);
		test_backend_finish(r->backend, 0, UINT_MAX);
		turn(r);
		if (r->n_arrived == r->n_added && !r->q.timer.armed && !r->q.run_work.queued &&
		    !r->q.ready_work.queued)
			break;
		fake_iothread_advance(r->thread, 20000);
	}
	check(r, i < TURNS);
	check_all_out(r);
	/* None is forgotten in the record of latencies, or in it twice. */
	check(r, r->q.latency->record.residence.n == r->n_used);
	check(r, r->q.latency->record.residence.max < 1000000000);
}

/* The mode has begun: what waits goes by it, and by nothing that the one before had planned. */
static void check_begun(struct rig *r, const struct tx_mode *mode)
{
	uint64_t now_ns = iothread_now_ns(r->thread);
	bool waits = r->n_arrived < r->n_added;

	check(r, r->q.engine == mode->engine);
	if (r->q.blocked)
		return;
	check(r, !r->q.run.open);
	if (mode->engine != &timer_tx_engine) {
		check(r, !r->q.timer.armed);
		check(r, !waits || r->q.run_work.queued || r->q.blocked);
	} else if (waits && r->q.timer.armed) {
		check(r, r->q.timer.at_ns <= now_ns + mode->values[0]);
	}
}

static void changes(struct rig *r)
{
	uint64_t random = r->seed + 1;
	struct tx_mode mode;

	for (unsigned i = 0; i < n_changes; i++) {
		for (unsigned k = test_random_below(&random, 4); k; k--)
			step(r, &random);
		mode = random_mode(&random);
		/* What the backend cannot recall when it is stopped counts as either fate. */
		if (!test_random_below(&random, 50) && !tx_flight_count(&r->q.flight))
			change_stopped(r, &mode, test_random_below(&random, 2));
		else
			tx_queue_set_mode(&r->q, &mode);
		check_begun(r, &mode);
		if (i % CHANGES_IDLE == 0)
			all_out(r);
	}
	all_out(r);
	check(r, r->n_arrived == r->n_added);
	check(r, !r->q.stats.unsafe_plans && !r->n_broken);
}

static void test_changes(void **state)
{
	(void)state;
	each(changes);
}

/* What an engine heard first. */
static enum tx_event first_event;
static unsigned n_heard;

static void spy_init(void *state, const uint64_t *values)
{
	(void)state;
	(void)values;
	n_heard = 0;
}

static struct tx_plan spy_plan(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)view;
	if (!n_heard++)
		first_event = event;
	return (struct tx_plan){ event == TX_RAN || event == TX_RECHECKED ? TX_ON_KICK : TX_SOON, 0,
				 BURST };
}

static const struct tx_engine spy = {
	.name = "spy", .abi = TX_ENGINE_ABI, .init = spy_init, .plan = spy_plan
};

/* With a full backend the new engine is not asked before there is room; it hears TX_START then. */
static void full(struct rig *r)
{
	struct tx_mode mode = { .engine = &spy };

	test_backend_room(r->backend, 0, 0);
	send_frames(r, 3);
	let_run(r);
	check(r, r->q.blocked && !r->n_arrived);
	for (unsigned i = 0; i < 100; i++) {
		tx_queue_set_mode(&r->q, &mode);
		quiet(r);
	}
	check(r, r->q.blocked && !r->q.timer.armed && !r->n_arrived && !n_heard);
	all_out(r);
	check(r, n_heard && first_event == TX_START);
	check(r, r->n_arrived == 3);
}

static void test_full(void **state)
{
	(void)state;
	each(full);
}

/* A broken ring stays broken, and says nothing more, whatever mode it gets. */
static void broken(struct rig *r)
{
	uint64_t random = r->seed + 1;
	struct ring *ring = &r->guest.ring;
	struct tx_mode mode;

	store_release(&ring->areas.avail->idx, (uint16_t)(ring->avail_idx + 1000));
	ring_kick_now(ring);
	let_run(r);
	check(r, r->n_broken == 1);
	for (unsigned i = 0; i < 100; i++) {
		mode = random_mode(&random);
		tx_queue_set_mode(&r->q, &mode);
		fake_iothread_advance(r->thread, DELAY);
		quiet(r);
	}
	check(r, r->n_broken == 1 && r->q.vq.fault != VIRTQ_OK && !r->n_arrived);
	check(r, !r->q.timer.armed && !r->q.run_work.queued);
	tx_queue_stop(&r->q);
}

static void test_broken(void **state)
{
	(void)state;
	each(broken);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_broken),
	};

	if (argc > 1)
		n_changes = (unsigned)atoi(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
