/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs on its way out when nobody takes it: the ring alone, in CPU time of the
 * iothread, with the driver on the other CPU.
 *
 * First with headers that the driver leaves as they are. Beside it the device half's verbs over a
 * ring that no other CPU touches: what the ring costs when nothing has to travel between caches.
 * The driver half's own cost is a row by itself: where it is the larger one, the device waits.
 *
 * Then with headers that the driver writes for each frame, as drivers do, so that one more line of
 * each frame has to travel. Beside it a loop that reads such lines and does nothing else.
 */
#include <stdio.h>

#include "bench/bench.h"
#include "bench/packet.h"
#include "bench/subject.h"
#include "virtio/base.h"
#include "virtio/virtq.h"

#define POP_BATCH 64
#define FRAME_LEN 64

struct null_bench {
	struct subject subject;
	bool fresh;
	uint64_t n;                    /* frames of a window */
	struct measure_series *driver; /* its cost per frame without a device */
	struct ring alone;             /* the driver half of the ceiling's ring */
	struct virtq device;           /* and the device half */
	struct gmem mem;
	struct measure_turns turns;
	double result;
};

static double send_window(void *ctx)
{
	struct null_bench *b = ctx;

	return subject_send(&b->subject, FRAME_LEN, b->fresh, b->n);
}

/* The ceiling of the null backend. */

static void offer_all(struct ring *r, uint64_t gpa, unsigned len)
{
	for (unsigned i = 0; i < r->size; i++)
		ring_fill(r, (struct chain_part){ .addr = gpa, .len = len }, i);
	ring_submit(r);
}

static void take_back(struct ring *r)
{
	struct ring_used u;

	ring_peek(r);
	while (ring_use(r, &u) == RING_USED)
		;
}

/* All that waits in the ring: what a device that sends nothing has to do. */
static void device_round(struct virtq *vq)
{
	struct chain chains[POP_BATCH];
	struct iovec iov[CHAIN_MAX_IOV + 1 + POP_BATCH];
	struct iov_pool pool = { .iov = iov, .cap = array_size(iov) };
	unsigned n, i;

	while ((n = virtq_pop(vq, chains, POP_BATCH, &pool))) {
		for (i = 0; i < n; i++)
			virtq_push(vq, chains[i].elem, 0);
		virtq_publish(vq);
		virtq_call(vq);
		pool.n = 0;
	}
}

/* On the worker: driver and device half take turns over a full ring. */
static void ring_alone(void *arg)
{
	struct null_bench *b = arg;
	uint64_t rounds = b->n / b->alone.size, device = 0, driver = 0, t[4];
	uint64_t gpa = b->subject.net->pairs[0].tx_gpa;

	for (uint64_t i = 0; i < rounds; i++) {
		t[0] = measure_now_ns();
		offer_all(&b->alone, gpa, FRAME_LEN);
		t[1] = measure_now_ns();
		device_round(&b->device);
		t[2] = measure_now_ns();
		take_back(&b->alone);
		t[3] = measure_now_ns();
		device += t[2] - t[1];
		driver += t[1] - t[0] + t[3] - t[2];
	}
	b->result = (double)device / (double)(rounds * b->alone.size);
	measure_add(b->driver, (double)driver / (double)(rounds * b->alone.size));
}

/* On the worker: read one word of each header that the bench's thread wrote. */
static void read_headers(void *arg)
{
	struct null_bench *b = arg;
	const struct driver_net *net = b->subject.net;
	const uint8_t *bufs = net->pairs[0].tx_bufs;
	uint64_t rounds = b->n / b->alone.size, took = 0, sum = 0;

	for (uint64_t i = 0; i < rounds; i++) {
		measure_turns_wait_given(&b->turns);
		took -= measure_now_ns();
		for (unsigned k = 0; k < b->alone.size; k++)
			sum += load_relaxed(
				(const uint32_t *)(const void *)(bufs + k * net->tx_stride));
		took += measure_now_ns();
		measure_turns_take(&b->turns);
	}
	if (sum)
		measure_die("a header is not empty");
	b->result = (double)took / (double)(rounds * b->alone.size);
}

