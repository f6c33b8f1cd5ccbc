/* SPDX-License-Identifier: MIT */
/*
 * For tests of the tx queue: one queue with either engine, on a backend that completes within tx()
 * or one that completes late, with fds or with wake(), with and without EVENT_IDX. each() runs a
 * test in all sixteen combinations. No thread and no clock: fake_iothread makes the turns, the
 * driver's half of the ring plays the guest.
 *
 * The rig checks with every frame that it arrives once, whole and in order, and comes back in ring
 * order, with length 0, not before the backend was done with it.
 */
#ifndef TESTS_UNIT_TX_QUEUE_RIG_H
#define TESTS_UNIT_TX_QUEUE_RIG_H

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

static inline void rig_fail(const struct rig *r, const char *what, const char *file, int line)
{
	print_error("%s:%d: %s\n  engine %s, %s backend, %s, event_idx %d, seed %#" PRIx64 "\n",
		    file, line, what, r->q.engine->name, r->cfg.late ? "late" : "synchronous",
		    r->cfg.fds ? "fds" : "wake", r->cfg.event_idx, r->seed);
	fail();
}

#define check(r, cond) \
	do { \
		if (!(cond)) \
			rig_fail((r), #cond, __FILE__, __LINE__); \
	} while (0)

static inline struct entry *entry_at(struct rig *r, uint64_t seq)
{
	return &r->entries[seq % SIZE];
}

static inline uint8_t *buf_at(struct rig *r, uint64_t seq)
{
	return r->bufs + seq % SIZE * BUF_LEN;
}

/* Header and frame number seq: 60 to about 1500 bytes that no other frame has. */
static inline uint32_t make_frame(const struct rig *r, uint64_t seq, uint8_t *to)
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
static inline void on_sent(void *ctx, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
			   const uint8_t *bytes, uint32_t len, bool arrived)
{
	struct rig *r = ctx;
	uint8_t want[BUF_LEN];
	uint64_t seq;

	(void)queue;
	check(r, len >= 60);
	memcpy(&seq, bytes, sizeof(seq));
	check(r, seq >= r->next_out && seq < r->n_added && seq >= r->n_used);
	check(r, len == make_frame(r, seq, want) - r->hdr_len);
	check(r, !memcmp(hdr, want, r->hdr_len));
	check(r, !memcmp(bytes, want + r->hdr_len, len));
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
static inline unsigned reclaim(struct rig *r)
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

static inline void fill_shape(struct rig *r, struct chain_part whole, enum shape shape)
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
static inline bool add_shape(struct rig *r, enum shape shape, enum fate fate)
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

static inline void add(struct rig *r, unsigned n)
{
	while (n--)
		check(r, add_shape(r, SHAPE_ONE, FATE_SENT));
	ring_submit(&r->guest.ring);
}

/* As a well-behaved driver: kick only if the device asks for it. */
static inline bool send_frames(struct rig *r, unsigned n)
{
	add(r, n);
	return ring_kick(&r->guest.ring);
}

static inline void turn(struct rig *r)
{
	fake_iothread_turn(r->thread);
}

/* Turns at this time until nothing is to do. */
static inline void quiet(struct rig *r)
{
	check(r, fake_iothread_run_until_idle(r->thread, TURNS));
}

/*
 * Until the queue sleeps and the backend has nothing left: no kick, but all the time and
 * completions it wants.
 */
static inline void settle(struct rig *r)
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
static inline void let_run(struct rig *r)
{
	quiet(r);
	if (r->cfg.engine == &timer_tx_engine)
		fake_iothread_advance(r->thread, DELAY);
	quiet(r);
}

static inline void check_asleep(struct rig *r)
{
	check(r, !r->q.timer.armed && !r->q.run_work.queued && !r->q.ready_work.queued);
	check(r, !r->q.blocked);
	check(r, r->q.kick_watch.armed);
	check(r, guest_kick_armed(&r->guest));
}

/* Everything that was offered is back, and the queue sleeps so that the next kick wakes it. */
static inline void check_all_out(struct rig *r)
{
	reclaim(r);
	check(r, r->n_used == r->n_added);
	check(r, virtq_base(&r->q.vq) == ring_base(&r->guest.ring));
	check(r, test_backend_counts(r->backend, 0)->misuse == 0);
	check_asleep(r);
}

static inline struct tx_mode mode_of(const struct tx_engine *engine, uint32_t burst)
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

static inline struct rig *rig_of(struct tx_queue *q)
{
	return container_of(q, struct rig, q);
}

static inline void on_broken(struct tx_queue *q)
{
	rig_of(q)->n_broken++;
}

static inline void on_wake(void *ctx, unsigned events)
{
	struct rig *r = ctx;

	if (events & (BACKEND_ROOM | BACKEND_DONE))
		tx_queue_ready(&r->q, events);
}

static inline void start(struct rig *r, uint32_t base)
{
	struct tx_queue_config cfg = { .vq = guest_vq(&r->guest, base),
				       .kick_fd = r->guest.kick_fd,
				       .hdr_len = r->hdr_len };

	check(r, tx_queue_start(&r->q, &cfg) == 0);
	check(r, r->q.vq.packed == !!guest_layout);
}

static inline uint64_t rig_features(const struct rig_config *cfg)
{
	uint64_t features = FEATURES | guest_layout;

	if (cfg->event_idx)
		features |= FEATURE(VIRTIO_RING_F_EVENT_IDX);
	if (cfg->legacy)
		features &= ~FEATURE(VIRTIO_F_VERSION_1);
	return features;
}

/* Everything but the start. thread: shared with another rig, or NULL. */
static inline void rig_init(struct rig *r, const struct rig_config *cfg, struct iothread *thread)
{
	struct test_backend_config backend = { .n_queues = 1,
					       .fds = cfg->fds,
					       .late = cfg->late,
					       .sent = on_sent,
					       .wake = on_wake,
					       .ctx = r };
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
	r->backend->ops->start(r->backend, r->guest.features, r->hdr_len);
	tx_queue_init(&r->q, r->thread, r->backend->queues[0], &mode);
	r->q.on_broken = on_broken;
	tx_queue_enable(&r->q, true);
}

static inline void rig_deinit(struct rig *r)
{
	tx_queue_stop(&r->q);
	tx_queue_deinit(&r->q);
	backend_free(r->backend);
	if (r->own_thread)
		iothread_free(r->thread);
	guest_deinit(&r->guest);
}

/* Started, asleep, and woken by nothing. */
static inline void rig_up(struct rig *r, const struct rig_config *cfg)
{
	rig_init(r, cfg, NULL);
	start(r, ring_base(&r->guest.ring));
	settle(r);
}

typedef void rig_test(struct rig *r);

static inline void with_rig(rig_test *test, const struct rig_config *cfg)
{
	struct rig r;

	rig_up(&r, cfg);
	test(&r);
	rig_deinit(&r);
}

/* The eight combinations of backend and ring. */
static inline void each_with(rig_test *test, struct rig_config cfg)
{
	for (unsigned i = 0; i < 8; i++) {
		cfg.late = i & 1;
		cfg.fds = i & 2;
		cfg.event_idx = i & 4;
		with_rig(test, &cfg);
	}
}

static inline void each(rig_test *test)
{
	each_with(test, (struct rig_config){ .engine = &bh_tx_engine, .burst = BURST });
	each_with(test, (struct rig_config){ .engine = &timer_tx_engine, .burst = BURST });
}

static inline void disturb(struct rig *r)
{
	ring_kick_now(&r->guest.ring);
	if (r->cfg.fds)
		fake_iothread_fire(r->thread, r->q.bq->room.fd);
	tx_queue_ready(&r->q, BACKEND_ROOM | BACKEND_DONE);
	fake_iothread_advance(r->thread, 10 * DELAY);
	quiet(r);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	quiet(r);
}

/* Whatever comes, no byte of the guest's memory changes. */
static inline void check_untouched(struct rig *r)
{
	static uint8_t copy[GUEST_MEMORY];

	memcpy(copy, r->guest.arena.regions[0].host, GUEST_MEMORY);
	disturb(r);
	check(r, !memcmp(copy, r->guest.arena.regions[0].host, GUEST_MEMORY));
}

#endif
