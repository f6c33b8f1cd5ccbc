/* SPDX-License-Identifier: MIT */
/*
 * The tx queue with both engines, on a backend that completes within tx() and on one that completes
 * late, with fds and with wake(), with and without EVENT_IDX: each test runs in all sixteen
 * combinations unless it says otherwise. No thread and no clock: fake_iothread makes the turns, the
 * driver's half of the ring plays the guest.
 *
 * The rig checks with every frame that it arrives once, whole and in order, and comes back in ring
 * order, with length 0, not before the backend was done with it. It is one long file because the
 * tests share that rig and are otherwise independent.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/tx/queue.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/guest.h"
#include "tests/unit/test_backend.h"
#include "virtio/net_hdr.h"

#define SIZE     128 /* ring entries */
#define BURST    8
#define DELAY    150000
#define BUF_LEN  2048
#define OVERSIZE (NET_FRAME_MAX + NET_HDR_LEN + 1)
#define TURNS    10000 /* more than any well-behaved engine needs */
#define FEATURES (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

/* RING_PACKED or nothing: all tests run over both layouts. */
static uint64_t layout;

static int split(void **state)
{
	(void)state;
	layout = 0;
	return 0;
}

static int packed(void **state)
{
	(void)state;
	layout = FEATURE(VIRTIO_F_RING_PACKED);
	return 0;
}

/* What becomes of a frame. */
enum fate {
	FATE_SENT,
	FATE_DROPPED,
	FATE_EITHER, /* the ring may be disabled, or the queue paused, before its turn */
};

/* How the driver cuts a frame. */
enum shape { SHAPE_ONE, SHAPE_HEADER_APART, SHAPE_CUT_HEADER, SHAPE_INDIRECT, SHAPES };

/* What the driver knows of a frame that it has not got back; at seq % SIZE. */
struct entry {
	enum fate fate;
	bool finished; /* the backend reported it */
	bool arrived;
	uint32_t len;
};

struct rig_config {
	const struct tx_engine *engine;
	bool late;
	bool fds;
	bool event_idx;
	bool legacy; /* a 10-byte header */
	uint16_t base;
	uint16_t size; /* of the ring, at most SIZE; 0: SIZE */
	uint32_t burst;
};

struct rig {
	struct rig_config cfg;
	uint64_t seed;
	struct guest guest;
	unsigned hdr_len;
	uint8_t *bufs;
	uint8_t *oversize;
	struct iothread *thread;
	bool own_thread;
	struct backend *backend;
	struct tx_queue q;
	struct entry entries[SIZE];
	uint64_t n_added; /* frames offered, ever: the next seq */
	uint64_t n_used;
	uint64_t n_arrived;
	uint64_t next_out; /* no frame before this one may reach the backend any more */
	unsigned n_broken;
	void (*on_sent)(struct rig *r);
};

static void rig_fail(const struct rig *r, const char *what, int line)
{
	print_error("line %d: %s\n  engine %s, %s backend, %s, event_idx %d, seed %#" PRIx64 "\n",
		    line, what, r->q.engine->name, r->cfg.late ? "late" : "synchronous",
		    r->cfg.fds ? "fds" : "wake", r->cfg.event_idx, r->seed);
	fail();
}

