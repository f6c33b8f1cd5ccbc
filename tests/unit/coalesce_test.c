/* SPDX-License-Identifier: MIT */
/*
 * What is merged, and what is not: frames are made by segmenting a long one with a plain second
 * implementation (offload_frames.c), changed in one place, merged, and segmented again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/coalesce_check.h"
#include "tests/unit/offload_frames.h"
#include "virtio/base.h"

#define ACK 0x10
#define PSH 0x08
#define FIN 0x01

static uint64_t seed = 88172645463325252ULL;
static struct made made;
static struct sent sent[COALESCE_FRAMES];
static unsigned n_sent;
static struct tx_stats stats;

static void forget(void)
{
	while (n_sent)
		free(sent[--n_sent].bytes);
	memset(&stats, 0, sizeof(stats));
}

static int tear_down(void **state)
{
	(void)state;
	forget();
	return 0;
}

/* One more, of made's segments: the i-th. */
static void add_segment(uint32_t i, uint32_t size, bool partial)
{
	struct sent *s = &sent[n_sent++];
	uint8_t bytes[OFFLOAD_FRAME_MAX];

	s->len = frames_segment(&made, i, size, partial, bytes);
	s->hdr = frames_hdr(&made, 0);
	s->hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	if (!partial)
		memset(&s->hdr, 0, sizeof(s->hdr));
	s->bytes = malloc(s->len);
	assert_non_null(s->bytes);
	memcpy(s->bytes, bytes, s->len);
}

/* n segments of so many bytes, the last of `last`, of a frame of that shape. */
static void make(const struct shape *shape, unsigned n, uint32_t size, uint32_t last, bool partial)
{
	forget();
	frames_make(&made, shape, (n - 1) * size + last, &seed);
	if (!shape->udp)
		made.bytes[made.l4 + 13] = ACK | PSH;
	for (unsigned i = 0; i < n; i++)
		add_segment(i, size, partial);
}

static unsigned left(void)
{
	return coalesce_check(sent, n_sent, CHECK_TYPES, frames_random(&seed) | 1, &stats);
}

static bool can(const struct shape *shape)
{
	return !shape->v6 || !shape->ip_opt;
}

/* Of every shape, of any length, what can be merged is; in pieces cut anywhere. */
static void every_shape(void **state)
{
	const struct shape *shape;

	(void)state;
	for (unsigned i = 0; (shape = frames_shape(i)); i++) {
		for (unsigned n = 2; n <= 42; n += 1 + n / 4) {
			uint32_t size = 1 + frames_random(&seed) % 1460;
			uint32_t last = 1 + frames_random(&seed) % size;

			for (unsigned k = 0; k < 4; k++) {
				make(shape, n, size, k & 1 ? size : last, k & 2);
				assert_int_equal(left(), can(shape) ? 1 : n);
			}
		}
	}
}

/* One byte of a frame is another; its checksums are right again where mend says so. */
struct change {
	const char *what;
	int from; /* 2: the Ethernet header, 3: IP, 4: TCP or UDP */
	unsigned at;
	uint8_t mask; /* is inverted */
	bool mend;
	unsigned left; /* of three frames, the middle one of which is changed */
};

static void mend(struct sent *s)
{
	frames_mend(&made, s->bytes, s->len);
}

static void try_changes(const struct shape *shape, const struct change *changes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct change *c = &changes[i];
		unsigned base = c->from == 2 ? 0 : c->from == 3 ? made.l3 : made.l4;

		make(shape, 3, 100, 100, false);
		base = c->from == 2 ? 0 : c->from == 3 ? made.l3 : made.l4;
		sent[1].bytes[base + c->at] ^= c->mask;
		if (c->mend)
			mend(&sent[1]);
		if (left() != c->left)
			fail_msg("%s: %u frames are left", c->what, left());
	}
}

