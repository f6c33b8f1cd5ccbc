/* SPDX-License-Identifier: MIT */
/*
 * Frames into guest memory from an AF_XDP socket, on the fake kernel of xdp_fake.h: bytes, headers
 * and checksums, room that is cut anywhere, chunks that go back, and what is counted.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "datapath/backend/xdp_rx.h"
#include "tests/unit/xdp_frames.h"

#define ROOM (NET_FRAME_MAX + 100)
#define GAP  8 /* between the pieces of a room: no byte of it changes */
#define MANY 64

struct rig {
	struct xdp_fake k;
	struct xdp_rx rx;
	struct rx_stats stats;
	struct spill spill;
	uint8_t bytes[NET_FRAME_MAX]; /* as given to the kernel */
	uint8_t room[ROOM + 64 * GAP];
	uint8_t got[NET_HDR_LEN + NET_FRAME_MAX];
	struct iovec iov[64];
	uint64_t random;
};

static struct rig *start(unsigned chunk_shift, uint32_t idx, unsigned hdr_len)
{
	static struct rig r;

	memset(&r, 0, sizeof(r));
	xdp_fake_init(&r.k, chunk_shift, idx);
	r.rx = (struct xdp_rx){ .sock = &r.k.sock, .hdr_len = hdr_len, .group_fd = -1 };
	r.rx.whole = malloc(NET_FRAME_MAX);
	r.spill.buf = malloc(SPILL_SIZE);
	assert_true(r.rx.whole && r.spill.buf);
	return &r;
}

/* All chunks have come back. */
static void end(struct rig *r)
{
	assert_int_equal(xdp_fake_filled(&r->k), XDP_RX_CHUNKS);
	free(r->rx.whole);
	free(r->spill.buf);
	xdp_fake_deinit(&r->k);
}

static void give(struct rig *r, const void *bytes, uint32_t len)
{
	assert_true(xdp_fake_give(&r->k, bytes, len, xdp_sock_piece(&r->k.sock)));
	xdp_fake_show(&r->k, 0);
}

/* A frame's room: n pieces, together room bytes; 0: one. */
static struct frame room_of(struct rig *r, uint32_t room, unsigned n)
{
	uint32_t left = room, part;
	uint8_t *at = r->room;
	unsigned i;

	assert_true(room <= ROOM && n <= array_size(r->iov));
	memset(r->room, 0xdd, sizeof(r->room));
	for (i = 0; i < n || !i; i++, at += part + GAP, left -= part) {
		part = i + 1 >= n ? left : test_random_below(&r->random, left + 1);
		r->iov[i] = (struct iovec){ at, part };
	}
	return (struct frame){ .iov = r->iov, .n_iov = (uint16_t)i, .n_chains = 1, .len = room };
}

/* Take the first len bytes of a room; what is left of it was never written to. */
static void take_room(struct rig *r, const struct frame *f)
{
	uint32_t left = f->len, part, i;
	const uint8_t *at = r->room;

	for (i = 0; i < f->n_iov; i++, left -= part) {
		part = (uint32_t)min_u64(left, f->iov[i].iov_len);
		memcpy(r->got + f->len - left, f->iov[i].iov_base, part);
		memset(f->iov[i].iov_base, 0xdd, part);
	}
	assert_int_equal(left, 0);
	while (at < r->room + sizeof(r->room))
		assert_int_equal(*at++, 0xdd);
}

/* One frame into room; header and frame are in got then. The length of both. */
static uint32_t receive(struct rig *r, uint32_t room, unsigned n)
{
	struct frame f = room_of(r, room, n);

	if (!xdp_rx_receive(&r->rx, &f, 1, &r->spill, &r->stats))
		return 0;
	assert_true(f.len + r->spill.used <= sizeof(r->got));
	assert_true(!r->spill.used || f.len == room);
	take_room(r, &f);
	memcpy(r->got + f.len, r->spill.buf, r->spill.used);
	return f.len + r->spill.used;
}

static void check_frame(struct rig *r, uint32_t got, const uint8_t *want, uint32_t len)
{
	assert_int_equal(got, r->rx.hdr_len + len);
	assert_memory_equal(r->got + r->rx.hdr_len, want, len);
}

static const struct virtio_net_hdr_v1 none;

