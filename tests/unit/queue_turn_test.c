/* SPDX-License-Identifier: MIT */
/*
 * What a queue may take of its iothread's time, and how it waits: a turn that is bounded in bytes,
 * looking again without an fd, a pause that ends later, and what an engine hears of all that. The
 * backend is the test's own: it takes what it is given and completes what the test says.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/rx.h"
#include "datapath/tx/queue.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/guest.h"

#define SIZE     256
#define LARGE    60000
#define A_TURN   ((TURN_BYTES + LARGE - 1) / LARGE) /* frames of that length */
#define LOOK_US  50
#define FEATURES (FEATURE(VIRTIO_F_VERSION_1) | guest_layout)

struct rig {
	struct guest guest;
	uint8_t *buf; /* of every chain */
	struct iothread *thread;
	struct backend_queue bq;
	bool late;
	unsigned room;     /* frames that tx takes */
	unsigned taken;    /* ever */
	unsigned finished; /* and not told by tx_done */
	bool recalls;      /* tx_cancel gives all back */
	unsigned in_flight;
	unsigned rx_waiting; /* frames of LARGE bytes with header */
	unsigned n_rx;       /* given */
	unsigned n_paused;
	struct tx_queue tx;
	struct rx_queue rx;
};

static struct rig *rig_of(struct backend_queue *bq)
{
	return container_of(bq, struct rig, bq);
}

static unsigned rig_tx(struct backend_queue *bq, const struct frame *frames, unsigned n,
		       struct tx_stats *stats)
{
	struct rig *r = rig_of(bq);
	unsigned take = n < r->room ? n : r->room;

	(void)frames;
	(void)stats;
	r->room -= take;
	r->taken += take;
	r->in_flight += r->late ? take : 0;
	return take;
}

static unsigned rig_tx_done(struct backend_queue *bq)
{
	struct rig *r = rig_of(bq);
	unsigned n = r->finished;

	r->finished = 0;
	r->in_flight -= n;
	return n;
}

static bool rig_tx_cancel(struct backend_queue *bq, struct tx_stats *stats)
{
	struct rig *r = rig_of(bq);

	(void)stats;
	if (r->recalls)
		r->finished = r->in_flight;
	return r->recalls;
}

static unsigned rig_rx(struct backend_queue *bq, struct frame *frames, unsigned n,
		       struct spill *spill, struct rx_stats *stats)
{
	struct rig *r = rig_of(bq);
	unsigned i;

	(void)stats;
	spill->used = 0;
	for (i = 0; i < n && r->rx_waiting && !spill->used; i++) {
		spill->used = frames[i].len < LARGE ? LARGE - frames[i].len : 0;
		frames[i].len = LARGE - spill->used;
		r->rx_waiting--;
		r->n_rx++;
	}
	return i;
}

static const struct backend_ops sync_ops = { .name = "test", .tx = rig_tx, .rx = rig_rx };

static const struct backend_ops late_ops = {
	.name = "test-late",
	.tx = rig_tx,
	.tx_done = rig_tx_done,
	.tx_cancel = rig_tx_cancel,
};

/* An engine that does as its test says, and notes what it hears. */
static struct {
	struct tx_plan plan[TX_WRITABLE + 1]; /* by event */
	enum tx_event heard[32];
	struct tx_view view; /* the last */
	unsigned n;
} told;

static void told_init(void *state, const uint64_t *values)
{
	(void)state;
	(void)values;
}

static struct tx_plan told_plan(void *state, enum tx_event event, const struct tx_view *view)
{
	(void)state;
	assert_in_range(told.n, 0, array_size(told.heard) - 1);
	told.heard[told.n++] = event;
	told.view = *view;
	return told.plan[event];
}

static const struct tx_engine told_engine = {
	.name = "told", .abi = TX_ENGINE_ABI, .init = told_init, .plan = told_plan
};

static const struct tx_mode told_mode = { .engine = &told_engine };

