/* SPDX-License-Identifier: MIT */
/*
 * Checksums and segments, against a plain second implementation (offload_frames.c). Whatever is
 * read or written ends right before a page that must not be touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "datapath/offload.h"
#include "tests/unit/offload_frames.h"
#include "virtio/base.h"

#define PAGE     4096
#define ROOM     (20 * PAGE)
#define MAX_IOV  40
#define UNTOLD   0xa5
#define HDR_NONE ((struct virtio_net_hdr_v1){ .hdr_len = 7, .gso_size = 9, .num_buffers = 1 })

/* The ends of two rooms, each before a page without access. */
static uint8_t *in_end, *out_end;
static uint64_t seed = 88172645463325252ULL;

static uint8_t *room_before_guard(void)
{
	uint8_t *room =
		mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(room != MAP_FAILED);
	assert_int_equal(mprotect(room + ROOM, PAGE, PROT_NONE), 0);
	return room + ROOM;
}

static int set_up(void **state)
{
	(void)state;
	in_end = room_before_guard();
	out_end = room_before_guard();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	munmap(in_end - ROOM, ROOM + PAGE);
	munmap(out_end - ROOM, ROOM + PAGE);
	return 0;
}

static uint16_t in_order(uint16_t sum)
{
	uint8_t bytes[2];

	memcpy(bytes, &sum, sizeof(sum));
	return frames_get16(bytes);
}

static uint8_t *at_guard(const uint8_t *bytes, uint32_t len)
{
	memcpy(in_end - len, bytes, len);
	return in_end - len;
}

/* Each length at each alignment gives what 16-bit words added one by one give. */
static void sum_is_plain(void **state)
{
	static const uint32_t large[] = { 4095, 8193, 65535, 65536, 65537 };

	(void)state;
	for (uint32_t i = 0; i < ROOM; i++)
		in_end[-1 - (int)i] = (uint8_t)frames_random(&seed);
	for (uint32_t len = 0; len <= 2100; len++) {
		for (uint32_t shift = 0; shift < 64; shift++) {
			const uint8_t *at = in_end - shift - len;

			if (in_order(offload_sum(at, len)) != frames_sum(at, len))
				fail_msg("%u bytes, %u before the end", len, shift);
		}
	}
	for (unsigned i = 0; i < array_size(large); i++)
		assert_int_equal(in_order(offload_sum(in_end - large[i], large[i])),
				 frames_sum(in_end - large[i], large[i]));
}

/* No carry is lost where there are most; and 0 is only the sum of zeros. */
static void sum_carries(void **state)
{
	(void)state;
	for (uint32_t len = 0; len <= 300; len++) {
		memset(in_end - len, 0xff, len);
		assert_int_equal(in_order(offload_sum(in_end - len, len)),
				 frames_sum(in_end - len, len));
		memset(in_end - len, 0, len);
		assert_int_equal(offload_sum(in_end - len, len), 0);
	}
	memset(in_end - 70000, 0xff, 70000);
	assert_int_equal(offload_sum(in_end - 70000, 70000), 0xffff);
}

/* A receiver finds the completed sum right, and nothing else changed. */
static void csum_completes(void **state)
{
	struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		for (uint32_t n = 0; n < 200; n++) {
			struct virtio_net_hdr_v1 h;
			uint8_t *at;

			frames_make(&m, frames_shape(k), n, &seed);
			h = frames_hdr(&m, 0);
			at = at_guard(m.bytes, m.len);
			offload_csum(at, m.len, &h);
			assert_int_equal(frames_l4_sum(&m, at, m.len), 0xffff);
			memcpy(at + m.csum_at, m.bytes + m.csum_at, 2);
			assert_memory_equal(at, m.bytes, m.len);
		}
	}
}

/* Changes two bytes of payload so that the checksum will come out as csum. */
static void aim(struct made *m, uint16_t csum)
{
	uint32_t have;

	frames_put16(m->bytes + m->payload, 0);
	have = frames_sum(m->bytes + m->l4, m->len - m->l4); /* with the pseudo-header's */
	frames_put16(m->bytes + m->payload, ((uint16_t)~csum + 0xffffU - have) % 0xffff);
}

