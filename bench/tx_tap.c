/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs on its way out through a tap, in CPU time of the iothread, beside a bare loop
 * of write() of the same buffers on the same tap. In both the headers are written for each frame on
 * the other CPU.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/packet.h"
#include "bench/subject.h"
#include "bench/tapdev.h"

#define RING_SIZE 256
#define FRAME_MAX 1514

struct tap_bench {
	struct subject subject;
	struct tapdev tap;
	unsigned len;
	uint64_t n;       /* frames of a window, a multiple of the ring's size */
	uint64_t written; /* into the tap, by subject and ceiling */
	struct measure_turns turns;
	double result;
};

static double send_window(void *ctx)
{
	struct tap_bench *b = ctx;

	b->written += b->n;
	return subject_send(&b->subject, b->len, true, b->n);
}

static void write_loop(void *arg)
{
	struct tap_bench *b = arg;
	const struct driver_net *net = b->subject.net;
	const uint8_t *bufs = net->pairs[0].tx_bufs;
	size_t len = b->len + net->hdr_len;
	uint64_t start = measure_thread_cpu_ns(), bad = 0, waited = 0, took;

	for (uint64_t i = 0; i < b->n; i++) {
		if (i % RING_SIZE == 0) {
			waited -= measure_now_ns();
			measure_turns_wait_given(&b->turns);
			waited += measure_now_ns();
		}
		bad += write(b->tap.fd, bufs + i % RING_SIZE * net->tx_stride, len) != (ssize_t)len;
		if (i % RING_SIZE == RING_SIZE - 1)
			measure_turns_take(&b->turns);
	}
	/* The wait was no CPU time if another program had the CPU meanwhile. */
	took = measure_thread_cpu_ns() - start;
	b->result = bad || waited > took ? -1 : (double)(took - waited) / (double)b->n;
}

static double write_window(void *ctx)
{
	struct tap_bench *b = ctx;

	b->written += b->n;
	measure_worker_start(write_loop, b);
	subject_write_headers(&b->subject, &b->turns, b->n / RING_SIZE);
	measure_worker_join();
	return b->result;
}

static void tap_len(const struct bench_options *opt, unsigned len)
{
	struct tap_bench b = { .len = len };
	struct subject_config cfg = { .program = opt->txringd,
				      .txmode = "iothread",
				      .ring_size = RING_SIZE };
	struct measure_contest contest = { .ctx = &b,
					   .subject = send_window,
					   .ceiling = write_window,
					   .pairs = bench_scale(opt, 100, 6) };
	struct bench_row row = {
		.bench = "tx-tap", .unit = "ns/frame", .ceiling = "bare write()", .max_ratio = 1.10
	};
	uint8_t frame[FRAME_MAX];

	b.n = bench_scale(opt, 16, 8) * 1024;
	tapdev_init(&b.tap, "btx0");
	cfg.tap_fd = b.tap.fd;
	subject_start(&b.subject, &cfg);
	packet_frame(frame, len);
	subject_fill_tx(&b.subject, frame, len);
	contest.task = &b.subject.task;
	row.got = measure_contest_run(&contest);
	if (tapdev_written(&b.tap) != b.written)
		measure_die("%llu frames were sent, %llu arrived at the tap",
			    (unsigned long long)b.written,
			    (unsigned long long)tapdev_written(&b.tap));
	snprintf(row.what, sizeof(row.what), "tx tap, %u bytes, ring %d", len, RING_SIZE);
	bench_report(&row);
	subject_stop(&b.subject);
	tapdev_deinit(&b.tap);
}

void bench_tx_tap(const struct bench_options *opt)
{
	tap_len(opt, 64);
	tap_len(opt, FRAME_MAX);
}