static void on_paused(struct tx_queue *q)
{
	container_of(q, struct rig, tx)->n_paused++;
}

static void told_reset(enum tx_when on_kick, uint32_t burst)
{
	memset(&told, 0, sizeof(told));
	for (unsigned i = 0; i <= TX_WRITABLE; i++)
		told.plan[i] = (struct tx_plan){ .when = TX_ON_KICK, .burst = burst };
	told.plan[TX_KICK].when = on_kick;
	told.plan[TX_WRITABLE].when = TX_NOW;
}

static void rig_init(struct rig *r, const struct backend_ops *ops, uint64_t features,
		     struct iothread *thread)
{
	memset(r, 0, sizeof(*r));
	guest_init(&r->guest, SIZE, features, 0);
	r->buf = guest_alloc(&r->guest, 1 << 16);
	r->thread = thread;
	r->room = UINT32_MAX;
	r->late = ops->tx_done;
	r->bq = (struct backend_queue){
		.ops = ops, .room = { .fd = -1 }, .done = { .fd = -1 }, .frames = { .fd = -1 }
	};
}

static void tx_up(struct rig *r, const struct backend_ops *ops, struct iothread *thread)
{
	struct tx_queue_config cfg = { .kick_fd = -1, .hdr_len = NET_HDR_LEN };

	rig_init(r, ops, FEATURES, thread);
	tx_queue_init(&r->tx, thread, &r->bq, &told_mode);
	r->tx.on_paused = on_paused;
	tx_queue_enable(&r->tx, true);
	cfg.vq = guest_vq(&r->guest, ring_base(&r->guest.ring));
	assert_int_equal(tx_queue_start(&r->tx, &cfg), 0);
	told.n = 0;
}

static void tx_down(struct rig *r)
{
	tx_queue_stop(&r->tx);
	tx_queue_deinit(&r->tx);
	guest_deinit(&r->guest);
}

static void offer(struct rig *r, unsigned n, uint32_t len)
{
	assert_int_equal(ring_reserve(&r->guest.ring, n), n);
	for (unsigned i = 0; i < n; i++)
		ring_fill(&r->guest.ring, guest_part(&r->guest, r->buf, NET_HDR_LEN + len, false),
			  i);
	ring_submit(&r->guest.ring);
}

static unsigned take_back(struct rig *r)
{
	struct ring_used used;
	unsigned n = 0;

	for (ring_peek(&r->guest.ring); ring_use(&r->guest.ring, &used) == RING_USED; n++)
		;
	return n;
}

/* How many frames the backend got in one turn. */
static unsigned turn(struct rig *r)
{
	unsigned before = r->taken;

	fake_iothread_turn(r->thread);
	return r->taken - before;
}

/* ---- the bytes of a turn ---- */

/*
 * Frames of 60 KB: a turn ends with the one that brings it to TURN_BYTES, the run goes on in the
 * next. The engine is asked nothing until it is over, whoever kicks.
 */
static void test_run_of_many_bytes(void **state)
{
	struct iothread *thread;
	struct rig r;
	unsigned i;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, SIZE);
	tx_up(&r, &sync_ops, thread);
	offer(&r, 4 * A_TURN + 3, LARGE);
	tx_queue_kick(&r.tx);
	for (i = 0; i < 4; i++) {
		assert_int_equal(turn(&r), A_TURN);
		assert_int_equal(take_back(&r), A_TURN);
		tx_queue_kick(&r.tx);
		assert_int_equal(told.n, 1);
	}
	assert_int_equal(turn(&r), 3);
	assert_int_equal(told.n, 2);
	assert_true(told.heard[1] == TX_RAN && told.view.stop == TX_STOP_EMPTY);
	assert_int_equal(told.view.sent, 4 * A_TURN + 3);
	assert_int_equal(r.tx.stats.runs, 1);
	assert_int_equal(fake_iothread_turn(thread), 0);
	assert_true(guest_kick_armed(&r.guest));
	tx_down(&r);
	iothread_free(thread);
}