/* UDP says 0xffff for 0, which would be "no checksum"; TCP says 0. */
static void udp_csum_is_never_none(void **state)
{
	struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		struct virtio_net_hdr_v1 h;

		frames_make(&m, frames_shape(k), 64, &seed);
		aim(&m, 0);
		h = frames_hdr(&m, 0);
		offload_csum(m.bytes, m.len, &h);
		assert_int_equal(frames_get16(m.bytes + m.csum_at), m.shape.udp ? 0xffff : 0);
	}
}

/* Wherever net_hdr_check() lets a guest put its checksum, only these two bytes are written. */
static void csum_anywhere(void **state)
{
	uint8_t frame[70];
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	uint32_t len, n = 0;

	(void)state;
	for (len = 14; len <= sizeof(frame); len += 7) {
		for (h.csum_start = 0; h.csum_start < len; h.csum_start++) {
			for (h.csum_offset = 0; h.csum_offset < len; h.csum_offset++) {
				uint32_t place = h.csum_start + h.csum_offset;
				uint16_t want;
				uint8_t *at;

				if (net_hdr_check(&h, len, ~0ULL) != NET_HDR_OK)
					continue;
				for (uint32_t i = 0; i < len; i++)
					frame[i] = (uint8_t)frames_random(&seed);
				want = (uint16_t)~frames_sum(frame + h.csum_start,
							     len - h.csum_start);
				if (!want && h.csum_offset == 6)
					want = 0xffff;
				at = at_guard(frame, len);
				offload_csum(at, len, &h);
				frames_put16(frame + place, want);
				assert_memory_equal(at, frame, len);
				n++;
			}
		}
	}
	assert_true(n > 5000);
}

/* Whether the frame of len bytes is told to be partial; h is as the contract says. */
static bool tells_partial(const struct made *m, const uint8_t *frame, uint32_t len)
{
	struct virtio_net_hdr_v1 h = HDR_NONE, was = HDR_NONE;
	bool is = offload_is_partial(at_guard(frame, len), len, &h);

	if (is) {
		was.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		was.csum_start = (uint16_t)m->l4;
		was.csum_offset = (uint16_t)(m->csum_at - m->l4);
	}
	assert_memory_equal(&h, &was, sizeof(h));
	return is;
}

/*
 * Partial frames of all shapes are told, padded to Ethernet's least length, too. Completed ones, or
 * with one bit of the sum wrong, are not; nor what is cut, anywhere.
 */
static void partial_is_told(void **state)
{
	struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		for (uint32_t n = 0; n < 100; n++) {
			struct virtio_net_hdr_v1 h;
			uint16_t pseudo;

			frames_make(&m, frames_shape(k), n, &seed);
			h = frames_hdr(&m, 0);
			assert_true(tells_partial(&m, m.bytes, m.len));
			memset(m.bytes + m.len, 0, 46);
			assert_true(tells_partial(&m, m.bytes, m.len + 46));
			for (uint32_t len = 0; len < m.len; len++)
				assert_false(tells_partial(&m, m.bytes, len));
			for (unsigned bit = 0; bit < 16; bit++) {
				m.bytes[m.csum_at + bit / 8] ^= (uint8_t)(1 << bit % 8);
				assert_false(tells_partial(&m, m.bytes, m.len));
				m.bytes[m.csum_at + bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
			pseudo = frames_get16(m.bytes + m.csum_at);
			offload_csum(m.bytes, m.len, &h);
			assert_int_equal(tells_partial(&m, m.bytes, m.len),
					 frames_get16(m.bytes + m.csum_at) == pseudo);
		}
	}
}

/* A right sum that looks partial by chance stays as it is when it is completed. */
static void chance_does_no_harm(void **state)
{
	struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		struct virtio_net_hdr_v1 h = { 0 };
		uint8_t was[2];

		frames_make(&m, frames_shape(k), 64, &seed);
		aim(&m, frames_get16(m.bytes + m.csum_at));
		memcpy(was, m.bytes + m.csum_at, 2);
		assert_int_equal(frames_l4_sum(&m, m.bytes, m.len), 0xffff);
		assert_true(offload_is_partial(m.bytes, m.len, &h));
		offload_csum(m.bytes, m.len, &h);
		assert_memory_equal(was, m.bytes + m.csum_at, 2);
	}
}

