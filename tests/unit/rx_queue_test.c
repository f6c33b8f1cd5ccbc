/* SPDX-License-Identifier: MIT */
/*
 * The rx queue on a backend with fds and on one with wake(), with and without EVENT_IDX: each test
 * runs in all four combinations. No thread and no clock: fake_iothread makes the turns, the
 * driver's half of the ring plays the guest.
 *
 * The rig checks with every frame that it comes once, in order and whole, that num_buffers and the
 * used lengths are right, and that all chains of a frame appear together. One long file because the
 * tests share that rig.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "datapath/rx.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/guest.h"
#include "tests/unit/test_backend.h"
#include "virtio/net_hdr.h"

#define SIZE     128 /* ring entries */
#define SLOT_LEN 4096
#define GIVEN    4096 /* frames that the rig remembers */
#define TURNS    10000
#define MRG      FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define PIECES   1000 /* descriptors of a chain in very many pieces */

/* How the driver cuts a buffer. */
enum shape { SHAPE_ONE, SHAPE_HEADER_APART, SHAPE_CUT_HEADER, SHAPE_INDIRECT, SHAPES };

/* What becomes of a frame. */
enum fate { FATE_DELIVERED, FATE_DROPPED, FATE_EITHER };

struct rig_config {
	bool fds;
	bool event_idx;
	uint64_t features; /* beside VERSION_1, INDIRECT_DESC and what event_idx says */
	bool legacy;       /* without VERSION_1: a 10-byte header unless MRG */
	uint16_t base;
};

struct rig {
	struct rig_config cfg;
	uint64_t seed;
	struct guest guest;
	unsigned hdr_len;
	uint8_t *slots;
	struct iothread *thread;
	struct backend *backend;
	struct rx_queue q;
	uint32_t buf_len[SIZE]; /* of buffer seq % SIZE */
	uint64_t n_posted;
	uint64_t n_used;
	enum fate fate[GIVEN];
	uint32_t frame_len[GIVEN];
	uint64_t n_given; /* the next frame's number */
	uint64_t next_in; /* no frame before this one may come any more */
	uint64_t n_delivered;
	unsigned n_broken;
};

static void rig_fail(const struct rig *r, const char *what, int line)
{
	print_error("line %d: %s\n  %s, event_idx %d, features %#" PRIx64 ", seed %#" PRIx64 "\n",
		    line, what, r->cfg.fds ? "fds" : "wake", r->cfg.event_idx, r->guest.features,
		    r->seed);
	fail();
}

#define check(r, cond) \
	do { \
		if (!(cond)) \
			rig_fail((r), #cond, __LINE__); \
	} while (0)

static uint8_t *slot_at(struct rig *r, uint64_t seq)
{
	return r->slots + seq % SIZE * SLOT_LEN;
}

/* Header and len bytes of frame number seq; the backend leaves garbage in num_buffers. */
static void make_frame(const struct rig *r, uint64_t seq, uint8_t *to, uint32_t len)
{
	uint64_t random = seq, word;
	uint32_t i;

	memset(to, 0, r->hdr_len);
	to[2] = (uint8_t)seq;
	if (r->hdr_len == NET_HDR_LEN)
		memset(to + NET_HDR_LEN_LEGACY, 0xab, 2);
	for (i = 0; i < len; i += (uint32_t)sizeof(word)) {
		word = i ? test_random(&random) : seq;
		memcpy(to + r->hdr_len + i, &word, min_u64(sizeof(word), len - i));
	}
}

/* A frame of len bytes behind the header arrives at the backend. */
static void give(struct rig *r, uint32_t len, enum fate fate)
{
	static uint8_t bytes[SPILL_SIZE];

	check(r, r->hdr_len + len <= sizeof(bytes));
	make_frame(r, r->n_given, bytes, len);
	r->fate[r->n_given % GIVEN] = fate;
	r->frame_len[r->n_given % GIVEN] = len;
	r->n_given++;
	test_backend_give(r->backend, 0, bytes, r->hdr_len + len);
}

/* One buffer of len bytes into the ring, not yet visible. False: no room. */
static bool post_shape(struct rig *r, uint32_t len, enum shape shape)
{
	static const uint32_t cuts[] = {
		[SHAPE_HEADER_APART] = 0, [SHAPE_CUT_HEADER] = 3, [SHAPE_INDIRECT] = 11
	};
	unsigned need = shape == SHAPE_ONE || shape == SHAPE_INDIRECT ? 1 : 2;
	uint8_t *buf = slot_at(r, r->n_posted);
	struct chain_part parts[2] = { guest_part(&r->guest, buf, len, true) };
	uint32_t cut = shape == SHAPE_HEADER_APART ? r->hdr_len : cuts[shape];

	if (ring_reserve(&r->guest.ring, need) < need)
		return false;
	memset(buf, 0xdd, len);
	r->buf_len[r->n_posted % SIZE] = len;
	if (shape == SHAPE_ONE) {
		ring_fill(&r->guest.ring, parts[0], r->n_posted++);
		return true;
	}
	parts[1] = guest_part(&r->guest, buf + cut, len - cut, true);
	parts[0].len = cut;
	if (shape == SHAPE_INDIRECT)
		ring_fill_indirect(&r->guest.ring, parts, 2, r->n_posted++);
	else
		ring_fill_chain(&r->guest.ring, parts, 2, r->n_posted++);
	return true;
}

static void post(struct rig *r, unsigned n, uint32_t len)
{
	while (n--)
		check(r, post_shape(r, len, SHAPE_ONE));
	ring_submit(&r->guest.ring);
}

static unsigned num_buffers(struct rig *r)
{
	uint16_t n = 1;

	if (r->hdr_len == NET_HDR_LEN)
		memcpy(&n, slot_at(r, r->n_used) + NET_HDR_LEN_LEGACY, sizeof(n));
	return n;
}

/* The next n used buffers, one behind the other. */
static uint32_t join(struct rig *r, unsigned n, uint8_t *to)
{
	struct ring_used used = { 0 };
	uint32_t len = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		check(r, ring_use(&r->guest.ring, &used) == RING_USED);
		check(r, used.token == r->n_used);
		check(r, used.len && used.len <= r->buf_len[used.token % SIZE]);
		check(r, i + 1 == n || used.len == r->buf_len[used.token % SIZE]);
		check(r, len + used.len <= SPILL_SIZE);
		memcpy(to + len, slot_at(r, used.token), used.len);
		len += used.len;
		r->n_used++;
	}
	return len;
}