#define check(r, cond) \
	do { \
		if (!(cond)) \
			rig_fail((r), #cond, __LINE__); \
	} while (0)

static struct entry *entry_at(struct rig *r, uint64_t seq)
{
	return &r->entries[seq % SIZE];
}

static uint8_t *buf_at(struct rig *r, uint64_t seq)
{
	return r->bufs + seq % SIZE * BUF_LEN;
}

/* Header and frame number seq: 60 to about 1500 bytes that no other frame has. */
static uint32_t make_frame(const struct rig *r, uint64_t seq, uint8_t *to)
{
	uint64_t random = seq;
	uint32_t len = r->hdr_len + 60 + test_random_below(&random, 1455), i;

	memset(to, 0, r->hdr_len);
	memcpy(to + r->hdr_len, &seq, sizeof(seq));
	for (i = r->hdr_len + (uint32_t)sizeof(seq); i < len; i++)
		to[i] = (uint8_t)test_random(&random);
	return len;
}

/* The backend is done with a frame. */
static void on_sent(void *ctx, unsigned queue, const uint8_t *bytes, uint32_t len, bool arrived)
{
	struct rig *r = ctx;
	uint8_t want[BUF_LEN];
	uint64_t seq;

	(void)queue;
	check(r, len >= r->hdr_len + 60);
	memcpy(&seq, bytes + r->hdr_len, sizeof(seq));
	check(r, seq >= r->next_out && seq < r->n_added && seq >= r->n_used);
	check(r, len == make_frame(r, seq, want));
	check(r, !memcmp(bytes, want, len));
	check(r, entry_at(r, seq)->fate != FATE_DROPPED);
	check(r, !entry_at(r, seq)->finished);
	for (r->next_out = max_u64(r->next_out, r->n_used); r->next_out < seq; r->next_out++)
		check(r, entry_at(r, r->next_out)->fate != FATE_SENT);
	r->next_out++;
	entry_at(r, seq)->finished = true;
	entry_at(r, seq)->arrived = arrived;
	r->n_arrived += arrived;
	if (r->on_sent)
		r->on_sent(r);
}

/* The driver takes back what is used, and scribbles over it: it is the driver's again. */
static unsigned reclaim(struct rig *r)
{
	struct ring_used used;
	struct entry *e;
	unsigned n = 0;

	ring_peek(&r->guest.ring);
	while (ring_use(&r->guest.ring, &used) == RING_USED) {
		e = entry_at(r, used.token);
		check(r, used.token == r->n_used);
		check(r, used.len == 0);
		check(r, e->fate == FATE_EITHER || e->finished == (e->fate == FATE_SENT));
		memset(buf_at(r, used.token), 0xdd, BUF_LEN);
		r->n_used++;
		n++;
	}
	check(r, r->guest.ring.fault == RING_OK);
	return n;
}

static void fill_shape(struct rig *r, struct chain_part whole, enum shape shape)
{
	uint32_t cuts[] = { [SHAPE_HEADER_APART] = r->hdr_len,
			    [SHAPE_CUT_HEADER] = 3,
			    [SHAPE_INDIRECT] = r->hdr_len + 20 };
	struct chain_part parts[2] = { whole, whole };

	if (shape == SHAPE_ONE) {
		ring_fill(&r->guest.ring, whole, r->n_added);
		return;
	}
	parts[0].len = cuts[shape];
	parts[1].addr += cuts[shape];
	parts[1].len -= cuts[shape];
	if (shape == SHAPE_INDIRECT)
		ring_fill_indirect(&r->guest.ring, parts, 2, r->n_added);
	else
		ring_fill_chain(&r->guest.ring, parts, 2, r->n_added);
}

/* One frame into the ring, not yet visible. False: no room. */
static bool add_shape(struct rig *r, enum shape shape, enum fate fate)
{
	unsigned need = shape == SHAPE_ONE || shape == SHAPE_INDIRECT ? 1 : 2;
	uint8_t *buf = buf_at(r, r->n_added);
	uint32_t len;

	if (ring_reserve(&r->guest.ring, need) < need)
		return false;
	len = make_frame(r, r->n_added, buf);
	*entry_at(r, r->n_added) = (struct entry){ .fate = fate, .len = len };
	fill_shape(r, guest_part(&r->guest, buf, len, false), shape);
	r->n_added++;
	return true;
}

static void add(struct rig *r, unsigned n)
{
	while (n--)
		check(r, add_shape(r, SHAPE_ONE, FATE_SENT));
	ring_submit(&r->guest.ring);
}

/* The frame just added shall be dropped: make it so. */
static void spoil(struct rig *r)
{
	entry_at(r, r->n_added - 1)->fate = FATE_DROPPED;
}

static void add_oversize(struct rig *r)
{
	*entry_at(r, r->n_added) = (struct entry){ .fate = FATE_DROPPED };
	ring_fill(&r->guest.ring, guest_part(&r->guest, r->oversize, OVERSIZE, false), r->n_added);
	r->n_added++;
}

/* As a well-behaved driver: kick only if the device asks for it. */
static bool send_frames(struct rig *r, unsigned n)
{
	add(r, n);
	return ring_kick(&r->guest.ring);
}

static void turn(struct rig *r)
{
	fake_iothread_turn(r->thread);
}

/* Turns at this time until nothing is to do. */
static void quiet(struct rig *r)
{
	check(r, fake_iothread_run_until_idle(r->thread, TURNS));
}

/*
 * Until the queue sleeps and the backend has nothing left: no kick, but all the time and
 * completions it wants.
 */
static void settle(struct rig *r)
{
	unsigned i;

	for (i = 0; i < TURNS; i++) {
		quiet(r);
		if (test_backend_finish(r->backend, 0, UINT_MAX))
			continue;
		if (fake_iothread_next_timer(r->thread) == FAKE_IOTHREAD_NO_TIMER)
			return;
		fake_iothread_advance(r->thread, fake_iothread_next_timer(r->thread) -
							 iothread_now_ns(r->thread));
	}
	check(r, !"settled");
}

/* Until the queue first runs: what was kicked is then taken. */
static void let_run(struct rig *r)
{
	quiet(r);
	if (r->cfg.engine == &timer_tx_engine)
		fake_iothread_advance(r->thread, DELAY);
	quiet(r);
}

static void check_asleep(struct rig *r)
{
	check(r, !r->q.timer.armed && !r->q.run_work.queued && !r->q.ready_work.queued);
	check(r, !r->q.blocked);
	check(r, r->q.kick_watch.armed);
	check(r, guest_kick_armed(&r->guest));
}

/* Everything that was offered is back, and the queue sleeps so that the next kick wakes it. */
static void check_all_out(struct rig *r)
{
	reclaim(r);
	check(r, r->n_used == r->n_added);
	check(r, virtq_base(&r->q.vq) == ring_base(&r->guest.ring));
	check(r, test_backend_counts(r->backend, 0)->misuse == 0);
	check_asleep(r);
}

static struct tx_mode mode_of(const struct tx_engine *engine, uint32_t burst)
{
	struct tx_mode mode = { .engine = engine };

	if (engine == &timer_tx_engine) {
		mode.values[0] = DELAY;
		mode.values[1] = burst;
	} else {
		mode.values[0] = burst;
	}
	return mode;
}

static struct rig *rig_of(struct tx_queue *q)
{
	return container_of(q, struct rig, q);
}

static void on_broken(struct tx_queue *q)
{
	rig_of(q)->n_broken++;
}

static void on_wake(void *ctx, unsigned events)
{
	struct rig *r = ctx;

	if (events & BACKEND_TX)
		tx_queue_ready(&r->q);
}

static void start(struct rig *r, uint32_t base)
{
	struct tx_queue_config cfg = { .vq = guest_vq(&r->guest, base),
				       .kick_fd = r->guest.kick_fd,
				       .hdr_len = r->hdr_len };

	check(r, tx_queue_start(&r->q, &cfg) == 0);
}

static uint64_t rig_features(const struct rig_config *cfg)
{
	uint64_t features = FEATURES | layout;

	if (cfg->event_idx)
		features |= FEATURE(VIRTIO_RING_F_EVENT_IDX);
	if (cfg->legacy)
		features &= ~FEATURE(VIRTIO_F_VERSION_1);
	return features;
}

/* Everything but the start. thread: shared with another rig, or NULL. */
static void rig_init(struct rig *r, const struct rig_config *cfg, struct iothread *thread)
{
	struct test_backend_config backend = {
		.n_queues = 1, .fds = cfg->fds, .late = cfg->late, .sent = on_sent, .ctx = r
	};
	struct tx_mode mode = mode_of(cfg->engine, cfg->burst);

	memset(r, 0, sizeof(*r));
	r->cfg = *cfg;
	guest_init(&r->guest, cfg->size ? cfg->size : SIZE, rig_features(cfg), cfg->base);
	r->hdr_len = net_hdr_len(r->guest.features);
	r->bufs = guest_alloc(&r->guest, SIZE * BUF_LEN);
	r->oversize = guest_alloc(&r->guest, OVERSIZE);
	r->own_thread = !thread;
	if (r->own_thread)
		iothread_new(&thread, "fake");
	r->thread = thread;
	r->backend = test_backend_new(&backend);
	assert_non_null(r->backend);
	r->backend->queues[0]->wake = on_wake;
	r->backend->queues[0]->wake_ctx = r;
	tx_queue_init(&r->q, r->thread, r->backend->queues[0], &mode);
	r->q.on_broken = on_broken;
	tx_queue_enable(&r->q, true);
}

static void rig_deinit(struct rig *r)
{
	tx_queue_stop(&r->q);
	tx_queue_deinit(&r->q);
	backend_free(r->backend);
	if (r->own_thread)
		iothread_free(r->thread);
	guest_deinit(&r->guest);
}

/* Started, asleep, and woken by nothing. */
static void rig_up(struct rig *r, const struct rig_config *cfg)
{
	rig_init(r, cfg, NULL);
	start(r, ring_base(&r->guest.ring));
	settle(r);
}

typedef void rig_test(struct rig *r);

static void with_rig(rig_test *test, const struct rig_config *cfg)
{
	struct rig r;

	rig_up(&r, cfg);
	test(&r);
	rig_deinit(&r);
}

/* The eight combinations of backend and ring. */
static void each_with(rig_test *test, struct rig_config cfg)
{
	for (unsigned i = 0; i < 8; i++) {
		cfg.late = i & 1;
		cfg.fds = i & 2;
		cfg.event_idx = i & 4;
		with_rig(test, &cfg);
	}
}

static void each(rig_test *test)
{
	each_with(test, (struct rig_config){ .engine = &iothread_tx_engine, .burst = BURST });
	each_with(test, (struct rig_config){ .engine = &timer_tx_engine, .burst = BURST });
}

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
	each_with(kick_while_owed,
		  (struct rig_config){ .engine = &iothread_tx_engine, .burst = BURST });
}

