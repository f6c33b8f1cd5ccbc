/* SPDX-License-Identifier: MIT */
/* Contract in coalesce_check.h. offload.h segments what was merged; the kernel judges that one. */
#include "tests/unit/coalesce_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/offload.h"
#include "tests/unit/offload_frames.h"

#define MAX_PIECES 4

#define REQUIRE(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* In up to MAX_PIECES pieces, none of them empty; if *state is 0, so many, short ones behind. */
static unsigned cut(struct iovec *iov, const struct sent *s, uint64_t *state)
{
	uint32_t at = 0, len;
	unsigned n = 0;

	while (at < s->len) {
		len = s->len - at;
		if (!*state && len >= MAX_PIECES - n)
			len -= MAX_PIECES - 1 - n;
		else if (n + 1 < MAX_PIECES && frames_random(state) % 2)
			len = 1 + frames_random(state) % len;
		iov[n++] = (struct iovec){ s->bytes + at, len };
		at += len;
	}
	return n;
}

static void check_segment(uint8_t *got, uint32_t len, uint16_t l3, const struct sent *s)
{
	uint8_t *wanted = malloc(s->len);

	REQUIRE(wanted && len == s->len);
	memcpy(wanted, s->bytes, len);
	if (s->hdr.flags)
		offload_csum(wanted, len, &s->hdr);
	frames_forget_id(got + l3);
	frames_forget_id(wanted + l3);
	REQUIRE(!memcmp(got, wanted, len));
	free(wanted);
}

/* A receiver looks at it before there is a segment. */
static void check_ip_sum(const struct frame *f, uint16_t l3)
{
	const uint8_t *ip = (const uint8_t *)f->iov->iov_base + l3;

	REQUIRE(ip[0] >> 4 != 4 || frames_sum(ip, (ip[0] & 0xf) * 4U) == UINT16_MAX);
}

/* A merged frame is so many of sent. */
static void check_merged(const struct frame *f, const struct sent *sent)
{
	static uint8_t segment[NET_FRAME_MAX];
	struct offload_segments s;
	uint32_t len = 0;

	for (unsigned i = 0; i < f->n_iov; i++)
		len += (uint32_t)f->iov[i].iov_len;
	REQUIRE(len == f->len && len <= NET_FRAME_MAX && !f->in_place);
	REQUIRE(net_hdr_check(&f->hdr, f->len, CHECK_TYPES | FEATURE(VIRTIO_NET_F_CSUM)) ==
		NET_HDR_OK);
	REQUIRE(!net_hdr_has_garbage(&f->hdr, f->len));
	REQUIRE(offload_segments_init(&s, f->iov, f->len, &f->hdr));
	REQUIRE(s.n == f->n_chains && s.n >= 2);
	check_ip_sum(f, s.l3);
	for (unsigned i = 0; i < s.n; i++) {
		len = offload_segment(&s, segment, false);
		check_segment(segment, len, s.l3, &sent[i]);
		REQUIRE(f->parts[i].n_chains == 1 && f->parts[i].len == sent[i].len);
	}
}

/* Not merged: nothing of it is changed. */
static void check_single(const struct frame *f, const struct sent *sent)
{
	uint32_t at = 0;

	REQUIRE(f->n_chains == 1 && f->len == sent->len);
	REQUIRE(!memcmp(&f->hdr, &sent->hdr, sizeof(f->hdr)));
	for (unsigned i = 0; i < f->n_iov; at += (uint32_t)f->iov[i++].iov_len) {
		REQUIRE(f->iov[i].iov_len <= sent->len - at);
		REQUIRE(!memcmp(f->iov[i].iov_base, sent->bytes + at, f->iov[i].iov_len));
	}
	REQUIRE(at == sent->len);
}

void coalesce_check_frame(const struct frame *f, const struct sent *sent)
{
	if (f->parts)
		check_merged(f, sent);
	else
		check_single(f, sent);
}

unsigned coalesce_check(const struct sent *sent, unsigned n, uint64_t types, uint64_t cuts,
			struct tx_stats *stats)
{
	struct iovec iov[COALESCE_FRAMES][MAX_PIECES];
	struct frame frames[COALESCE_FRAMES];
	static struct coalesce c;
	uint64_t merged = stats->merged, merges = stats->merges;
	unsigned left, at = 0;

	for (unsigned i = 0; i < n; i++) {
		frames[i] = (struct frame){ .hdr = sent[i].hdr,
					    .iov = iov[i],
					    .n_iov = (uint16_t)cut(iov[i], &sent[i], &cuts),
					    .n_chains = 1,
					    .len = sent[i].len,
					    .in_place = true };
	}
	left = coalesce(&c, frames, n, types, stats);
	for (unsigned i = 0; i < left; at += frames[i++].n_chains) {
		REQUIRE(at + frames[i].n_chains <= n);
		if (!frames[i].parts) {
			REQUIRE(frames[i].iov == iov[at] && frames[i].n_chains == 1);
			REQUIRE(!memcmp(&frames[i].hdr, &sent[at].hdr, sizeof(sent[at].hdr)));
			continue;
		}
		check_merged(&frames[i], &sent[at]);
		merges++;
		merged += frames[i].n_chains;
	}
	REQUIRE(at == n);
	stats->merges = merges;
	stats->merged = merged;
	return left;
}
