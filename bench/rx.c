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
#define STARVE    64 /* frames at once that use up buffers */
#define TRIES     100
#define WAIT_NS   1000000000
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
	unsigned n;                /* frames of a window */
	unsigned n_fill;           /* frames that fill() sends */
	uint64_t posted, returned; /* buffers so far: they come back in order */
	double result;
};

static void fill(struct rx_bench *b, int packet)
{
	b->result = packet_send(packet, b->frame, b->len, b->n_fill) == b->n_fill ? 0 : -1;
}

static void fill_device(void *arg)
{
	struct rx_bench *b = arg;

	fill(b, b->packet);
}

static void take_back(struct rx_bench *b)
{
	struct ring *r = &b->subject.net->pairs[0].rx;
	enum ring_outcome outcome = RING_EMPTY;
	struct ring_used u;

	if (!ring_peek(r))
		return;
	while ((outcome = ring_use(r, &u)) == RING_USED) {
		b->returned++;
		if (u.len != b->len + b->subject.net->hdr_len)
			measure_die("a frame of %u bytes came as %u", b->len, u.len);
	}
	if (outcome == RING_BROKEN)
		measure_die("the device broke the ring: %s", ring_fault_name(r->fault));
}

/* Until all buffers but so many are back; false: they are not within a second. */
static bool take_back_until(struct rx_bench *b, uint64_t left)
{
	uint64_t end = measure_now_ns() + WAIT_NS;

	while (b->posted - b->returned > left) {
		take_back(b);
		if (measure_now_ns() > end)
			return false;
	}
	return true;
}

/* Use up the buffers that the device has. On their way through a veth frames may get lost. */
static void starve(struct rx_bench *b)
{
	unsigned tries;
	uint64_t left;

	for (tries = 0; tries < TRIES && b->posted != b->returned; tries++) {
		do {
			left = b->posted - b->returned;
			b->n_fill = (unsigned)min_u64(left, STARVE);
			measure_worker_run(fill_device, b);
		} while (take_back_until(b, left - b->n_fill) && left != b->n_fill);
	}
	if (b->posted != b->returned)
		measure_die("frames do not arrive");
	b->n_fill = b->n;
	ring_disarm_call(&b->subject.net->pairs[0].rx);
	if (!measure_task_sleeps(&b->subject.task))
		measure_die("the device does not sleep without buffers");
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

/*
 * Post exactly as many buffers as frames wait: the ring is empty again when all came. Not all came
 * if some got lost while the queue was filled, on a busy machine: then use up what was posted.
 */
static double device_window(void *ctx)
{
	struct rx_bench *b = ctx;
	struct ring *r = &b->subject.net->pairs[0].rx;
	struct measure_times before;
	unsigned left = b->n, room;
	uint64_t end;

	measure_worker_run(fill_device, b);
	if (b->result < 0 || !measure_task_sleeps(&b->subject.task))
		return -1;
	before = measure_task_times(&b->subject.task);
	end = measure_now_ns() + WAIT_NS;
	while (b->posted != b->returned || left) {
		room = ring_reserve(r, left);
		if (room >= r->size / 4 || (room && room == left)) {
			left -= room;
			post(b, room);
		}
		take_back(b);
		if (measure_now_ns() > end) {
			starve(b);
			return -1;
		}
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
	b->result = b->drain(b) ? (double)(measure_thread_cpu_ns() - start) / b->n : -1;
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

static void compare(struct rx_bench *b, const struct bench_options *opt, struct bench_row *row)
{
	struct measure_contest contest = { .ctx = b,
					   .subject = device_window,
					   .ceiling = bare_window,
					   .task = &b->subject.task,
					   .pairs = bench_scale(opt, 60, 4) };

	b->posted = b->subject.net->n_rx;
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
				      .ring_size = XDP_RX_CHUNKS };
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