static void ring_full_kick(struct rig *r)
{
	check(r, send_frames(r, 1));
	quiet(r);
	add(r, SIZE - 1);
	check(r, !ring_reserve(&r->guest.ring, 1));
	ring_kick_now(&r->guest.ring);
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
	each_with(taking_turns,
		  (struct rig_config){ .engine = &iothread_tx_engine, .burst = BURST });
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
		tx_queue_ready(&r->q);
		fake_iothread_fire(r->thread, r->guest.kick_fd);
		if (r->cfg.fds)
			fake_iothread_fire(r->thread, r->q.bq->tx_fd);
		settle(r);
		check_all_out(r);
		check(r, send_frames(r, 2));
		let_run(r);
		tx_queue_ready(&r->q);
		settle(r);
		check_all_out(r);
	}
	tx_queue_pause(&r->q);
	tx_queue_ready(&r->q);
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

/* ---- pause, resume, stop ---- */

static void check_untouched(struct rig *r, void (*act)(struct rig *r))
{
	uint8_t *copy = malloc(GUEST_MEMORY);

	assert_non_null(copy);
	memcpy(copy, r->guest.arena.regions[0].host, GUEST_MEMORY);
	act(r);
	check(r, !memcmp(copy, r->guest.arena.regions[0].host, GUEST_MEMORY));
	free(copy);
}

