/* SPDX-License-Identifier: MIT */
/*
 * Frames out of an AF_XDP socket, on the fake kernel of xdp_fake.h: in which order they complete,
 * which are counted as lost, when the kernel is called, and what leaves. Each test runs with each
 * way of the kernel to show how far it came.
 */
#include <errno.h>
#include <stdlib.h>

#include "datapath/backend/xdp_tx.h"
#include "tests/unit/xdp_frames.h"

#define LEN  200
#define WIRE 4096

struct rig {
	struct xdp_fake k;
	struct xdp_tx tx;
	struct tx_stats stats;
	struct iovec iov[3];
	uint8_t bytes[NET_FRAME_MAX];
	uint64_t next_tag;
	/* what left */
	unsigned n_wire;
	uint64_t tags[WIRE];
	/* frames that the wire shall carry in this form; NULL: any */
	const uint8_t *want;
	uint32_t want_len, want_gso, want_i;
};

static void on_wire(void *ctx, const uint8_t *bytes, uint32_t len, unsigned n, bool dropped)
{
	static uint8_t want[NET_FRAME_MAX];
	struct rig *r = ctx;

	(void)n;
	(void)dropped;
	memcpy(&r->tags[r->n_wire++ % WIRE], bytes + XDP_FAKE_TAG_AT, sizeof(uint64_t));
	if (!r->want)
		return;
	assert_int_equal(len,
			 xdp_frames_segment(want, r->want, r->want_len, r->want_gso, r->want_i++));
	assert_memory_equal(bytes, want, len);
}

static void start(struct rig *r, unsigned chunk_shift, uint32_t idx)
{
	xdp_fake_init(&r->k, chunk_shift, idx);
	r->k.wire = on_wire;
	r->k.ctx = r;
	xdp_tx_init(&r->tx, &r->k.sock);
	r->tx.head = r->tx.tail = r->tx.taken = idx;
	r->tx.max_len = 1518;
	r->tx.whole = malloc(NET_FRAME_MAX);
	assert_non_null(r->tx.whole);
}

typedef void rig_test(struct rig *r);

static void each(rig_test *test, unsigned chunk_shift)
{
	static struct rig r;
	unsigned shows;

	for (shows = 0; shows < XDP_FAKE_SHOWS; shows++) {
		memset(&r, 0, sizeof(r));
		start(&r, chunk_shift, shows == XDP_FAKE_SENT ? UINT32_MAX - 2 : 0);
		r.k.shows = (enum xdp_fake_shows)shows;
		test(&r);
		free(r.tx.whole);
		xdp_fake_deinit(&r.k);
	}
}

/* A frame in three pieces, the next tag in it. */
static struct frame frame_of(struct rig *r, uint32_t len, uint16_t gso_size)
{
	uint32_t cut = len / 3;

	xdp_frames_make(r->bytes, len, r->next_tag++, gso_size ? gso_size : len);
	r->iov[0] = (struct iovec){ r->bytes, 17 };
	r->iov[1] = (struct iovec){ r->bytes + 17, cut };
	r->iov[2] = (struct iovec){ r->bytes + 17 + cut, len - 17 - cut };
	return (struct frame){ .hdr = xdp_frames_hdr(gso_size),
			       .iov = r->iov,
			       .n_iov = 3,
			       .n_chains = 1,
			       .len = len };
}

static unsigned send_one(struct rig *r, uint32_t len, uint16_t gso_size)
{
	struct frame f = frame_of(r, len, gso_size);

	return xdp_tx_send(&r->tx, &f, 1, &r->stats);
}

/* n equal frames in one call. */
static void send_many(struct rig *r, unsigned n)
{
	struct frame *f = calloc(n, sizeof(*f));
	unsigned i;

	assert_non_null(f);
	for (i = 0; i < n; i++)
		f[i] = frame_of(r, LEN, 0);
	assert_int_equal(xdp_tx_send(&r->tx, f, n, &r->stats), n);
	free(f);
}

static void expect(struct rig *r, unsigned done, unsigned drops)
{
	assert_int_equal(xdp_tx_done(&r->tx), done);
	assert_int_equal(r->stats.drop_backend + r->tx.drops, drops);
}

/* ---- order ---- */

static void in_order(struct rig *r)
{
	r->k.hold = true;
	send_many(r, 8);
	assert_int_equal(r->n_wire, 8);
	while (r->k.n_held > 1) {
		xdp_fake_complete_at(&r->k, r->k.n_held - 1);
		expect(r, 0, 0);
	}
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 8, 0);
}

