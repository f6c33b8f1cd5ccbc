/* SPDX-License-Identifier: MIT */
/*
 * The tx queue among those who do not do their part: a backend that is full, slow or fails, a
 * driver that breaks its ring, an engine whose plans have no sense. Each test runs in all
 * combinations of tx_queue_rig.h unless it says otherwise.
 */
#include "tests/unit/tx_queue_rig.h"

/* ---- a backend that is full, slow, or fails ---- */

static void full_then_ready(struct rig *r)
{
	const struct test_backend_counts *counts = test_backend_counts(r->backend, 0);
	uint64_t calls, arrived;
	unsigned k;

	for (k = 0; k <= BURST + 1; k++) {
		arrived = r->n_arrived;
		test_backend_room(r->backend, 0, k);
		check(r, send_frames(r, 3 * BURST + 2));
		settle(r);
		check(r, r->q.blocked && r->n_arrived == arrived + k);
		calls = counts->tx_calls;
		ring_kick_now(&r->guest.ring);
		fake_iothread_advance(r->thread, 10 * DELAY);
		quiet(r);
		check(r, counts->tx_calls == calls);
		test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
		settle(r);
		check(r, r->q.stats.backend_full > k);
		check_all_out(r);
	}
}

/*
 * The backend is full at frame k of more than three bursts, and then ready: all go out, in order,
 * with no kick (QEMU's bug df8d070817 was here). Until it is ready it is not asked again, whatever
 * is kicked.
 */
static void test_full_then_ready(void **state)
{
	(void)state;
	each(full_then_ready);
}

static void drip(struct rig *r)
{
	unsigned i;

	test_backend_room(r->backend, 0, 0);
	check(r, send_frames(r, 5 * BURST));
	for (i = 0; i < 5 * BURST; i++) {
		settle(r);
		check(r, r->n_arrived == i);
		test_backend_room(r->backend, 0, 1);
	}
	settle(r);
	check_all_out(r);
}

/* One frame of room at a time, each time full again behind it. */
static void test_one_at_a_time(void **state)
{
	(void)state;
	each(drip);
}

static void pieces(struct rig *r)
{
	unsigned i;

	check(r, send_frames(r, BURST - 1));
	let_run(r);
	for (i = 1; r->cfg.late && i < BURST; i++) {
		check(r, test_backend_held(r->backend, 0) == BURST - i);
		check(r, reclaim(r) == 0);
		test_backend_finish(r->backend, 0, 1);
		quiet(r);
		check(r, reclaim(r) == 1);
	}
	settle(r);
	check_all_out(r);
}

/*
 * Each completion comes back as it happens, without the queue running for it; the ring may be empty
 * meanwhile.
 */
static void test_completions_in_pieces(void **state)
{
	(void)state;
	each(pieces);
}

static void refused(struct rig *r)
{
	test_backend_refuse(r->backend, 0, 2);
	check(r, send_frames(r, 5));
	settle(r);
	check(r, r->n_arrived == 3);
	check(r, r->q.stats.drop_backend == 2 && r->q.stats.frames == 3);
	check_all_out(r);
}

/*
 * A frame that the backend fails on (EIO: the tap is down) is dropped and counted, and the next
 * ones go out.
 */
static void test_refused(void **state)
{
	(void)state;
	each(refused);
}

static void spurious(struct rig *r)
{
	unsigned i;

	for (i = 0; i < 3; i++) {
		tx_queue_ready(&r->q, BACKEND_ROOM | BACKEND_DONE);
		fake_iothread_fire(r->thread, r->guest.kick_fd);
		if (r->cfg.fds)
			fake_iothread_fire(r->thread, r->q.bq->room.fd);
		settle(r);
		check_all_out(r);
		check(r, send_frames(r, 2));
		let_run(r);
		tx_queue_ready(&r->q, BACKEND_ROOM | BACKEND_DONE);
		settle(r);
		check_all_out(r);
	}
	tx_queue_pause(&r->q);
	tx_queue_ready(&r->q, BACKEND_ROOM | BACKEND_DONE);
	check(r, !r->q.ready_work.queued);
	tx_queue_resume(&r->q);
	settle(r);
	check_all_out(r);
}

/* Wake-ups with nothing behind them do nothing. */
static void test_spurious_wakeups(void **state)
{
	(void)state;
	each(spurious);
}