static void disturb(struct rig *r)
{
	ring_kick_now(&r->guest.ring);
	if (r->cfg.fds)
		fake_iothread_fire(r->thread, r->q.bq->tx_fd);
	tx_queue_ready(&r->q);
	fake_iothread_advance(r->thread, 10 * DELAY);
	quiet(r);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	quiet(r);
}

/* Pause now; nothing may move until resume; then everything must, without a kick. */
static void pause_and_resume(struct rig *r)
{
	tx_queue_pause(&r->q);
	check(r, test_backend_held(r->backend, 0) == 0);
	check(r, fake_iothread_next_timer(r->thread) == FAKE_IOTHREAD_NO_TIMER);
	check_untouched(r, disturb);
	check(r, r->q.vq.used_idx == r->q.vq.last_avail);
	tx_queue_resume(&r->q);
	settle(r);
	check_all_out(r);
}

static void pause_resume(struct rig *r)
{
	/* Kicked and not seen. */
	add(r, 3 * BURST);
	tx_queue_kick(&r->q);
	pause_and_resume(r);
	/* Kicked, seen, not run. */
	add(r, 3 * BURST);
	ring_kick_now(&r->guest.ring);
	turn(r);
	pause_and_resume(r);
	/* Added and never kicked. */
	add(r, 1);
	pause_and_resume(r);
	/* The backend full. */
	test_backend_room(r->backend, 0, 2);
	add(r, 2 * BURST);
	ring_kick_now(&r->guest.ring);
	if (r->cfg.late)
		entry_at(r, r->n_added - 2 * BURST)->fate = FATE_EITHER;
	let_run(r);
	check(r, r->q.blocked);
	pause_and_resume(r);
}