static void changed_tcp(void **state)
{
	static const struct change changes[] = {
		{ "nothing", 4, 13, 0, true, 1 },
		{ "destination MAC", 2, 0, 1, true, 3 },
		{ "source MAC", 2, 11, 1, true, 3 },
		{ "DSCP", 3, 1, 0x10, true, 3 },
		{ "ECN", 3, 1, 1, true, 3 },
		{ "id", 3, 5, 4, true, 3 },
		{ "DF", 3, 6, 0x40, true, 3 },
		{ "more fragments", 3, 6, 0x20, true, 3 },
		{ "TTL", 3, 8, 1, true, 3 },
		{ "source address", 3, 12, 1, true, 3 },
		{ "destination address", 3, 19, 1, true, 3 },
		{ "source port", 4, 0, 1, true, 3 },
		{ "destination port", 4, 3, 1, true, 3 },
		{ "sequence", 4, 7, 1, true, 3 },
		{ "acknowledgement", 4, 11, 1, true, 3 },
		{ "reserved flags", 4, 12, 2, true, 3 },
		{ "FIN", 4, 13, FIN, true, 2 },
		{ "SYN", 4, 13, 0x02, true, 3 },
		{ "RST", 4, 13, 0x04, true, 3 },
		{ "PSH", 4, 13, PSH, true, 2 },
		{ "no ACK", 4, 13, ACK, true, 3 },
		{ "URG", 4, 13, 0x20, true, 3 },
		{ "ECE", 4, 13, 0x40, true, 3 },
		{ "CWR", 4, 13, 0x80, true, 3 },
		{ "window", 4, 15, 1, true, 3 },
		{ "urgent pointer", 4, 19, 1, true, 3 },
		{ "an option", 4, 31, 1, true, 3 },
		{ "IP checksum", 3, 11, 1, false, 3 },
		{ "TCP checksum", 4, 17, 1, false, 3 },
		{ "payload", 4, 40, 1, false, 3 },
	};
	static const struct shape shape = { 0, 0, 12, false, false };

	(void)state;
	/* Without DF, so that the id counts. */
	do {
		make(&shape, 3, 100, 100, false);
	} while (made.bytes[made.l3 + 6] & 0x40);
	for (unsigned i = 0; i < 20; i++) {
		/* The shape is made anew each time, with DF or without. */
		for (unsigned k = 0; k < array_size(changes); k++) {
			if (strcmp(changes[k].what, "id") && strcmp(changes[k].what, "DF"))
				try_changes(&shape, &changes[k], 1);
		}
	}
}

/* All segments have what a segment of a stream does not. */
static void odd_ones(void **state)
{
	static const struct shape shape = { 0, 0, 12, false, false };
	static const uint8_t flags[] = { 0x02, 0x04, 0x20, 0x80 };

	(void)state;
	for (unsigned i = 0; i < array_size(flags); i++) {
		make(&shape, 3, 100, 100, true);
		for (unsigned k = 0; k < 3; k++)
			sent[k].bytes[made.l4 + 13] |= flags[i];
		assert_int_equal(left(), 3);
	}
	/* PSH on all of them: each is the last. */
	make(&shape, 3, 100, 100, true);
	for (unsigned k = 0; k < 3; k++)
		sent[k].bytes[made.l4 + 13] |= PSH;
	assert_int_equal(left(), 3);
	/* A complete checksum of 0: 0xffff says the same, and the kernel may write either. */
	make(&shape, 3, 100, 100, false);
	frames_put16(sent[1].bytes + made.payload, 0);
	mend(&sent[1]);
	frames_put16(sent[1].bytes + made.payload, frames_get16(sent[1].bytes + made.csum_at));
	mend(&sent[1]);
	assert_int_equal(frames_get16(sent[1].bytes + made.csum_at), 0);
	assert_int_equal(left(), 3);
	/* An acknowledgement, without a byte of payload. */
	make(&shape, 2, 100, 100, true);
	free(sent[--n_sent].bytes);
	made.len -= 100;
	add_segment(1, 100, true);
	assert_int_equal(left(), 2);
	assert_int_equal(stats.unmerged_room, 0);
	/* A checksum from elsewhere on. */
	make(&shape, 3, 100, 100, true);
	sent[1].hdr.csum_start -= 2;
	sent[1].hdr.csum_offset += 2;
	assert_int_equal(left(), 3);
	/* What is to be segmented already. */
	make(&shape, 2, 100, 100, true);
	sent[1].hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	sent[1].hdr.gso_size = 50;
	assert_int_equal(left(), 2);
}

/* The id counts on where fragments may be made, and means nothing where they may not. */
static void ids(void **state)
{
	static const struct shape shape = { 0, 0, 12, false, false };
	unsigned seen[2] = { 0 };

	(void)state;
	while (seen[0] < 10 || seen[1] < 10) {
		bool df;

		make(&shape, 3, 100, 100, false);
		df = made.bytes[made.l3 + 6] & 0x40;
		seen[df]++;
		sent[1].bytes[made.l3 + 5] ^= 4;
		mend(&sent[1]);
		assert_int_equal(left(), df ? 1 : 3);
		assert_int_equal(stats.unmerged_order, df ? 0 : 2);
		make(&shape, 3, 100, 100, false);
		sent[1].bytes[made.l3 + 6] ^= 0x40;
		mend(&sent[1]);
		assert_int_equal(left(), 3);
	}
}

static void changed_udp(void **state)
{
	static const struct change changes[] = {
		{ "nothing", 4, 0, 0, true, 1 },
		{ "flow label", 3, 3, 1, true, 3 },
		{ "hop limit", 3, 7, 1, true, 3 },
		{ "traffic class", 3, 0, 1, true, 3 },
		{ "source address", 3, 8, 1, true, 3 },
		{ "destination address", 3, 39, 1, true, 3 },
		{ "source port", 4, 1, 1, true, 3 },
		{ "destination port", 4, 2, 1, true, 3 },
		{ "length", 4, 5, 1, true, 3 },
		{ "checksum", 4, 7, 1, false, 3 },
		{ "payload", 4, 9, 0x80, false, 3 },
	};
	static const struct shape shape = { 1, 0, 0, true, true };

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		try_changes(&shape, changes, array_size(changes));
	/* No checksum at all is not made one. */
	for (unsigned i = 0; i < 2; i++) {
		make(&(struct shape){ .udp = true }, 2, 100, 100, false);
		frames_put16(sent[i].bytes + made.csum_at, 0);
		assert_int_equal(left(), 2);
		assert_int_equal(stats.unmerged_csum, 1);
	}
}

