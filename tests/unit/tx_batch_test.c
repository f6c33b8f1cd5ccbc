/* SPDX-License-Identifier: MIT */
/*
 * A batch by spans: frames that stand for several chains of the ring, with dropped chains between
 * and behind them, through backends that complete in tx(), late, and that take some only. The test
 * merges neighbours where whatever coalesces frames will: between pop and the backend.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/tx/batch.h"
#include "tests/unit/guest.h"
#include "tests/unit/test_backend.h"

#define SIZE 64
#define LEN  100

struct rig {
	struct guest guest;
	uint8_t *bufs;
	struct virtq vq;
	struct tx_rules rules;
	struct tx_stats stats;
	struct tx_flight flight;
	struct tx_batch batch;
	struct backend *backend;
	struct backend_queue *bq;
	unsigned n_offered;
	unsigned n_back;
	unsigned n_sent; /* frames */
};

/* A merged frame begins with its first chain's number. */
static unsigned first_chains[SIZE];

static void on_sent(void *ctx, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
		    const uint8_t *bytes, uint32_t len, bool arrived)
{
	struct rig *r = ctx;

	(void)queue;
	(void)hdr;
	(void)len;
	(void)arrived;
	assert_int_equal(bytes[0], first_chains[r->n_sent++]);
}

static void rig_init(struct rig *r, bool late)
{
	struct test_backend_config cfg = { .n_queues = 1, .late = late, .sent = on_sent, .ctx = r };
	uint64_t features = FEATURE(VIRTIO_F_VERSION_1) | guest_layout;
	struct virtq_config vq;

	memset(r, 0, sizeof(*r));
	guest_init(&r->guest, SIZE, features, 0);
	r->bufs = guest_alloc(&r->guest, (NET_HDR_LEN + LEN) * SIZE);
	vq = guest_vq(&r->guest, ring_base(&r->guest.ring));
	virtq_start(&r->vq, &vq);
	r->rules =
		(struct tx_rules){ .features = features, .hdr_len = NET_HDR_LEN, .enabled = true };
	assert_int_equal(tx_flight_resize(&r->flight, SIZE), 0);
	r->backend = test_backend_new(&cfg);
	r->backend->ops->start(r->backend, features, NET_HDR_LEN);
	r->bq = r->backend->queues[0];
}

static void rig_deinit(struct rig *r)
{
	assert_int_equal(test_backend_counts(r->backend, 0)->misuse, 0);
	backend_free(r->backend);
	tx_flight_deinit(&r->flight);
	guest_deinit(&r->guest);
}

/* A chain for each letter: '.' a frame, 'x' one that will be dropped for its header. */
static void offer(struct rig *r, const char *chains)
{
	assert_int_equal(ring_reserve(&r->guest.ring, (unsigned)strlen(chains)), strlen(chains));
	for (; *chains; chains++) {
		uint8_t *buf = r->bufs + r->n_offered % SIZE * (NET_HDR_LEN + LEN);

		memset(buf, 0, NET_HDR_LEN + LEN);
		buf[0] = *chains == 'x' ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
		buf[NET_HDR_LEN] = (uint8_t)r->n_offered;
		ring_fill(&r->guest.ring, guest_part(&r->guest, buf, NET_HDR_LEN + LEN, false),
			  r->n_offered++);
	}
	ring_submit(&r->guest.ring);
}

/* How many chains came back, in order. */
static unsigned take_back(struct rig *r)
{
	struct ring_used used;
	unsigned n = 0;

	virtq_publish(&r->vq);
	for (ring_peek(&r->guest.ring); ring_use(&r->guest.ring, &used) == RING_USED; n++)
		assert_int_equal(used.token, r->n_back++);
	return n;
}

static void pop(struct rig *r)
{
	tx_batch_pop(&r->batch, &r->vq, &r->rules, &r->stats, TX_BATCH, UINT64_MAX);
}

/* Frame i and the n - 1 behind it become one. */
static void merge(struct rig *r, unsigned i, unsigned n)
{
	struct tx_batch *b = &r->batch;

	b->frames[i].n_chains = (uint16_t)n;
	memmove(&b->frames[i + 1], &b->frames[i + n], (b->n_frames - i - n) * sizeof(b->frames[0]));
	b->n_frames -= n - 1;
}

/* Into the backend and, as far as that took them, out of the ring. */
static unsigned send(struct rig *r)
{
	unsigned taken = r->bq->ops->tx(r->bq, r->batch.frames, r->batch.n_frames, &r->stats);

	tx_batch_settle(&r->batch, &r->vq, &r->rules, &r->stats, taken);
	if (r->bq->ops->tx_done)
		tx_batch_fly(&r->batch, &r->flight);
	else
		tx_batch_push(&r->batch, &r->vq);
	return taken;
}

static void finish(struct rig *r, unsigned n)
{
	assert_int_equal(test_backend_finish(r->backend, 0, n), n);
	tx_flight_complete(&r->flight, &r->vq, r->bq->ops->tx_done(r->bq));
}

static void set_firsts(unsigned n, ...)
{
	va_list args;

	va_start(args, n);
	for (unsigned i = 0; i < n; i++)
		first_chains[i] = va_arg(args, unsigned);
	va_end(args);
}