/* The burst still ends a run, however many turns it took. */
static void test_burst_of_many_bytes(void **state)
{
	struct iothread *thread;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, 2 * A_TURN + 2);
	told.plan[TX_RAN] = told.plan[TX_KICK];
	tx_up(&r, &sync_ops, thread);
	offer(&r, 3 * A_TURN, LARGE);
	tx_queue_kick(&r.tx);
	assert_int_equal(turn(&r), A_TURN);
	assert_int_equal(turn(&r), A_TURN);
	assert_int_equal(told.n, 1);
	assert_int_equal(turn(&r), 2);
	assert_true(told.n == 2 && told.view.stop == TX_STOP_BURST);
	assert_int_equal(told.view.sent, 2 * A_TURN + 2);
	told.plan[TX_RAN].when = TX_ON_KICK;
	while (fake_iothread_turn(thread))
		;
	assert_int_equal(take_back(&r), 3 * A_TURN);
	/* Of small frames so many go in a turn. */
	told_reset(TX_SOON, TURN_FRAMES + 20);
	offer(&r, TURN_FRAMES + 20, 1514);
	tx_queue_kick(&r.tx);
	assert_int_equal(turn(&r), TURN_FRAMES);
	assert_int_equal(told.n, 1);
	assert_int_equal(turn(&r), 20);
	assert_true(told.n == 2 && told.view.stop == TX_STOP_BURST);
	tx_down(&r);
	iothread_free(thread);
}

/*
 * A run at once, before the turn comes to queued work, has its bytes of that turn: the work does
 * not go on with it. So has what is found on the way to sleep.
 */
static void test_run_now_of_many_bytes(void **state)
{
	struct iothread *thread;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_NOW, SIZE);
	tx_up(&r, &sync_ops, thread);
	offer(&r, 3 * A_TURN, LARGE);
	tx_queue_kick(&r.tx);
	assert_int_equal(r.taken, A_TURN);
	assert_int_equal(turn(&r), 0);
	assert_int_equal(turn(&r), A_TURN);
	assert_int_equal(turn(&r), A_TURN);
	while (fake_iothread_turn(thread))
		;
	assert_int_equal(take_back(&r), 3 * A_TURN);
	tx_down(&r);
	iothread_free(thread);
}

/* A neighbour's frame waits for what is left of one turn, not for a burst. */
static void test_neighbour_of_many_bytes(void **state)
{
	struct iothread *thread;
	struct rig a, b;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, SIZE);
	tx_up(&a, &sync_ops, thread);
	tx_up(&b, &sync_ops, thread);
	offer(&a, 10 * A_TURN, LARGE);
	tx_queue_kick(&a.tx);
	assert_int_equal(turn(&a), A_TURN);
	offer(&b, 1, 64);
	tx_queue_kick(&b.tx);
	assert_int_equal(turn(&a), A_TURN);
	assert_int_equal(b.taken, 1);
	while (fake_iothread_turn(thread))
		;
	assert_int_equal(a.taken, 10 * A_TURN);
	tx_down(&b);
	tx_down(&a);
	iothread_free(thread);
}

/* Whatever ends a run in the middle, the frames that are left go out. */
static void test_interrupted_run(void **state)
{
	struct iothread *thread;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, SIZE);
	told.plan[TX_START].when = TX_SOON;
	tx_up(&r, &sync_ops, thread);
	while (fake_iothread_turn(thread))
		;
	for (unsigned i = 0; i < 4; i++) {
		offer(&r, 3 * A_TURN, LARGE);
		tx_queue_kick(&r.tx);
		assert_int_equal(turn(&r), A_TURN);
		told.n = 0;
		if (i == 0) {
			tx_queue_set_mode(&r.tx, &told_mode);
		} else if (i == 1) {
			tx_queue_enable(&r.tx, true);
		} else if (i == 2) {
			assert_true(tx_queue_pause(&r.tx));
			assert_int_equal(turn(&r), 0);
			tx_queue_resume(&r.tx);
		} else {
			/* The backend full: the run is over, and the engine waits for room. */
			r.room = 2;
			assert_int_equal(turn(&r), 2);
			assert_true(told.n == 1 && told.view.stop == TX_STOP_FULL);
			assert_int_equal(told.view.sent, A_TURN + 2);
			r.room = UINT32_MAX;
			tx_queue_ready(&r.tx, BACKEND_ROOM);
		}
		while (fake_iothread_turn(thread))
			;
		assert_int_equal(take_back(&r), 3 * A_TURN);
		assert_true(i == 3 || told.heard[0] == TX_START);
	}
	tx_down(&r);
	iothread_free(thread);
}