/* What completes from the last to the first is reported when the first is complete. */
static void test_in_order(void **state)
{
	(void)state;
	each(in_order, 11);
}

/* The chunk of the frame that was sent last. */
static uint32_t last_chunk(struct rig *r)
{
	struct xdp_ring *tx = &r->k.sock.tx;

	return (uint32_t)(xdp_ring_desc(tx, tx->idx - 1)->addr >> r->k.sock.chunk_shift);
}

static void few_chunks(struct rig *r)
{
	for (unsigned i = 0; i < XDP_TX_CHUNKS; i++) {
		send_many(r, 3);
		assert_int_equal(last_chunk(r), 2);
		expect(r, 3, 0);
	}
	r->k.hold = true;
	send_many(r, 2);
	send_many(r, 2);
	assert_int_equal(last_chunk(r), 3);
	xdp_fake_complete(&r->k, 3, NULL);
	expect(r, 3, 0);
	send_many(r, 1);
	assert_int_equal(last_chunk(r), 4);
	xdp_fake_complete(&r->k, 2, NULL);
	expect(r, 2, 0);
	assert_int_equal(xdp_tx_word(&r->tx, r->bytes, 60), 0);
	assert_int_equal(last_chunk(r), 0);
}

/* When no frame is in flight, the first chunk follows, and never one that is in flight. */
static void test_few_chunks(void **state)
{
	(void)state;
	each(few_chunks, 11);
}

static void refused_between(struct rig *r)
{
	struct frame bad;

	assert_int_equal(send_one(r, 1519, 0), 1);
	expect(r, 1, 1);
	r->k.hold = true;
	send_many(r, 2);
	assert_int_equal(send_one(r, 1519, 0), 1);
	bad = frame_of(r, 3000, 1000);
	bad.hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	bad.n_chains = 2;
	assert_int_equal(xdp_tx_send(&r->tx, &bad, 1, &r->stats), 1);
	/* Segments that are too long, and more than there are chunks. */
	assert_int_equal(send_one(r, 3000, 1465), 1);
	assert_int_equal(send_one(r, 54 + 2049, 1), 1);
	send_many(r, 1);
	expect(r, 0, 6);
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 1, 6);
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 5, 6);
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 1, 6);
	assert_int_equal(r->n_wire, 3);
}

/* A frame that does not leave completes in its turn, and costs no other. */
static void test_refused(void **state)
{
	(void)state;
	each(refused_between, 11);
}

/* ---- room ---- */

static void room(struct rig *r)
{
	unsigned i;

	r->k.hold = true;
	for (i = 0; i < XDP_TX_CHUNKS - 10; i += 2)
		send_many(r, 2);
	assert_int_equal(send_one(r, 54 + 11 * 100, 100), 0);
	assert_int_equal(r->tx.tail - r->tx.head, XDP_TX_CHUNKS - 10);
	assert_int_equal(send_one(r, 54 + 10 * 100, 100), 1);
	assert_int_equal(send_one(r, LEN, 0), 0);
	assert_int_equal(xdp_tx_word(&r->tx, r->bytes, 60), -EAGAIN);
	expect(r, 0, 0);
	assert_int_equal(r->n_wire, XDP_TX_CHUNKS);
	/* Behind one that is not complete there is no room. */
	xdp_fake_complete_at(&r->k, 1);
	expect(r, 0, 0);
	assert_int_equal(send_one(r, LEN, 0), 0);
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 2, 0);
	assert_int_equal(send_one(r, LEN, 0), 1);
	xdp_fake_complete(&r->k, UINT_MAX, NULL);
	expect(r, XDP_TX_CHUNKS - 10 - 2 + 1 + 1, 0);
}

/* A frame is taken with all its segments or not at all; what is not complete keeps its chunk. */
static void test_room(void **state)
{
	(void)state;
	each(room, 11);
}

/* ---- lost frames ---- */

static void segments_lost(struct rig *r)
{
	struct frame f;
	unsigned i;

	for (i = 1; i < 32; i++) {
		send_many(r, 1);
		f = frame_of(r, 54 + 4100, 1000);
		f.n_chains = 3;
		r->k.drop = i;
		assert_int_equal(xdp_tx_send(&r->tx, &f, 1, &r->stats), 1);
		assert_int_equal(r->k.drop, 0);
		send_many(r, 1);
		expect(r, 3, 3 * i);
	}
}

static void long_segments_lost(struct rig *r)
{
	unsigned i;

	r->tx.max_len = 9018;
	for (i = 1; i < 8; i++) {
		r->k.drop = i;
		assert_int_equal(send_one(r, 54 + 20000, 8000), 1);
		expect(r, 1, i);
	}
}