/*
 * Two frames of three and two chains, dropped ones around and within: all chains are back when the
 * backend is done with them, in order; counters count the guest's frames.
 */
static void test_spans(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		rig_init(&r, late);
		set_firsts(2, 1, 5);
		offer(&r, "x.x...x.x");
		pop(&r);
		assert_true(r.batch.n_chains == 9 && r.batch.n_frames == 5);
		merge(&r, 0, 3);
		merge(&r, 1, 2);
		assert_int_equal(send(&r), 2);
		assert_true(r.stats.frames == 5 && r.stats.bytes == 5 * LEN);
		assert_int_equal(r.stats.drop_header[NET_HDR_CSUM], 4);
		if (late) {
			assert_int_equal(tx_flight_count(&r.flight), 9);
			/* The dropped one in front waits for nothing. */
			tx_flight_complete(&r.flight, &r.vq, 0);
			assert_int_equal(take_back(&r), 1);
			finish(&r, 1);
			assert_int_equal(take_back(&r), 4);
			finish(&r, 1);
			assert_int_equal(take_back(&r), 4);
		} else {
			assert_int_equal(take_back(&r), 9);
		}
		assert_true(r.n_sent == 2 && !tx_flight_count(&r.flight));
		rig_deinit(&r);
	}
}

/*
 * A backend that takes the first frame only: its whole span leaves, and dropped chains up to the
 * next frame; that one goes back to the ring with all of its chains, and is counted when it leaves.
 */
static void test_rewind(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		rig_init(&r, late);
		set_firsts(2, 0, 4);
		offer(&r, ".x.x..x.");
		test_backend_room(r.backend, 0, 1);
		pop(&r);
		merge(&r, 0, 2);
		merge(&r, 1, 3);
		assert_int_equal(send(&r), 1);
		assert_int_equal(r.batch.n_chains, 4);
		assert_true(r.stats.frames == 2 && r.stats.bytes == 2 * LEN);
		assert_int_equal(r.stats.drop_header[NET_HDR_CSUM], 2);
		if (late)
			finish(&r, 1);
		assert_int_equal(take_back(&r), 4);
		/* Nothing at all this time. */
		pop(&r);
		assert_int_equal(r.batch.n_chains, 4);
		assert_int_equal(send(&r), 0);
		assert_true(r.batch.n_chains == 0 && r.stats.frames == 2);
		test_backend_room(r.backend, 0, TEST_BACKEND_NO_LIMIT);
		pop(&r);
		merge(&r, 0, 3);
		assert_int_equal(send(&r), 1);
		assert_true(r.stats.frames == 5 && r.stats.bytes == 5 * LEN);
		assert_int_equal(r.stats.drop_header[NET_HDR_CSUM], 3);
		if (late)
			finish(&r, 1);
		assert_int_equal(take_back(&r), 4);
		rig_deinit(&r);
	}
}

/* A merged frame that the backend loses is as many of the guest's. */
static void test_refused(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		rig_init(&r, late);
		set_firsts(2, 0, 3);
		offer(&r, "....");
		test_backend_refuse(r.backend, 0, 1);
		pop(&r);
		merge(&r, 0, 3);
		assert_int_equal(send(&r), 2);
		assert_true(r.stats.drop_backend == 3 && r.stats.frames == 1);
		if (late)
			finish(&r, 2);
		assert_int_equal(take_back(&r), 4);
		rig_deinit(&r);
	}
}

/* Bytes end a batch with the frame that reaches them; dropped chains weigh nothing. */
static void test_max_bytes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	offer(&r, "x.x.x....");
	tx_batch_pop(&r.batch, &r.vq, &r.rules, &r.stats, TX_BATCH, 2 * LEN);
	assert_true(r.batch.n_chains == 4 && r.batch.n_frames == 2 && r.batch.bytes == 2 * LEN);
	set_firsts(7, 1, 3, 5, 6, 7, 8);
	send(&r);
	tx_batch_pop(&r.batch, &r.vq, &r.rules, &r.stats, TX_BATCH, 2 * LEN + 1);
	assert_true(r.batch.n_chains == 4 && r.batch.n_frames == 3);
	send(&r);
	tx_batch_pop(&r.batch, &r.vq, &r.rules, &r.stats, TX_BATCH, 1);
	assert_int_equal(r.batch.n_frames, 1);
	send(&r);
	assert_int_equal(take_back(&r), 9);
	rig_deinit(&r);
}

/* A batch lies on the stack: what was there before is in no frame. */
static void test_stale(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	memset(&r.batch, 0xa5, sizeof(r.batch));
	offer(&r, ".x..");
	pop(&r);
	assert_int_equal(r.batch.n_frames, 3);
	for (unsigned i = 0; i < r.batch.n_frames; i++) {
		const struct frame *f = &r.batch.frames[i];

		assert_null(f->parts);
		assert_true(f->n_chains == 1 && f->n_iov == 1 && f->len == LEN && f->in_place);
		assert_int_equal(f->iov->iov_len, LEN);
	}
	set_firsts(3, 0, 2, 3);
	assert_int_equal(send(&r), 3);
	rig_deinit(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),   cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_max_bytes),
		cmocka_unit_test(test_stale),
	};

	return cmocka_run_group_tests_name("split", tests, guest_split, NULL) |
	       cmocka_run_group_tests_name("packed", tests, guest_packed, NULL);
}