/* A short one, or one with PSH, is the last; what follows begins anew. */
static void lasts(void **state)
{
	static const struct shape tcp = { 0, 0, 12, false, false }, udp = { .udp = true };

	(void)state;
	for (unsigned is_udp = 0; is_udp < 2; is_udp++) {
		const struct shape *shape = is_udp ? &udp : &tcp;
		unsigned n = n_sent;

		make(shape, 4, 200, 150, true);
		/* Again, as if it were the next flight; of TCP its sequence does not follow. */
		for (unsigned i = 0; i < 4; i++)
			add_segment(i, 200, true);
		n = left();
		assert_int_equal(n, 2);
	}
	/* A longer one does not follow a shorter one, whose length is that of all. */
	make(&udp, 1, 200, 200, true);
	made.bytes[made.l3 + 6] = 0x40;
	forget();
	add_segment(0, 150, true);
	add_segment(0, 200, true);
	assert_int_equal(left(), 2);
}

/* Nothing is merged into what IP cannot say, or the backend does not take. */
static void limits(void **state)
{
	static const struct shape v4 = { 0, 0, 0, false, false }, v6 = { .v6 = true },
				  udp = { .udp = true };
	const struct {
		const struct shape *shape;
		unsigned feature;
	} types[] = { { &v4, VIRTIO_NET_F_HOST_TSO4 },
		      { &v6, VIRTIO_NET_F_HOST_TSO6 },
		      { &udp, VIRTIO_NET_F_HOST_USO } };

	(void)state;
	for (unsigned i = 0; i < array_size(types); i++) {
		make(types[i].shape, 4, 500, 500, true);
		assert_int_equal(coalesce_check(sent, n_sent,
						CHECK_TYPES & ~FEATURE(types[i].feature), 1,
						&stats),
				 4);
		assert_int_equal(coalesce_check(sent, n_sent, FEATURE(types[i].feature), 1, &stats),
				 1);
	}
	/* 45 segments of 1448 bytes fit, with 20 + 32 bytes of headers. */
	make(&(struct shape){ .l4_opt = 12 }, 45, 1448, 1448, true);
	assert_int_equal(left(), 1);
	assert_int_equal(stats.unmerged_room, 0);
	/* 44 of 1472 do, with 20 + 8; 20 are left. */
	make(&udp, 44, 1472, 1472, true);
	made.bytes[made.l3 + 6] = 0x40;
	forget();
	while (n_sent < 64)
		add_segment(n_sent % 44, 1472, true);
	assert_int_equal(left(), 2);
	assert_int_equal(stats.unmerged_room, 1);
	assert_int_equal(stats.merged, 64);
	/* Of 256 pieces one too many, for the header is one. */
	forget();
	for (unsigned i = 0; i < 64; i++)
		add_segment(i, 10, true);
	assert_int_equal(coalesce_check(sent, n_sent, CHECK_TYPES, 0, &stats), 2);
	assert_int_equal(stats.unmerged_room, 1);
	assert_int_equal(stats.merged, 63);
}

/* Whatever byte is changed: what comes out is what went in. */
static void any_change(void **state)
{
	unsigned merged = 0, kept = 0;

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		const struct shape *shape = frames_shape(frames_random(&seed) % 18);
		unsigned n = 2 + frames_random(&seed) % 8, at, from;

		make(shape, n, 1 + frames_random(&seed) % 64, 1, frames_random(&seed) % 2);
		for (unsigned k = frames_random(&seed) % 3; k; k--) {
			at = frames_random(&seed) % n;
			from = frames_random(&seed) % sent[at].len;
			sent[at].bytes[from] ^= (uint8_t)(1 << frames_random(&seed) % 8);
			if (from < made.payload && frames_random(&seed) % 2 && !sent[at].hdr.flags)
				mend(&sent[at]);
		}
		at = left();
		merged += n - at;
		kept += at;
	}
	assert_true(merged > 10000 && kept > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_shape, tear_down),
		cmocka_unit_test_teardown(changed_tcp, tear_down),
		cmocka_unit_test_teardown(odd_ones, tear_down),
		cmocka_unit_test_teardown(ids, tear_down),
		cmocka_unit_test_teardown(changed_udp, tear_down),
		cmocka_unit_test_teardown(lasts, tear_down),
		cmocka_unit_test_teardown(limits, tear_down),
		cmocka_unit_test_teardown(any_change, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