/* ---- a driver that breaks its ring ---- */

/* Add one chain of the test's own making. */
static void add_raw(struct rig *r, struct chain_part part)
{
	*entry_at(r, r->n_added) = (struct entry){ .fate = FATE_EITHER };
	ring_fill(&r->guest.ring, part, r->n_added);
	r->n_added++;
}

static struct chain_part bad_chain(struct rig *r, unsigned kind)
{
	struct chain_part part =
		guest_part(&r->guest, buf_at(r, r->n_added), r->hdr_len - 1, false);

	if (kind == 1)
		part.len = 1;
	else if (kind == 2)
		part = guest_part(&r->guest, buf_at(r, r->n_added), 1000, true);
	else if (kind == 3)
		part.addr = GUEST_GPA + GUEST_MEMORY;
	return part;
}

/*
 * Three frames, a bad chain, two frames: the three are sent and come back, then nothing moves any
 * more.
 */
static void broken(struct rig *r, unsigned kind, bool full)
{
	uint64_t seq;

	if (full)
		test_backend_room(r->backend, 0, 1);
	add(r, 3);
	add_raw(r, bad_chain(r, kind));
	add(r, 2);
	for (seq = 4; seq < 6; seq++)
		entry_at(r, seq)->fate = FATE_DROPPED;
	ring_kick_now(&r->guest.ring);
	let_run(r);
	check(r, r->n_broken == (full ? 0 : 1));
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	settle(r);
	check(r, reclaim(r) == 3);
	check(r, r->n_arrived == 3);
	check(r, r->n_broken == 1 && r->q.stats.broken == 1);
	check(r, guest_signals(r->guest.err_fd) == 1);
	check(r, r->q.vq.fault != VIRTQ_OK && r->q.vq.fault_idx == 3);
	check_untouched(r);
	tx_queue_enable(&r->q, true);
	tx_queue_pause(&r->q);
	tx_queue_resume(&r->q);
	check_untouched(r);
	check(r, r->n_broken == 1);
	check(r, tx_queue_stop(&r->q) == ring_base(&r->guest.ring));
}

static void malformed(struct rig *r)
{
	const struct rig_config cfg = r->cfg;
	struct rig other;
	unsigned i;

	for (i = 0; i < 8; i++) {
		rig_up(&other, &cfg);
		broken(&other, i % 4, i / 4);
		rig_deinit(&other);
	}
}

/*
 * A chain without a header, without anything to send, or outside memory breaks the queue: once,
 * with a signal on err_fd, after the frames before it went out and came back, though the backend
 * was full; nothing behind it is touched (QEMU fa5e56c2a7).
 */
static void test_malformed(void **state)
{
	(void)state;
	each(malformed);
}

static void broken_in_flight(struct rig *r)
{
	if (!r->cfg.late)
		return;
	add(r, 3);
	add_raw(r, bad_chain(r, 0));
	ring_submit(&r->guest.ring);
	ring_kick_now(&r->guest.ring);
	let_run(r);
	check(r, r->n_broken == 1 && test_backend_held(r->backend, 0) == 3);
	test_backend_finish(r->backend, 0, 1);
	quiet(r);
	check(r, reclaim(r) == 1);
	test_backend_finish(r->backend, 0, 2);
	quiet(r);
	check(r, reclaim(r) == 2);
	check(r, !await_armed(&r->q.room) && !await_armed(&r->q.done) && !r->q.ready_work.queued);
}

/*
 * The queue breaks while the backend holds frames: they come back as they complete, not only when
 * the queue stops.
 */
static void test_completions_of_a_broken_queue(void **state)
{
	(void)state;
	each(broken_in_flight);
}

static void neighbour_of_broken(struct rig *a)
{
	struct rig b;

	rig_init(&b, &a->cfg, a->thread);
	start(&b, ring_base(&b.guest.ring));
	settle(&b);
	add_raw(a, bad_chain(a, 0));
	ring_submit(&a->guest.ring);
	check(a, ring_kick(&a->guest.ring));
	check(&b, send_frames(&b, 3 * BURST));
	settle(a);
	settle(&b);
	check(a, a->n_broken == 1);
	check_all_out(&b);
	rig_deinit(&b);
}

/* One broken queue does not stop the other on its thread. */
static void test_neighbour_of_broken(void **state)
{
	(void)state;
	each(neighbour_of_broken);
}

