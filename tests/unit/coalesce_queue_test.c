/* SPDX-License-Identifier: MIT */
/*
 * Merging within a tx queue, at random moments of driver, backend and time: flights of segments
 * with some that are wrong, and dropped ones between them; a backend that is full in the middle and
 * refuses some; merging, the tx mode and the queue itself switched off and on. Each frame comes out
 * once, in order and as it was sent; each is used, and in exactly one counter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/tx/queue.h"
#include "tests/unit/coalesce_check.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/guest.h"
#include "tests/unit/offload_frames.h"
#include "tests/unit/test_backend.h"
#include "virtio/net_hdr.h"

#define SIZE     128
#define BUF_LEN  2048
#define PIECES   4
#define DELAY    50000
#define TURNS    10000
#define STEPS    3000
#define SEEDS    6
#define FEATURES (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_CSUM))

/* A frame that the driver has not got back, at seq % SIZE. */
struct entry {
	struct sent sent;
	bool dropped; /* its header is wrong: it never comes out */
	bool out;     /* the backend took it */
};

struct world {
	uint64_t random;
	struct guest guest;
	uint8_t *bufs;
	struct iothread *thread;
	struct backend_queue bq;
	unsigned room; /* of the backend, until it is full */
	struct tx_queue q;
	struct entry entries[SIZE];
	uint64_t n_added, n_used, next_out;
	struct made made;
	uint32_t segment, size; /* of made: the next one, and their length */

	/* what the counters are to say */
	struct tx_stats is;
	uint64_t n_dropped;
};

static unsigned below(struct world *w, unsigned n)
{
	return test_random_below(&w->random, n);
}

static struct world *world_of(struct backend_queue *bq)
{
	return container_of(bq, struct world, bq);
}

/* The frame f stands for the next ones that are not dropped. */
static void take(struct world *w, const struct frame *f, bool refused)
{
	struct sent sent[COALESCE_FRAMES];

	for (unsigned i = 0; i < f->n_chains; w->next_out++) {
		struct entry *e = &w->entries[w->next_out % SIZE];

		assert_true(w->next_out < w->n_added);
		if (e->dropped)
			continue;
		assert_false(e->out);
		e->out = true;
		w->is.bytes += e->sent.len;
		sent[i++] = e->sent;
	}
	coalesce_check_frame(f, sent);
	w->is.merges += !!f->parts;
	w->is.merged += f->parts ? f->n_chains : 0;
	*(refused ? &w->is.drop_backend : &w->is.frames) += f->n_chains;
}

static unsigned backend_tx(struct backend_queue *bq, const struct frame *frames, unsigned n,
			   struct tx_stats *stats)
{
	struct world *w = world_of(bq);
	unsigned i;

	for (i = 0; i < n && w->room; i++, w->room--) {
		bool refused = !below(w, 10);

		take(w, &frames[i], refused);
		if (refused)
			count_add(&stats->drop_backend, frames[i].n_chains);
	}
	return i;
}

static const struct backend_ops ops = { .name = "fake", .tx = backend_tx };

/* Another flight of a few flows, so that one may seem to go on with the one before. */
static void next_flight(struct world *w)
{
	unsigned n = 1 + below(w, 40);
	const struct shape *shape = frames_shape(below(w, 18));
	uint64_t flow = 1 + below(w, 3);

	w->size = 1 + below(w, 1400);
	w->segment = 0;
	frames_make(&w->made, shape, (n - 1) * w->size + 1 + below(w, w->size), &flow);
}

/* The next segment, or another of the flight. */
static void make_sent(struct world *w, struct sent *s)
{
	uint8_t bytes[OFFLOAD_FRAME_MAX];
	bool partial = below(w, 2);

	if (w->segment * w->size >= w->made.len - w->made.payload)
		next_flight(w);
	if (!below(w, 30))
		w->segment = below(w, (w->made.len - w->made.payload - 1) / w->size + 1);
	s->len = frames_segment(&w->made, w->segment++, w->size, partial, bytes);
	s->hdr = (struct virtio_net_hdr_v1){ 0 };
	if (partial) {
		s->hdr = frames_hdr(&w->made, 0);
		s->hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	}
	s->bytes = malloc(s->len);
	assert_non_null(s->bytes);
	memcpy(s->bytes, bytes, s->len);
	if (!below(w, 30))
		s->bytes[below(w, s->len)] ^= (uint8_t)(1 << below(w, 8));
}

