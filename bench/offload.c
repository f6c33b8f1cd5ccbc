/* SPDX-License-Identifier: MIT */
/*
 * What it costs to do a card's work in software: a checksum, and segments of a large frame. Beside
 * each a memcpy() of the same bytes, which a backend with memory of its own pays anyway. The bytes
 * are in the cache, as a frame is at best that the driver has just written. All of it runs on the
 * worker.
 */
#include <string.h>

#include "bench/subject.h"
#include "datapath/offload.h"
#include "virtio/base.h"

#define POOL     (256U << 10) /* of frames, and of where they go */
#define MSS      1448
#define HEADERS  54
#define SEGMENTS 44
#define CHUNK    2048
#define LARGE    (HEADERS + SEGMENTS * MSS)

struct offload_bench {
	uint8_t from[POOL], to[POOL];
	uint32_t len;   /* of a frame */
	uint64_t bytes; /* of a window */
	bool partial;
};

/* Ethernet, IPv4, TCP with ACK and PSH. */
static const uint8_t headers[HEADERS] = {
	[12] = 0x08, [14] = 0x45, [20] = 0x40, [22] = 64,  [23] = 6,
	[26] = 10,   [30] = 10,   [46] = 0x50, [47] = 0x18
};

/* The bytes at p are used: no call before this may be left out. */
static void use(const void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* Checksums, or copies of the same frames: GB/s. */
static double pass(struct offload_bench *b, bool copy)
{
	struct virtio_net_hdr_v1 h = { .csum_offset = 16 };
	uint64_t start = measure_ns(CLOCK_MONOTONIC);

	for (uint64_t done = 0, at = 0; done < b->bytes; done += b->len) {
		if (copy)
			memcpy(b->to + at, b->from + at, b->len);
		else
			offload_csum(b->from + at, b->len, &h);
		use(b->to);
		at = at + 2 * b->len <= POOL ? at + b->len : 0;
	}
	return (double)b->bytes / (double)(measure_ns(CLOCK_MONOTONIC) - start);
}

static double csum_window(void *ctx)
{
	return pass(ctx, false);
}

static double copy_window(void *ctx)
{
	return pass(ctx, true);
}

static void segment(struct offload_bench *b)
{
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				       .gso_size = MSS,
				       .csum_start = 34,
				       .csum_offset = 16 };
	struct iovec iov[] = { { b->from, HEADERS }, { b->from + HEADERS, LARGE - HEADERS } };
	struct offload_segments s;

	if (!offload_segments_init(&s, iov, LARGE, &h) || s.n != SEGMENTS)
		measure_die("the frame was not segmented");
	for (uint32_t k = 0; k < s.n; k++)
		offload_segment(&s, b->to + (size_t)k * CHUNK, b->partial);
}

static void copy_segments(struct offload_bench *b)
{
	for (size_t k = 0; k < SEGMENTS; k++) {
		memcpy(b->to + k * CHUNK, b->from, HEADERS);
		memcpy(b->to + k * CHUNK + HEADERS, b->from + HEADERS + k * MSS, MSS);
		use(b->to);
	}
}

/* ns for each segment. */
static double cut(struct offload_bench *b, void (*fn)(struct offload_bench *b))
{
	uint64_t start = measure_ns(CLOCK_MONOTONIC), rounds = b->bytes / LARGE;

	for (uint64_t i = 0; i < rounds; i++)
		fn(b);
	return (double)(measure_ns(CLOCK_MONOTONIC) - start) / (double)(rounds * SEGMENTS);
}

static double segment_window(void *ctx)
{
	return cut(ctx, segment);
}

static double copy_segments_window(void *ctx)
{
	return cut(ctx, copy_segments);
}

void bench_offload(const struct bench_options *opt)
{
	static const uint32_t lens[] = { 64, 1500, 65536 };
	static struct offload_bench b;
	struct measure_row row = { .bench = "offload",
				   .unit = "GB/s",
				   .ceiling = "memcpy",
				   .subject = csum_window,
				   .against = copy_window,
				   .subject_by_worker = true,
				   .against_by_worker = true,
				   .pairs = bench_pairs_of(opt, 100) };

	b.bytes = (uint64_t)(opt->quick ? 8 : 64) << 20;
	memset(b.from, 0x5a, POOL);
	memcpy(b.from, headers, HEADERS);
	for (unsigned i = 0; i < array_size(lens); i++) {
		b.len = lens[i];
		measure_row(&row, &b, "offload: checksum of %u bytes", b.len);
	}
	row.unit = "ns/segment";
	row.subject = segment_window;
	row.against = copy_segments_window;
	measure_row(&row, &b, "offload: segment of %d bytes, with checksum", MSS);
	b.partial = true;
	measure_row(&row, &b, "offload: segment of %d bytes, checksum partial", MSS);
}