static void rx_up(struct rig *r, struct iothread *thread, uint64_t features)
{
	struct rx_queue_config cfg = { .kick_fd = -1, .hdr_len = NET_HDR_LEN };

	rig_init(r, &sync_ops, features, thread);
	assert_int_equal(rx_queue_init(&r->rx, thread, &r->bq), 0);
	rx_queue_enable(&r->rx, true);
	cfg.vq = guest_vq(&r->guest, ring_base(&r->guest.ring));
	assert_int_equal(rx_queue_start(&r->rx, &cfg), 0);
}

static void rx_down(struct rig *r)
{
	rx_queue_stop(&r->rx);
	rx_queue_deinit(&r->rx);
	guest_deinit(&r->guest);
}

static void offer_room(struct rig *r, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++)
		ring_fill(&r->guest.ring, guest_part(&r->guest, r->buf, len, true), i);
	ring_submit(&r->guest.ring);
}

/* rx likewise, into one chain a frame and into gathered ones. */
static void test_rx_of_many_bytes(void **state)
{
	static const struct {
		uint64_t features;
		uint32_t room;
	} cases[] = { { 0, 1 << 16 }, { FEATURE(VIRTIO_NET_F_MRG_RXBUF), 8192 } };
	struct iothread *thread;
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		iothread_new(&thread, "fake");
		rx_up(&r, thread, FEATURES | cases[i].features);
		offer_room(&r, SIZE, cases[i].room);
		r.rx_waiting = 3 * A_TURN;
		rx_queue_ready(&r.rx);
		while (r.rx_waiting) {
			unsigned before = r.n_rx;

			fake_iothread_turn(thread);
			assert_int_equal(r.n_rx - before, A_TURN);
		}
		/* The last turn finds that there are no more. */
		while (fake_iothread_turn(thread))
			;
		assert_int_equal(r.rx.stats.frames, 3 * A_TURN);
		rx_down(&r);
		iothread_free(thread);
	}
}

/* ---- waiting ---- */

/*
 * A frame in flight, and an fd that is always ready for another: the queue looks again at its time,
 * sleeps in between, and gives the frame back when it is complete.
 */
static void test_looks_for_completions(void **state)
{
	struct iothread *thread;
	unsigned called = 0, i;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, SIZE);
	tx_up(&r, &late_ops, thread);
	r.bq.room = (struct backend_wait){ .fd = eventfd(1, EFD_CLOEXEC), .events = POLLIN };
	r.bq.done.look_us = LOOK_US;
	r.recalls = true;
	offer(&r, 2, 64);
	tx_queue_kick(&r.tx);
	assert_true(fake_iothread_run_until_idle(thread, 3));
	assert_int_equal(r.in_flight, 2);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(fake_iothread_next_timer(thread),
				 iothread_now_ns(thread) + LOOK_US * 1000);
		fake_iothread_advance(thread, LOOK_US * 1000);
		while (fake_iothread_turn(thread))
			called++;
	}
	/*
	 * The timer and the look that it queues are one turn, which fake_iothread_advance() made.
	 */
	assert_int_equal(called, 0);
	r.finished = 1;
	fake_iothread_advance(thread, LOOK_US * 1000);
	assert_int_equal(take_back(&r), 1);
	r.finished = 1;
	fake_iothread_advance(thread, LOOK_US * 1000);
	assert_int_equal(take_back(&r), 1);
	assert_int_equal(fake_iothread_next_timer(thread), FAKE_IOTHREAD_NO_TIMER);
	assert_false(await_armed(&r.tx.room));
	close(r.bq.room.fd);
	r.bq.room.fd = -1;
	tx_down(&r);
	iothread_free(thread);
}

