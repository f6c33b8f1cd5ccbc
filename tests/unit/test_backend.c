/* SPDX-License-Identifier: MIT */
/*
 * The difficult backend of test_backend.h. Host failures abort: this is a test.
 */
#include "tests/unit/test_backend.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "virtio/base.h"

/* Most frames that tx() takes, and that complete, at a time when it chooses by itself. */
#define AUTO_FEW 8

/* A frame taken, whose bytes are still where they were. */
struct held {
	struct held *next;
	bool refused;
	struct virtio_net_hdr_v1 hdr;
	uint32_t len;
	uint16_t n_chains;
	unsigned n_iov;
	struct iovec iov[];
};

/* A frame that rx() will give. */
struct given {
	struct given *next;
	uint32_t len;
	uint8_t bytes[];
};

struct test_queue {
	struct backend_queue base;
	struct test_backend *owner;
	unsigned index;
	unsigned room;
	unsigned refuse;
	struct held *held, **held_last;
	unsigned n_held;
	unsigned done;  /* completed, not reported */
	bool told_full; /* a frame was not taken */
	struct given *given, **given_last;
	unsigned n_given;
	unsigned rx_limit;
	struct test_backend_counts counts;
};

struct test_backend {
	struct backend base;
	struct test_backend_config cfg;
	uint64_t random;
	unsigned hdr_len; /* by start() */
	struct test_queue *queues;
	struct backend_queue **pointers;
};

static struct test_queue *queue_of(const struct backend *backend, unsigned queue)
{
	return container_of(backend->queues[queue], struct test_queue, base);
}

static struct test_queue *from_base(struct backend_queue *bq)
{
	return container_of(bq, struct test_queue, base);
}

static bool fd_is_set(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Make an eventfd readable, or not. */
static void fd_put(int fd, bool set)
{
	eventfd_t n;
	int err = 0;

	if (set && !fd_is_set(fd))
		err = eventfd_write(fd, 1);
	else if (!set && fd_is_set(fd))
		err = eventfd_read(fd, &n);
	assert(!err);
}

static bool tx_news(const struct test_queue *q)
{
	return q->done || (q->told_full && q->room);
}

/* Scripted, with fds: they say what is the case. */
static void tx_level(struct test_queue *q)
{
	if (q->owner->cfg.fds && !q->owner->cfg.delay_ns)
		fd_put(q->base.room.fd, tx_news(q));
}

static void tx_tell(struct test_queue *q)
{
	if (q->owner->cfg.fds)
		tx_level(q);
	else if (tx_news(q))
		backend_wake(&q->base, (BACKEND_ROOM | BACKEND_DONE));
}

static void report(struct test_queue *q, const struct held *h)
{
	const struct test_backend_config *cfg = &q->owner->cfg;
	uint8_t *bytes = malloc(h->len), *at = bytes;
	unsigned i;

	assert(bytes);
	for (i = 0; i < h->n_iov; i++) {
		memcpy(at, h->iov[i].iov_base, h->iov[i].iov_len);
		at += h->iov[i].iov_len;
	}
	if (cfg->sent)
		cfg->sent(cfg->ctx, q->index, &h->hdr, bytes, h->len, !h->refused);
	free(bytes);
}

static void complete_oldest(struct test_queue *q)
{
	struct held *h = q->held;

	q->held = h->next;
	if (!q->held)
		q->held_last = &q->held;
	q->n_held--;
	q->done++;
	report(q, h);
	free(h);
}

static unsigned complete(struct test_queue *q, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && q->n_held; i++)
		complete_oldest(q);
	return i;
}

/* The lengths are the iovecs'. */
static bool frame_ok(const struct frame *f)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < f->n_iov; i++)
		sum += f->iov[i].iov_len;
	return f->n_iov && f->n_iov <= 1024 && min_u64(sum, UINT32_MAX) == f->len;
}

static bool tx_frame_ok(const struct test_queue *q, const struct frame *f)
{
	const uint8_t *guests = (const uint8_t *)f->iov->iov_base - q->owner->hdr_len;

	return frame_ok(f) && f->n_chains && f->len >= NET_FRAME_MIN && f->len <= NET_FRAME_MAX &&
	       !f->hdr.num_buffers &&
	       (!f->in_place || !memcmp(guests, &f->hdr, NET_HDR_LEN_LEGACY));
}

static void take(struct test_queue *q, const struct frame *f, struct tx_stats *stats)
{
	struct held *h = malloc(sizeof(*h) + f->n_iov * sizeof(h->iov[0]));

	assert(h);
	*h = (struct held){ .refused = q->refuse,
			    .hdr = f->hdr,
			    .len = f->len,
			    .n_chains = f->n_chains,
			    .n_iov = f->n_iov };
	memcpy(h->iov, f->iov, f->n_iov * sizeof(h->iov[0]));
	if (h->refused) {
		q->refuse--;
		count_add(&stats->drop_backend, f->n_chains);
	}
	if (q->room != TEST_BACKEND_NO_LIMIT)
		q->room--;
	*q->held_last = h;
	q->held_last = &h->next;
	q->n_held++;
}