/* The driver takes one frame. */
static void receive_one(struct rig *r, unsigned waiting)
{
	static uint8_t got[SPILL_SIZE], want[SPILL_SIZE];
	unsigned n = num_buffers(r);
	uint64_t seq;
	uint32_t len;

	/* A packed ring tells only that some wait; join finds them all. */
	check(r, n >= 1 && (guest_layout || n <= waiting));
	check(r, n == 1 || (r->guest.features & MRG));
	len = join(r, n, got);
	check(r, len >= r->hdr_len + sizeof(seq));
	memcpy(&seq, got + r->hdr_len, sizeof(seq));
	check(r, seq >= r->next_in && seq < r->n_given);
	for (; r->next_in < seq; r->next_in++)
		check(r, r->fate[r->next_in % GIVEN] != FATE_DELIVERED);
	check(r, r->fate[seq % GIVEN] != FATE_DROPPED);
	check(r, len == r->hdr_len + r->frame_len[seq % GIVEN]);
	make_frame(r, seq, want, len - r->hdr_len);
	check(r, !memcmp(got, want, NET_HDR_LEN_LEGACY));
	check(r, !memcmp(got + r->hdr_len, want + r->hdr_len, len - r->hdr_len));
	r->next_in++;
	r->n_delivered++;
}

/* The driver takes what came. How many frames. */
static unsigned receive(struct rig *r)
{
	unsigned waiting, n = 0;

	while ((waiting = ring_peek(&r->guest.ring))) {
		receive_one(r, waiting);
		n++;
	}
	check(r, r->guest.ring.fault == RING_OK);
	return n;
}

static void settle(struct rig *r)
{
	check(r, fake_iothread_run_until_idle(r->thread, TURNS));
}

static const struct test_backend_counts *counts(const struct rig *r)
{
	return test_backend_counts(r->backend, 0);
}

/*
 * All frames came or were counted, what was not used is the ring's, and the queue waits for what it
 * needs.
 */
static void check_all_in(struct rig *r)
{
	const struct rx_stats *s = &r->q.stats;

	receive(r);
	for (; r->next_in < r->n_given; r->next_in++)
		check(r, r->fate[r->next_in % GIVEN] != FATE_DELIVERED);
	check(r, test_backend_waiting(r->backend, 0) == 0 && !r->q.parked);
	check(r, r->n_delivered == s->frames);
	check(r, s->frames + s->drop_size + s->drop_no_room + s->drop_stopped == r->n_given);
	check(r, virtq_base(&r->q.vq) == ring_base(&r->guest.ring));
	check(r, counts(r)->misuse == 0);
	check(r, !r->q.run_work.queued && r->q.kick_watch.armed);
	if (r->n_posted == r->n_used)
		check(r, guest_kick_armed(&r->guest));
	else if (r->cfg.fds)
		check(r, await_armed(&r->q.ready));
}

static void on_broken(struct rx_queue *q)
{
	container_of(q, struct rig, q)->n_broken++;
}

static void on_wake(void *ctx, unsigned events)
{
	struct rig *r = ctx;

	if (events & BACKEND_FRAMES)
		rx_queue_ready(&r->q);
}

static void start(struct rig *r, uint32_t base)
{
	struct rx_queue_config cfg = { .vq = guest_vq(&r->guest, base),
				       .kick_fd = r->guest.kick_fd,
				       .hdr_len = r->hdr_len };

	check(r, rx_queue_start(&r->q, &cfg) == 0);
	check(r, r->q.vq.packed == !!guest_layout);
}

static uint64_t rig_features(const struct rig_config *cfg)
{
	uint64_t features = guest_layout | cfg->features | FEATURE(VIRTIO_RING_F_INDIRECT_DESC);

	if (!cfg->legacy)
		features |= FEATURE(VIRTIO_F_VERSION_1);
	if (cfg->event_idx)
		features |= FEATURE(VIRTIO_RING_F_EVENT_IDX);
	return features;
}