/*
 * Frames of all lengths, in one chunk or many, come whole into room that is cut anywhere, or spill;
 * each chunk goes back once. Indices wrap.
 */
static void test_bytes(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 0; seed < 40; seed++) {
		unsigned hdr_len = seed & 1 ? NET_HDR_LEN : NET_HDR_LEN_LEGACY, i;
		struct rig *r =
			start(seed & 2 ? 12 : 11, UINT32_MAX - (uint32_t)seed * 50, hdr_len);

		r->random = seed;
		for (i = 0; i < 200; i++) {
			uint32_t max = test_random_below(&r->random, 8) ? 1600 : NET_FRAME_MAX;
			uint32_t len = 14 + test_random_below(&r->random, max - 13), at, room, got;

			for (at = 0; at < len; at++)
				r->bytes[at] = (uint8_t)test_random(&r->random);
			room = hdr_len +
			       test_random_below(&r->random, ROOM - NET_HDR_LEN > 2 * len
								     ? 2 * len
								     : ROOM - NET_HDR_LEN);
			give(r, r->bytes, len);
			got = receive(r, room, 1 + test_random_below(&r->random, 20));
			check_frame(r, got, r->bytes, len);
			assert_memory_equal(r->got, &none, NET_HDR_LEN_LEGACY);
			assert_int_equal(xdp_fake_filled(&r->k), XDP_RX_CHUNKS);
			assert_int_equal(receive(r, 100, 1), 0);
		}
		assert_int_equal(r->stats.drop_size + r->stats.drop_backend, 0);
		end(r);
	}
}

static void many(struct rig *r, unsigned n_given, unsigned n_want)
{
	static uint8_t rooms[MANY][300];
	struct frame frames[MANY];
	struct iovec iov[MANY];
	unsigned i, n;

	for (i = 0; i < n_given; i++) {
		memset(r->bytes, (int)i, 200);
		give(r, r->bytes, 100 + i);
	}
	for (i = 0; i < MANY; i++) {
		iov[i] = (struct iovec){ rooms[i], sizeof(rooms[i]) };
		frames[i] = (struct frame){ .iov = &iov[i], .n_iov = 1, .len = sizeof(rooms[i]) };
	}
	n = xdp_rx_receive(&r->rx, frames, n_want, &r->spill, &r->stats);
	assert_int_equal(n, n_given < n_want ? n_given : n_want);
	for (i = 0; i < n; i++) {
		assert_int_equal(frames[i].len, r->rx.hdr_len + 100 + i);
		assert_int_equal(rooms[i][r->rx.hdr_len], i);
	}
}

/* Several frames a call, in order, no more than asked for; none after one that spilled. */
static void test_many(void **state)
{
	struct rig *r = start(11, 0, NET_HDR_LEN);
	struct frame frames[2];
	struct iovec iov[2] = { { r->room, 60 }, { r->room + 100, 1000 } };

	(void)state;
	many(r, 10, MANY);
	many(r, 30, 20);
	assert_int_equal(xdp_fake_filled(&r->k), XDP_RX_CHUNKS - 10);
	xdp_rx_flush(&r->rx);
	r->rx.flushed = 0;
	frames[0] = (struct frame){ .iov = &iov[0], .n_iov = 1, .len = 60 };
	frames[1] = (struct frame){ .iov = &iov[1], .n_iov = 1, .len = 1000 };
	give(r, r->bytes, 61);
	give(r, r->bytes, 100);
	assert_int_equal(xdp_rx_receive(&r->rx, frames, 2, &r->spill, &r->stats), 1);
	assert_int_equal(r->spill.used, NET_HDR_LEN + 1);
	assert_int_equal(frames[0].len, 60);
	assert_int_equal(xdp_rx_receive(&r->rx, frames + 1, 1, &r->spill, &r->stats), 1);
	assert_int_equal(r->spill.used, 0);
	end(r);
}