/*
 * Work that is owed when the queue pauses (QEMU's tx_waiting when the VM stops) is done after
 * resume, with no kick.
 */
static void test_pause_resume(void **state)
{
	(void)state;
	each(pause_resume);
}

static void stop_index(struct rig *r)
{
	unsigned n, left;
	uint32_t idx;

	for (n = 0; n < 3 * BURST; n += 5) {
		test_backend_room(r->backend, 0, n / 2);
		add(r, n);
		ring_kick_now(&r->guest.ring);
		let_run(r);
		idx = tx_queue_stop(&r->q);
		reclaim(r);
		left = (unsigned)(r->n_added - r->n_used);
		check(r, layout || idx == (uint16_t)(r->cfg.base + r->n_used));
		check(r, idx == ring_base(&r->guest.ring));
		check(r, left >= n - n / 2 && fake_iothread_next_timer(r->thread) == UINT64_MAX);
		check(r, !r->q.kick_watch.armed && !r->q.ready_watch.armed);
		test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
		start(r, idx);
		settle(r);
		check_all_out(r);
	}
}

/*
 * The index that stop gives is exact, also past 65535: what it counts is used, what it does not is
 * sent after the next start.
 */
static void test_stop_index(void **state)
{
	struct rig_config cfg = { .engine = &iothread_tx_engine, .burst = BURST, .base = 65530 };

	(void)state;
	each(stop_index);
	each_with(stop_index, cfg);
	cfg.engine = &timer_tx_engine;
	each_with(stop_index, cfg);
}

static void cancelled(struct rig *r)
{
	uint64_t seq;

	if (!r->cfg.late)
		return;
	check(r, send_frames(r, BURST - 1));
	for (seq = 0; seq < BURST - 1; seq++)
		entry_at(r, seq)->fate = FATE_EITHER;
	let_run(r);
	test_backend_finish(r->backend, 0, 2);
	tx_queue_stop(&r->q);
	check(r, reclaim(r) == BURST - 1);
	check(r, r->n_arrived == 2 && r->q.stats.drop_backend == BURST - 3);
	start(r, virtq_base(&r->q.vq));
	settle(r);
	check_all_out(r);
}

/* Stopped with frames in the backend: it gives them up, they come back, and are counted. */
static void test_stop_with_frames_in_flight(void **state)
{
	(void)state;
	each(cancelled);
}

/* ---- frames that are not sent ---- */

static void disabled(struct rig *r)
{
	unsigned i;

	tx_queue_enable(&r->q, false);
	settle(r);
	for (i = 0; i < 2 * BURST; i++)
		check(r, add_shape(r, (enum shape)(i % SHAPES), FATE_DROPPED));
	ring_submit(&r->guest.ring);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check_all_out(r);
	check(r, r->q.stats.drop_disabled == 2 * BURST && r->q.stats.frames == 0);
	tx_queue_enable(&r->q, true);
	send_frames(r, 3);
	settle(r);
	check_all_out(r);
	check(r, r->n_arrived == 3);
}