/* Started and enabled, with an empty ring. */
static void rig_up(struct rig *r, const struct rig_config *cfg)
{
	struct test_backend_config backend = {
		.n_queues = 1, .fds = cfg->fds, .wake = on_wake, .ctx = r
	};

	memset(r, 0, sizeof(*r));
	r->cfg = *cfg;
	guest_init(&r->guest, SIZE, rig_features(cfg), cfg->base);
	r->hdr_len = net_hdr_len(r->guest.features);
	r->slots = guest_alloc(&r->guest, SIZE * SLOT_LEN);
	iothread_new(&r->thread, "fake");
	r->backend = test_backend_new(&backend);
	check(r, rx_queue_init(&r->q, r->thread, r->backend->queues[0]) == 0);
	r->q.on_broken = on_broken;
	rx_queue_enable(&r->q, true);
	start(r, ring_base(&r->guest.ring));
	settle(r);
}

static void rig_down(struct rig *r)
{
	rx_queue_stop(&r->q);
	rx_queue_deinit(&r->q);
	backend_free(r->backend);
	iothread_free(r->thread);
	guest_deinit(&r->guest);
}

typedef void rig_test(struct rig *r);

/* The four combinations of backend and ring. */
static void each_with(rig_test *test, struct rig_config cfg)
{
	struct rig r;

	for (unsigned i = 0; i < 4; i++) {
		cfg.fds = i & 1;
		cfg.event_idx = i & 2;
		rig_up(&r, &cfg);
		test(&r);
		rig_down(&r);
	}
}

/* With a 12-byte header and single buffers, with mergeable buffers, and with a 10-byte header. */
static void each(rig_test *test)
{
	each_with(test, (struct rig_config){ 0 });
	each_with(test, (struct rig_config){ .features = MRG });
	each_with(test, (struct rig_config){ .legacy = true });
}

static void each_mergeable(rig_test *test)
{
	each_with(test, (struct rig_config){ .features = MRG });
	each_with(test, (struct rig_config){ .features = MRG, .legacy = true });
}

/* ---- frames into buffers ---- */

static void no_polling(struct rig *r)
{
	unsigned i;

	for (i = 0; i < 10; i++) {
		give(r, 60 + i, FATE_DELIVERED);
		settle(r);
		rx_queue_ready(&r->q);
		if (r->cfg.fds)
			fake_iothread_fire(r->thread, r->q.bq->frames.fd);
		settle(r);
	}
	check(r, counts(r)->rx_calls == 0);
	post(r, 4, 1526);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 4);
	post(r, 20, 1526);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 6);
	check_all_in(r);
}

/*
 * While the ring has no buffers the backend is not asked, however often it calls; the driver's kick
 * starts it again.
 */
static void test_no_polling_without_buffers(void **state)
{
	(void)state;
	each(no_polling);
}

static void single(struct rig *r)
{
	unsigned i;

	post(r, SIZE, 1526);
	ring_kick(&r->guest.ring);
	settle(r);
	for (i = 0; i < SIZE / 2; i++)
		give(r, 8 + i * 11, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == SIZE / 2);
	check(r, r->cfg.event_idx || !guest_kick_armed(&r->guest));
	/* Exactly full, then one by one as they come. */
	give(r, 1526 - r->hdr_len, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == 1);
	give(r, 60, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == 1);
	check(r, r->q.stats.spilled == 0);
	check_all_in(r);
}

/*
 * A frame that fits takes one buffer, and comes without a kick when buffers wait, nor is one asked
 * for then.
 */
static void test_single_buffers(void **state)
{
	(void)state;
	each(single);
}

static void shapes(struct rig *r)
{
	unsigned i;

	for (i = 0; i < 40; i++)
		check(r, post_shape(r, 1000, (enum shape)(i % SHAPES)));
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
	for (i = 0; i < 40; i++)
		give(r, 60 + 20 * i, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == 40);
	check_all_in(r);
}

/* A buffer may be cut anywhere, in the header and in num_buffers too. */
static void test_shapes(void **state)
{
	(void)state;
	each(shapes);
}

static void merged(struct rig *r)
{
	const uint32_t one = 1000 - r->hdr_len;
	const uint32_t lens[] = { one,  one + 1, 1000 + one, 1001 + one, 60,
				  9000, 30000,   64,         65535 + 14 };
	uint64_t spilled = 0;
	unsigned i, n;

	post(r, SIZE, 1000);
	ring_kick(&r->guest.ring);
	for (i = 0; i < array_size(lens); i++) {
		n = (unsigned)r->n_used;
		give(r, lens[i], FATE_DELIVERED);
		settle(r);
		check(r, receive(r) == 1);
		check(r, r->n_used - n == (lens[i] + r->hdr_len + 999) / 1000);
		check(r, virtq_base(&r->q.vq) == ring_base(&r->guest.ring));
		if (i == 1)
			spilled = r->q.stats.spilled;
		post(r, (unsigned)(SIZE - (r->n_posted - r->n_used)), 1000);
		ring_kick(&r->guest.ring);
		settle(r);
	}
	check(r, spilled == 1 && r->q.stats.spilled == 1);
	check_all_in(r);
}

/*
 * A long frame takes as many buffers as it needs and no more; only the first one takes the way
 * through private memory.
 */
