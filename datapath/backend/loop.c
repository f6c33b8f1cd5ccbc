/* SPDX-License-Identifier: MIT */
/*
 * What goes out on a pair comes back in on it. tx() notes the header and where the rest lies; rx()
 * copies that from guest memory to guest memory, and the frame is complete for tx_done().
 *
 * The frames' iovecs lie behind each other in a ring. The guest may change a frame while it is
 * here, or let a buffer overlap it: it gets what it wrote.
 */
#include "datapath/backend/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/base.h"

struct loop_frame {
	struct virtio_net_hdr_v1 hdr;
	uint32_t len; /* without header */
	uint16_t n_iov;
	uint16_t n_chains;
};

struct loop_queue {
	struct backend_queue base;
	/*
	 * hot: the iothread. Indices run free; frames wait from frame_head on, iovecs in
	 * [iov_head, iov_tail)
	 */
	uint32_t frame_head;
	uint32_t waiting; /* frames */
	uint32_t iov_head, iov_tail;
	unsigned done; /* complete, but not yet reported by tx_done */
	unsigned hdr_len;
	struct loop_frame frames[LOOP_FRAMES];
	struct iovec iov[LOOP_IOVS];
};

struct loop_backend {
	struct backend base;
	char describe[32];
	struct loop_queue *list; /* the queues themselves */
	struct backend_queue *queues[];
};

static int loop_start(struct backend *backend, uint64_t features, unsigned hdr_len)
{
	struct loop_backend *lb = container_of(backend, struct loop_backend, base);
	unsigned i;

	(void)features;
	for (i = 0; i < backend->n_queues; i++)
		lb->list[i].hdr_len = hdr_len;
	return 0;
}

static void loop_free(struct backend *backend)
{
	struct loop_backend *lb = container_of(backend, struct loop_backend, base);

	free(lb->list);
	free(lb);
}

static bool loop_fits(const struct loop_queue *q, const struct frame *f)
{
	return q->waiting < LOOP_FRAMES && q->iov_tail - q->iov_head + f->n_iov <= LOOP_IOVS;
}

static unsigned loop_tx(struct backend_queue *base, const struct frame *frames, unsigned n,
			struct tx_stats *stats)
{
	struct loop_queue *q = container_of(base, struct loop_queue, base);
	unsigned i, k;

	(void)stats;
	for (i = 0; i < n && loop_fits(q, &frames[i]); i++) {
		const struct frame *f = &frames[i];

		q->frames[(q->frame_head + q->waiting++) % LOOP_FRAMES] =
			(struct loop_frame){ f->hdr, f->len, f->n_iov, f->n_chains };
		for (k = 0; k < f->n_iov; k++)
			q->iov[q->iov_tail++ % LOOP_IOVS] = f->iov[k];
	}
	if (q->waiting)
		backend_wake(base, BACKEND_FRAMES);
	return i;
}

static unsigned loop_tx_done(struct backend_queue *base)
{
	struct loop_queue *q = container_of(base, struct loop_queue, base);
	unsigned done = q->done;

	q->done = 0;
	return done;
}

/* The first frame has left. */
static void loop_drop_first(struct loop_queue *q)
{
	q->iov_head += q->frames[q->frame_head++ % LOOP_FRAMES].n_iov;
	q->waiting--;
	q->done++;
}

static bool loop_tx_cancel(struct backend_queue *base, struct tx_stats *stats)
{
	struct loop_queue *q = container_of(base, struct loop_queue, base);

	while (q->waiting) {
		count_add(&stats->drop_backend, q->frames[q->frame_head % LOOP_FRAMES].n_chains);
		loop_drop_first(q);
	}
	return true;
}

/*
 * Frames of one piece that fit into the first piece of their room, as most are: how many were
 * delivered before one that is not.
 */
static unsigned loop_deliver_simple(struct loop_queue *q, struct frame *frames, unsigned n)
{
	uint32_t head = q->frame_head, iov_head = q->iov_head;
	unsigned i;

	for (i = 0; i < n && i < q->waiting; i++) {
		const struct loop_frame *from = &q->frames[(head + i) % LOOP_FRAMES];
		const struct iovec *room = frames[i].iov;

		if (from->n_iov != 1 || from->len + q->hdr_len > room->iov_len)
			break;
		frame_put_header(room->iov_base, &from->hdr);
		memmove((uint8_t *)room->iov_base + q->hdr_len,
			q->iov[(iov_head + i) % LOOP_IOVS].iov_base, from->len);
		frames[i].len = q->hdr_len + from->len;
	}
	q->frame_head += i;
	q->iov_head += i;
	q->waiting -= i;
	q->done += i;
	return i;
}

/* The first frame into f. */
static void loop_deliver(struct loop_queue *q, struct frame *f, struct spill *spill)
{
	const struct loop_frame *from = &q->frames[q->frame_head % LOOP_FRAMES];
	struct frame_cursor to = { .iov = f->iov, .room = f->len, .spill = spill };
	unsigned i;

	frame_copy(&to, (const uint8_t *)&from->hdr, q->hdr_len);
	for (i = 0; i < from->n_iov; i++) {
		const struct iovec *iov = &q->iov[(q->iov_head + i) % LOOP_IOVS];

		frame_copy(&to, iov->iov_base, iov->iov_len);
	}
	f->len = q->hdr_len + from->len - spill->used;
}

static unsigned loop_rx(struct backend_queue *base, struct frame *frames, unsigned n,
			struct spill *spill, struct rx_stats *stats)
{
	struct loop_queue *q = container_of(base, struct loop_queue, base);
	unsigned got = loop_deliver_simple(q, frames, n);

	spill->used = 0;
	while (got < n && !spill->used && q->waiting) {
		const struct loop_frame *f = &q->frames[q->frame_head % LOOP_FRAMES];

		if (q->hdr_len + f->len > (uint64_t)frames[got].len + SPILL_SIZE)
			count_add(&stats->drop_size, 1);
		else
			loop_deliver(q, &frames[got++], spill);
		loop_drop_first(q);
	}
	if (q->done)
		backend_wake(base, BACKEND_ROOM | BACKEND_DONE);
	return got;
}

static const struct backend_ops loop_ops = {
	.name = "loop",
	.start = loop_start,
	.free = loop_free,
	.tx = loop_tx,
	.tx_done = loop_tx_done,
	.tx_cancel = loop_tx_cancel,
	.rx = loop_rx,
};

int loop_backend_new(struct backend **backend, unsigned n_queues)
{
	struct loop_backend *lb = calloc(1, sizeof(*lb) + n_queues * sizeof(lb->queues[0]));
	unsigned i;

	if (!lb)
		return -ENOMEM;
	lb->list = calloc(n_queues, sizeof(*lb->list));
	if (!lb->list) {
		free(lb);
		return -ENOMEM;
	}
	for (i = 0; i < n_queues; i++) {
		lb->list[i].base = (struct backend_queue){ .ops = &loop_ops,
							   .room = { .fd = -1 },
							   .done = { .fd = -1 },
							   .frames = { .fd = -1 },
							   .vhost_fd = -1,
							   .rx_waiting = &lb->list[i].waiting };
		lb->queues[i] = &lb->list[i].base;
	}
	snprintf(lb->describe, sizeof(lb->describe), "loop (%u queue%s)", n_queues,
		 n_queues == 1 ? "" : "s");
	lb->base = (struct backend){
		.ops = &loop_ops,
		.features = FEATURE(VIRTIO_NET_F_MRG_RXBUF),
		.n_queues = n_queues,
		.queues = lb->queues,
		.describe = lb->describe,
	};
	*backend = &lb->base;
	return 0;
}
