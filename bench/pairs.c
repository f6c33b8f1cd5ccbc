/* SPDX-License-Identifier: MIT */
/*
 * What many queue pairs cost: the same load over eight pairs that share one iothread, beside one
 * pair. Both daemons take whatever the driver offers in turns of one burst, on the null backend; a
 * window's figure is the CPU time of the iothread for each frame.
 */
#include <stdio.h>

#include "bench/bench.h"
#include "bench/packet.h"
#include "bench/subject.h"

#define FRAME_LEN 64
#define RING_SIZE 256
#define PAIRS     8

struct pairs_bench {
	struct subject many, one;
	uint64_t n; /* frames of a window */
};

static double many_window(void *ctx)
{
	struct pairs_bench *b = ctx;

	return subject_send(&b->many, FRAME_LEN, false, b->n);
}

static double one_window(void *ctx)
{
	struct pairs_bench *b = ctx;

	return subject_send(&b->one, FRAME_LEN, false, b->n);
}

static void start(struct subject *s, const struct bench_options *opt, unsigned pairs)
{
	struct subject_config cfg = { .program = opt->txringd,
				      .txmode = "iothread",
				      .tap_fd = -1,
				      .ring_size = RING_SIZE,
				      .pairs = pairs };
	uint8_t frame[FRAME_LEN];

	subject_start(s, &cfg);
	packet_frame(frame, FRAME_LEN);
	subject_fill_tx(s, frame, FRAME_LEN);
}

void bench_pairs(const struct bench_options *opt)
{
	struct pairs_bench b = { .n = bench_scale(opt, 300, 100) * 1024 };
	struct measure_contest contest = { .ctx = &b,
					   .subject = many_window,
					   .ceiling = one_window,
					   .task = &b.many.task,
					   .pairs = bench_scale(opt, 100, 6) };
	struct bench_row row = {
		.bench = "pairs", .unit = "ns/frame", .ceiling = "1 pair", .max_ratio = 1.05
	};

	start(&b.many, opt, PAIRS);
	start(&b.one, opt, 1);
	row.got = measure_contest_run(&contest);
	snprintf(row.what, sizeof(row.what), "tx null, %u bytes, %u pairs of %u", FRAME_LEN, PAIRS,
		 RING_SIZE);
	bench_report(&row);
	subject_stop(&b.one);
	subject_stop(&b.many);
}
