/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs on its way in, in CPU time of the iothread: a full tap queue, or AF_XDP ring,
 * is drained by the device, and by a bare loop into the same buffers: of read() on the same tap, or
 * of copies out of another AF_XDP socket's ring.
 *
 * The queue is filled while the guest has posted no buffers, and on the CPU that drains it. What
 * the driver negotiated decides how the device must read a tap: with GUEST_TSO and mergeable
 * buffers the next frame may be longer than a buffer.
 *
 * Out of an AF_XDP ring a frame comes without a system call, so that one wake-up of the iothread
 * costs as much as hundreds of frames: there the driver posts buffers for all frames at once.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/packet.h"
#include "bench/subject.h"
#include "bench/tapdev.h"
#include "bench/veth.h"
#include "bench/xsk.h"
#include "datapath/backend/xdp_sock.h"
#include "virtio/base.h"

#define RING_SIZE 256
#define XDP_BATCH 64 /* frames that the bare loop gives back at once */
#define FRAME_MAX 1514

struct rx_bench {
	struct subject subject;
	struct tapdev tap;
	struct veth veth, bare_veth; /* instead: the device's, and the bare loop's */
	struct xsk xsk;
	int packet, bare_packet;           /* what fills the queue of each */
	bool (*drain)(struct rx_bench *b); /* the bare loop; false: not all frames were there */
	const uint8_t *frame;
	unsigned len;
	unsigned n;      /* frames of a window */
	uint64_t posted; /* buffers so far: they come back in order */
	double result;
};

static void fill(struct rx_bench *b, int packet)
{
	b->result = packet_send(packet, b->frame, b->len, b->n) == b->n ? 0 : -1;
}

static void fill_device(void *arg)
{
	struct rx_bench *b = arg;

	fill(b, b->packet);
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

	measure_worker_run(fill_device, b);
	if (b->result < 0 || !measure_task_sleeps(&b->subject.task))
		return -1;
	before = measure_task_times(&b->subject.task);
	while (got < b->n) {
		room = ring_reserve(r, b->n - posted);
		if (room >= r->size / 4 || (room && room == b->n - posted)) {
			posted += room;
			post(b, room);
		}
		take_back(b, &got);
	}
	if (!measure_task_sleeps(&b->subject.task))
		return -1;
	return (double)(measure_task_times(&b->subject.task).cpu_ns - before.cpu_ns) / b->n;
}

static bool drain_tap(struct rx_bench *b)
{
	const struct driver_net *net = b->subject.net;
	uint8_t *bufs = net->pairs[0].rx_bufs;
	unsigned n = 0;

	while (read(b->tap.fd, bufs + (size_t)(n % net->n_rx) * net->rx_stride,
		    net->cfg.rx_buf_len) > 0)
		n++;
	return n == b->n;
}

/* One frame out of the ring, with an empty header before it. */
static void copy_one(struct rx_bench *b, uint8_t *to)
{
	struct xdp_ring *rx = &b->xsk.rx, *back = &b->xsk.fill;
	const struct xdp_desc *d = xdp_ring_desc(rx, rx->idx++);

	memset(to, 0, NET_HDR_LEN);
	memcpy(to + NET_HDR_LEN, b->xsk.umem + d->addr, d->len);
	*xdp_ring_addr(back, back->idx++) = d->addr & ~(uint64_t)(XSK_CHUNK - 1);
}

static bool drain_xdp(struct rx_bench *b)
{
	const struct driver_net *net = b->subject.net;
	uint8_t *bufs = net->pairs[0].rx_bufs;
	unsigned n = 0, ready;

	while ((ready = xdp_ring_ready(&b->xsk.rx, 1))) {
		for (ready = min_u64(ready, XDP_BATCH); ready; ready--, n++)
			copy_one(b, bufs + (size_t)(n % net->n_rx) * net->rx_stride);
		xdp_ring_release(&b->xsk.rx);
		xdp_ring_submit(&b->xsk.fill);
	}
	return n == b->n;
}

static void bare_loop(void *arg)
{
	struct rx_bench *b = arg;
	uint64_t start;

	fill(b, b->bare_packet);
	if (b->result < 0)
		return;
	start = measure_thread_cpu_ns();
	if (!b->drain(b))
		measure_die("not all of %u frames came out again", b->n);
	b->result = (double)(measure_thread_cpu_ns() - start) / b->n;
}

