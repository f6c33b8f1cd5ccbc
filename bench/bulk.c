/* SPDX-License-Identifier: MIT */
/*
 * What a frame of a bulk flow costs on its way out to a tap, in CPU time of txringd, from a driver
 * that cannot segment late: with and without coalescing, beside a bare loop of write(), and beside
 * a bare writev() of as many frames as a batch has. And what coalescing costs where there is
 * nothing to merge.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/subject.h"
#include "bench/tapdev.h"
#include "datapath/layers.h"
#include "datapath/offload.h"
#include "virtio/base.h"

#define OFFER   32 /* chains that the driver fills before it makes them visible */
#define BATCH   64 /* frames that the bare writev() takes for one */
#define FLOWS   64
#define ETH     14
#define HDR_MAX (NET_HDR_LEN + ETH + 20 + 20)

/* A load. */
struct flow_kind {
	const char *name;
	uint32_t payload;
	unsigned flows; /* that take turns, frame by frame */
	bool udp;
	bool complete; /* its checksums are; else they are the pseudo-header's */
};

struct bulk_bench {
	struct flow_kind kind;
	struct subject on, off;
	struct tapdev tap;   /* of the bare loops */
	unsigned n;          /* frames of a window */
	uint32_t at[FLOWS];  /* payload that each flow has sent */
	uint16_t ids[FLOWS]; /* IPv4 ids */
	unsigned turn;
	uint8_t bare[HDR_MAX + 65536];
};

static uint32_t l4_len(const struct flow_kind *k)
{
	return k->udp ? UDP_LEN : TCP_MIN;
}

static uint32_t frame_len(const struct flow_kind *k)
{
	return ETH + IPV4_MIN + l4_len(k) + k->payload;
}

/* Headers of a frame with so much payload; the next of its flow. */
static void write_headers(struct bulk_bench *b, uint8_t *to, unsigned flow, uint32_t payload)
{
	const struct flow_kind *k = &b->kind;
	uint8_t *frame = to + NET_HDR_LEN, *ip = frame + ETH, *l4 = ip + IPV4_MIN;
	uint32_t len = l4_len(k) + payload;
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = ETH + IPV4_MIN,
				       .csum_offset = k->udp ? UDP_CSUM_AT : TCP_CSUM_AT };
	struct layers at = { .l3 = ETH, .l4 = ETH + IPV4_MIN, .proto = k->udp ? 17 : 6 };

	memset(to, 0, HDR_MAX);
	memset(frame, 2, ETHERTYPE_AT);
	put16(frame + ETHERTYPE_AT, ETHERTYPE_IPV4);
	ip[0] = 0x45;
	put16(ip + IPV4_LEN_AT, IPV4_MIN + len);
	put16(ip + IPV4_ID_AT, b->ids[flow]++);
	ip[8] = 64;
	ip[IPV4_PROTO_AT] = at.proto;
	put32(ip + IPV4_ADDR_AT, 0x0a000001);
	put32(ip + IPV4_ADDR_AT + 4, 0x0a000002);
	put_sum(ip + IPV4_CSUM_AT, sum_finish(offload_sum(ip, IPV4_MIN), false));
	put16(l4, 1000 + flow);
	put16(l4 + 2, 9);
	if (k->udp) {
		put16(l4 + UDP_LEN_AT, len);
	} else {
		put32(l4 + TCP_SEQ_AT, b->at[flow]);
		l4[TCP_DOFF_AT] = 0x50;
		l4[TCP_FLAGS_AT + 1] = 0x10;
	}
	put_sum(l4 + h.csum_offset, layers_pseudo_sum(&at, frame, len));
	b->at[flow] += payload;
	if (k->complete)
		offload_csum(frame, ETH + IPV4_MIN + len, &h);
	else
		memcpy(to, &h, sizeof(h));
}

/* The daemon. */

static unsigned offer(struct bulk_bench *b, struct driver_net *net, unsigned n, uint64_t *back)
{
	struct driver_net_pair *p = &net->pairs[0];
	struct chain_part part = { .len = net->hdr_len + frame_len(&b->kind) };
	unsigned room = ring_reserve(&p->tx, n), i;

	for (i = 0; i < room; i++) {
		/* Chains come back in order: the free buffers are those behind the last one. */
		uint64_t at = p->tx_next[0] * (uint64_t)net->tx_stride;

		p->tx_next[0] = (uint16_t)((p->tx_next[0] + 1U) & (p->tx.size - 1U));
		part.addr = p->tx_gpa + at;
		write_headers(b, p->tx_bufs + at, b->turn, b->kind.payload);
		b->turn = (b->turn + 1) % b->kind.flows;
		ring_fill(&p->tx, part, 0);
	}
	if (room) {
		ring_submit(&p->tx);
		ring_kick(&p->tx);
	}
	if (room < OFFER)
		*back += subject_reap(&p->tx, 0);
	return room;
}