struct edit {
	const char *what;
	bool v6, udp, l4; /* of which frame, and from which header on */
	unsigned at;
	uint8_t value;
};

/* What is no whole TCP or UDP over IP has no checksum that could be partial, nor segments. */
static const struct edit edits[] = {
	{ "more fragments", false, false, false, 6, 0x20 },
	{ "a fragment's offset", false, false, false, 7, 1 },
	{ "a fragment's high offset", false, true, false, 6, 0x10 },
	{ "version 6 in IPv4", false, false, false, 0, 0x65 },
	{ "4 words of IPv4 header", false, false, false, 0, 0x44 },
	{ "15 words of IPv4 header", false, true, false, 0, 0x4f },
	{ "ICMP", false, false, false, 9, 1 },
	{ "SCTP", false, true, false, 9, 132 },
	{ "version 4 in IPv6", true, false, false, 0, 0x45 },
	{ "an IPv6 fragment", true, false, false, 6, 44 },
	{ "ESP", true, true, false, 6, 50 },
	{ "no next header", true, true, false, 6, 59 },
	{ "an extension header beyond", true, true, false, 6, 0 },
	{ "4 words of TCP header", false, false, true, 12, 0x40 },
	{ "no TCP header", true, false, true, 12, 0 },
	{ "15 words of TCP header", false, false, true, 12, 0xf0 },
};

static void make_edited(struct made *m, const struct edit *e)
{
	struct shape shape = { .v6 = e->v6, .udp = e->udp };
	uint32_t at;

	frames_make(m, &shape, 20, &seed);
	at = (e->l4 ? m->l4 : m->l3) + e->at;
	m->bytes[at] = e->value;
	if (e->value == 0 && e->at == 6) /* its own length field: the first bytes of l4 */
		m->bytes[m->l4 + 1] = 0xff;
	/* The sum is right, as far as there is one. */
	frames_put16(m->bytes + m->csum_at, frames_pseudo(m, m->len - m->l4));
}

/* UDP, partial, begins within IPv4's fixed 20 bytes: m->l4 is there. */
static void make_short_ipv4(struct made *m)
{
	frames_make(m, &(struct shape){ .udp = true }, 20, &seed);
	m->bytes[m->l3] = 0x44;
	m->l4 -= 4;
	m->csum_at -= 4;
	frames_put16(m->bytes + m->csum_at, frames_pseudo(m, m->len - m->l4));
}

static void others_are_not_partial(void **state)
{
	struct shape tcp4 = { 0 }, udp4 = { .udp = true }, udp6 = { .udp = true, .v6 = true };
	struct made m;

	(void)state;
	for (unsigned i = 0; i < array_size(edits); i++) {
		make_edited(&m, &edits[i]);
		if (tells_partial(&m, m.bytes, m.len))
			fail_msg("%s: is told to be partial", edits[i].what);
	}
	for (unsigned v6 = 0; v6 < 2; v6++) {
		frames_make(&m, v6 ? &udp6 : &udp4, 20, &seed);
		frames_put16(m.bytes + m.csum_at, 0);
		assert_false(tells_partial(&m, m.bytes, m.len));
	}
	/* IP lengths: a jumbogram's, one that ends in TCP's header or before it. */
	frames_make(&m, &udp6, 20, &seed);
	frames_put16(m.bytes + m.l3 + 4, 0);
	frames_put16(m.bytes + m.csum_at, frames_pseudo(&m, 0));
	assert_false(tells_partial(&m, m.bytes, m.len));
	for (uint32_t ip_len = 0; ip_len < 40; ip_len++) {
		frames_make(&m, &tcp4, 20, &seed);
		frames_put16(m.bytes + m.l3 + 2, ip_len);
		frames_put16(m.bytes + m.csum_at, frames_pseudo(&m, ip_len - 20));
		assert_false(tells_partial(&m, m.bytes, m.len));
	}
	make_short_ipv4(&m);
	assert_false(tells_partial(&m, m.bytes, m.len));
	/* Neither IP nor two tags. */
	frames_make(&m, &tcp4, 20, &seed);
	frames_put16(m.bytes + 12, 0x0806);
	assert_false(tells_partial(&m, m.bytes, m.len));
	frames_make(&m, &(struct shape){ .tags = 2 }, 20, &seed);
	memmove(m.bytes + 18, m.bytes + 14, m.len - 14);
	assert_int_equal(frames_get16(m.bytes + 16), 0x8100);
	assert_false(tells_partial(&m, m.bytes, m.len + 4));
}