/* A frame counts once however many of its segments the device drops, and over how many chunks. */
static void test_segments_lost(void **state)
{
	(void)state;
	each(segments_lost, 11);
	each(long_segments_lost, 12);
}

static void no_carrier(struct rig *r)
{
	unsigned i;

	r->k.drop = UINT64_MAX;
	send_many(r, 60);
	expect(r, 60, 60);
	assert_int_equal(r->n_wire, 60);
	for (i = 0; i < 200; i++) {
		r->k.drop = i % 3 ? 1 : 0;
		send_many(r, 1);
		assert_int_equal(r->n_wire, 61 + i);
		expect(r, 1, r->k.n_lost);
	}
	assert_int_equal(r->k.n_lost, 60 + 133);
}

/*
 * Each frame that the device drops is counted, though the kernel does not always show that it took
 * it; and none waits for another.
 */
static void test_no_carrier(void **state)
{
	(void)state;
	each(no_carrier, 11);
}

static void lost_between(struct rig *r)
{
	r->k.drop = 1ULL << 3 | 1ULL << 33 | 1ULL << 34 | 1ULL << 63;
	send_many(r, 100);
	expect(r, 100, 4);
	assert_int_equal(r->n_wire, 100);
	/* Lost while the frames before are not complete. */
	r->k.hold = true;
	r->k.drop = 1 << 2;
	send_many(r, 3);
	expect(r, 0, 5);
	xdp_fake_complete_at(&r->k, 2);
	expect(r, 0, 5);
	xdp_fake_complete(&r->k, UINT_MAX, NULL);
	expect(r, 3, 5);
}

static void test_lost_between(void **state)
{
	(void)state;
	each(lost_between, 11);
}

static void lost_behind_complete(struct rig *r)
{
	struct frame f[6];
	unsigned i;

	for (i = 0; i < 6; i++)
		f[i] = frame_of(r, LEN, 0);
	f[5].n_chains = 3;
	/* One that shows what it took is asked again at once. */
	if (r->k.shows != XDP_FAKE_LATE)
		return;
	r->k.code = ENOBUFS;
	r->k.n_codes = 1;
	r->k.code_after = 5;
	assert_int_equal(xdp_tx_send(&r->tx, f, 6, &r->stats), 6);
	expect(r, 5, 0);
	r->k.drop = 1;
	expect(r, 1, 3);
}

/* What is complete was taken, also where the kernel has not shown it: it is not what it lost. */
static void test_lost_behind_complete(void **state)
{
	(void)state;
	each(lost_behind_complete, 11);
}

/* ---- when the kernel is called ---- */

static void budget(struct rig *r)
{
	send_many(r, 100);
	assert_int_equal(r->n_wire, 100);
	assert_int_equal(r->k.n_sendto, 4);
	expect(r, 100, 0);
	send_many(r, 32);
	assert_int_equal(r->k.n_sendto, 5);
	expect(r, 32, 0);
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, 5);
}

/* 32 descriptors a call: as many calls as that takes, at once, and no more. */
static void test_budget(void **state)
{
	(void)state;
	each(budget, 11);
}

static void stuck(struct rig *r)
{
	unsigned calls;

	r->k.code = ENOBUFS;
	r->k.n_codes = 3;
	send_many(r, 4);
	assert_int_equal(r->k.n_sendto, 1);
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, 1);
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, 2);
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, 3);
	assert_int_equal(r->n_wire, 0);
	expect(r, 4, 0);
	assert_int_equal(r->k.n_sendto, 4);
	/* The device has no room, then some. */
	r->k.busy = 2;
	send_many(r, 3);
	expect(r, 0, 0);
	expect(r, 0, 0);
	expect(r, 3, 0);
	calls = r->k.n_sendto;
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, calls);
	/* With many waiting the kernel may have gone on unseen: it is asked again, not for ever. */
	r->k.busy = UINT_MAX;
	send_many(r, 100);
	assert_in_range(r->k.n_sendto - calls, 1, 4);
	r->k.busy = 0;
	expect(r, 0, 0);
	expect(r, 100, 0);
}

/*
 * What the kernel leaves is asked for again by each later look, but not by the one right behind the
 * call that left it.
 */
static void test_stuck(void **state)
{
	(void)state;
	each(stuck, 11);
}

static void interrupted(struct rig *r)
{
	r->k.code = EINTR;
	r->k.n_codes = 1;
	send_many(r, 1);
	expect(r, 1, 0);
	assert_int_equal(r->k.n_sendto, 2);
}

static void test_interrupted(void **state)
{
	(void)state;
	each(interrupted, 11);
}