/* In a few pieces, cut anywhere. */
static unsigned cut(struct world *w, struct chain_part *parts, uint8_t *buf, uint32_t len)
{
	unsigned n = 0;

	while (len) {
		uint32_t part = n + 1 < PIECES && below(w, 2) ? 1 + below(w, len) : len;

		parts[n++] = guest_part(&w->guest, buf, part, false);
		buf += part;
		len -= part;
	}
	return n;
}

static bool add(struct world *w)
{
	struct entry *e = &w->entries[w->n_added % SIZE];
	uint8_t *buf = w->bufs + w->n_added % SIZE * BUF_LEN;
	struct chain_part parts[PIECES];
	struct virtio_net_hdr_v1 hdr;

	if (w->n_added - w->n_used == SIZE || ring_reserve(&w->guest.ring, PIECES) < PIECES)
		return false;
	e->dropped = !below(w, 12);
	e->out = false;
	make_sent(w, &e->sent);
	hdr = e->sent.hdr;
	if (e->dropped)
		hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	w->n_dropped += e->dropped;
	memcpy(buf, &hdr, sizeof(hdr));
	memcpy(buf + sizeof(hdr), e->sent.bytes, e->sent.len);
	ring_fill_chain(&w->guest.ring, parts,
			cut(w, parts, buf, (uint32_t)sizeof(hdr) + e->sent.len), w->n_added++);
	return true;
}

static void add_some(struct world *w)
{
	unsigned n = below(w, SIZE);

	while (n-- && add(w))
		;
	ring_submit(&w->guest.ring);
	ring_kick(&w->guest.ring);
}

static void reclaim(struct world *w)
{
	struct ring_used used;

	ring_peek(&w->guest.ring);
	while (ring_use(&w->guest.ring, &used) == RING_USED) {
		struct entry *e = &w->entries[w->n_used % SIZE];

		assert_int_equal(used.token, w->n_used++);
		assert_true(e->dropped || e->out);
		memset(w->bufs + used.token % SIZE * BUF_LEN, 0xdd, BUF_LEN);
		free(e->sent.bytes);
	}
	assert_int_equal(w->guest.ring.fault, RING_OK);
}

static struct tx_mode random_mode(struct world *w)
{
	static const struct tx_engine *const engines[] = { &bh_tx_engine, &timer_tx_engine,
							   &poll_tx_engine };
	struct tx_mode mode = { .engine = engines[below(w, array_size(engines))] };

	mode.values[0] = 1000 + below(w, DELAY);
	mode.values[mode.engine->n_params - 1] = 1 + below(w, 200);
	return mode;
}

static void give_room(struct world *w, unsigned n)
{
	w->room = n;
	tx_queue_ready(&w->q, BACKEND_ROOM);
}

static void start(struct world *w)
{
	struct tx_queue_config cfg = { .vq = guest_vq(&w->guest, ring_base(&w->guest.ring)),
				       .kick_fd = w->guest.kick_fd,
				       .hdr_len = NET_HDR_LEN };

	assert_int_equal(tx_queue_start(&w->q, &cfg), 0);
}

