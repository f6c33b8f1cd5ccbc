/* SPDX-License-Identifier: MIT */
/*
 * What a tx queue records of its frames, in virtual time: how long they were with it, in what part
 * of that time it did what, and what it gives as the reason. Each test makes one cause, by holding
 * the iothread up at one place, with backends that complete at once and late, and rings of both
 * layouts.
 */
#include "tests/unit/tx_queue_rig.h"

#define MS 1000000

static const struct latency_record *record_of(struct rig *r)
{
	return &r->q.latency->record;
}

/* The one that was in the queue for longest. */
static const struct latency_worst *slowest(struct rig *r)
{
	const struct latency_interval *i = &record_of(r)->intervals[0];
	const struct latency_worst *w = &i->worst[0];
	uint64_t sum;

	check(r, i->n >= 1);
	for (unsigned k = 0; k < i->n; k++) {
		sum = 0;
		for (unsigned p = 0; p < LATENCY_PARTS; p++)
			sum += i->worst[k].waited_ns[p];
		check(r, sum == i->worst[k].residence_ns);
		if (i->worst[k].residence_ns > w->residence_ns)
			w = &i->worst[k];
	}
	return w;
}

/* n frames were with the queue for ns, most of which was spent in part, and no frame for longer. */
static void check_slowest(struct rig *r, uint64_t ns, unsigned n, enum latency_part part,
			  uint64_t part_ns, enum latency_cause cause)
{
	const struct latency_worst *w = slowest(r);

	check(r, w->residence_ns == ns);
	check(r, w->frames == n);
	check(r, w->reason == part);
	check(r, w->waited_ns[part] == part_ns);
	check(r, w->cause == cause);
	check(r, w->when_ns <= iothread_now_ns(r->thread));
	check(r, record_of(r)->residence.max == ns);
}

static void kick(struct rig *r, unsigned n)
{
	add(r, n);
	tx_queue_kick(&r->q);
}

/* Until all is back; a late backend completes at once. */
static void finish(struct rig *r)
{
	quiet(r);
	test_backend_finish(r->backend, 0, UINT_MAX);
	quiet(r);
}

static void each_engine(rig_test *test, const struct tx_engine *engine)
{
	const uint64_t layout = guest_layout;

	for (unsigned i = 0; i < 2; i++) {
		guest_layout = i ? FEATURE(VIRTIO_F_RING_PACKED) : 0;
		each_with(test, (struct rig_config){ .engine = engine, .burst = BURST });
	}
	guest_layout = layout;
}

static void nothing(struct rig *r)
{
	check(r, record_of(r)->residence.n == 0 && record_of(r)->batch.n == 0);
	check(r, record_of(r)->intervals[0].n == 0);
	finish(r);
	check(r, record_of(r)->residence.n == 0 && record_of(r)->run.n == 0);
}

/* A queue that moved nothing has no latency, though it looked into its ring. */
static void test_nothing(void **state)
{
	(void)state;
	each_engine(nothing, &bh_tx_engine);
	each_engine(nothing, &timer_tx_engine);
}

static void turn_waits(struct rig *r)
{
	kick(r, 3);
	fake_iothread_hold(r->thread, 7000);
	finish(r);
	check_slowest(r, 7000, 3, LATENCY_TURN, 7000, LATENCY_KICK);
	check(r, record_of(r)->residence.n == 3 && record_of(r)->residence.min == 7000);
	check(r, record_of(r)->batch.n == 1 && record_of(r)->batch.max == 3);
	check(r, record_of(r)->wake.n == 1 && record_of(r)->wake.max == 7000);
	check(r, record_of(r)->run.n == 1 && record_of(r)->run.max == 0);
}

/* The iothread did something else between the kick and the run. */
static void test_turn(void **state)
{
	(void)state;
	each_engine(turn_waits, &bh_tx_engine);
}

static void engine_delays(struct rig *r)
{
	kick(r, 2);
	quiet(r);
	fake_iothread_advance(r->thread, DELAY);
	finish(r);
	check_slowest(r, DELAY, 2, LATENCY_DELAY, DELAY, LATENCY_KICK);
	check(r, record_of(r)->late.n == 1 && record_of(r)->late.max == 0);
	check(r, record_of(r)->wake.n == 1 && record_of(r)->wake.max == 0);
}

