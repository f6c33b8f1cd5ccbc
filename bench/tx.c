/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs on its way out when the backend drops it: the ring alone, in CPU time of
 * txringd, with the driver on the other CPU.
 *
 * First with headers that the driver leaves as they are. Beside it the device half's verbs over a
 * ring that no other CPU touches: what the ring costs when nothing has to travel between caches.
 * The driver half's own cost is a row by itself: where it is the larger one, the device waits.
 *
 * Then with headers that the driver writes for each frame, as drivers do, so that one more line of
 * each frame has to travel. Beside it a loop that reads such lines and does nothing else.
 *
 * And over eight queue pairs that share one iothread, beside one pair: the driver offers frames in
 * turns of one batch.
 *
 * And through AF_XDP, onto a veth whose peer drops them in native XDP. Beside it a bare loop that
 * copies as many bytes and has no ring. Both rings are kept full: no CPU time is waiting.
 */
#include <string.h>
#include <unistd.h>

#include "bench/packet.h"
#include "bench/subject.h"
#include "bench/veth.h"
#include "bench/xsk.h"
#include "virtio/base.h"
#include "virtio/virtq.h"

#define FRAME_LEN   64
#define OFFER_BATCH 32 /* chains that the driver fills before it makes them visible */
#define POP_BATCH   64
#define PAIRS       8
#define XDP_BUFFERS 256
#define XDP_KICK    64

struct tx_bench {
	struct subject subject, one; /* one: with a single pair */
	bool fresh;
	uint64_t n;   /* frames of a window */
	uint32_t len; /* bytes of each */
	/* A ring whose both halves are here, and the memory of its frames. */
	struct arena arena;
	struct gmem mem;
	struct ring driver;
	struct virtq device;
	/* The bench writes all headers (given), the worker reads them (taken), in turn. */
	uint32_t given, taken;
	/* The bare loop, and as many frames as the guest's ring has. */
	struct xsk xsk;
	uint8_t (*frames)[XSK_CHUNK];
};

/* The daemon. */

/* Offer up to n frames on a pair, and take back what came into *back. How many were offered. */
static unsigned offer(const struct tx_bench *b, const struct driver_net *net,
		      struct driver_net_pair *p, unsigned n, uint64_t *back)
{
	struct chain_part part = { .len = net->hdr_len + b->len };
	unsigned room = ring_reserve(&p->tx, n), i;

	for (i = 0; i < room; i++) {
		/* Chains come back in order: the free buffers are those behind the last one. */
		uint64_t at = p->tx_next[0] * (uint64_t)net->tx_stride;

		p->tx_next[0] = (uint16_t)((p->tx_next[0] + 1U) & (p->tx.size - 1U));
		part.addr = p->tx_gpa + at;
		if (b->fresh)
			memset(p->tx_bufs + at, 0, NET_HDR_LEN);
		ring_fill(&p->tx, part, 0);
	}
	if (room) {
		ring_submit(&p->tx);
		ring_kick(&p->tx);
	}
	if (room < OFFER_BATCH)
		*back += subject_reap(&p->tx, 0);
	return room;
}

/*
 * Offer frames as fast as the rings take them, kick when a ring asks for that, until all came back
 * and the iothread sleeps. Its CPU time for each.
 */
static double send(const struct tx_bench *b, struct subject *s)
{
	uint64_t before = subject_cpu_ns(s), offered = 0, back = 0;
	unsigned n_pairs = s->net->cfg.n_pairs, turn = 0;

	for (; back < b->n; turn = (turn + 1) % n_pairs)
		offered += offer(b, s->net, &s->net->pairs[turn],
				 (unsigned)min_u64(OFFER_BATCH, b->n - offered), &back);
	if (!measure_thread_sleeps(s->tid))
		return -1;
	return (double)(subject_cpu_ns(s) - before) / (double)b->n;
}

static double send_window(void *ctx)
{
	struct tx_bench *b = ctx;

	return send(b, &b->subject);
}

static double send_one_window(void *ctx)
{
	struct tx_bench *b = ctx;

	return send(b, &b->one);
}

static void start(struct subject *s, const struct bench_options *opt, unsigned size, unsigned pairs)
{
	subject_start(s, opt->txringd,
		      &(struct subject_config){ .ring_size = size, .pairs = pairs });
	for (unsigned i = 0; i < pairs; i++)
		ring_disarm_call(&s->net->pairs[i].tx);
}

/* The ring alone. */

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