static void overclaim(struct rig *r)
{
	if (!r->cfg.late)
		return;
	add(r, SIZE - 4);
	ring_kick_now(&r->guest.ring);
	while (r->q.stats.frames < SIZE - 4) {
		check(r, !r->q.vq.fault);
		quiet(r);
		fake_iothread_advance(r->thread, DELAY);
	}
	quiet(r);
	/* Four more, and these four again. */
	add(r, 4);
	guest_offer_again(&r->guest, 4);
	ring_kick_now(&r->guest.ring);
	let_run(r);
	check(r, r->n_broken == 1 && r->q.vq.fault == VIRTQ_FAULT_AVAIL_IDX);
	settle(r);
	check(r, reclaim(r) == SIZE);
	check(r, r->n_arrived == SIZE);
}

/*
 * A driver that offers more chains than the ring has, counting those in flight, would overrun what
 * we remember of them.
 */
static void test_more_chains_than_entries(void **state)
{
	(void)state;
	each(overclaim);
}

/* ---- engines whose plans have no sense ---- */

/* Plans without sense; frames must get out all the same. */
static uint64_t evil_random;

static void evil_init(void *state, const uint64_t *values)
{
	(void)state;
	(void)values;
}

static struct tx_plan evil_chaos(void *state, enum tx_event event, const struct tx_view *view)
{
	static const uint32_t bursts[] = { 0, 1, 2, BURST, UINT32_MAX };
	static const uint64_t times[] = { 0, 1, DELAY, 1000000000, UINT64_MAX };
	unsigned i = test_random_below(&evil_random, array_size(bursts));
	unsigned j = test_random_below(&evil_random, array_size(times));

	(void)state;
	(void)event;
	return (struct tx_plan){ .when = (enum tx_when)test_random_below(&evil_random, 6),
				 .at_ns = j < 2 || j == 4 ? times[j] : view->now_ns + times[j],
				 .burst = bursts[i] };
}

static struct tx_plan evil_zero(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)event;
	(void)view;
	return (struct tx_plan){ .when = TX_SOON, .burst = 0 };
}

static struct tx_plan evil_garbage(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)event;
	(void)view;
	return (struct tx_plan){ .when = (enum tx_when)99, .burst = UINT32_MAX };
}

static struct tx_plan evil_now(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)event;
	(void)view;
	return (struct tx_plan){ .when = TX_NOW, .burst = UINT32_MAX };
}

static struct tx_plan evil_on_kick(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)event;
	(void)view;
	return (struct tx_plan){ .when = TX_ON_KICK, .burst = 3 };
}

static struct tx_plan evil_never(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)event;
	(void)view;
	return (struct tx_plan){ .when = TX_AT, .at_ns = UINT64_MAX, .burst = 3 };
}

static struct tx_plan evil_past(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)event;
	(void)view;
	return (struct tx_plan){ .when = TX_AT, .at_ns = 1, .burst = 3 };
}

/* Puts it off each time that it comes. */
static struct tx_plan evil_later(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	(void)event;
	return (struct tx_plan){ .when = TX_AT, .at_ns = view->now_ns + 300000000, .burst = 3 };
}

#define EVIL(fn) \
	{ \
		.name = #fn, .abi = TX_ENGINE_ABI, .init = evil_init, .plan = fn \
	}

static const struct tx_engine evils[] = {
	EVIL(evil_chaos),   EVIL(evil_zero),  EVIL(evil_garbage), EVIL(evil_now),
	EVIL(evil_on_kick), EVIL(evil_never), EVIL(evil_past),    EVIL(evil_later),
};

/*
 * Time goes by, the backend completes; engines that never sleep may keep the thread busy, but not
 * for ever within a turn.
 */
static void live(struct rig *r, uint64_t ns)
{
	uint64_t end = iothread_now_ns(r->thread) + ns, next;
	unsigned i;

	while (iothread_now_ns(r->thread) < end) {
		for (i = 0; i < 20 && fake_iothread_turn(r->thread); i++)
			test_backend_finish(r->backend, 0, 2);
		test_backend_finish(r->backend, 0, BURST);
		next = min_u64(fake_iothread_next_timer(r->thread), end);
		next = min_u64(next, iothread_now_ns(r->thread) + 50000000);
		if (next > iothread_now_ns(r->thread))
			fake_iothread_advance(r->thread, next - iothread_now_ns(r->thread));
		else
			fake_iothread_advance(r->thread, 1);
	}
}