static void zerocopy(struct rig *r)
{
	r->k.sock.zerocopy = true;
	send_many(r, 2);
	assert_int_equal(r->k.n_sendto, 1);
	/* The driver is at work: it need not be called. */
	r->k.words[0][2] = 0;
	send_many(r, 2);
	assert_int_equal(r->k.n_sendto, 1);
	xdp_fake_poll(&r->k, 3);
	expect(r, 3, 0);
	/* It went to sleep with a frame left. */
	r->k.words[0][2] = XDP_RING_NEED_WAKEUP;
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, 2);
	/* Its EBUSY speaks of no frame. */
	r->k.code = EBUSY;
	r->k.n_codes = 1;
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, 3);
	xdp_fake_poll(&r->k, 3);
	expect(r, 1, 0);
	expect(r, 0, 0);
	assert_int_equal(r->k.n_sendto, 3);
	assert_int_equal(r->n_wire, 4);
}

/* A driver's own zero-copy is called when it asks for it. */
static void test_zerocopy(void **state)
{
	(void)state;
	each(zerocopy, 11);
}

/* ---- the socket dies, the queue pauses ---- */

static void down(struct rig *r, int code)
{
	unsigned calls;

	r->k.hold = true;
	send_many(r, 3);
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 1, 0);
	r->k.code = ENOBUFS;
	r->k.n_codes = 1;
	assert_int_equal(send_one(r, 54 + 4 * 500, 500), 1);
	r->k.code = code;
	r->k.n_codes = 1;
	send_many(r, 2);
	assert_true(r->tx.down);
	/* Two are on their way, three are lost; all are reported. */
	expect(r, 5, 3);
	calls = r->k.n_sendto;
	send_many(r, 2);
	assert_int_equal(send_one(r, 54 + 4 * 500, 500), 1);
	expect(r, 3, 6);
	assert_int_equal(xdp_tx_word(&r->tx, r->bytes, 60), -ENETDOWN);
	xdp_tx_cancel(&r->tx, &r->stats);
	expect(r, 0, 6);
	assert_int_equal(r->k.n_sendto, calls);
	assert_int_equal(r->n_wire, 3);
}

static void went_down(struct rig *r)
{
	down(r, ENETDOWN);
}

static void went_away(struct rig *r)
{
	down(r, ENXIO);
}

/* A dead socket gives back all frames, and counts those that the kernel had not taken. */
static void test_down(void **state)
{
	(void)state;
	each(went_down, 11);
	each(went_away, 11);
}

static void goes_on(struct rig *r)
{
	down(r, ENETDOWN);
	/* What waits in a socket that goes on leaves late; it was counted. */
	store_relaxed(&r->tx.down, false);
	r->k.drop = 1 << 1 | 1 << 6;
	send_many(r, 2);
	assert_int_equal(r->n_wire, 3 + 6 + 2);
	xdp_fake_complete(&r->k, UINT_MAX, NULL);
	/* A kernel that shows nothing leaves open which of those it were. */
	expect(r, 2, r->k.shows == XDP_FAKE_LATE ? 6 : 7);
}

static void test_goes_on(void **state)
{
	(void)state;
	each(goes_on, 11);
}

static void cancel(struct rig *r)
{
	r->k.hold = true;
	r->k.code = ENOBUFS;
	r->k.n_codes = 1;
	send_many(r, 2);
	assert_int_equal(send_one(r, 1519, 0), 1);
	assert_int_equal(r->n_wire, 2);
	r->k.code = ENOBUFS;
	r->k.n_codes = 1;
	r->k.drop = 1;
	assert_int_equal(send_one(r, 54 + 3 * 500, 500), 1);
	xdp_tx_cancel(&r->tx, &r->stats);
	assert_int_equal(r->stats.drop_backend, 2);
	assert_int_equal(r->n_wire, 5);
	expect(r, 4, 2);
	/* Those chunks are the kernel's still. */
	send_many(r, 1);
	xdp_fake_complete_at(&r->k, 5);
	expect(r, 0, 2);
	xdp_fake_complete(&r->k, UINT_MAX, NULL);
	expect(r, 1, 2);
	assert_int_equal(r->tx.tail, r->tx.head);
}

/* A pause recalls nothing: all that was taken is reported at once, and leaves all the same. */
static void test_cancel(void **state)
{
	(void)state;
	each(cancel, 11);
}