/* A frame whose descriptors come into sight one by one is there when the last is. */
static void test_shown_in_parts(void **state)
{
	struct rig *r = start(11, UINT32_MAX - 3, NET_HDR_LEN);
	uint32_t len = 4 * xdp_sock_piece(&r->k.sock);
	unsigned i;

	(void)state;
	for (i = 0; i < len; i++)
		r->bytes[i] = (uint8_t)test_random(&r->random);
	give(r, r->bytes, 64);
	assert_true(xdp_fake_give(&r->k, r->bytes, len, xdp_sock_piece(&r->k.sock)));
	check_frame(r, receive(r, 100, 1), r->bytes, 64);
	for (i = 3; i; i--) {
		xdp_fake_show(&r->k, i);
		assert_int_equal(receive(r, len, 1), 0);
	}
	xdp_fake_show(&r->k, 0);
	check_frame(r, receive(r, len + NET_HDR_LEN, 3), r->bytes, len);
	end(r);
}

/* What is no Ethernet frame, or longer than any, is dropped and counted; the next one comes. */
static void test_sizes(void **state)
{
	struct rig *r = start(11, 0, NET_HDR_LEN);
	static uint8_t huge[NET_FRAME_MAX + 1];

	(void)state;
	give(r, huge, 13);
	give(r, huge, sizeof(huge));
	give(r, huge, 14);
	assert_int_equal(receive(r, 2000, 1), NET_HDR_LEN + 14);
	assert_int_equal(r->stats.drop_size, 2);
	give(r, huge, NET_FRAME_MAX);
	assert_int_equal(receive(r, 2000, 1), NET_HDR_LEN + NET_FRAME_MAX);
	end(r);
}

/* A frame of this host's with a partial checksum, in one chunk or several. */
static void partial(uint32_t len, bool local, bool guest_csum, unsigned hdr_len)
{
	struct virtio_net_hdr_v1 want = { 0 };
	struct rig *r = start(11, 0, hdr_len);
	unsigned i;

	r->rx.local = local;
	r->rx.guest_csum = guest_csum;
	for (i = 0; i < 20; i++) {
		xdp_frames_make(r->bytes, len, i, len);
		give(r, r->bytes, len);
		if (local && guest_csum)
			want = xdp_frames_hdr(0);
		else if (local)
			xdp_fake_csum(r->bytes, len, XDP_FRAMES_L4, XDP_FRAMES_CSUM);
		check_frame(r, receive(r, i % 2 ? 4000 : 100, 1 + i), r->bytes, len);
		assert_memory_equal(r->got, &want, NET_HDR_LEN_LEGACY);
		/* A sum that is complete is not touched, also a wrong one. */
		xdp_frames_make(r->bytes, len, i, len);
		r->bytes[XDP_FRAMES_L4 + XDP_FRAMES_CSUM] ^= 1;
		give(r, r->bytes, len);
		check_frame(r, receive(r, 4000, 1), r->bytes, len);
		assert_memory_equal(r->got, &none, NET_HDR_LEN_LEGACY);
	}
	end(r);
}

/*
 * A partial checksum is told to a driver that completes it, or completed; on an interface with a
 * device behind it nothing is looked at.
 */
static void test_partial(void **state)
{
	uint32_t lens[] = { 100, 3000 };
	unsigned i;

	(void)state;
	for (i = 0; i < 16; i++)
		partial(lens[i & 1], i & 2, i & 4, i & 8 ? NET_HDR_LEN : NET_HDR_LEN_LEGACY);
}

/* What came for the driver before is thrown away, and counted when the counters are at hand. */
static void test_flush(void **state)
{
	struct rig *r = start(11, UINT32_MAX, NET_HDR_LEN);
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		give(r, r->bytes, i % 2 ? 100 : 5000);
	xdp_rx_flush(&r->rx);
	assert_int_equal(xdp_fake_filled(&r->k), XDP_RX_CHUNKS);
	assert_int_equal(r->stats.drop_backend, 0);
	assert_int_equal(receive(r, 2000, 1), 0);
	assert_int_equal(r->stats.drop_backend, 100);
	give(r, r->bytes, 70);
	assert_int_equal(receive(r, 2000, 1), NET_HDR_LEN + 70);
	assert_int_equal(r->stats.drop_backend, 100);
	end(r);
}

/* How often fewer frames came than were asked for until the kernel's counters were read. */
static unsigned until_looked(struct rig *r)
{
	unsigned n = 0, before = r->k.n_getsockopt;

	while (r->k.n_getsockopt == before && n++ < 1000)
		receive(r, 100, 1);
	return n;
}

