/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: checksums and segments of a frame that is made of the input, or of any shape that
 * the unit tests know, with bytes changed. Each piece of it lies in memory of its own.
 *
 * Nothing but a checksum field is written by offload_csum(). Segments carry the payload whole and
 * in order; one with a partial checksum, completed, is the one that is made complete.
 */
#include "datapath/offload.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/offload_frames.h"
#include "virtio/base.h"

#define PIECES      8
#define EDITS       6
#define PAYLOAD_MAX 4000

struct run {
	struct fuzz_input in;
	bool pristine; /* a frame as the unit tests make it, with a header that suits it */
	struct made m;
	struct virtio_net_hdr_v1 h;
	struct iovec iov[PIECES];
	unsigned n_iov;
};

static void take_hdr(struct run *r)
{
	r->h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	r->h.gso_type = (uint8_t)fuzz_take(&r->in, 1);
	r->h.hdr_len = (uint16_t)fuzz_take(&r->in, 2);
	r->h.gso_size = (uint16_t)fuzz_take(&r->in, 2);
	r->h.csum_start = (uint16_t)fuzz_take(&r->in, 2);
	r->h.csum_offset = (uint16_t)fuzz_take(&r->in, 1);
}

/* What is left of the input. */
static void take_frame(struct run *r)
{
	size_t left = (size_t)(r->in.end - r->in.at);

	r->m.len = (uint32_t)(left < OFFLOAD_FRAME_MAX ? left : OFFLOAD_FRAME_MAX);
	memcpy(r->m.bytes, r->in.at, r->m.len);
}

static void make_frame(struct run *r, bool edited)
{
	struct shape shape = { .tags = fuzz_below(&r->in, 3),
			       .v6 = fuzz_below(&r->in, 2),
			       .udp = fuzz_below(&r->in, 2) };
	uint64_t seed = 1 + fuzz_take(&r->in, 2);

	shape.ip_opt = shape.v6 ? 8 * fuzz_below(&r->in, 30) : 4 * fuzz_below(&r->in, 11);
	shape.l4_opt = shape.udp ? 0 : 4 * fuzz_below(&r->in, 11);
	frames_make(&r->m, &shape, fuzz_below(&r->in, PAYLOAD_MAX), &seed);
	r->pristine = !edited && r->m.payload <= OFFLOAD_HDR_MAX;
	r->h = frames_hdr(&r->m, (uint16_t)(1 + fuzz_below(&r->in, 2000)));
	if (!edited)
		return;
	for (unsigned n = fuzz_below(&r->in, EDITS), at; n; n--) {
		at = fuzz_below(&r->in, r->m.payload);
		r->m.bytes[at] = (uint8_t)fuzz_take(&r->in, 1);
	}
	if (fuzz_below(&r->in, 4) == 0)
		take_hdr(r);
	if (fuzz_below(&r->in, 4) == 0)
		r->m.len = fuzz_below(&r->in, r->m.len);
}

static uint8_t *copy_of(const uint8_t *bytes, uint32_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	fuzz_require(copy);
	memcpy(copy, bytes, len);
	return copy;
}

static void cut(struct run *r)
{
	uint32_t at = 0, part;

	for (r->n_iov = 0; r->n_iov == 0 || at < r->m.len; r->n_iov++, at += part) {
		part = fuzz_below(&r->in, 2048);
		if (r->n_iov == PIECES - 1 || part > r->m.len - at)
			part = r->m.len - at;
		r->iov[r->n_iov] = (struct iovec){ copy_of(r->m.bytes + at, part), part };
	}
}

/* The two bytes of the checksum are what a plain sum says; no other byte is changed. */
static void check_csum(const struct run *r, const struct virtio_net_hdr_v1 *h)
{
	const uint8_t *was = r->m.bytes;
	uint8_t *frame = copy_of(was, r->m.len);
	uint32_t at = (uint32_t)h->csum_start + h->csum_offset;
	uint16_t want = (uint16_t)~frames_sum(was + h->csum_start, r->m.len - h->csum_start);

	offload_csum(frame, r->m.len, h);
	if (!want && h->csum_offset == 6)
		want = 0xffff;
	fuzz_require(frames_get16(frame + at) == want);
	fuzz_require(!memcmp(frame, was, at));
	fuzz_require(!memcmp(frame + at + 2, was + at + 2, r->m.len - at - 2));
	free(frame);
}

static void check_partial(const struct run *r)
{
	struct virtio_net_hdr_v1 h = { .gso_size = 7, .hdr_len = 9 }, was = h;
	uint8_t *frame = copy_of(r->m.bytes, r->m.len);
	bool is = offload_is_partial(frame, r->m.len, &h);

	free(frame);
	fuzz_require(is || !r->pristine);
	if (!is) {
		fuzz_require(!memcmp(&h, &was, sizeof(h)));
		return;
	}
	fuzz_require(h.gso_size == was.gso_size && h.hdr_len == was.hdr_len);
	fuzz_require(net_hdr_check(&h, r->m.len, FEATURE(VIRTIO_NET_F_CSUM)) == NET_HDR_OK);
	check_csum(r, &h);
}

static void check_segment(const struct run *r, const struct offload_segments *s, uint8_t *whole,
			  uint8_t *partial, uint32_t len)
{
	struct virtio_net_hdr_v1 h = { .csum_start = s->csum_start, .csum_offset = s->csum_offset };
	uint32_t hdr_len = s->hdr_len;

	fuzz_require(len >= hdr_len && len <= s->max_len);
	fuzz_require(s->left + len <= r->m.len);
	fuzz_require(!memcmp(whole + hdr_len, r->m.bytes + r->m.len - s->left - (len - hdr_len),
			     len - hdr_len));
	offload_csum(partial, len, &h);
	fuzz_require(!memcmp(whole, partial, len));
}

static void check_segments(const struct run *r)
{
	struct offload_segments a, b;
	uint8_t *whole, *partial;
	uint32_t len;

	if (!offload_segments_init(&a, r->iov, r->m.len, &r->h)) {
		fuzz_require(!r->pristine);
		return;
	}
	fuzz_require(offload_segments_init(&b, r->iov, r->m.len, &r->h));
	fuzz_require(a.n == b.n && a.n >= 1 && a.n <= r->m.len && a.max_len <= r->m.len);
	whole = malloc(a.max_len);
	partial = malloc(a.max_len);
	fuzz_require(whole && partial);
	for (uint32_t i = 0; i < a.n; i++) {
		len = offload_segment(&a, whole, false);
		fuzz_require(offload_segment(&b, partial, true) == len);
		check_segment(r, &a, whole, partial, len);
	}
	fuzz_require(a.left == 0);
	free(whole);
	free(partial);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run r;
	unsigned kind;

	r = (struct run){ .in = { data, data + size } };
	kind = fuzz_below(&r.in, 4);
	if (kind == 0) {
		take_hdr(&r);
		take_frame(&r);
	} else {
		make_frame(&r, kind > 1);
	}
	cut(&r);
	check_partial(&r);
	if (net_hdr_check(&r.h, r.m.len, ~0ULL) == NET_HDR_OK) {
		check_csum(&r, &r.h);
		if (r.h.gso_type != VIRTIO_NET_HDR_GSO_NONE)
			check_segments(&r);
	}
	for (unsigned i = 0; i < r.n_iov; i++)
		free(r.iov[i].iov_base);
	return 0;
}
