/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs on its way in, in CPU time of the iothread: a full tap queue is drained by the
 * device, and by a bare loop of read() into the same buffers on the same tap.
 *
 * The queue is filled while the guest has posted no buffers, and on the CPU that drains it. What
 * the driver negotiated decides how the device must read: with GUEST_TSO and mergeable buffers the
 * next frame may be longer than a buffer.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/packet.h"
#include "bench/subject.h"
#include "bench/tapdev.h"

#define RING_SIZE 256
#define FRAME_MAX 1514
#define TRIES     8

struct rx_bench {
	struct subject subject;
	struct tapdev tap;
	const uint8_t *frame;
	unsigned len;
	unsigned n;      /* frames of a window */
	uint64_t posted; /* buffers so far: they come back in order */
	double result;
};

static void fill(void *arg)
{
	struct rx_bench *b = arg;

	b->result = tapdev_inject(&b->tap, b->frame, b->len, b->n) == b->n ? 0 : -1;
}

static void take_back(struct rx_bench *b, unsigned *got)
{
	struct ring *r = &b->subject.net->pairs[0].rx;
	enum ring_outcome outcome = RING_EMPTY;
	struct ring_used u;

	if (!ring_peek(r))
		return;
	while ((outcome = ring_use(r, &u)) == RING_USED) {
		(*got)++;
		if (u.len != b->len + b->subject.net->hdr_len)
			measure_die("a frame of %u bytes came as %u", b->len, u.len);
	}
	if (outcome == RING_BROKEN)
		measure_die("the device broke the ring: %s", ring_fault_name(r->fault));
}

static void post(struct rx_bench *b, unsigned n)
{
	const struct driver_net *net = b->subject.net;
	struct driver_net_pair *p = &b->subject.net->pairs[0];
	struct chain_part part = { .len = net->cfg.rx_buf_len, .in = true };

	for (; n; n--, b->posted++) {
		part.addr = p->rx_gpa + b->posted % net->n_rx * net->rx_stride;
		ring_fill(&p->rx, part, b->posted);
	}
	ring_submit(&p->rx);
	ring_kick(&p->rx);
}

/* Post exactly as many buffers as frames wait: the ring is empty again when all came. */
static double device_window(void *ctx)
{
	struct rx_bench *b = ctx;
	struct ring *r = &b->subject.net->pairs[0].rx;
	struct measure_times before;
	unsigned got = 0, posted = 0, room;

	measure_worker_run(fill, b);
	if (b->result < 0 || !measure_task_sleeps(&b->subject.task))
		return -1;
	before = measure_task_times(&b->subject.task);
	while (got < b->n) {
		room = ring_reserve(r, b->n - posted);
		if (room >= RING_SIZE / 4 || (room && room == b->n - posted)) {
			posted += room;
			post(b, room);
		}
		take_back(b, &got);
	}
	if (!measure_task_sleeps(&b->subject.task))
		return -1;
	return (double)(measure_task_times(&b->subject.task).cpu_ns - before.cpu_ns) / b->n;
}

static void read_loop(void *arg)
{
	struct rx_bench *b = arg;
	const struct driver_net *net = b->subject.net;
	uint8_t *bufs = net->pairs[0].rx_bufs;
	uint64_t start;
	unsigned n = 0;

	fill(b);
	if (b->result < 0)
		return;
	start = measure_thread_cpu_ns();
	while (read(b->tap.fd, bufs + (size_t)(n % net->n_rx) * net->rx_stride,
		    net->cfg.rx_buf_len) > 0)
		n++;
	b->result = (double)(measure_thread_cpu_ns() - start) / b->n;
	if (n != b->n)
		measure_die("%u frames in, %u out", b->n, n);
}

static double read_window(void *ctx)
{
	struct rx_bench *b = ctx;

	/* The device looks into the queue once when it wakes up, and has no buffers. */
	measure_worker_run(read_loop, b);
	if (!measure_task_sleeps(&b->subject.task))
		return -1;
	return b->result;
}

/* Use up the buffers that the driver posted when it started. */
static void starve(struct rx_bench *b)
{
	unsigned n = b->n, got = 0;

	b->n = b->subject.net->n_rx;
	measure_worker_run(fill, b);
	while (got < b->n)
		take_back(b, &got);
	b->n = n;
	ring_disarm_call(&b->subject.net->pairs[0].rx);
	if (!measure_task_sleeps(&b->subject.task))
		measure_die("the device does not sleep without buffers");
}

static void rx_case(const struct bench_options *opt, unsigned len, const char *name,
		    uint64_t without)
{
	uint8_t frame[FRAME_MAX];
	struct rx_bench b = { .frame = frame, .len = len, .n = TAPDEV_QUEUE - 96 };
	struct subject_config cfg = { .program = opt->txringd,
				      .txmode = "iothread",
				      .features = DRIVER_NET_FEATURES & ~without,
				      .ring_size = RING_SIZE };
	struct measure_contest contest = { .ctx = &b,
					   .subject = device_window,
					   .ceiling = read_window,
					   .pairs = bench_scale(opt, 60, 4) };
	struct bench_row row = {
		.bench = "rx-tap", .unit = "ns/frame", .ceiling = "bare read()", .max_ratio = 1.15
	};

	packet_frame(frame, len);
	tapdev_init(&b.tap, "brx0");
	cfg.tap_fd = b.tap.fd;
	subject_start(&b.subject, &cfg);
	starve(&b);
	contest.task = &b.subject.task;
	row.got = measure_contest_run(&contest);
	snprintf(row.what, sizeof(row.what), "rx tap, %u bytes, %s", len, name);
	bench_report(&row);
	subject_stop(&b.subject);
	tapdev_deinit(&b.tap);
}

void bench_rx_tap(const struct bench_options *opt)
{
	static const uint64_t mergeable = FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	static const unsigned lens[] = { 64, 1514 };

	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		rx_case(opt, lens[i], "plain", mergeable | FEATURES_GUEST_LARGE);
		rx_case(opt, lens[i], "mergeable", FEATURES_GUEST_LARGE);
		rx_case(opt, lens[i], "GUEST_TSO", mergeable);
		rx_case(opt, lens[i], "mergeable, GUEST_TSO", 0);
	}
}