static void test_mergeable(void **state)
{
	(void)state;
	each_mergeable(merged);
}

static void back_to_single(struct rig *r)
{
	unsigned i;

	post(r, SIZE, 1000);
	ring_kick(&r->guest.ring);
	give(r, 5000, FATE_DELIVERED);
	settle(r);
	for (i = 0; i < 200; i++) {
		give(r, 100, FATE_DELIVERED);
		settle(r);
		receive(r);
		post(r, (unsigned)(SIZE - (r->n_posted - r->n_used)), 1000);
		ring_kick(&r->guest.ring);
	}
	check(r, r->q.gather == 0);
	give(r, 5000, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == 1 && r->q.stats.spilled == 2);
	check_all_in(r);
}

/*
 * After enough short frames the queue takes single buffers again, and the next long frame is still
 * whole.
 */
static void test_back_to_single_buffers(void **state)
{
	(void)state;
	each_mergeable(back_to_single);
}

static void parked(struct rig *r)
{
	unsigned i;

	post(r, 1, 1000);
	ring_kick(&r->guest.ring);
	give(r, 4500, FATE_DELIVERED);
	give(r, 60, FATE_DELIVERED);
	settle(r);
	for (i = 1; i < 5; i++) {
		check(r, r->q.parked && receive(r) == 0);
		check(r, guest_kick_armed(&r->guest));
		check(r, counts(r)->rx_calls == 1);
		rx_queue_ready(&r->q);
		settle(r);
		check(r, guest_kick_armed(&r->guest));
		post(r, 1, 1000);
		check(r, ring_kick(&r->guest.ring));
		settle(r);
	}
	check(r, receive(r) == 1 && !r->q.parked);
	post(r, 1, 1000);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/*
 * A long frame waits for buffers in private memory, however few come at a time, and nothing
 * overtakes it.
 */
static void test_parked_until_buffers_come(void **state)
{
	(void)state;
	each_mergeable(parked);
}

static void gathered_too_few(struct rig *r)
{
	post(r, 6, 1000);
	ring_kick(&r->guest.ring);
	give(r, 3500, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == 1);
	give(r, 9000, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == 0 && r->q.parked);
	post(r, 20, 1000);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/* The same when buffers were gathered, and were too few. */
static void test_gathered_too_few(void **state)
{
	(void)state;
	each_mergeable(gathered_too_few);
}

static void last_piece(struct rig *r)
{
	unsigned i;

	/*
	 * 64 buffers of two pieces and one of one: there is room for one piece more, and 10 bytes
	 * lack.
	 */
	for (i = 0; i < 64; i++)
		check(r, post_shape(r, 100, SHAPE_INDIRECT));
	post(r, 1, 100);
	ring_kick(&r->guest.ring);
	give(r, 6510 - r->hdr_len, FATE_DELIVERED);
	settle(r);
	check(r, r->q.parked);
	post(r, 1, 100);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/*
 * A frame is given up as too long for its buffers only when not one piece more could be taken for
 * it.
 */
static void test_last_piece(void **state)
{
	(void)state;
	each_mergeable(last_piece);
}

static void too_large(struct rig *r)
{
	unsigned i;

	post(r, 20, 1526);
	ring_kick(&r->guest.ring);
	for (i = 0; i < 4; i++) {
		give(r, 200, FATE_DELIVERED);
		give(r, 1526 - r->hdr_len + 1 + i * 1000, FATE_DROPPED);
	}
	give(r, 60, FATE_DELIVERED);
	settle(r);
	check(r, receive(r) == 5);
	check(r, r->q.stats.drop_size == 4);
	check_all_in(r);
}

/*
 * Without mergeable buffers a frame that is too large is dropped and counted; it takes no buffer
 * and stops nothing.
 */
static void test_too_large_for_single_buffers(void **state)
{
	(void)state;
	each_with(too_large, (struct rig_config){ 0 });
	each_with(too_large, (struct rig_config){ .legacy = true });
}

static void never_fits(struct rig *r)
{
	post(r, SIZE, 50);
	ring_kick(&r->guest.ring);
	settle(r);
	give(r, 60, FATE_DELIVERED);
	give(r, SIZE * 50, FATE_DROPPED);
	give(r, 60, FATE_DELIVERED);
	settle(r);
	receive(r);
	post(r, (unsigned)(SIZE - (r->n_posted - r->n_used)), 50);
	ring_kick(&r->guest.ring);
	settle(r);
	check(r, receive(r) == 1 || r->n_delivered == 2);
	check(r, r->q.stats.drop_no_room == 1 && r->q.stats.drop_size == 0);
	check_all_in(r);
}

/* A frame for which the whole ring is too small must not wait for ever, and block all behind it. */
static void test_never_fits(void **state)
{
	(void)state;
	each_mergeable(never_fits);
}

static void full_of_chains(struct rig *r)
{
	unsigned i;

	/* Two descriptors each, but for two of the ring's. */
	for (i = 0; i < SIZE / 2 - 1; i++)
		check(r, post_shape(r, 50, i % 2 ? SHAPE_HEADER_APART : SHAPE_CUT_HEADER));
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
	give(r, SIZE / 2 * 50, FATE_DELIVERED);
	give(r, SIZE * 50, FATE_DROPPED);
	give(r, 30, FATE_DELIVERED);
	settle(r);
	/* The first one waits as long as a buffer may come that is large enough. */
	check(r, r->q.parked && receive(r) == 0);
	post(r, 1, 50);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, r->q.parked && receive(r) == 0);
	post(r, 1, 100);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 1 && r->q.stats.drop_no_room == 0);
	/* The second one waits until the ring is full. */
	check(r, post_shape(r, 50, SHAPE_HEADER_APART));
	ring_submit(&r->guest.ring);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, r->q.parked && receive(r) == 0);
	while (post_shape(r, 50, SHAPE_HEADER_APART))
		;
	ring_submit(&r->guest.ring);
	check(r, !r->guest.ring.n_free && ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 1);
	check(r, r->q.stats.drop_no_room == 1 && r->q.stats.drop_size == 0);
	check_all_in(r);
}

