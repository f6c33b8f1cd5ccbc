/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs on its way in, in CPU time of txringd: a full tap queue, or AF_XDP ring, is
 * drained by the device, and by a bare loop into the same buffers: of read() on the same tap, or of
 * copies out of another AF_XDP socket's ring.
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

#include "bench/packet.h"
#include "bench/subject.h"
#include "bench/tapdev.h"
#include "bench/veth.h"
#include "bench/xsk.h"
#include "datapath/backend/xdp_sock.h"
#include "virtio/base.h"

#define MERGEABLE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define RING_SIZE 256
#define XDP_BATCH 64 /* frames that the bare loop gives back at once */
#define STARVE    64 /* frames at once that use up buffers */
#define TRIES     100
#define WAIT_NS   1000000000

struct rx_bench {
	struct subject subject;
	struct tapdev tap;
	struct xsk xsk;
	int packet, bare_packet; /* what fills the queue of the device, and of the bare loop */
	uint8_t frame[PACKET_MAX];
	unsigned len;
	unsigned n;                /* frames of a window */
	unsigned n_fill;           /* frames that fill() sends */
	uint64_t posted, returned; /* buffers so far: they come back in order */
};

/* On the worker. */
static double fill(void *ctx)
{
	struct rx_bench *b = ctx;

	return packet_send(b->packet, b->frame, b->len, b->n_fill) == b->n_fill ? 0 : -1;
}

static void take_back(struct rx_bench *b)
{
	struct driver_net *net = b->subject.net;

	b->returned += subject_reap(&net->pairs[0].rx, b->len + net->hdr_len);
}

/* Until all buffers but so many are back; false: they are not within a second. */
static bool take_back_until(struct rx_bench *b, uint64_t left)
{
	uint64_t end = measure_ns(CLOCK_MONOTONIC) + WAIT_NS;

	while (b->posted - b->returned > left) {
		take_back(b);
		if (measure_ns(CLOCK_MONOTONIC) > end)
			return false;
	}
	return true;
}

/* Use up the buffers that the device has. On their way through a veth frames may get lost. */
static void starve(struct rx_bench *b)
{
	uint64_t left;

	for (unsigned i = 0; i < TRIES && (left = b->posted - b->returned); i++) {
		b->n_fill = (unsigned)min_u64(left, STARVE);
		measure_worker_run(fill, b);
		i = take_back_until(b, left - b->n_fill) ? 0 : i;
	}
	if (b->posted != b->returned)
		measure_die("frames do not arrive");
	b->n_fill = b->n;
	ring_disarm_call(&b->subject.net->pairs[0].rx);
	if (!measure_thread_sleeps(b->subject.tid))
		measure_die("the device does not sleep without buffers");
}

static void post(struct rx_bench *b, unsigned n)
{
	const struct driver_net *net = b->subject.net;
	struct driver_net_pair *p = &net->pairs[0];
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
	unsigned left = b->n, room;
	uint64_t before, end;

	if (measure_worker_run(fill, b) < 0 || !measure_thread_sleeps(b->subject.tid))
		return -1;
	before = subject_cpu_ns(&b->subject);
	end = measure_ns(CLOCK_MONOTONIC) + WAIT_NS;
	while (b->posted != b->returned || left) {
		room = ring_reserve(r, left);
		if (room >= r->size / 4 || (room && room == left)) {
			left -= room;
			post(b, room);
		}
		take_back(b);
		if (measure_ns(CLOCK_MONOTONIC) > end) {
			starve(b);
			return -1;
		}
	}
	if (!measure_thread_sleeps(b->subject.tid))
		return -1;
	return (double)(subject_cpu_ns(&b->subject) - before) / b->n;
}

/* The bare loops, on the worker: how many frames they took. */

static uint8_t *buffer(const struct rx_bench *b, unsigned n)
{
	const struct driver_net *net = b->subject.net;

	return net->pairs[0].rx_bufs + (size_t)(n % net->n_rx) * net->rx_stride;
}

static unsigned drain_tap(struct rx_bench *b)
{
	unsigned n = 0;

	while (read(b->tap.fd, buffer(b, n), b->subject.net->cfg.rx_buf_len) > 0)
		n++;
	return n;
}