/* Segments. */

struct pieces {
	struct iovec iov[MAX_IOV];
	unsigned n;
};

/* The frame in pieces, some of them of no bytes; the last one ends before the guard. */
static void cut(struct pieces *p, const struct made *m)
{
	uint8_t *at = at_guard(m->bytes, m->len);
	uint32_t left = m->len, n = frames_random(&seed) % (MAX_IOV - 1), most;

	most = frames_random(&seed) % 2 ? 80 : m->len;
	for (p->n = 0; p->n < n; p->n++) {
		uint32_t part = frames_random(&seed) % (most + 1);

		part = part < left ? part : left;
		p->iov[p->n] = (struct iovec){ at, part };
		at += part;
		left -= part;
	}
	p->iov[p->n++] = (struct iovec){ at, left };
}

/* All segments are those of the other implementation; h may hint at nonsense. */
static void compare_segments(const struct made *m, const struct virtio_net_hdr_v1 *h, bool partial)
{
	static uint8_t want[OFFLOAD_FRAME_MAX];
	struct offload_segments s;
	struct pieces p;
	uint32_t payload = m->len - m->payload, n = (payload + h->gso_size - 1) / h->gso_size;

	cut(&p, m);
	memset(&s, UNTOLD, sizeof(s));
	assert_true(offload_segments_init(&s, p.iov, m->len, h));
	assert_int_equal(s.n, payload ? n : 1);
	assert_int_equal(s.max_len, m->payload + (s.n > 1 ? h->gso_size : payload));
	assert_int_equal(s.csum_start, m->l4);
	assert_int_equal(s.csum_offset, m->csum_at - m->l4);
	for (uint32_t i = 0; i < s.n; i++) {
		uint32_t want_len = frames_segment(m, i, h->gso_size, partial, want);
		uint8_t *to = out_end - (i + 1 < s.n ? s.max_len : want_len);

		assert_int_equal(offload_segment(&s, to, partial), want_len);
		assert_memory_equal(to, want, want_len);
		if (!partial)
			assert_int_equal(frames_l4_sum(m, to, want_len), 0xffff);
	}
}

static void segments_are_linux(void **state)
{
	static struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		for (unsigned round = 0; round < 300; round++) {
			uint32_t payload = frames_random(&seed) % (round % 10 ? 3000 : 60000);
			uint32_t size = 1 + frames_random(&seed) % (round % 3 ? 1500 : 200);
			struct virtio_net_hdr_v1 h;

			frames_make(&m, frames_shape(k), payload, &seed);
			h = frames_hdr(&m, (uint16_t)(payload > 20000 && size < 50 ? 1448 : size));
			h.hdr_len = (uint16_t)frames_random(&seed);
			h.gso_type |= m.shape.udp || round % 2 ? 0 : VIRTIO_NET_HDR_GSO_ECN;
			compare_segments(&m, &h, round % 2);
		}
	}
}

/* Around a whole number of segments, and down to segments of one byte. */
static void segments_at_edges(void **state)
{
	static struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		for (uint32_t payload = 0; payload < 24; payload++) {
			for (uint16_t size = 1; size < 26; size++) {
				struct virtio_net_hdr_v1 h;

				frames_make(&m, frames_shape(k), payload, &seed);
				h = frames_hdr(&m, size);
				compare_segments(&m, &h, false);
				compare_segments(&m, &h, true);
			}
		}
	}
}