/* Completions alone are no room: the engine of a full queue hears of room only. */
static void test_looks_for_room(void **state)
{
	struct iothread *thread;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, SIZE);
	tx_up(&r, &late_ops, thread);
	r.bq.room.look_us = 10 * LOOK_US;
	r.bq.done.look_us = LOOK_US;
	r.recalls = true;
	r.room = 3;
	offer(&r, 4, 64);
	tx_queue_kick(&r.tx);
	while (fake_iothread_turn(thread))
		;
	assert_true(r.tx.blocked && told.view.stop == TX_STOP_FULL);
	told.n = 0;
	r.finished = 3;
	r.room = 9;
	fake_iothread_advance(thread, 10 * LOOK_US * 1000 - 1);
	assert_true(take_back(&r) == 3 && told.n == 0);
	fake_iothread_advance(thread, 1);
	while (fake_iothread_turn(thread))
		;
	assert_int_equal(told.heard[0], TX_WRITABLE);
	assert_int_equal(r.taken, 4);
	tx_down(&r);
	iothread_free(thread);
}

/* rx looks again too, and only then. */
static void test_looks_for_frames(void **state)
{
	struct iothread *thread;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	rx_up(&r, thread, FEATURES);
	r.bq.frames.look_us = LOOK_US;
	offer_room(&r, 4, 1 << 16);
	rx_queue_kick(&r.rx);
	assert_true(fake_iothread_run_until_idle(thread, 3));
	r.rx_waiting = 1;
	fake_iothread_advance(thread, LOOK_US * 1000 - 1);
	assert_int_equal(r.n_rx, 0);
	fake_iothread_advance(thread, 1);
	assert_true(r.n_rx == 1 && take_back(&r) == 1);
	rx_queue_pause(&r.rx);
	assert_int_equal(fake_iothread_next_timer(thread), FAKE_IOTHREAD_NO_TIMER);
	rx_down(&r);
	iothread_free(thread);
}

static void not_called(struct iothread_watch *watch)
{
	(void)watch;
	fail();
}

/* An iothread that has no place for one more watch: the queue looks again, and is not stuck. */
static void test_no_watch_left(void **state)
{
	static struct iothread_watch others[IOTHREAD_MAX_WATCHES];
	struct iothread *thread;
	int fds[2];
	unsigned n = 0;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	rx_up(&r, thread, FEATURES);
	assert_int_equal(pipe(fds), 0);
	do
		others[n] =
			(struct iothread_watch){ .fn = not_called, .fd = fds[0], .events = POLLIN };
	while (!iothread_watch_arm(thread, &others[n]) && ++n < IOTHREAD_MAX_WATCHES);
	r.bq.frames = (struct backend_wait){ .fd = fds[0], .events = POLLIN };
	offer_room(&r, 4, 1 << 16);
	rx_queue_kick(&r.rx);
	assert_true(fake_iothread_run_until_idle(thread, 3));
	r.rx_waiting = 1;
	fake_iothread_advance(thread, 10000000);
	assert_true(r.n_rx == 1 && take_back(&r) == 1);
	/* With a place, by fd. */
	iothread_watch_disarm(thread, &others[--n]);
	fake_iothread_advance(thread, 10000000);
	assert_true(r.rx.ready.watch.armed);
	assert_int_equal(fake_iothread_next_timer(thread), FAKE_IOTHREAD_NO_TIMER);
	while (n)
		iothread_watch_disarm(thread, &others[--n]);
	rx_down(&r);
	iothread_free(thread);
	close(fds[0]);
	close(fds[1]);
}