/* The timer engine's delay is the engine's will, and no lateness. */
static void test_delay(void **state)
{
	(void)state;
	each_engine(engine_delays, &timer_tx_engine);
}

static void timer_is_late(struct rig *r)
{
	kick(r, 2);
	quiet(r);
	fake_iothread_hold(r->thread, 3 * DELAY);
	finish(r);
	check_slowest(r, 3 * DELAY, 2, LATENCY_LATE, 2 * DELAY, LATENCY_KICK);
	check(r, slowest(r)->waited_ns[LATENCY_DELAY] == DELAY);
	check(r, record_of(r)->late.n == 1 && record_of(r)->late.max == 2 * DELAY);
}

/* The timer was due and the iothread did something else. */
static void test_late(void **state)
{
	(void)state;
	each_engine(timer_is_late, &timer_tx_engine);
}

static void backend_is_full(struct rig *r)
{
	test_backend_room(r->backend, 0, 2);
	kick(r, 5);
	finish(r);
	fake_iothread_hold(r->thread, 9000);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	finish(r);
	check(r, r->n_arrived == 5);
	check_slowest(r, 9000, 3, LATENCY_FULL, 9000, LATENCY_KICK);
	check(r, record_of(r)->residence.n == 5 && record_of(r)->residence.min == 0);
}

/* The backend took two of five: the others count from their kick, the first two do not wait. */
static void test_full(void **state)
{
	(void)state;
	each_engine(backend_is_full, &bh_tx_engine);
}

static void hold_up(struct rig *r)
{
	fake_iothread_hold(r->thread, 1000);
}

static void run_is_long(struct rig *r)
{
	if (r->cfg.late)
		return;
	r->on_sent = hold_up;
	kick(r, 6);
	finish(r);
	check_slowest(r, 6000, 6, LATENCY_RUN, 6000, LATENCY_KICK);
	check(r, record_of(r)->run.n == 1 && record_of(r)->run.max == 6000);
	check(r, record_of(r)->to_sent.n == 0 && record_of(r)->to_used.n == 0);
}

/* The backend's own system calls take the time, of a backend that is done when they return. */
static void test_run(void **state)
{
	(void)state;
	each_engine(run_is_long, &bh_tx_engine);
}

static void completes_late(struct rig *r)
{
	if (!r->cfg.late)
		return;
	kick(r, 3);
	fake_iothread_hold(r->thread, 500);
	quiet(r);
	fake_iothread_hold(r->thread, 4000);
	test_backend_finish(r->backend, 0, 2);
	quiet(r);
	fake_iothread_hold(r->thread, 1000);
	finish(r);
	check(r, r->n_arrived == 3);
	check_slowest(r, 5500, 1, LATENCY_DONE, 5000, LATENCY_KICK);
	check(r, slowest(r)->waited_ns[LATENCY_TURN] == 500);
	check(r, record_of(r)->residence.n == 3 && record_of(r)->residence.min == 4500);
	check(r, record_of(r)->to_sent.n == 3 && record_of(r)->to_sent.max == 500);
	check(r, record_of(r)->to_used.n == 3 && record_of(r)->to_used.min == 4000);
	check(r, record_of(r)->to_used.max == 5000);
}

/* The backend had the frames, and was done with them in pieces. */
static void test_completion(void **state)
{
	(void)state;
	each_engine(completes_late, &bh_tx_engine);
}

static void bursts_wait(struct rig *r)
{
	unsigned i;

	kick(r, 2 * BURST + 4);
	for (i = 0; i < 3; i++) {
		turn(r);
		test_backend_finish(r->backend, 0, UINT_MAX);
		fake_iothread_hold(r->thread, 1000);
	}
	finish(r);
	check(r, r->n_arrived == 2 * BURST + 4);
	check(r, record_of(r)->residence.n == 2 * BURST + 4);
	if (!r->cfg.late)
		check_slowest(r, guest_layout ? 1000 : 2000, guest_layout ? BURST : 4, LATENCY_TURN,
			      guest_layout ? 1000 : 2000,
			      guest_layout ? LATENCY_BUSY : LATENCY_KICK);
}

/*
 * More than a burst: of a split ring all that the first look saw count from the kick, also in the
 * third run. A packed ring does not tell: what the next run takes counts from the end of this.
 */
static void test_bursts(void **state)
{
	(void)state;
	each_engine(bursts_wait, &bh_tx_engine);
}