/* FIN and PSH are said by the last segment, CWR by the first, ECE and ACK by all. */
static void flags_are_shared_out(void **state)
{
	static const uint8_t want[] = { 0xd0, 0x50, 0x59 };
	static struct made m;
	struct virtio_net_hdr_v1 h;
	struct offload_segments s;
	struct pieces p;

	(void)state;
	frames_make(&m, &(struct shape){ 0 }, 300, &seed);
	m.bytes[m.l4 + 13] = 0xd9;
	h = frames_hdr(&m, 100);
	cut(&p, &m);
	assert_true(offload_segments_init(&s, p.iov, m.len, &h));
	assert_int_equal(s.n, 3);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *to = out_end - s.max_len;

		offload_segment(&s, to, false);
		assert_int_equal(to[m.l4 + 13], want[i]);
	}
}

/* A sum that the guest got wrong is wrong in each segment, by as much: nothing is covered up. */
static void wrong_stays_wrong(void **state)
{
	static struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		struct virtio_net_hdr_v1 h;
		struct offload_segments s;
		struct pieces p;

		frames_make(&m, frames_shape(k), 1000, &seed);
		h = frames_hdr(&m, 300);
		frames_put16(m.bytes + m.csum_at,
			     (frames_get16(m.bytes + m.csum_at) + 5U) % 0xffff);
		cut(&p, &m);
		assert_true(offload_segments_init(&s, p.iov, m.len, &h));
		for (uint32_t i = 0; i < s.n; i++) {
			uint8_t *to = out_end - s.max_len;
			uint32_t len = offload_segment(&s, to, false);

			assert_int_equal(frames_l4_sum(&m, to, len), 0xffff - 5);
		}
	}
}

static bool is_refused(const struct made *m, const struct virtio_net_hdr_v1 *h)
{
	struct offload_segments s;
	struct pieces p;

	cut(&p, m);
	return !offload_segments_init(&s, p.iov, m->len, h);
}

/* A guest's header that does not suit its frame. */
static void misfits_are_refused(void **state)
{
	static const uint8_t types[] = { VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP,
					 VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4, 2 };
	static struct made m;
	struct virtio_net_hdr_v1 h;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		struct virtio_net_hdr_v1 good;

		frames_make(&m, frames_shape(k), 500, &seed);
		h = good = frames_hdr(&m, 100);
		assert_false(is_refused(&m, &h));
		for (unsigned i = 0; i < array_size(types); i++) {
			h.gso_type = types[i];
			assert_int_equal(is_refused(&m, &h), types[i] != good.gso_type);
		}
		h = good;
		for (h.csum_start = 0; h.csum_start < 300; h.csum_start++)
			assert_int_equal(is_refused(&m, &h), h.csum_start != m.l4);
		h = good;
		for (h.csum_offset = 0; h.csum_offset < 300; h.csum_offset++)
			assert_int_equal(is_refused(&m, &h), h.csum_offset != m.csum_at - m.l4);
		h = good;
		for (m.len = NET_FRAME_MIN; m.len <= m.payload; m.len++)
			assert_int_equal(is_refused(&m, &h), m.len < m.payload);
	}
	for (unsigned i = 0; i < array_size(edits); i++) {
		make_edited(&m, &edits[i]);
		h = frames_hdr(&m, 10);
		if (!is_refused(&m, &h))
			fail_msg("%s: was segmented", edits[i].what);
	}
	make_short_ipv4(&m);
	h = frames_hdr(&m, 10);
	assert_true(is_refused(&m, &h));
}