static void evil(struct rig *r)
{
	struct tx_mode mode = { 0 };
	unsigned i, n;

	for (i = 0; i < array_size(evils); i++) {
		evil_random = i;
		mode.engine = &evils[i];
		tx_queue_set_mode(&r->q, &mode);
		live(r, DELAY);
		for (n = 1; n < 3 * BURST; n += 5) {
			test_backend_room(r->backend, 0, n % 3);
			send_frames(r, n);
			live(r, 10 * DELAY);
			test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
			live(r, 12000000000);
			reclaim(r);
			check(r, r->n_used == r->n_added);
		}
	}
	check(r, r->q.stats.unsafe_plans > 0);
	mode = mode_of(r->cfg.engine, BURST);
	tx_queue_set_mode(&r->q, &mode);
	settle(r);
	check_all_out(r);
}

/*
 * No engine, however wrong, strands a frame: each is back within seconds, with no kick that the
 * device did not ask for.
 */
static void test_evil_engines(void **state)
{
	(void)state;
	each(evil);
}

/*
 * The driver of the next test is as fast as the device: for each frame that leaves it adds one, up
 * to a limit.
 */
static uint64_t refill_until;

static void refill(struct rig *r)
{
	reclaim(r);
	while (r->n_added < refill_until && add_shape(r, SHAPE_ONE, FATE_SENT))
		;
	ring_submit(&r->guest.ring);
}

static void bounded(struct rig *r)
{
	struct tx_mode mode = { 0 };
	uint64_t before, most = 0;
	unsigned i;

	if (r->cfg.late)
		return;
	r->on_sent = refill;
	for (i = 0; i < array_size(evils); i++) {
		evil_random = i;
		mode.engine = &evils[i];
		tx_queue_set_mode(&r->q, &mode);
		refill_until = r->n_added + 150 * TURN_FRAMES;
		add(r, SIZE / 2);
		ring_kick_now(&r->guest.ring);
		while (r->n_added < refill_until && i < 5) {
			before = r->n_arrived;
			turn(r);
			most = max_u64(most, r->n_arrived - before);
			fake_iothread_advance(r->thread, 100000);
		}
		refill_until = 0;
		live(r, 64000000000);
		reclaim(r);
		check(r, r->n_used == r->n_added);
	}
	check(r, most == TURN_FRAMES);
}

/*
 * A driver that refills the ring as fast as it is drained does not keep the thread, whatever burst
 * the engine names (QEMU e3f30488e5).
 */
static void test_run_is_bounded(void **state)
{
	struct rig_config cfg = { .engine = &bh_tx_engine, .burst = BURST };

	(void)state;
	with_rig(bounded, &cfg);
}

static void unsafe_counted(struct rig *r)
{
	struct tx_mode mode = { .engine = &evils[1] };
	uint64_t before = r->q.stats.unsafe_plans;

	tx_queue_set_mode(&r->q, &mode);
	check(r, r->q.stats.unsafe_plans == before + 1);
	check(r, r->q.burst == 1);
	check(r, send_frames(r, 0) == false);
	add(r, 3);
	ring_kick_now(&r->guest.ring);
	turn(r);
	check(r, r->q.stats.frames <= 2);
	mode = mode_of(r->cfg.engine, BURST);
	tx_queue_set_mode(&r->q, &mode);
	settle(r);
	check_all_out(r);
}

/* A plan that had to be corrected is counted, so that whoever wrote the engine sees it. */
static void test_unsafe_plans_are_counted(void **state)
{
	(void)state;
	each(unsafe_counted);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_then_ready),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_completions_in_pieces),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_spurious_wakeups),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_completions_of_a_broken_queue),
		cmocka_unit_test(test_neighbour_of_broken),
		cmocka_unit_test(test_more_chains_than_entries),
		cmocka_unit_test(test_evil_engines),
		cmocka_unit_test(test_run_is_bounded),
		cmocka_unit_test(test_unsafe_plans_are_counted),
	};

	return cmocka_run_group_tests_name("split", tests, guest_split, NULL) |
	       cmocka_run_group_tests_name("packed", tests, guest_packed, NULL);
}