/* By itself: some frames complete, a few more may come. */
static void auto_step(struct test_queue *q)
{
	uint64_t *random = &q->owner->random;
	uint64_t n;

	if (!q->owner->cfg.delay_ns)
		return;
	if (q->base.room.fd >= 0)
		(void)!read(q->base.room.fd, &n, sizeof(n));
	if (q->owner->cfg.late)
		complete(q, test_random_below(random, AUTO_FEW));
	q->room = test_random_below(random, AUTO_FEW);
}

static void auto_tell(struct test_queue *q)
{
	uint64_t delay_ns = q->owner->cfg.delay_ns;
	struct itimerspec at = { 0 };

	if (!delay_ns || (!q->n_held && !q->done && !q->told_full))
		return;
	if (q->base.room.fd < 0) {
		backend_wake(&q->base, (BACKEND_ROOM | BACKEND_DONE));
		return;
	}
	delay_ns = 1 + test_random(&q->owner->random) % delay_ns;
	at.it_value.tv_sec = (time_t)(delay_ns / 1000000000);
	at.it_value.tv_nsec = (long)(delay_ns % 1000000000);
	timerfd_settime(q->base.room.fd, 0, &at, NULL);
}

static unsigned queue_tx(struct backend_queue *bq, const struct frame *frames, unsigned n,
			 struct tx_stats *stats)
{
	struct test_queue *q = from_base(bq);
	unsigned i;

	q->counts.tx_calls++;
	q->counts.misuse += !n;
	auto_step(q);
	for (i = 0; i < n && q->room; i++) {
		q->counts.misuse += !tx_frame_ok(q, &frames[i]);
		q->counts.tx_in_place += frames[i].in_place;
		take(q, &frames[i], stats);
	}
	q->told_full = i < n;
	if (!q->owner->cfg.late) {
		complete(q, i);
		q->done = 0;
	}
	tx_level(q);
	auto_tell(q);
	return i;
}

static unsigned queue_tx_done(struct backend_queue *bq)
{
	struct test_queue *q = from_base(bq);
	unsigned done;

	auto_step(q);
	done = q->done;
	q->done = 0;
	/*
	 * Who asks has been told of the room too; a fd that stays ready would make the queue spin.
	 */
	if (q->room && !q->owner->cfg.delay_ns)
		q->told_full = false;
	tx_level(q);
	auto_tell(q);
	return done;
}

static bool queue_tx_cancel(struct backend_queue *bq, struct tx_stats *stats)
{
	struct test_queue *q = from_base(bq);

	while (q->n_held) {
		if (!q->held->refused)
			count_add(&stats->drop_backend, q->held->n_chains);
		q->held->refused = true;
		complete_oldest(q);
	}
	tx_level(q);
	return true;
}

/* Cut a frame over the room and, where that ends, over the spill buffer. */
static void fill(struct frame *f, struct spill *spill, const struct given *g)
{
	uint32_t done = 0, part;
	unsigned i;

	for (i = 0; i < f->n_iov && done < g->len; i++) {
		part = (uint32_t)min_u64(f->iov[i].iov_len, g->len - done);
		memcpy(f->iov[i].iov_base, g->bytes + done, part);
		done += part;
	}
	f->len = done;
	spill->used = g->len - done;
	assert(spill->used <= SPILL_SIZE);
	memcpy(spill->buf, g->bytes + done, spill->used);
}

static unsigned queue_rx(struct backend_queue *bq, struct frame *frames, unsigned n,
			 struct spill *spill, struct rx_stats *stats)
{
	struct test_queue *q = from_base(bq);
	struct given *g;
	unsigned i;

	(void)stats;
	q->counts.rx_calls++;
	q->counts.misuse += !n;
	spill->used = 0;
	for (i = 0; i < n && i < q->rx_limit && q->given && !spill->used; i++) {
		g = q->given;
		q->counts.misuse += !frame_ok(&frames[i]);
		fill(&frames[i], spill, g);
		q->given = g->next;
		if (!q->given)
			q->given_last = &q->given;
		q->n_given--;
		free(g);
	}
	if (q->owner->cfg.fds)
		fd_put(bq->frames.fd, q->given);
	else if (q->given)
		backend_wake(bq, BACKEND_FRAMES);
	return i;
}

static int backend_start(struct backend *backend, uint64_t features, unsigned hdr_len)
{
	(void)features;
	container_of(backend, struct test_backend, base)->hdr_len = hdr_len;
	return 0;
}

