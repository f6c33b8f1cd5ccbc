/* SPDX-License-Identifier: MIT */
/*
 * What it costs to do a card's work in software: a checksum, and segments of a large frame. Beside
 * each a memcpy() of the same bytes, which a backend with memory of its own pays anyway. The bytes
 * are in the cache, as a frame is at best that the driver has just written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "datapath/offload.h"

#define POOL     (256U << 10) /* of frames, and of where they go */
#define MSS      1448
#define HEADERS  54
#define SEGMENTS 44
#define CHUNK    2048
#define LARGE    (HEADERS + SEGMENTS * MSS)

struct offload_bench {
	uint8_t *from, *to;
	uint32_t len;   /* of a frame */
	uint64_t bytes; /* of a window */
	bool partial;
	double result;
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

static double on_worker(struct offload_bench *b, void (*fn)(void *))
{
	measure_worker_run(fn, b);
	return b->result;
}

/* Checksums: GB/s. */

static void csum_all(void *arg)
{
	struct offload_bench *b = arg;
	struct virtio_net_hdr_v1 h = { .csum_offset = 16 };
	uint64_t start = measure_now_ns();

	for (uint64_t done = 0, at = 0; done < b->bytes; done += b->len) {
		offload_csum(b->from + at, b->len, &h);
		at = at + 2 * b->len <= POOL ? at + b->len : 0;
	}
	b->result = (double)b->bytes / (double)(measure_now_ns() - start);
}

static void copy_all(void *arg)
{
	struct offload_bench *b = arg;
	uint64_t start = measure_now_ns();

	for (uint64_t done = 0, at = 0; done < b->bytes; done += b->len) {
		memcpy(b->to + at, b->from + at, b->len);
		use(b->to);
		at = at + 2 * b->len <= POOL ? at + b->len : 0;
	}
	b->result = (double)b->bytes / (double)(measure_now_ns() - start);
}

static double csum_window(void *ctx)
{
	return on_worker(ctx, csum_all);
}

static double copy_window(void *ctx)
{
	return on_worker(ctx, copy_all);
}

/* Segments: ns each. */

static void segment_all(void *arg)
{
	struct offload_bench *b = arg;
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				       .gso_size = MSS,
				       .csum_start = 34,
				       .csum_offset = 16 };
	struct iovec iov[] = { { b->from, HEADERS }, { b->from + HEADERS, LARGE - HEADERS } };
	uint64_t start = measure_now_ns(), rounds = b->bytes / LARGE;
	struct offload_segments s;

	for (uint64_t i = 0; i < rounds; i++) {
		if (!offload_segments_init(&s, iov, LARGE, &h) || s.n != SEGMENTS)
			measure_die("the frame was not segmented");
		for (uint32_t k = 0; k < s.n; k++)
			offload_segment(&s, b->to + (size_t)k * CHUNK, b->partial);
	}
	b->result = (double)(measure_now_ns() - start) / (double)(rounds * SEGMENTS);
}

static void copy_segments(void *arg)
{
	struct offload_bench *b = arg;
	uint64_t start = measure_now_ns(), rounds = b->bytes / LARGE;

	for (uint64_t i = 0; i < rounds; i++) {
		for (size_t k = 0; k < SEGMENTS; k++) {
			memcpy(b->to + k * CHUNK, b->from, HEADERS);
			memcpy(b->to + k * CHUNK + HEADERS, b->from + HEADERS + k * MSS, MSS);
			use(b->to);
		}
	}
	b->result = (double)(measure_now_ns() - start) / (double)(rounds * SEGMENTS);
}

static double segment_window(void *ctx)
{
	return on_worker(ctx, segment_all);
}

static double copy_segments_window(void *ctx)
{
	return on_worker(ctx, copy_segments);
}

static void run(const struct bench_options *opt, struct offload_bench *b, struct bench_row *row,
		double (*subject)(void *), double (*ceiling)(void *))
{
	struct measure_contest contest = {
		.ctx = b, .subject = subject, .ceiling = ceiling, .pairs = bench_scale(opt, 100, 6)
	};

	b->bytes = (uint64_t)bench_scale(opt, 64, 8) << 20;
	row->bench = "offload";
	row->got = measure_contest_run(&contest);
	bench_report(row);
}

void bench_offload(const struct bench_options *opt)
{
	static const uint32_t lens[] = { 64, 1500, 65536 };
	struct offload_bench b = { .from = malloc(POOL), .to = malloc(POOL) };

	if (!b.from || !b.to)
		measure_die("out of memory");
	memset(b.from, 0x5a, POOL);
	memset(b.to, 0, POOL);
	memcpy(b.from, headers, HEADERS);
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct bench_row row = { .unit = "GB/s", .ceiling = "memcpy" };

		b.len = lens[i];
		snprintf(row.what, sizeof(row.what), "offload: checksum of %u bytes", b.len);
		run(opt, &b, &row, csum_window, copy_window);
	}
	memcpy(b.from, headers, HEADERS);
	for (unsigned partial = 0; partial < 2; partial++) {
		struct bench_row row = { .unit = "ns/segment", .ceiling = "memcpy" };

		b.partial = partial;
		snprintf(row.what, sizeof(row.what), "offload: segment of %d bytes, %s", MSS,
			 partial ? "checksum partial" : "with checksum");
		run(opt, &b, &row, segment_window, copy_segments_window);
	}
	free(b.from);
	free(b.to);
}