static void driver_round(struct ring *r, struct chain_part part)
{
	for (unsigned i = 0; i < r->size; i++)
		ring_fill(r, part, i);
	ring_submit(r);
}

/* The halves take turns over a full ring: the time of one of them for each frame. */
static double alone(struct tx_bench *b, bool device)
{
	const struct chain_part part = { .addr = b->arena.regions[0].gpa, .len = FRAME_LEN };
	uint64_t rounds = b->n / b->driver.size, took[2] = { 0 }, t[4];

	for (uint64_t i = 0; i < rounds; i++) {
		t[0] = measure_ns(CLOCK_MONOTONIC);
		driver_round(&b->driver, part);
		t[1] = measure_ns(CLOCK_MONOTONIC);
		device_round(&b->device);
		t[2] = measure_ns(CLOCK_MONOTONIC);
		subject_reap(&b->driver, 0);
		t[3] = measure_ns(CLOCK_MONOTONIC);
		took[true] += t[2] - t[1];
		took[false] += t[1] - t[0] + t[3] - t[2];
	}
	return (double)took[device] / (double)(rounds * b->driver.size);
}

static double alone_device(void *ctx)
{
	return alone(ctx, true);
}

static double alone_driver(void *ctx)
{
	return alone(ctx, false);
}

static void alone_init(struct tx_bench *b, unsigned size)
{
	const struct arena_span span = { .size = 1 << 20 };
	struct ring_config cfg = { .features = b->subject.net->features &
					       ~FEATURE(VIRTIO_F_IN_ORDER),
				   .size = size,
				   .kick_fd = -1 };
	struct virtq_config vq = { .mem = &b->mem,
				   .features = b->subject.net->features,
				   .size = (uint16_t)size,
				   .call = notifier_none(),
				   .err = notifier_none() };

	measure_check(arena_init(&b->arena, &span, 1, false), "memory");
	arena_alloc(&b->arena, 0, FRAME_LEN, FRAME_LEN);
	measure_check(ring_place(&cfg, &b->arena, 0), "ring");
	measure_check(ring_init(&b->driver, &cfg), "ring");
	measure_check(gmem_init(&b->mem), "memory");
	measure_check(gmem_add(&b->mem, span.gpa, span.size, 0, b->arena.fd, 0), "memory");
	vq.rings = cfg.areas;
	virtq_start(&b->device, &vq);
	ring_disarm_call(&b->driver);
}

static void alone_deinit(struct tx_bench *b)
{
	gmem_deinit(&b->mem);
	ring_deinit(&b->driver);
	arena_deinit(&b->arena);
}

/* Lines that travel. */

/* On the worker: read one word of each header that the bench's thread wrote. */
static double read_headers(void *ctx)
{
	struct tx_bench *b = ctx;
	const struct driver_net *net = b->subject.net;
	const uint8_t *bufs = net->pairs[0].tx_bufs;
	uint64_t took = 0, sum = 0, rounds = b->n / net->cfg.ring_size;

	for (uint64_t i = 0; i < rounds; i++) {
		while (load_acquire(&b->given) == b->taken)
			;
		took -= measure_ns(CLOCK_MONOTONIC);
		for (unsigned k = 0; k < net->cfg.ring_size; k++)
			sum += load_relaxed(
				(const uint32_t *)(const void *)(bufs + k * net->tx_stride));
		took += measure_ns(CLOCK_MONOTONIC);
		store_release(&b->taken, b->taken + 1);
	}
	if (sum)
		measure_die("a header is not empty");
	return (double)took / (double)(rounds * net->cfg.ring_size);
}

static double lines_window(void *ctx)
{
	struct tx_bench *b = ctx;
	const struct driver_net *net = b->subject.net;

	measure_worker_start(read_headers, b);
	for (uint64_t i = 0; i < b->n / net->cfg.ring_size; i++) {
		while (load_acquire(&b->taken) != b->given)
			;
		for (unsigned k = 0; k < net->cfg.ring_size; k++)
			memset(net->pairs[0].tx_bufs + (size_t)k * net->tx_stride, 0, NET_HDR_LEN);
		store_release(&b->given, b->given + 1);
	}
	return measure_worker_join();
}

/* AF_XDP without a ring. */