/* What the kernel dropped is counted once, now and then, and soon when its ring is crowded. */
static void test_kernel_drops(void **state)
{
	struct rig *r = start(11, 0, NET_HDR_LEN);
	unsigned i;

	(void)state;
	r->k.kernel.rx_dropped = 5;
	r->k.kernel.rx_ring_full = 2;
	assert_in_range(until_looked(r), 2, 999);
	assert_int_equal(r->stats.drop_backend, 7);
	assert_in_range(until_looked(r), 2, 999);
	assert_int_equal(r->stats.drop_backend, 7);
	for (i = 0; xdp_fake_give(&r->k, r->bytes, 64, 64); i++)
		;
	xdp_fake_show(&r->k, 0);
	assert_int_equal(i, XDP_RX_CHUNKS);
	assert_int_equal(r->k.kernel.rx_dropped, 6);
	assert_int_equal(until_looked(r), 1);
	assert_int_equal(r->stats.drop_backend, 8);
	while (receive(r, 100, 1))
		;
	end(r);
}

/* A driver that waits for chunks is called, and one that is polled by us, each time; no other. */
static void test_calls(void **state)
{
	struct rig *r = start(11, 0, NET_HDR_LEN);

	(void)state;
	receive(r, 100, 1);
	assert_int_equal(r->k.n_recvfrom, 0);
	r->k.words[3][2] = XDP_RING_NEED_WAKEUP;
	receive(r, 100, 1);
	assert_int_equal(r->k.n_recvfrom, 1);
	r->rx.busy_poll = true;
	receive(r, 100, 1);
	assert_int_equal(r->k.n_recvfrom, 2);
	end(r);
}

/*
 * Frames to groups of a shared interface come behind those of the AF_XDP socket: checksums told or
 * completed, what cannot be given counted, and no loop without an end.
 */
static void test_group(void **state)
{
	struct rig *r = start(11, 0, NET_HDR_LEN);
	struct virtio_net_hdr_v1 partial = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					     .csum_start = XDP_FRAMES_L4,
					     .csum_offset = XDP_FRAMES_CSUM },
				 valid = { .flags = VIRTIO_NET_HDR_F_DATA_VALID }, large = partial;
	uint8_t whole[200], done[200];

	(void)state;
	large.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	xdp_frames_make(whole, sizeof(whole), 1, 200);
	memcpy(done, whole, sizeof(done));
	xdp_fake_csum(done, sizeof(done), XDP_FRAMES_L4, XDP_FRAMES_CSUM);
	r->rx.group_fd = r->k.sock.fd;
	for (unsigned i = 0; i < 2; i++) {
		r->rx.guest_csum = !i;
		r->k.group_at = 0;
		r->k.group[0].hdr = partial;
		r->k.group[1].hdr = valid;
		r->k.group[2].hdr = large;
		for (unsigned j = 0; j < 3; j++) {
			r->k.group[j].bytes = j == 1 ? done : whole;
			r->k.group[j].len = sizeof(whole);
		}
		r->k.group[3].len = -EMSGSIZE;
		r->k.group[4].len = -ENETDOWN;
		memset(r->bytes, 5, 64);
		give(r, r->bytes, 64);
		check_frame(r, receive(r, 500, 1), r->bytes, 64);
		check_frame(r, receive(r, 500, 3), i ? done : whole, sizeof(whole));
		assert_memory_equal(r->got, i ? &none : &partial, NET_HDR_LEN_LEGACY);
		check_frame(r, receive(r, 500, 1), done, sizeof(done));
		assert_memory_equal(r->got, &none, NET_HDR_LEN_LEGACY);
		/*
		 * The large one, the one that was too long, the interface that was down, nothing.
		 */
		for (unsigned j = 0; j < 4; j++)
			assert_int_equal(receive(r, 500, 1), 0);
		assert_int_equal(r->stats.drop_backend, 2 * (i + 1));
		assert_int_equal(r->k.group_at, 5);
	}
	end(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),          cmocka_unit_test(test_many),
		cmocka_unit_test(test_shown_in_parts), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_partial),        cmocka_unit_test(test_flush),
		cmocka_unit_test(test_kernel_drops),   cmocka_unit_test(test_calls),
		cmocka_unit_test(test_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