static void word(struct rig *r)
{
	uint8_t bytes[64] = { 1 };

	r->k.hold = true;
	send_many(r, 1);
	memcpy(bytes + XDP_FAKE_TAG_AT, "txring's", 8);
	assert_int_equal(xdp_tx_word(&r->tx, bytes, sizeof(bytes)), 0);
	assert_memory_equal(&r->tags[1], "txring's", 8);
	assert_memory_equal(r->k.frame, bytes, sizeof(bytes));
	assert_int_equal(send_one(r, 1519, 0), 1);
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 1, 1);
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 1, 1);
	/* One that is lost is nobody's loss. */
	r->k.drop = 1;
	xdp_tx_word(&r->tx, bytes, sizeof(bytes));
	xdp_fake_complete(&r->k, 1, NULL);
	expect(r, 0, 1);
	assert_int_equal(r->n_wire, 3);
}

/* The device's own word is no frame of the driver's, and keeps its place between them. */
static void test_word(void **state)
{
	(void)state;
	each(word, 11);
}

static void restart(struct rig *r)
{
	enum xdp_fake_shows shows = r->k.shows;

	r->k.hold = true;
	send_many(r, 4);
	assert_int_equal(send_one(r, 1519, 0), 1);
	xdp_fake_complete_at(&r->k, 1);
	xdp_fake_complete_at(&r->k, 0);
	/* The kernel said that two of the four left. */
	xdp_tx_restart(&r->tx);
	assert_false(r->tx.down);
	expect(r, 5, 3);
	xdp_fake_deinit(&r->k);
	xdp_fake_init(&r->k, 11, 0);
	r->k.shows = shows;
	r->k.ctx = r;
	r->k.drop = 1;
	send_many(r, 3);
	expect(r, 3, 4);
}

/* With a new socket, what was in flight in the old one is lost, and the rings begin anew. */
static void test_restart(void **state)
{
	(void)state;
	each(restart, 11);
}

/* ---- bytes ---- */

static void carry(struct rig *r, uint32_t len, uint16_t gso_size)
{
	static uint8_t copy[NET_FRAME_MAX];
	struct frame f = frame_of(r, len, gso_size);
	uint32_t n = xdp_frames_segments(len, gso_size);

	memcpy(copy, r->bytes, len);
	r->want = copy;
	r->want_len = len;
	r->want_gso = gso_size ? gso_size : len - XDP_FRAMES_HDR;
	r->want_i = 0;
	assert_int_equal(xdp_tx_send(&r->tx, &f, 1, &r->stats), 1);
	/* It is ours no more. */
	memset(r->bytes, 0xdd, len);
	expect(r, 1, 0);
	assert_int_equal(r->want_i, n);
	r->want = NULL;
}

static void bytes(struct rig *r)
{
	uint32_t len;

	r->tx.max_len = 9018;
	for (r->k.sock.meta = false;; r->k.sock.meta = true) {
		for (len = 64; len < 1600; len += 61)
			carry(r, len, 0);
		/* At the edges of chunks. */
		for (len = 3840 - 2; len <= 3840 + 2; len++)
			carry(r, len, 0);
		carry(r, 9018, 0);
		carry(r, 2 * 3840, 0);
		carry(r, 65535 + 14, 1448);
		carry(r, 65535 + 14, 8000);
		carry(r, 500, 1448);
		if (r->k.sock.meta)
			break;
	}
}

/*
 * What leaves is what was sent, with its checksum, whether by the kernel or in software, in one
 * chunk or over several, in one segment or in many.
 */
static void test_bytes(void **state)
{
	(void)state;
	each(bytes, 12);
}

static void plain(struct rig *r)
{
	static uint8_t copy[LEN];
	struct frame f = frame_of(r, LEN, 0);

	f.hdr = (struct virtio_net_hdr_v1){ 0 };
	memcpy(copy, r->bytes, LEN);
	r->k.sock.meta = true;
	xdp_tx_send(&r->tx, &f, 1, &r->stats);
	assert_memory_equal(r->k.frame, copy, LEN);
	expect(r, 1, 0);
}

/* Where no checksum is asked for, not a byte changes. */
static void test_plain(void **state)
{
	(void)state;
	each(plain, 11);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),      cmocka_unit_test(test_few_chunks),
		cmocka_unit_test(test_refused),       cmocka_unit_test(test_room),
		cmocka_unit_test(test_segments_lost), cmocka_unit_test(test_no_carrier),
		cmocka_unit_test(test_lost_between),  cmocka_unit_test(test_lost_behind_complete),
		cmocka_unit_test(test_budget),        cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_interrupted),   cmocka_unit_test(test_zerocopy),
		cmocka_unit_test(test_down),          cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_cancel),        cmocka_unit_test(test_word),
		cmocka_unit_test(test_restart),       cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