/*
 * A disabled ring discards what the driver sends, and gives it back: Windows guests wait for it
 * (QEMU 283e2c2adc).
 */
static void test_disabled(void **state)
{
	(void)state;
	each(disabled);
}

static void disabled_while_full(struct rig *r)
{
	uint64_t seq;

	test_backend_room(r->backend, 0, 2);
	check(r, send_frames(r, 3 * BURST));
	for (seq = 2; seq < 3 * BURST; seq++)
		entry_at(r, seq)->fate = FATE_DROPPED;
	let_run(r);
	check(r, r->q.blocked);
	tx_queue_enable(&r->q, false);
	settle(r);
	check_all_out(r);
	check(r, r->q.stats.drop_disabled == 3 * BURST - 2);
}

/*
 * Disabled while the backend is full: the frames that waited for it come back too, behind those in
 * flight, with no kick.
 */
static void test_disabled_while_full(void **state)
{
	(void)state;
	each(disabled_while_full);
}

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
	check_untouched(r, disturb);
	tx_queue_enable(&r->q, true);
	tx_queue_pause(&r->q);
	tx_queue_resume(&r->q);
	check_untouched(r, disturb);
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
	check(r, !r->q.ready_watch.armed && !r->q.ready_work.queued);
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

/* Two good frames around each bad one. */
static void dropped_between(struct rig *r, void (*add_bad)(struct rig *r))
{
	unsigned i;

	for (i = 0; i < 3; i++) {
		add(r, 1);
		add_bad(r);
		ring_submit(&r->guest.ring);
	}
	add(r, 1);
	ring_kick_now(&r->guest.ring);
	let_run(r);
	check(r, reclaim(r) == (r->cfg.late ? 0 : 7));
	if (r->cfg.late) {
		test_backend_finish(r->backend, 0, 1);
		quiet(r);
		check(r, reclaim(r) == 2);
	}
	settle(r);
	check(r, r->n_arrived == 4 && r->q.stats.frames == 4 && !r->n_broken);
	check_all_out(r);
}

static struct virtio_net_hdr_v1 *last_header(struct rig *r)
{
	return (void *)buf_at(r, r->n_added - 1);
}

static void add_offload(struct rig *r)
{
	static const uint8_t types[] = { VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP_L4, 77,
					 VIRTIO_NET_HDR_GSO_ECN };

	check(r, add_shape(r, SHAPE_ONE, FATE_DROPPED));
	*last_header(r) = (struct virtio_net_hdr_v1){
		.gso_type = types[r->n_added % array_size(types)],
		.gso_size = 100,
	};
}

static uint64_t header_drops(const struct rig *r)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < NET_HDR_FAULTS; i++)
		sum += r->q.stats.drop_header[i];
	return sum;
}

static void offloads(struct rig *r)
{
	dropped_between(r, add_offload);
	check(r, header_drops(r) == 3 && r->q.stats.drop_header[NET_HDR_GSO_TYPE] >= 2);
}

/*
 * A header that asks for what was not negotiated costs that frame only: dropped, counted, and used
 * in its turn.
 */
static void test_offload_not_negotiated(void **state)
{
	(void)state;
	each(offloads);
}

static void oversize(struct rig *r)
{
	dropped_between(r, add_oversize);
	check(r, r->q.stats.drop_size == 3);
}

/* So does a frame that is longer than any can be. */
static void test_oversize(void **state)
{
	(void)state;
	each(oversize);
}

static void dropped_behind_full(struct rig *r)
{
	test_backend_room(r->backend, 0, 1);
	add(r, 1);
	add_offload(r);
	add(r, 1);
	add_offload(r);
	ring_submit(&r->guest.ring);
	ring_kick_now(&r->guest.ring);
	settle(r);
	check(r, r->q.blocked && header_drops(r) == 1);
	check(r, reclaim(r) == 2);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	settle(r);
	check(r, header_drops(r) == 2);
	check_all_out(r);
}

/*
 * A bad frame behind one that the backend did not take goes back to the ring with it, and is
 * counted once.
 */