static void step(struct world *w)
{
	struct tx_mode mode;

	switch (below(w, 16)) {
	case 0:
	case 1:
	case 2:
		add_some(w);
		break;
	case 3:
	case 4:
		reclaim(w);
		break;
	case 5:
	case 6:
		give_room(w, below(w, 40));
		break;
	case 7:
		fake_iothread_advance(w->thread, below(w, 2 * DELAY));
		break;
	case 8:
		mode = random_mode(w);
		tx_queue_set_mode(&w->q, &mode);
		break;
	case 9:
		w->q.rules.merges = below(w, 4) ? CHECK_TYPES : 0;
		break;
	case 10:
		assert_true(tx_queue_pause(&w->q));
		if (below(w, 2))
			tx_queue_stop(&w->q);
		else
			tx_queue_resume(&w->q);
		/* Of a stopped one the driver has all back that is used; a new one begins there. */
		if (!w->q.running) {
			reclaim(w);
			start(w);
		}
		break;
	default:
		fake_iothread_turn(w->thread);
		break;
	}
}

/* All comes out; what is counted is what was seen. */
static void all_out(struct world *w)
{
	unsigned i;

	for (i = 0; i < TURNS && w->n_used < w->n_added; i++) {
		give_room(w, SIZE);
		fake_iothread_turn(w->thread);
		fake_iothread_advance(w->thread, DELAY / 4);
		reclaim(w);
	}
	assert_true(i < TURNS);
	assert_int_equal(w->q.stats.frames, w->is.frames);
	assert_int_equal(w->q.stats.bytes, w->is.bytes);
	assert_int_equal(w->q.stats.drop_backend, w->is.drop_backend);
	assert_int_equal(w->q.stats.drop_header[NET_HDR_GSO_TYPE], w->n_dropped);
	assert_int_equal(w->is.frames + w->is.drop_backend + w->n_dropped, w->n_used);
	assert_int_equal(w->q.stats.merges, w->is.merges);
	assert_int_equal(w->q.stats.merged, w->is.merged);
	assert_int_equal(w->q.stats.unsafe_plans, 0);
	assert_int_equal(w->q.stats.broken, 0);
}

/* Each frame has been here for some time, once; of the slowest, the parts are all of it. */
static void check_latency(const struct world *w)
{
	struct latency_record *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	latency_copy(r, w->q.latency);
	assert_int_equal(r->residence.n, w->n_used);
	assert_true(r->residence.max < 1000000000);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < r->intervals[i].n; k++) {
			const struct latency_worst *worst = &r->intervals[i].worst[k];
			uint64_t sum = 0;

			for (unsigned part = 0; part < LATENCY_PARTS; part++)
				sum += worst->waited_ns[part];
			assert_int_equal(sum, worst->residence_ns);
		}
	}
	free(r);
}

static void with_seed(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tx_mode mode;

	assert_non_null(w);
	w->random = seed;
	w->bq = (struct backend_queue){ .ops = &ops, .room.fd = -1, .done.fd = -1 };
	guest_init(&w->guest, SIZE, FEATURES | guest_layout, (uint16_t)(guest_layout ? 0 : seed));
	w->bufs = guest_alloc(&w->guest, SIZE * BUF_LEN);
	iothread_new(&w->thread, "fake");
	mode = random_mode(w);
	tx_queue_init(&w->q, w->thread, &w->bq, &mode);
	w->q.rules.merges = CHECK_TYPES;
	tx_queue_enable(&w->q, true);
	start(w);
	for (unsigned i = 0; i < STEPS; i++) {
		step(w);
		if (i % 200 == 199)
			all_out(w);
	}
	all_out(w);
	check_latency(w);
	assert_true(w->is.merged > w->n_used / 20);
	assert_true(w->q.stats.backend_full > 10);
	tx_queue_stop(&w->q);
	tx_queue_deinit(&w->q);
	iothread_free(w->thread);
	guest_deinit(&w->guest);
	free(w);
}

static void test_merging(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		with_seed(seed);
}

int main(void)
{
	const struct CMUnitTest split[] = { cmocka_unit_test(test_merging) };
	const struct CMUnitTest packed[] = { cmocka_unit_test(test_merging) };
	int failed = cmocka_run_group_tests_name("split", split, guest_split, NULL);

	return failed + cmocka_run_group_tests_name("packed", packed, guest_packed, NULL);
}