/* What fits into one segment keeps its headers, were they wrong, as in the kernel. */
static void single_stays_as_it_is(void **state)
{
	static struct made m;

	(void)state;
	for (unsigned k = 0; frames_shape(k); k++) {
		struct virtio_net_hdr_v1 h;
		struct offload_segments s;
		struct pieces p;

		frames_make(&m, frames_shape(k), 100, &seed);
		h = frames_hdr(&m, 100);
		m.bytes[m.l3 + 5] ^= 1;
		m.bytes[m.l3 + 11] ^= 1;
		m.bytes[m.l4 + 5] ^= 1;
		cut(&p, &m);
		assert_true(offload_segments_init(&s, p.iov, m.len, &h));
		assert_int_equal(s.n, 1);
		assert_int_equal(offload_segment(&s, out_end - m.len, true), m.len);
		assert_memory_equal(out_end - m.len, m.bytes, m.len);
		assert_true(offload_segments_init(&s, p.iov, m.len, &h));
		assert_int_equal(offload_segment(&s, out_end - m.len, false), m.len);
		offload_csum(m.bytes, m.len, &h);
		assert_memory_equal(out_end - m.len, m.bytes, m.len);
	}
}

/* As in the kernel: the length that a UDP header says is the one that its sum holds. */
static void udp_length_is_the_guests(void **state)
{
	static struct made m;
	struct virtio_net_hdr_v1 h;
	struct offload_segments s;
	struct pieces p;

	(void)state;
	frames_make(&m, &(struct shape){ .udp = true }, 1000, &seed);
	frames_put16(m.bytes + m.l4 + 4, 77);
	frames_put16(m.bytes + m.csum_at, frames_pseudo(&m, 77));
	h = frames_hdr(&m, 300);
	cut(&p, &m);
	assert_true(offload_segments_init(&s, p.iov, m.len, &h));
	for (uint32_t i = 0; i < s.n; i++) {
		uint8_t *to = out_end - s.max_len;
		uint32_t len = offload_segment(&s, to, false);

		assert_int_equal(frames_get16(to + m.l4 + 4), len - m.l4);
		assert_int_equal(frames_l4_sum(&m, to, len), 0xffff);
	}
}

/* IP's length has 16 bits; headers are looked for in OFFLOAD_HDR_MAX bytes and no further. */
static void too_long_is_refused(void **state)
{
	static struct made m;
	struct shape tcp4 = { .tags = 2 }, tcp6 = { .v6 = true }, far = { .v6 = true };
	struct virtio_net_hdr_v1 h;

	(void)state;
	frames_make(&m, &tcp4, 65535 - 40, &seed);
	h = frames_hdr(&m, UINT16_MAX);
	assert_false(is_refused(&m, &h));
	frames_make(&m, &(struct shape){ 0 }, 65535 - 40 + 1, &seed);
	h = frames_hdr(&m, 65535 - 40 + 1);
	assert_true(is_refused(&m, &h));
	h = frames_hdr(&m, 65535 - 40);
	assert_false(is_refused(&m, &h));
	frames_make(&m, &tcp6, OFFLOAD_FRAME_MAX - 74, &seed);
	h = frames_hdr(&m, 65535);
	assert_false(is_refused(&m, &h));
	/* 14 + 40 + ext + 20 */
	far.ip_opt = (OFFLOAD_HDR_MAX - 74) / 8 * 8;
	frames_make(&m, &far, 100, &seed);
	h = frames_hdr(&m, 10);
	assert_false(is_refused(&m, &h));
	assert_true(tells_partial(&m, m.bytes, m.len));
	far.ip_opt += 64;
	frames_make(&m, &far, 100, &seed);
	h = frames_hdr(&m, 10);
	assert_true(is_refused(&m, &h));
	assert_false(tells_partial(&m, m.bytes, m.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_is_plain),          cmocka_unit_test(sum_carries),
		cmocka_unit_test(csum_completes),        cmocka_unit_test(udp_csum_is_never_none),
		cmocka_unit_test(csum_anywhere),         cmocka_unit_test(partial_is_told),
		cmocka_unit_test(chance_does_no_harm),   cmocka_unit_test(others_are_not_partial),
		cmocka_unit_test(segments_are_linux),    cmocka_unit_test(segments_at_edges),
		cmocka_unit_test(flags_are_shared_out),  cmocka_unit_test(wrong_stays_wrong),
		cmocka_unit_test(single_stays_as_it_is), cmocka_unit_test(udp_length_is_the_guests),
		cmocka_unit_test(misfits_are_refused),   cmocka_unit_test(too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