/* Each frame out of the ring, with an empty header before it. */
static unsigned drain_xdp(struct rx_bench *b)
{
	struct xdp_ring *rx = &b->xsk.rx, *back = &b->xsk.fill;
	const struct xdp_desc *d;
	unsigned n = 0, ready;
	uint8_t *to;

	while ((ready = xdp_ring_ready(rx, 1))) {
		for (ready = min_u64(ready, XDP_BATCH); ready; ready--) {
			d = xdp_ring_desc(rx, rx->idx++);
			to = buffer(b, n++);
			memset(to, 0, NET_HDR_LEN);
			memcpy(to + NET_HDR_LEN, b->xsk.umem + d->addr, d->len);
			*xdp_ring_addr(back, back->idx++) = d->addr & ~(uint64_t)(XSK_CHUNK - 1);
		}
		xdp_ring_release(rx);
		xdp_ring_submit(back);
	}
	return n;
}

static double bare_window(void *ctx)
{
	struct rx_bench *b = ctx;
	bool tap = b->packet == b->bare_packet;
	uint64_t start;
	unsigned n;

	if (packet_send(b->bare_packet, b->frame, b->len, b->n) != b->n)
		return -1;
	start = measure_ns(CLOCK_THREAD_CPUTIME_ID);
	n = tap ? drain_tap(b) : drain_xdp(b);
	return n == b->n ? (double)(measure_ns(CLOCK_THREAD_CPUTIME_ID) - start) / b->n : -1;
}

/* The rows. */

static void compare(struct rx_bench *b, const struct bench_options *opt, struct measure_row *row,
		    const struct subject_config *cfg, const char *name)
{
	row->unit = "ns/frame";
	row->subject = device_window;
	row->against = bare_window;
	row->against_by_worker = true;
	row->pairs = bench_pairs_of(opt, 60);
	packet_frame(b->frame, b->len);
	subject_start(&b->subject, opt->txringd, cfg);
	row->tid = b->subject.tid;
	b->posted = b->subject.net->n_rx;
	starve(b);
	measure_row(row, b, "%.2s %s, %u bytes, %s", row->bench, row->bench + 3, b->len, name);
	subject_stop(&b->subject);
}

static void tap_case(const struct bench_options *opt, unsigned len, const char *name,
		     uint64_t without)
{
	struct rx_bench b = { .len = len, .n = TAPDEV_QUEUE - 96 };
	struct measure_row row = { .bench = "rx-tap", .ceiling = "bare read()", .max_ratio = 1.15 };
	char backend[24];

	tapdev_init(&b.tap, "brx0");
	b.packet = b.bare_packet = packet_open("brx0");
	snprintf(backend, sizeof(backend), "tap-fd:%d", b.tap.fd);
	compare(&b, opt, &row,
		&(struct subject_config){
			.backend = backend, .without = without, .ring_size = RING_SIZE },
		name);
	close(b.packet);
	tapdev_deinit(&b.tap);
}

void bench_rx_tap(const struct bench_options *opt)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned len = i ? PACKET_MAX : 64;

		tap_case(opt, len, "plain", MERGEABLE | FEATURES_GUEST_LARGE);
		tap_case(opt, len, "mergeable", FEATURES_GUEST_LARGE);
		tap_case(opt, len, "GUEST_TSO", MERGEABLE);
		tap_case(opt, len, "mergeable, GUEST_TSO", 0);
	}
}

static void xdp_case(const struct bench_options *opt, unsigned len, const char *name,
		     uint64_t without)
{
	struct rx_bench b = { .len = len, .n = XDP_RX_CHUNKS - 96 };
	struct measure_row row = { .bench = "rx-xdp", .ceiling = "bare AF_XDP" };
	int link;

	veth_make("brs");
	veth_make("brb");
	xsk_init(&b.xsk, "brb");
	link = veth_redirect("brb", b.xsk.fd);
	b.packet = packet_open("brsp");
	b.bare_packet = packet_open("brbp");
	compare(&b, opt, &row,
		&(struct subject_config){
			.backend = "xdp:brs", .without = without, .ring_size = XDP_RX_CHUNKS },
		name);
	close(b.packet);
	close(b.bare_packet);
	close(link);
	xsk_deinit(&b.xsk);
	veth_delete("brb");
	veth_delete("brs");
}

void bench_rx_xdp(const struct bench_options *opt)
{
	for (unsigned i = 0; i < 2; i++) {
		xdp_case(opt, i ? PACKET_MAX : 64, "plain", MERGEABLE);
		xdp_case(opt, i ? PACKET_MAX : 64, "mergeable", 0);
	}
}