static double send(struct bulk_bench *b, struct subject *s)
{
	uint64_t before = subject_cpu_ns(s), offered = 0, back = 0;

	while (back < b->n)
		offered += offer(b, s->net, (unsigned)min_u64(OFFER, b->n - offered), &back);
	if (!measure_thread_sleeps(s->tid))
		return -1;
	return (double)(subject_cpu_ns(s) - before) / (double)b->n;
}

static double on_window(void *ctx)
{
	struct bulk_bench *b = ctx;

	return send(b, &b->on);
}

static double off_window(void *ctx)
{
	struct bulk_bench *b = ctx;

	return send(b, &b->off);
}

/* The bare loops, on the worker. */

static double write_window(void *ctx)
{
	struct bulk_bench *b = ctx;
	size_t len = NET_HDR_LEN + frame_len(&b->kind);
	uint64_t start;

	write_headers(b, b->bare, 0, b->kind.payload);
	start = measure_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < b->n; i++) {
		if (write(b->tap.fd, b->bare, len) < 0)
			measure_die("write: %s", strerror(errno));
	}
	return (double)(measure_ns(CLOCK_THREAD_CPUTIME_ID) - start) / b->n;
}

/*
 * As many frames in one as IP can say, BATCH at most: a header, and each payload from the next of
 * the buffers that the daemon's driver has, so that as much memory is read as there.
 */
static double writev_window(void *ctx)
{
	struct bulk_bench *b = ctx;
	const struct flow_kind *k = &b->kind;
	struct virtio_net_hdr_v1 *h = (void *)b->bare;
	unsigned n = (unsigned)min_u64(BATCH, (UINT16_MAX - 60) / k->payload), done, buf = 0;
	const struct driver_net *net = b->on.net;
	const uint8_t *bufs = net->pairs[0].tx_bufs;
	struct iovec iov[BATCH + 1];
	uint64_t start;

	write_headers(b, b->bare, 0, n * k->payload);
	h->gso_type = k->udp ? VIRTIO_NET_HDR_GSO_UDP_L4 : VIRTIO_NET_HDR_GSO_TCPV4;
	h->gso_size = (uint16_t)k->payload;
	h->hdr_len = (uint16_t)(ETH + IPV4_MIN + l4_len(k));
	iov[0] = (struct iovec){ b->bare, NET_HDR_LEN + h->hdr_len };
	start = measure_ns(CLOCK_THREAD_CPUTIME_ID);
	for (done = 0; done < b->n; done += n) {
		for (unsigned i = 1; i <= n; i++, buf = (buf + 1) % net->pairs[0].tx.size)
			iov[i] = (struct iovec){ (void *)(bufs + buf * net->tx_stride + HDR_MAX),
						 k->payload };
		if (writev(b->tap.fd, iov, (int)n + 1) < 0)
			measure_die("writev: %s", strerror(errno));
	}
	return (double)(measure_ns(CLOCK_THREAD_CPUTIME_ID) - start) / done;
}

/* The rows. */

static void bulk_case(const struct bench_options *opt, const struct flow_kind *kind)
{
	struct bulk_bench b = { .kind = *kind, .n = opt->quick ? 10240 : 40960 };
	struct measure_row row = { .bench = "bulk",
				   .unit = "ns/frame",
				   .pairs = bench_pairs_of(opt, 40) };
	bool mixed = kind->flows > 1;

	tapdev_init(&b.tap, "bulk2");
	subject_start(&b.on, opt->txringd,
		      &(struct subject_config){
			      .backend = "tap:bulk0", .ring_size = 256, .coalesce = true });
	subject_start(&b.off, opt->txringd,
		      &(struct subject_config){ .backend = "tap:bulk1", .ring_size = 256 });
	measure_shell("ip link set bulk0 up && ip link set bulk1 up");
	ring_disarm_call(&b.on.net->pairs[0].tx);
	ring_disarm_call(&b.off.net->pairs[0].tx);
	row.tid = b.on.tid;
	row.subject = on_window;
	row.ceiling = "coalesce off";
	row.against = off_window;
	row.max_ratio = mixed ? 1.02 : 1 / 6.0;
	measure_row(&row, &b, "tx tap, %s", kind->name);
	if (!mixed) {
		row.against_by_worker = true;
		row.ceiling = "bare write()";
		row.against = write_window;
		measure_row(&row, &b, "tx tap, %s", kind->name);
		row.ceiling = "bare writev()";
		row.max_ratio = 0;
		row.against = writev_window;
		measure_row(&row, &b, "tx tap, %s", kind->name);
	}
	subject_stop(&b.off);
	subject_stop(&b.on);
	tapdev_deinit(&b.tap);
}

void bench_bulk(const struct bench_options *opt)
{
	static const struct flow_kind kinds[] = {
		{ "TCP, 1448 bytes", 1448, 1, false, false },
		{ "TCP, 1448 bytes, sums made", 1448, 1, false, true },
		{ "UDP, 1472 bytes", 1472, 1, true, false },
		{ "TCP, 64 flows, 64 bytes", 64, 64, false, false },
		{ "TCP, 2 flows, 64 bytes", 64, 2, false, false },
	};

	for (unsigned i = 0; i < array_size(kinds); i++)
		bulk_case(opt, &kinds[i]);
}