static double bare_xdp_window(void *ctx)
{
	struct tx_bench *b = ctx;
	uint64_t start = measure_ns(CLOCK_THREAD_CPUTIME_ID);

	for (uint64_t i = 0; i < b->n; i++) {
		xsk_add(&b->xsk, b->frames[i % XDP_BUFFERS], b->len);
		if (i % XDP_KICK == XDP_KICK - 1)
			xsk_kick(&b->xsk);
	}
	return (double)(measure_ns(CLOCK_THREAD_CPUTIME_ID) - start) / (double)b->n;
}

/* The rows. */

static uint64_t frames(const struct bench_options *opt)
{
	return (opt->quick ? 100 : 300) * 1024;
}

static void null_case(const struct bench_options *opt, unsigned size, bool fresh)
{
	struct tx_bench b = { .fresh = fresh, .n = frames(opt), .len = FRAME_LEN };
	struct measure_row row = { .bench = "tx-null",
				   .unit = "ns/frame",
				   .ceiling = fresh ? "reading its line" : "ring verbs in cache",
				   .max = 25,
				   .subject = send_window,
				   .against = fresh ? lines_window : alone_device,
				   .against_by_worker = !fresh,
				   .pairs = bench_pairs_of(opt, 100) };
	const struct measure_row driver = { .bench = "tx-null",
					    .unit = "ns/frame",
					    .subject = alone_driver,
					    .subject_by_worker = true,
					    .pairs = bench_pairs_of(opt, 100) };

	start(&b.subject, opt, size, 1);
	alone_init(&b, size);
	row.tid = b.subject.tid;
	measure_row(&row, &b, "tx null, %d bytes, ring %u%s", FRAME_LEN, size,
		    fresh ? ", fresh header" : "");
	if (!fresh)
		measure_row(&driver, &b, "driver half alone, ring %u", size);
	alone_deinit(&b);
	subject_stop(&b.subject);
}

void bench_tx_null(const struct bench_options *opt)
{
	null_case(opt, 256, false);
	null_case(opt, 1024, false);
	null_case(opt, 256, true);
	null_case(opt, 1024, true);
}

void bench_pairs(const struct bench_options *opt)
{
	struct tx_bench b = { .n = frames(opt), .len = FRAME_LEN };
	struct measure_row row = { .bench = "pairs",
				   .unit = "ns/frame",
				   .ceiling = "1 pair",
				   .max_ratio = 1.05,
				   .subject = send_window,
				   .against = send_one_window,
				   .pairs = bench_pairs_of(opt, 100) };

	start(&b.subject, opt, 256, PAIRS);
	start(&b.one, opt, 256, 1);
	row.tid = b.subject.tid;
	measure_row(&row, &b, "tx null, %d bytes, %d pairs of 256", FRAME_LEN, PAIRS);
	subject_stop(&b.one);
	subject_stop(&b.subject);
}

static void xdp_case(const struct bench_options *opt, uint32_t len)
{
	static uint8_t buffers[XDP_BUFFERS][XSK_CHUNK];
	struct tx_bench b = { .n = frames(opt) / 4, .len = len, .frames = buffers };
	struct measure_row row = { .bench = "tx-xdp",
				   .unit = "ns/frame",
				   .ceiling = "bare AF_XDP",
				   .max_ratio = 1.10,
				   .subject = send_window,
				   .against = bare_xdp_window,
				   .against_by_worker = true,
				   .pairs = bench_pairs_of(opt, 60) };
	int drops[2];

	veth_make("bts");
	veth_make("btb");
	drops[0] = veth_drop("btsp");
	drops[1] = veth_drop("btbp");
	xsk_init(&b.xsk, "btb");
	subject_start(&b.subject, opt->txringd,
		      &(struct subject_config){ .backend = "xdp:bts", .ring_size = XDP_BUFFERS });
	ring_disarm_call(&b.subject.net->pairs[0].tx);
	for (unsigned i = 0; i < XDP_BUFFERS; i++) {
		uint8_t *guests =
			b.subject.net->pairs[0].tx_bufs + (size_t)i * b.subject.net->tx_stride;

		packet_frame(buffers[i], len);
		memcpy(guests + b.subject.net->hdr_len, buffers[i], len);
	}
	row.tid = b.subject.tid;
	measure_row(&row, &b, "tx xdp, %u bytes", len);
	subject_stop(&b.subject);
	xsk_deinit(&b.xsk);
	close(drops[0]);
	close(drops[1]);
	veth_delete("btb");
	veth_delete("bts");
}

void bench_tx_xdp(const struct bench_options *opt)
{
	xdp_case(opt, 64);
	xdp_case(opt, PACKET_MAX);
}