static void look_finds(struct rig *r)
{
	/* Taken by the look before going to sleep: no kick. */
	if (r->cfg.late || r->n_added > 1)
		return;
	r->on_sent = NULL;
	add(r, 1);
}

static void found_by_a_look(struct rig *r)
{
	if (r->cfg.late)
		return;
	r->on_sent = look_finds;
	kick(r, 1);
	finish(r);
	check(r, r->n_arrived == 2);
	check(r, record_of(r)->residence.n == 2);
}

/* What came during the run, without a kick, is counted, too. */
static void test_look(void **state)
{
	(void)state;
	each_engine(found_by_a_look, &bh_tx_engine);
}

static void pause_ends_it(struct rig *r)
{
	kick(r, 2);
	tx_queue_pause(&r->q);
	fake_iothread_hold(r->thread, 50 * MS);
	tx_queue_resume(&r->q);
	finish(r);
	check(r, r->n_arrived == 2);
	check_slowest(r, 0, 2, LATENCY_IDLE, 0, LATENCY_LOOK);
}

/* A migration or a stopped guest is not the queue's latency. */
static void test_pause(void **state)
{
	(void)state;
	each_engine(pause_ends_it, &bh_tx_engine);
}

static void worst_of_intervals(struct rig *r)
{
	const struct latency_interval *i = record_of(r)->intervals;
	uint64_t least = UINT64_MAX;

	for (unsigned k = 1; k <= 25; k++) {
		kick(r, 1);
		/* Not in order: 7 and 25 have no common factor. */
		fake_iothread_hold(r->thread, 1000 * (uint64_t)(k * 7 % 25 + 1));
		finish(r);
		reclaim(r);
	}
	check(r, i[0].n == LATENCY_WORST && i[1].n == 0);
	for (unsigned k = 0; k < i[0].n; k++)
		least = min_u64(least, i[0].worst[k].residence_ns);
	check(r, least == 16000 && slowest(r)->residence_ns == 25000);
	fake_iothread_hold(r->thread, LATENCY_INTERVAL_NS);
	kick(r, 1);
	fake_iothread_hold(r->thread, 300);
	finish(r);
	check(r, i[0].n == 1 && i[0].worst[0].residence_ns == 300);
	check(r, i[1].n == LATENCY_WORST && i[0].start_ns >= i[1].start_ns + LATENCY_INTERVAL_NS);
}

/* Ten are kept of an interval, the slowest; then a new one begins, and the old is there still. */
static void test_worst(void **state)
{
	(void)state;
	each_engine(worst_of_intervals, &bh_tx_engine);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

#define FRAMES 3000

static void against_exact(struct rig *r)
{
	static const double shares[] = { 0, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
	static uint64_t exact[FRAMES];
	static struct latency_record copy;
	uint64_t random = 13;

	for (unsigned i = 0; i < FRAMES; i++) {
		/* Evenly over the powers of two up to 2^30. */
		exact[i] = test_random(&random) >> (34 + test_random_below(&random, 24));
		kick(r, 1);
		fake_iothread_hold(r->thread, exact[i]);
		finish(r);
		reclaim(r);
	}
	qsort(exact, FRAMES, sizeof(exact[0]), compare);
	memset(&copy, 0, sizeof(copy));
	latency_copy(&copy, r->q.latency);
	check(r, copy.residence.n == FRAMES);
	for (unsigned i = 0; i < array_size(shares); i++) {
		double rank = shares[i] * FRAMES;
		uint64_t truth = exact[rank < 1 ? 0 : (size_t)(rank + 0.999) - 1];
		uint64_t said = histogram_at(&copy.residence, shares[i]);

		check(r, said <= truth + truth / 100 && truth <= said + truth / 100);
	}
}

/* What a reader computes from a copy is off by less than 1 %. */
static void test_exact(void **state)
{
	(void)state;
	each_engine(against_exact, &bh_tx_engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),    cmocka_unit_test(test_turn),
		cmocka_unit_test(test_delay),      cmocka_unit_test(test_late),
		cmocka_unit_test(test_full),       cmocka_unit_test(test_run),
		cmocka_unit_test(test_completion), cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_look),       cmocka_unit_test(test_pause),
		cmocka_unit_test(test_worst),      cmocka_unit_test(test_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