/* ---- pausing ---- */

/*
 * Frames that cannot be recalled: the pause ends when the last is complete, it is told once, and
 * nothing is sent meanwhile. After resume the queue goes on.
 */
static void test_pause_ends_later(void **state)
{
	struct iothread *thread;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, SIZE);
	told.plan[TX_START].when = TX_SOON;
	tx_up(&r, &late_ops, thread);
	r.bq.done.look_us = LOOK_US;
	offer(&r, 5, 64);
	tx_queue_kick(&r.tx);
	assert_int_equal(turn(&r), 5);
	assert_false(tx_queue_pause(&r.tx));
	assert_false(tx_queue_pause(&r.tx));
	offer(&r, 5, 64);
	tx_queue_kick(&r.tx);
	tx_queue_ready(&r.tx, BACKEND_ROOM);
	r.finished = 4;
	fake_iothread_advance(thread, 10 * LOOK_US * 1000);
	assert_true(take_back(&r) == 4 && r.n_paused == 0 && r.taken == 5);
	r.finished = 1;
	fake_iothread_advance(thread, LOOK_US * 1000);
	assert_true(take_back(&r) == 1 && r.n_paused == 1 && r.taken == 5);
	assert_int_equal(fake_iothread_next_timer(thread), FAKE_IOTHREAD_NO_TIMER);
	assert_true(tx_queue_pause(&r.tx));
	tx_queue_resume(&r.tx);
	assert_int_equal(turn(&r), 5);
	/* What can be recalled ends a pause at once, and nobody is told. */
	r.recalls = true;
	assert_true(tx_queue_pause(&r.tx));
	assert_true(take_back(&r) == 5 && r.n_paused == 1);
	tx_down(&r);
	iothread_free(thread);
}

/* ---- engines ---- */

/* An engine that takes over a full queue hears TX_START before anything else. */
static void test_new_engine_of_a_full_queue(void **state)
{
	struct iothread *thread;
	struct rig r;

	(void)state;
	iothread_new(&thread, "fake");
	told_reset(TX_SOON, SIZE);
	told.plan[TX_START].when = TX_SOON;
	tx_up(&r, &sync_ops, thread);
	r.room = 1;
	offer(&r, 3, 64);
	tx_queue_kick(&r.tx);
	while (!r.tx.blocked)
		turn(&r);
	told.n = 0;
	tx_queue_set_mode(&r.tx, &told_mode);
	while (fake_iothread_turn(thread))
		;
	assert_int_equal(told.n, 0);
	r.room = 1;
	tx_queue_ready(&r.tx, BACKEND_ROOM);
	while (fake_iothread_turn(thread))
		;
	assert_int_equal(told.heard[0], TX_START);
	/* Full again: this one has heard it. */
	assert_true(r.tx.blocked);
	told.n = 0;
	r.room = 1;
	tx_queue_ready(&r.tx, BACKEND_ROOM);
	turn(&r);
	assert_int_equal(told.heard[0], TX_WRITABLE);
	tx_down(&r);
	iothread_free(thread);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_of_many_bytes),
		cmocka_unit_test(test_burst_of_many_bytes),
		cmocka_unit_test(test_run_now_of_many_bytes),
		cmocka_unit_test(test_neighbour_of_many_bytes),
		cmocka_unit_test(test_interrupted_run),
		cmocka_unit_test(test_rx_of_many_bytes),
		cmocka_unit_test(test_looks_for_completions),
		cmocka_unit_test(test_looks_for_room),
		cmocka_unit_test(test_looks_for_frames),
		cmocka_unit_test(test_no_watch_left),
		cmocka_unit_test(test_pause_ends_later),
		cmocka_unit_test(test_new_engine_of_a_full_queue),
	};

	return cmocka_run_group_tests_name("split", tests, guest_split, NULL) |
	       cmocka_run_group_tests_name("packed", tests, guest_packed, NULL);
}