static void test_dropped_behind_full(void **state)
{
	(void)state;
	each(dropped_behind_full);
}

static void headers_cut(struct rig *r)
{
	unsigned i, n = 0;

	for (i = 0; i < 5 * SHAPES; i++)
		n += add_shape(r, (enum shape)(i % SHAPES), FATE_SENT);
	ring_submit(&r->guest.ring);
	check(r, n == 5 * SHAPES && ring_kick(&r->guest.ring));
	settle(r);
	check(r, r->n_arrived == n);
	check_all_out(r);
}

/*
 * The driver may cut a frame anywhere, in the middle of the header too, and use an indirect table;
 * the header has 10 bytes or 12.
 */
static void test_shapes(void **state)
{
	struct rig_config cfg = { .engine = &iothread_tx_engine, .burst = BURST, .legacy = true };

	(void)state;
	each(headers_cut);
	each_with(headers_cut, cfg);
}

static void calls(struct rig *r)
{
	guest_signals(r->guest.call_fd);
	check(r, !ring_arm_call(&r->guest.ring, 0));
	check(r, send_frames(r, BURST - 1));
	settle(r);
	check(r, guest_signals(r->guest.call_fd) == 1);
	reclaim(r);
	ring_disarm_call(&r->guest.ring);
	check(r, send_frames(r, BURST - 1));
	settle(r);
	check(r, guest_signals(r->guest.call_fd) == 0);
	check_all_out(r);
}

/* The driver is called once for a batch, if it asked for that: not once a frame, and not never. */
static void test_calls(void **state)
{
	(void)state;
	each(calls);
}

/* ---- engines ---- */

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
		refill_until = r->n_added + 300000;
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
	check(r, most <= 4 * 65536);
}

/*
 * A driver that refills the ring as fast as it is drained does not keep the thread, whatever burst
 * the engine names (QEMU e3f30488e5).
 */
