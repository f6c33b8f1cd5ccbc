/* SPDX-License-Identifier: MIT */
/*
 * What a frame costs on its way out through an AF_XDP socket in copy mode, in CPU time of the
 * iothread, beside a bare loop that copies the same buffers and kicks once for KICK of them. Each
 * has a veth of its own, whose peer drops in native XDP. Headers are written for each frame on the
 * other CPU.
 *
 * And what guest memory as UMEM would cost, so without the copy: a bare loop beside the bare loop.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/packet.h"
#include "bench/subject.h"
#include "bench/veth.h"
#include "bench/xsk.h"
#include "virtio/base.h"

#define RING_SIZE 256
#define KICK      64 /* frames a system call of the bare loops */
#define FRAME_MAX 1514

struct bare {
	struct veth veth;
	struct xsk xsk;
	bool copies;
};

struct xdp_bench {
	struct subject subject;
	struct veth veth; /* the subject's */
	struct bare copy, no_copy;
	struct bare *now; /* the one that runs */
	unsigned len;
	uint64_t n;    /* frames of a window, a multiple of the ring's size */
	uint64_t sent; /* by the subject */
	struct measure_turns turns;
	double result;
};

static double send_window(void *ctx)
{
	struct xdp_bench *b = ctx;

	b->sent += b->n;
	return subject_send(&b->subject, b->len, true, b->n);
}

/* Frames i to i + KICK - 1 of the buffers leave. */
static bool send_some(struct xdp_bench *b, uint64_t i)
{
	const struct driver_net *net = b->subject.net;
	struct xsk *x = &b->now->xsk;

	for (uint64_t end = i + KICK; i < end; i++) {
		uint8_t *frame =
			net->pairs[0].tx_bufs + i % RING_SIZE * net->tx_stride + net->hdr_len;
		uint64_t at = (uint64_t)(x->tx.idx % XSK_RING) * XSK_CHUNK;

		if (b->now->copies)
			memcpy(x->umem + at, frame, b->len);
		else
			at = (uint64_t)(frame - x->umem);
		xsk_add(x, at, b->len);
	}
	return xsk_kick(x);
}

static void bare_loop(void *arg)
{
	struct xdp_bench *b = arg;
	uint64_t start = measure_thread_cpu_ns(), waited = 0;
	bool good = true;

	for (uint64_t i = 0; i < b->n; i += KICK) {
		if (i % RING_SIZE == 0) {
			waited -= measure_thread_cpu_ns();
			measure_turns_wait_given(&b->turns);
			waited += measure_thread_cpu_ns();
		}
		good &= send_some(b, i);
		if ((i + KICK) % RING_SIZE == 0)
			measure_turns_take(&b->turns);
	}
	start += waited;
	b->result = good ? (double)(measure_thread_cpu_ns() - start) / (double)b->n : -1;
}

static double bare_window(struct xdp_bench *b, struct bare *bare)
{
	b->now = bare;
	measure_worker_start(bare_loop, b);
	subject_write_headers(&b->subject, &b->turns, b->n / RING_SIZE);
	measure_worker_join();
	return b->result;
}

static double copy_window(void *ctx)
{
	struct xdp_bench *b = ctx;

	return bare_window(b, &b->copy);
}

static double no_copy_window(void *ctx)
{
	struct xdp_bench *b = ctx;

	return bare_window(b, &b->no_copy);
}

static void check_arrived(const struct veth *v, uint64_t sent)
{
	uint64_t arrived = veth_arrived(v);

	if (arrived != sent)
		measure_die("%llu frames were sent, %llu arrived at %s", (unsigned long long)sent,
			    (unsigned long long)arrived, v->peer);
}

static void bare_deinit(struct bare *bare)
{
	check_arrived(&bare->veth, bare->xsk.sent);
	if (bare->xsk.completed != bare->xsk.sent)
		measure_die("%llu frames were sent, %llu are complete",
			    (unsigned long long)bare->xsk.sent,
			    (unsigned long long)bare->xsk.completed);
	xsk_deinit(&bare->xsk);
	veth_deinit(&bare->veth);
}

static void init(struct xdp_bench *b, const struct bench_options *opt)
{
	struct subject_config cfg = { .program = opt->txringd,
				      .txmode = "iothread",
				      .tap_fd = -1,
				      .backend = "xdp:bxs",
				      .ring_size = RING_SIZE };
	const struct arena_region *memory;

	b->n = bench_scale(opt, 16, 8) * 1024;
	veth_init(&b->veth, "bxs");
	veth_drop(&b->veth);
	subject_start(&b->subject, &cfg);
	veth_init(&b->copy.veth, "bxc");
	veth_drop(&b->copy.veth);
	xsk_init(&b->copy.xsk, b->copy.veth.name);
	b->copy.copies = true;
	veth_init(&b->no_copy.veth, "bxn");
	veth_drop(&b->no_copy.veth);
	memory = &b->subject.net->arena.regions[0];
	xsk_init_over(&b->no_copy.xsk, b->no_copy.veth.name, memory->host, memory->size);
}

static void deinit(struct xdp_bench *b)
{
	bare_deinit(&b->no_copy);
	bare_deinit(&b->copy);
	check_arrived(&b->veth, b->sent);
	subject_stop(&b->subject);
	veth_deinit(&b->veth);
}

static void compare(struct xdp_bench *b, const struct bench_options *opt)
{
	struct measure_contest contest = { .ctx = b,
					   .subject = send_window,
					   .ceiling = copy_window,
					   .task = &b->subject.task,
					   .pairs = bench_scale(opt, 100, 6) };
	struct bench_row row = {
		.bench = "tx-xdp", .unit = "ns/frame", .ceiling = "bare AF_XDP", .max_ratio = 1.10
	};

	row.got = measure_contest_run(&contest);
	snprintf(row.what, sizeof(row.what), "tx xdp, %u bytes, ring %d", b->len, RING_SIZE);
	bench_report(&row);
	contest.subject = no_copy_window;
	contest.task = NULL;
	row.got = measure_contest_run(&contest);
	row.max_ratio = 0;
	snprintf(row.what, sizeof(row.what), "bare, guest memory as UMEM, %u bytes", b->len);
	bench_report(&row);
}

void bench_tx_xdp(const struct bench_options *opt)
{
	static const unsigned lens[] = { 64, FRAME_MAX };
	uint8_t frame[FRAME_MAX];

	if (!bench_has_xdp(opt, "tx-xdp"))
		return;
	for (unsigned i = 0; i < array_size(lens); i++) {
		struct xdp_bench b = { .len = lens[i] };

		init(&b, opt);
		packet_frame(frame, b.len);
		subject_fill_tx(&b.subject, frame, b.len);
		compare(&b, opt);
		deinit(&b);
	}
}

bool bench_has_xdp(const struct bench_options *opt, const char *bench)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		printf("%s skipped: an AF_XDP socket: %s\n", bench, strerror(errno));
	else if (!subject_has_backend(opt->txringd, "xdp"))
		printf("%s skipped: txringd was built without its AF_XDP backend\n", bench);
	else
		return close(fd) == 0;
	if (fd >= 0)
		close(fd);
	return false;
}