static void queue_deinit(struct test_queue *q)
{
	while (q->given) {
		struct given *g = q->given;

		q->given = g->next;
		free(g);
	}
	while (q->held) {
		struct held *h = q->held;

		q->held = h->next;
		free(h);
	}
	if (q->base.room.fd >= 0)
		close(q->base.room.fd);
	if (q->base.frames.fd >= 0)
		close(q->base.frames.fd);
}

static void test_backend_free(struct backend *backend)
{
	struct test_backend *b = container_of(backend, struct test_backend, base);
	unsigned i;

	for (i = 0; i < b->base.n_queues; i++)
		queue_deinit(&b->queues[i]);
	free(b->queues);
	free(b->pointers);
	free(b);
}

static const struct backend_ops sync_ops = {
	.name = "test",
	.start = backend_start,
	.free = test_backend_free,
	.tx = queue_tx,
	.rx = queue_rx,
};

static const struct backend_ops late_ops = {
	.name = "test-late",
	.start = backend_start,
	.free = test_backend_free,
	.tx = queue_tx,
	.tx_done = queue_tx_done,
	.tx_cancel = queue_tx_cancel,
	.rx = queue_rx,
};

static int tx_fd_new(const struct test_backend_config *cfg)
{
	if (cfg->delay_ns)
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void queue_init(struct test_queue *q, struct test_backend *b, unsigned index)
{
	*q = (struct test_queue){
		.base = { .ops = b->base.ops,
			  .wake = b->cfg.wake,
			  .wake_ctx = b->cfg.ctx,
			  .room = { .fd = -1, .events = POLLIN },
			  .done = { .fd = -1, .events = POLLIN },
			  .frames = { .fd = -1, .events = POLLIN },
			  .vhost_fd = -1 },
		.owner = b,
		.index = index,
		.room = TEST_BACKEND_NO_LIMIT,
		.held_last = &q->held,
		.given_last = &q->given,
		.rx_limit = TEST_BACKEND_NO_LIMIT,
	};
	b->pointers[index] = &q->base;
	b->base.n_queues++;
	if (!b->cfg.fds)
		return;
	q->base.room.fd = q->base.done.fd = tx_fd_new(&b->cfg);
	q->base.frames.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(q->base.room.fd >= 0 && q->base.frames.fd >= 0);
}

struct backend *test_backend_new(const struct test_backend_config *cfg)
{
	struct test_backend *b = calloc(1, sizeof(*b));

	assert(b);
	b->cfg = *cfg;
	b->random = cfg->seed;
	b->queues = calloc(cfg->n_queues, sizeof(*b->queues));
	b->pointers = calloc(cfg->n_queues, sizeof(struct backend_queue *));
	assert(b->queues && b->pointers);
	b->base = (struct backend){ .ops = cfg->late ? &late_ops : &sync_ops,
				    .features = cfg->features,
				    .queues = b->pointers,
				    .describe = "test" };
	for (unsigned i = 0; i < cfg->n_queues; i++)
		queue_init(&b->queues[i], b, i);
	return &b->base;
}

void test_backend_room(struct backend *backend, unsigned queue, unsigned n)
{
	struct test_queue *q = queue_of(backend, queue);

	q->room = n;
	tx_tell(q);
}

void test_backend_refuse(struct backend *backend, unsigned queue, unsigned n)
{
	queue_of(backend, queue)->refuse = n;
}

unsigned test_backend_finish(struct backend *backend, unsigned queue, unsigned n)
{
	struct test_queue *q = queue_of(backend, queue);
	unsigned done = complete(q, n);

	if (done)
		tx_tell(q);
	return done;
}

unsigned test_backend_held(const struct backend *backend, unsigned queue)
{
	return queue_of(backend, queue)->n_held;
}

void test_backend_give(struct backend *backend, unsigned queue, const void *bytes, uint32_t len)
{
	struct test_queue *q = queue_of(backend, queue);
	struct given *g = malloc(sizeof(*g) + len);

	assert(g);
	*g = (struct given){ .len = len };
	memcpy(g->bytes, bytes, len);
	*q->given_last = g;
	q->given_last = &g->next;
	q->n_given++;
	if (q->owner->cfg.fds)
		fd_put(q->base.frames.fd, true);
	else
		backend_wake(&q->base, BACKEND_FRAMES);
}

void test_backend_rx_limit(struct backend *backend, unsigned queue, unsigned n)
{
	queue_of(backend, queue)->rx_limit = n;
}

unsigned test_backend_waiting(const struct backend *backend, unsigned queue)
{
	return queue_of(backend, queue)->n_given;
}

const struct test_backend_counts *test_backend_counts(const struct backend *backend, unsigned queue)
{
	return &queue_of(backend, queue)->counts;
}