static void test_run_is_bounded(void **state)
{
	struct rig_config cfg = { .engine = &iothread_tx_engine, .burst = BURST };

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

static const struct tx_engine told_engine = EVIL(told);

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
	struct tx_mode mode =
		mode_of(++turn_of % 2 ? &timer_tx_engine : &iothread_tx_engine, BURST);

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

/* ---- chance ---- */

/* Frames in the ring or in flight may be dropped from here on. */
static void may_drop(struct rig *r)
{
	uint64_t seq;

	for (seq = r->n_used; seq < r->n_added; seq++) {
		if (entry_at(r, seq)->fate == FATE_SENT && !entry_at(r, seq)->finished)
			entry_at(r, seq)->fate = FATE_EITHER;
	}
}

static void chance_add(struct rig *r, uint64_t *random)
{
	unsigned n = test_random_below(random, 3 * BURST), i;
	bool sure = r->q.enabled;

	for (i = 0; i < n; i++) {
		enum shape shape = (enum shape)test_random_below(random, SHAPES);

		if (!test_random_below(random, 20) && ring_reserve(&r->guest.ring, 1)) {
			add_oversize(r);
			continue;
		}
		if (!add_shape(r, shape, sure ? FATE_SENT : FATE_EITHER))
			break;
		if (!test_random_below(random, 20)) {
			last_header(r)->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
			spoil(r);
		}
	}
	ring_submit(&r->guest.ring);
	if (ring_reserve(&r->guest.ring, 1) || test_random_below(random, 2))
		ring_kick(&r->guest.ring);
	else
		ring_kick_now(&r->guest.ring);
}

static void chance_control(struct rig *r, uint64_t *random)
{
	struct tx_mode mode =
		mode_of(test_random_below(random, 2) ? &timer_tx_engine : &iothread_tx_engine,
			1 + test_random_below(random, 2 * BURST));
	uint32_t idx;

	may_drop(r);
	switch (test_random_below(random, 5)) {
	case 0:
		tx_queue_pause(&r->q);
		fake_iothread_advance(r->thread, test_random_below(random, 2 * DELAY));
		turn(r);
		tx_queue_resume(&r->q);
		break;
	case 1:
		idx = tx_queue_stop(&r->q);
		check(r, idx == ring_base(&r->guest.ring));
		start(r, idx);
		break;
	case 2:
		tx_queue_enable(&r->q, test_random_below(random, 3));
		break;
	default:
		tx_queue_set_mode(&r->q, &mode);
		break;
	}
}

static void chance_step(struct rig *r, uint64_t *random)
{
	switch (test_random_below(random, 12)) {
	case 0:
	case 1:
	case 2:
		chance_add(r, random);
		break;
	case 3:
		reclaim(r);
		break;
	case 4:
		test_backend_room(r->backend, 0, test_random_below(random, 2 * BURST));
		break;
	case 5:
		test_backend_finish(r->backend, 0, test_random_below(random, BURST));
		break;
	case 6:
		fake_iothread_advance(r->thread, test_random_below(random, 2 * DELAY));
		break;
	case 7:
		if (!test_random_below(random, 4))
			chance_control(r, random);
		break;
	case 8:
		tx_queue_ready(&r->q);
		break;
	default:
		turn(r);
		break;
	}
}

static void chance(struct rig *r)
{
	uint64_t random = r->seed;
	unsigned i;

	for (i = 0; i < 400; i++)
		chance_step(r, &random);
	may_drop(r);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	/* Nobody kicks any more. */
	ring_kick(&r->guest.ring);
	settle(r);
	check_all_out(r);
	check(r, !r->n_broken);
}

/*
 * Random drivers, backends, times and commands, by seed: every frame out once and in order, every
 * frame used once and in order, none stuck when all is idle.
 */
static void test_chance(void **state)
{
	struct rig_config cfg = { 0 };
	struct rig r;
	uint64_t seed, random;

	(void)state;
	for (seed = 1; seed <= 800; seed++) {
		random = seed;
		test_random(&random);
		cfg.engine = random & 1 ? &timer_tx_engine : &iothread_tx_engine;
		cfg.late = random & 2;
		cfg.fds = random & 4;
		cfg.event_idx = random & 8;
		cfg.legacy = random & 16;
		cfg.burst = 1 + (uint32_t)(random >> 8) % (2 * BURST);
		cfg.base = (uint16_t)(random >> 16);
		rig_up(&r, &cfg);
		r.seed = seed;
		chance(&r);
		rig_deinit(&r);
	}
}

static void odd_size(struct rig *r)
{
	for (unsigned i = 0; i < 200; i++) {
		check(r, send_frames(r, 1 + i % (SIZE - 7)));
		settle(r);
		check_all_out(r);
	}
}

/* A packed ring's size need not be a power of two. */
static void test_odd_size(void **state)
{
	struct rig_config cfg = { .engine = &iothread_tx_engine, .burst = BURST, .size = SIZE - 7 };

	(void)state;
	if (layout)
		each_with(odd_size, cfg);
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
		cmocka_unit_test(test_full_then_ready),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_completions_in_pieces),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_spurious_wakeups),
		cmocka_unit_test(test_pause_resume),
		cmocka_unit_test(test_stop_index),
		cmocka_unit_test(test_stop_with_frames_in_flight),
		cmocka_unit_test(test_disabled),
		cmocka_unit_test(test_disabled_while_full),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_completions_of_a_broken_queue),
		cmocka_unit_test(test_neighbour_of_broken),
		cmocka_unit_test(test_more_chains_than_entries),
		cmocka_unit_test(test_offload_not_negotiated),
		cmocka_unit_test(test_oversize),
		cmocka_unit_test(test_dropped_behind_full),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_evil_engines),
		cmocka_unit_test(test_run_is_bounded),
		cmocka_unit_test(test_unsafe_plans_are_counted),
		cmocka_unit_test(test_plan_replaces_plan),
		cmocka_unit_test(test_not_asked_while_full),
		cmocka_unit_test(test_change_of_engine),
		cmocka_unit_test(test_odd_size),
		cmocka_unit_test(test_chance),
	};

	return cmocka_run_group_tests_name("split", tests, split, NULL) |
	       cmocka_run_group_tests_name("packed", tests, packed, NULL);
}