/*
 * The same when it is full of few chains of several descriptors: each of them counts. One free
 * descriptor is enough to wait for.
 */
static void test_full_of_chains(void **state)
{
	(void)state;
	each_mergeable(full_of_chains);
}

static void tables(struct rig *r)
{
	unsigned i;

	/* As many descriptors as the ring has, but in tables: half of the ring is free. */
	for (i = 0; i < SIZE / 2; i++)
		check(r, post_shape(r, 50, SHAPE_INDIRECT));
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
	give(r, SIZE / 2 * 50 + 1, FATE_DELIVERED);
	settle(r);
	check(r, r->q.parked && receive(r) == 0);
	post(r, 1, 50);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/* Descriptors in a table are not the ring's: a frame waits while the ring has room for more. */
static void test_tables_fill_no_ring(void **state)
{
	(void)state;
	each_mergeable(tables);
}

static void endless_chain(struct rig *r)
{
	struct vring_desc *desc = r->guest.ring.areas.desc;
	unsigned i;

	for (i = 0; i < 4; i++)
		check(r, post_shape(r, 50, SHAPE_HEADER_APART));
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
	give(r, 1000, FATE_DROPPED);
	settle(r);
	check(r, r->q.parked);
	/* The end of the first chain turns back to itself, or leads out of the table. */
	desc[1].flags |= VRING_DESC_F_NEXT;
	desc[1].next = r->cfg.fds ? 1 : SIZE;
	check(r, virtq_slots(&r->q.vq, &(struct chain){ .elem = { 0, 1 } }) ==
			 (r->cfg.fds ? SIZE : 2));
	ring_kick_now(&r->guest.ring);
	settle(r);
	check(r, r->n_broken == 1);
}

/* Who counts a chain's descriptors while the driver changes them comes to an end, in the table. */
static void test_endless_chain(void **state)
{
	(void)state;
	if (!guest_layout)
		each_mergeable(endless_chain);
}

/*
 * A buffer behind a table of n descriptors of len bytes each, all of which are the memory at gpa.
 */
static void post_table(struct rig *r, unsigned n, uint64_t gpa, uint32_t len, uint32_t step)
{
	struct vring_desc *table = guest_alloc(&r->guest, n * sizeof(*table));
	uint16_t flags, next;
	unsigned i;

	check(r, post_shape(r, SLOT_LEN, SHAPE_ONE));
	for (i = 0; i < n; i++) {
		flags = VRING_DESC_F_WRITE | (i + 1 < n ? VRING_DESC_F_NEXT : 0);
		next = (uint16_t)(i + 1);
		/* A packed ring's entry has an id before its flags, and no next. */
		table[i] = (struct vring_desc){ .addr = gpa + (uint64_t)i * step,
						.len = len,
						.flags = guest_layout ? next : flags,
						.next = guest_layout ? flags : next };
	}
	guest_make_table(&r->guest, table, n);
}

/* A buffer of PIECES descriptors of 4 bytes. */
static void post_pieces(struct rig *r)
{
	uint64_t gpa = arena_gpa(&r->guest.arena, slot_at(r, r->n_posted));

	post_table(r, PIECES, gpa, 4, 4);
	r->buf_len[(r->n_posted - 1) % SIZE] = 4 * PIECES;
}

/* A long frame goes by, so that buffers are gathered from here on. */
static void begin_gathering(struct rig *r)
{
	post(r, 2, 100);
	give(r, 150, FATE_DELIVERED);
	ring_kick(&r->guest.ring);
	settle(r);
	check(r, receive(r) == 1 && r->q.gather);
}

static void many_pieces(struct rig *r)
{
	unsigned i;

	begin_gathering(r);
	for (i = 0; i < 100; i++)
		check(r, post_shape(r, 50, SHAPE_ONE));
	post_pieces(r);
	post_pieces(r);
	ring_submit(&r->guest.ring);
	give(r, 8500, FATE_DELIVERED);
	ring_kick(&r->guest.ring);
	settle(r);
	check(r, counts(r)->misuse == 0);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/*
 * Gathered buffers in more pieces than one read can take: the backend may be promised only what it
 * gets.
 */
static void test_very_many_pieces(void **state)
{
	(void)state;
	each_mergeable(many_pieces);
}

static void four_gigabytes(struct rig *r)
{
	const uint64_t gpa = GUEST_GPA + GUEST_MEMORY, big = 8U << 20;
	int fd = memfd_create("big", MFD_CLOEXEC);

	check(r, fd >= 0 && ftruncate(fd, (off_t)big) == 0);
	check(r, gmem_add(&r->guest.mem, gpa, big, gpa, fd, 0) == 0);
	close(fd);
	begin_gathering(r);
	post_table(r, 15, gpa, SLOT_LEN, SLOT_LEN);
	post_table(r, 512, gpa, (uint32_t)big - 60, 0);
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
	/*
	 * 61440 bytes go into the first buffer, the others into the second, whose pieces lie one on
	 * the other.
	 */
	give(r, 65000, FATE_DELIVERED);
	settle(r);
	check(r, counts(r)->misuse == 0 && r->q.stats.spilled == 1);
	check(r, ring_peek(&r->guest.ring) == (guest_layout ? 1 : 2));
	check(r, r->q.stats.frames == 2 && r->q.stats.bytes == 65150);
}

/* Gathered buffers of more than 4 GiB in all are not mistaken for few bytes. */
static void test_four_gigabytes(void **state)
{
	(void)state;
	each_mergeable(four_gigabytes);
}

static void fault_while_gathering(struct rig *r, bool readable)
{
	struct chain_part parts[2];
	uint8_t *buf;

	begin_gathering(r);
	post(r, 2, 100);
	buf = slot_at(r, r->n_posted);
	memset(buf, 0xdd, SLOT_LEN);
	parts[0] = guest_part(&r->guest, buf, 1000, !readable);
	parts[1] = guest_part(&r->guest, buf + 1000, 1000, true);
	if (!readable)
		parts[1].addr = GUEST_GPA + GUEST_MEMORY;
	ring_fill_chain(&r->guest.ring, parts, 2, r->n_posted++);
	ring_submit(&r->guest.ring);
	give(r, 900, FATE_DROPPED);
	ring_kick(&r->guest.ring);
	settle(r);
	check(r, counts(r)->misuse == 0);
	check(r, r->n_broken == 1 && receive(r) == 0);
	check(r, buf[0] == 0xdd && !memcmp(buf, buf + 1, 1999));
}

static void fault_gathering(struct rig *r)
{
	const struct rig_config cfg = r->cfg;
	struct rig other;
	unsigned i;

	for (i = 0; i < 2; i++) {
		rig_up(&other, &cfg);
		fault_while_gathering(&other, i);
		rig_down(&other);
	}
}

/* The good pieces of a bad chain are not memory for a frame. */
static void test_fault_while_gathering(void **state)
{
	(void)state;
	each_mergeable(fault_gathering);
}

static void calls(struct rig *r)
{
	unsigned i;

	post(r, SIZE, 1526);
	ring_kick(&r->guest.ring);
	settle(r);
	guest_signals(r->guest.call_fd);
	check(r, !ring_arm_call(&r->guest.ring, 0));
	test_backend_rx_limit(r->backend, 0, 2);
	for (i = 0; i < 2; i++)
		give(r, 60, FATE_DELIVERED);
	settle(r);
	check(r, guest_signals(r->guest.call_fd) == 1);
	receive(r);
	ring_disarm_call(&r->guest.ring);
	give(r, 60, FATE_DELIVERED);
	settle(r);
	check(r, guest_signals(r->guest.call_fd) == 0);
	check_all_in(r);
}

/* The driver is called once for a batch, if it asked for that. */
static void test_calls(void **state)
{
	(void)state;
	each(calls);
}

/* ---- pause, stop, disable, break ---- */

static void disabled(struct rig *r)
{
	post(r, 8, 1526);
	ring_kick(&r->guest.ring);
	settle(r);
	rx_queue_enable(&r->q, false);
	give(r, 60, FATE_DELIVERED);
	rx_queue_ready(&r->q);
	ring_kick_now(&r->guest.ring);
	settle(r);
	check(r, counts(r)->rx_calls <= 1 && test_backend_waiting(r->backend, 0) == 1);
	rx_queue_enable(&r->q, true);
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/* Frames for a disabled ring stay in the backend, and come when it is enabled, without a kick. */
static void test_disabled(void **state)
{
	(void)state;
	each(disabled);
}

static void disturb(struct rig *r)
{
	ring_kick_now(&r->guest.ring);
	rx_queue_ready(&r->q);
	if (r->cfg.fds)
		fake_iothread_fire(r->thread, r->q.bq->frames.fd);
	settle(r);
}

static void check_untouched(struct rig *r)
{
	static uint8_t copy[GUEST_MEMORY];

	memcpy(copy, r->guest.arena.regions[0].host, GUEST_MEMORY);
	disturb(r);
	check(r, !memcmp(copy, r->guest.arena.regions[0].host, GUEST_MEMORY));
}

static void pause_resume(struct rig *r)
{
	/* Buffers and frames come while it is paused. */
	rx_queue_pause(&r->q);
	post(r, 4, 1526);
	give(r, 60, FATE_DELIVERED);
	check_untouched(r);
	rx_queue_resume(&r->q);
	settle(r);
	check(r, receive(r) == 1);
	/* A run is owed. */
	give(r, 60, FATE_DELIVERED);
	rx_queue_ready(&r->q);
	rx_queue_pause(&r->q);
	check_untouched(r);
	rx_queue_resume(&r->q);
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/*
 * A paused queue touches no guest memory and asks no backend; after resume all comes, without a
 * kick.
 */
static void test_pause_resume(void **state)
{
	(void)state;
	each(pause_resume);
}

static void paused_parked(struct rig *r)
{
	post(r, 1, 1000);
	ring_kick(&r->guest.ring);
	give(r, 3000, FATE_DELIVERED);
	settle(r);
	rx_queue_pause(&r->q);
	post(r, 5, 1000);
	check_untouched(r);
	rx_queue_resume(&r->q);
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/* A parked frame outlives a pause. */
static void test_pause_with_parked_frame(void **state)
{
	(void)state;
	each_mergeable(paused_parked);
}

static void stop_index(struct rig *r)
{
	uint32_t idx;
	unsigned i;

	for (i = 0; i < 20; i++) {
		post(r, 6, 1526);
		ring_kick(&r->guest.ring);
		give(r, 60 + i, FATE_DELIVERED);
		settle(r);
		give(r, 60 + i, FATE_DELIVERED);
		fake_iothread_turn(r->thread);
		idx = rx_queue_stop(&r->q);
		receive(r);
		check(r, guest_layout || idx == (uint16_t)(r->cfg.base + r->n_used));
		check(r, idx == ring_base(&r->guest.ring));
		check(r, !r->q.kick_watch.armed && !await_armed(&r->q.ready));
		start(r, idx);
		settle(r);
		check_all_in(r);
	}
}

/* The index that stop gives is what is used, also past 65535, and the next start goes on there. */
static void test_stop_index(void **state)
{
	(void)state;
	each(stop_index);
	each_with(stop_index, (struct rig_config){ .features = MRG, .base = 65530 });
}

static void stop_parked(struct rig *r)
{
	uint32_t idx;

	post(r, 1, 1000);
	ring_kick(&r->guest.ring);
	give(r, 3000, FATE_DROPPED);
	give(r, 60, FATE_DELIVERED);
	settle(r);
	check(r, r->q.parked);
	idx = rx_queue_stop(&r->q);
	check(r, idx == ring_base(&r->guest.ring) && r->q.stats.drop_stopped == 1);
	start(r, idx);
	settle(r);
	check(r, receive(r) == 1);
	check_all_in(r);
}

/*
 * Stopped with a parked frame: it is dropped and counted, and does not turn up in the next driver's
 * ring.
 */
static void test_stop_with_parked_frame(void **state)
{
	(void)state;
	each_mergeable(stop_parked);
}

static struct chain_part bad_buffer(struct rig *r, unsigned kind)
{
	struct chain_part part = guest_part(&r->guest, slot_at(r, r->n_posted), 1526, true);

	if (kind == 0)
		part.in = false;
	else if (kind == 1)
		part.len = r->hdr_len - 1;
	else
		part.addr = GUEST_GPA + GUEST_MEMORY - 10;
	return part;
}

/* good buffers, a bad one, and good ones again. */
static void broken(struct rig *r, unsigned kind, unsigned good)
{
	unsigned i;

	post(r, good, 1526);
	ring_fill(&r->guest.ring, bad_buffer(r, kind), r->n_posted++);
	post(r, 3, 1526);
	for (i = 0; i < good; i++)
		give(r, 60, FATE_DELIVERED);
	for (i = 0; i < 10; i++)
		give(r, 60, FATE_DROPPED);
	ring_kick(&r->guest.ring);
	settle(r);
	check(r, receive(r) == good);
	check(r, r->n_broken == 1 && r->q.stats.broken == 1);
	check(r, guest_signals(r->guest.err_fd) == 1);
	check(r, r->q.vq.fault != VIRTQ_OK && r->q.vq.fault_idx == good);
	check_untouched(r);
	rx_queue_enable(&r->q, true);
	rx_queue_pause(&r->q);
	rx_queue_resume(&r->q);
	check_untouched(r);
	check(r, r->n_broken == 1 && test_backend_waiting(r->backend, 0) == 10);
	check(r, rx_queue_stop(&r->q) == ring_base(&r->guest.ring));
}

/* A bad buffer that no frame needs yet breaks nothing. */
static void broken_in_time(struct rig *r, unsigned kind)
{
	post(r, 3, 1526);
	ring_fill(&r->guest.ring, bad_buffer(r, kind), r->n_posted++);
	post(r, 3, 1526);
	ring_kick(&r->guest.ring);
	for (unsigned i = 1; i <= 3; i++) {
		check(r, r->n_broken == 0 && guest_signals(r->guest.err_fd) == 0);
		give(r, 60, FATE_DELIVERED);
		settle(r);
		check(r, receive(r) == 1);
	}
	check(r, r->n_broken == 1 && r->q.vq.fault_idx == 3);
}

static void malformed(struct rig *r)
{
	const struct rig_config cfg = r->cfg;
	struct rig other;
	unsigned i;

	for (i = 0; i < 15; i++) {
		rig_up(&other, &cfg);
		broken(&other, i % 3, i / 3 + 1);
		rig_down(&other);
		rig_up(&other, &cfg);
		broken_in_time(&other, i % 3);
		rig_down(&other);
	}
}

/*
 * However many buffers stand in front of it: a buffer that the device may not write, without room
 * for a header, or outside memory breaks the queue: told once, and not before the buffers in front
 * of it were used.
 */
static void test_malformed(void **state)
{
	(void)state;
	each(malformed);
}

/* ---- chance ---- */

/* A frame that some buffer of the driver's may be too small for. */
static void chance_give(struct rig *r, uint64_t *random)
{
	static const uint32_t lens[] = { 60, 200, 1514, 4000, 9000, 65000 };
	uint32_t max = lens[test_random_below(random, array_size(lens))];
	uint32_t len = 60 + test_random_below(random, max - 59);
	bool sure = r->guest.features & MRG;

	give(r, len, sure || len + r->hdr_len <= 600 ? FATE_DELIVERED : FATE_EITHER);
}

static void chance_post(struct rig *r, uint64_t *random)
{
	unsigned n = test_random_below(random, 30);
	uint32_t len;

	while (n--) {
		len = 600 + test_random_below(random, SLOT_LEN - 599);
		if (!post_shape(r, len, (enum shape)test_random_below(random, SHAPES)))
			break;
	}
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
}

static void chance_control(struct rig *r, uint64_t *random)
{
	uint32_t idx;

	switch (test_random_below(random, 4)) {
	case 0:
		rx_queue_pause(&r->q);
		fake_iothread_turn(r->thread);
		rx_queue_resume(&r->q);
		break;
	case 1:
		/* A parked frame is lost: which one, only the queue knows. */
		if (r->q.parked)
			break;
		idx = rx_queue_stop(&r->q);
		check(r, idx == ring_base(&r->guest.ring));
		start(r, idx);
		break;
	case 2:
		rx_queue_enable(&r->q, false);
		fake_iothread_turn(r->thread);
		break;
	default:
		rx_queue_enable(&r->q, true);
		break;
	}
}

static void chance_step(struct rig *r, uint64_t *random)
{
	switch (test_random_below(random, 10)) {
	case 0:
	case 1:
		if (test_backend_waiting(r->backend, 0) < 50)
			chance_give(r, random);
		break;
	case 2:
		chance_post(r, random);
		break;
	case 3:
		receive(r);
		break;
	case 4:
		test_backend_rx_limit(r->backend, 0, 1 + test_random_below(random, 10));
		break;
	case 5:
		if (!test_random_below(random, 4))
			chance_control(r, random);
		break;
	case 6:
		rx_queue_ready(&r->q);
		break;
	default:
		fake_iothread_turn(r->thread);
		break;
	}
}

static void chance(struct rig *r)
{
	uint64_t random = r->seed;
	unsigned i;

	for (i = 0; i < 400; i++)
		chance_step(r, &random);
	rx_queue_enable(&r->q, true);
	/*
	 * The driver goes on as drivers do: takes what came, gives new buffers, kicks when asked.
	 */
	for (i = 0; i < 200; i++) {
		settle(r);
		receive(r);
		while (post_shape(r, 1526, SHAPE_ONE))
			;
		ring_submit(&r->guest.ring);
		ring_kick(&r->guest.ring);
	}
	settle(r);
	check_all_in(r);
	check(r, !r->n_broken);
}

static uint64_t n_seeds = 400;

/*
 * Random drivers, frames and commands, by seed: every frame once, whole and in order, none stuck
 * when all is idle.
 */
static void test_chance(void **state)
{
	struct rig_config cfg = { 0 };
	struct rig r;
	uint64_t seed, random;

	(void)state;
	for (seed = 1; seed <= n_seeds; seed++) {
		random = seed;
		test_random(&random);
		cfg.fds = random & 1;
		cfg.event_idx = random & 2;
		cfg.legacy = random & 4;
		cfg.features = random & 8 ? MRG : 0;
		cfg.base = (uint16_t)(random >> 16);
		rig_up(&r, &cfg);
		r.seed = seed;
		chance(&r);
		rig_down(&r);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_polling_without_buffers),
		cmocka_unit_test(test_single_buffers),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_mergeable),
		cmocka_unit_test(test_back_to_single_buffers),
		cmocka_unit_test(test_parked_until_buffers_come),
		cmocka_unit_test(test_gathered_too_few),
		cmocka_unit_test(test_last_piece),
		cmocka_unit_test(test_too_large_for_single_buffers),
		cmocka_unit_test(test_never_fits),
		cmocka_unit_test(test_full_of_chains),
		cmocka_unit_test(test_tables_fill_no_ring),
		cmocka_unit_test(test_endless_chain),
		cmocka_unit_test(test_very_many_pieces),
		cmocka_unit_test(test_four_gigabytes),
		cmocka_unit_test(test_fault_while_gathering),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_disabled),
		cmocka_unit_test(test_pause_resume),
		cmocka_unit_test(test_pause_with_parked_frame),
		cmocka_unit_test(test_stop_index),
		cmocka_unit_test(test_stop_with_parked_frame),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_chance),
	};

	if (argc > 1)
		n_seeds = strtoull(argv[1], NULL, 10);
	return cmocka_run_group_tests_name("split", tests, guest_split, NULL) |
	       cmocka_run_group_tests_name("packed", tests, guest_packed, NULL);
}
