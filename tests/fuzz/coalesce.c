/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: frames of a few flows, with bytes changed and checksums right again or not, are
 * merged and segmented again: the same frames come out (coalesce_check.h).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/coalesce_check.h"
#include "tests/unit/offload_frames.h"
#include "virtio/base.h"

#define FRAMES  24
#define EDITS   4
#define PAYLOAD 300

static struct made made;

static void mend(struct sent *s)
{
	frames_mend(&made, s->bytes, s->len);
}

static void add(struct fuzz_input *in, struct sent *s, uint32_t size)
{
	static uint8_t bytes[OFFLOAD_FRAME_MAX];
	bool partial = fuzz_below(in, 2);
	unsigned edits = fuzz_below(in, 4) ? 0 : fuzz_below(in, EDITS);

	s->len = frames_segment(&made, fuzz_below(in, (made.len - made.payload) / size + 1), size,
				partial, bytes);
	s->hdr = (struct virtio_net_hdr_v1){ 0 };
	if (partial) {
		s->hdr = frames_hdr(&made, 0);
		s->hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	}
	s->bytes = malloc(s->len);
	if (!s->bytes)
		abort();
	memcpy(s->bytes, bytes, s->len);
	for (; edits; edits--)
		s->bytes[fuzz_below(in, s->len)] ^= (uint8_t)fuzz_take(in, 1);
	if (!partial && fuzz_below(in, 2))
		mend(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, data + size };
	struct sent sent[FRAMES];
	struct tx_stats stats = { 0 };
	unsigned n = 0, part = 0;

	while (in.at < in.end && n < FRAMES) {
		const struct shape *shape = frames_shape(fuzz_below(&in, 18));
		uint64_t seed = 1 + fuzz_take(&in, 1);
		unsigned follow = 1 + fuzz_below(&in, FRAMES);

		frames_make(&made, shape, 1 + fuzz_below(&in, PAYLOAD), &seed);
		part = 1 + fuzz_below(&in, PAYLOAD);
		for (; follow && n < FRAMES; follow--)
			add(&in, &sent[n++], part);
	}
	if (n)
		coalesce_check(sent, n, CHECK_TYPES, fuzz_take(&in, 4), &stats);
	while (n)
		free(sent[--n].bytes);
	return 0;
}