static double line_window(void *ctx)
{
	struct null_bench *b = ctx;

	measure_worker_start(read_headers, b);
	subject_write_headers(&b->subject, &b->turns, b->n / b->alone.size);
	measure_worker_join();
	return b->result;
}

static double alone_window(void *ctx)
{
	struct null_bench *b = ctx;

	measure_worker_run(ring_alone, b);
	return b->result;
}

/* A second ring in the guest's memory, whose device half is here. */
static void alone_init(struct null_bench *b, struct arena *arena)
{
	struct driver_net *net = b->subject.net;
	struct arena_region *guest = &net->arena.regions[0];
	struct arena_span span = { .gpa = guest->gpa + guest->size, .size = 1 << 20 };
	struct ring_config cfg = { .features = net->features & ~FEATURE(VIRTIO_F_IN_ORDER),
				   .size = net->cfg.ring_size,
				   .kick_fd = -1 };
	struct virtq_config vq = { .mem = &b->mem,
				   .features = net->features,
				   .size = (uint16_t)cfg.size,
				   .call = notifier_none(),
				   .err = notifier_none() };

	measure_check(gmem_init(&b->mem), "memory");
	measure_check(gmem_add(&b->mem, guest->gpa, guest->size, 0, net->arena.fd, 0), "memory");
	measure_check(arena_init(arena, &span, 1, false), "memory");
	measure_check(ring_place(&cfg, arena, 0), "ring");
	measure_check(ring_init(&b->alone, &cfg), "ring");
	vq.rings = cfg.areas;
	virtq_start(&b->device, &vq);
	ring_disarm_call(&b->alone);
}

static void report_driver(unsigned size, struct measure_series *driver)
{
	struct bench_row row = { .bench = "tx-null", .unit = "ns/frame" };

	snprintf(row.what, sizeof(row.what), "driver half alone, ring %u", size);
	row.got.subject = measure_summarize(driver);
	bench_report(&row);
}

static void null_case(const struct bench_options *opt, unsigned size, bool fresh)
{
	struct measure_series driver = { 0 };
	struct null_bench b = { .fresh = fresh, .driver = &driver };
	struct subject_config cfg = {
		.program = opt->txringd, .txmode = "iothread", .tap_fd = -1, .ring_size = size
	};
	struct measure_contest contest = { .ctx = &b,
					   .subject = send_window,
					   .ceiling = fresh ? line_window : alone_window,
					   .pairs = bench_scale(opt, 100, 6) };
	struct bench_row row = { .bench = "tx-null",
				 .unit = "ns/frame",
				 .ceiling = fresh ? "reading its line" : "ring verbs in cache",
				 .max = 25 };
	struct arena arena;
	uint8_t frame[FRAME_LEN];

	b.n = bench_scale(opt, 300, 100) * 1024;
	subject_start(&b.subject, &cfg);
	packet_frame(frame, FRAME_LEN);
	subject_fill_tx(&b.subject, frame, FRAME_LEN);
	alone_init(&b, &arena);
	contest.task = &b.subject.task;
	row.got = measure_contest_run(&contest);
	snprintf(row.what, sizeof(row.what), "tx null, %d bytes, ring %u%s", FRAME_LEN, size,
		 fresh ? ", fresh header" : "");
	bench_report(&row);
	if (!fresh)
		report_driver(size, &driver);
	subject_stop(&b.subject);
	ring_deinit(&b.alone);
	arena_deinit(&arena);
	gmem_deinit(&b.mem);
	measure_clear(&driver);
}

void bench_tx_null(const struct bench_options *opt)
{
	null_case(opt, 256, false);
	null_case(opt, 1024, false);
	null_case(opt, 256, true);
	null_case(opt, 1024, true);
}