static double bare_window(void *ctx)
{
	struct rx_bench *b = ctx;

	/* On a tap the device looks into the queue once when it wakes up, and has no buffers. */
	measure_worker_run(bare_loop, b);
	if (!measure_task_sleeps(&b->subject.task))
		return -1;
	return b->result;
}

/* Use up the buffers that the driver posted when it started. */
static void starve(struct rx_bench *b)
{
	unsigned n = b->n, got = 0;

	b->n = b->subject.net->n_rx;
	measure_worker_run(fill_device, b);
	while (got < b->n)
		take_back(b, &got);
	b->n = n;
	ring_disarm_call(&b->subject.net->pairs[0].rx);
	if (!measure_task_sleeps(&b->subject.task))
		measure_die("the device does not sleep without buffers");
}

static void compare(struct rx_bench *b, const struct bench_options *opt, struct bench_row *row)
{
	struct measure_contest contest = { .ctx = b,
					   .subject = device_window,
					   .ceiling = bare_window,
					   .task = &b->subject.task,
					   .pairs = bench_scale(opt, 60, 4) };

	starve(b);
	row->got = measure_contest_run(&contest);
	bench_report(row);
	subject_stop(&b->subject);
}

static void tap_case(const struct bench_options *opt, unsigned len, const char *name,
		     uint64_t without)
{
	uint8_t frame[FRAME_MAX];
	struct rx_bench b = { .drain = drain_tap, .frame = frame, .len = len };
	struct subject_config cfg = { .program = opt->txringd,
				      .txmode = "iothread",
				      .features = DRIVER_NET_FEATURES & ~without,
				      .ring_size = RING_SIZE };
	struct bench_row row = {
		.bench = "rx-tap", .unit = "ns/frame", .ceiling = "bare read()", .max_ratio = 1.15
	};

	snprintf(row.what, sizeof(row.what), "rx tap, %u bytes, %s", len, name);
	packet_frame(frame, len);
	tapdev_init(&b.tap, "brx0");
	b.packet = b.bare_packet = b.tap.packet;
	b.n = TAPDEV_QUEUE - 96;
	cfg.tap_fd = b.tap.fd;
	subject_start(&b.subject, &cfg);
	compare(&b, opt, &row);
	tapdev_deinit(&b.tap);
}

void bench_rx_tap(const struct bench_options *opt)
{
	static const uint64_t mergeable = FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	static const unsigned lens[] = { 64, 1514 };

	for (unsigned i = 0; i < array_size(lens); i++) {
		tap_case(opt, lens[i], "plain", mergeable | FEATURES_GUEST_LARGE);
		tap_case(opt, lens[i], "mergeable", FEATURES_GUEST_LARGE);
		tap_case(opt, lens[i], "GUEST_TSO", mergeable);
		tap_case(opt, lens[i], "mergeable, GUEST_TSO", 0);
	}
}

static void xdp_case(const struct bench_options *opt, unsigned len, const char *name,
		     uint64_t without)
{
	uint8_t frame[FRAME_MAX];
	struct rx_bench b = { .drain = drain_xdp, .frame = frame, .len = len };
	struct subject_config cfg = { .program = opt->txringd,
				      .txmode = "iothread",
				      .tap_fd = -1,
				      .backend = "xdp:brs",
				      .features = DRIVER_NET_FEATURES & ~without,
				      .ring_size = XSK_RING };
	struct bench_row row = { .bench = "rx-xdp", .unit = "ns/frame", .ceiling = "bare AF_XDP" };

	snprintf(row.what, sizeof(row.what), "rx xdp, %u bytes, %s", len, name);
	packet_frame(frame, len);
	veth_init(&b.veth, "brs");
	veth_init(&b.bare_veth, "brb");
	xsk_init(&b.xsk, b.bare_veth.name);
	veth_redirect(&b.bare_veth, b.xsk.fd);
	b.packet = b.veth.packet;
	b.bare_packet = b.bare_veth.packet;
	b.n = XDP_RX_CHUNKS - 96;
	subject_start(&b.subject, &cfg);
	compare(&b, opt, &row);
	xsk_deinit(&b.xsk);
	veth_deinit(&b.bare_veth);
	veth_deinit(&b.veth);
}

void bench_rx_xdp(const struct bench_options *opt)
{
	static const unsigned lens[] = { 64, 1514 };

	if (!bench_has_xdp(opt, "rx-xdp"))
		return;
	for (unsigned i = 0; i < array_size(lens); i++) {
		xdp_case(opt, lens[i], "plain", FEATURE(VIRTIO_NET_F_MRG_RXBUF));
		xdp_case(opt, lens[i], "mergeable", 0);
	}
}
