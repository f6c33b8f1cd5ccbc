/* SPDX-License-Identifier: MIT */
/*
 * How a frame comes in: rx_queue_run -> take chains off the ring -> the backend reads into them ->
 * push, publish, call; what was not filled is rewound.
 *
 * A tap does not tell how long the next frame is, and importing room for 64 KiB costs as much as
 * reading a small frame. So the queue gives each frame one chain, as long as that suffices. A
 * longer frame runs over into the spill buffer, is put together there ("parked") and copied into as
 * many chains as it needs; from then on chains are gathered for the largest frame before each read,
 * until RX_GATHER frames in a row fitted into one.
 *
 * Over 400 lines: the two ways in, and the way out of the parked frame, share the window and change
 * one into the other within a run.
 */
#include "datapath/rx.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define RX_BATCH       64 /* most frames of one call to the backend */
#define RX_FIRST_BATCH 4  /* a queue that woke for one frame need not take 64 chains */
#define RX_GATHER      64
#define RX_IOV         (CHAIN_MAX_IOV + 1 + 2 * RX_BATCH)
#define RX_CHAINS      CHAIN_MAX_IOV

/* Chains taken off the ring for one call to the backend. */
struct rx_window {
	struct chain chains[RX_CHAINS];
	struct iovec iov[RX_IOV];
	struct iov_pool pool;
	unsigned n;
	uint64_t room; /* bytes in all chains */
};

enum rx_next {
	RX_MORE,       /* go on */
	RX_DRAINED,    /* the backend has no more frames */
	RX_NO_BUFFERS, /* the ring has no more chains, or not enough for the parked frame */
};

/*
 * Up to n chains more, the last of which brings the room to that many bytes. One that no frame may
 * be put into is a fault like those that pop finds: when it is the first.
 */
static unsigned rx_window_add(struct rx_window *w, struct rx_queue *q, unsigned n, uint64_t room)
{
	struct chain *chains = &w->chains[w->n], *c = chains;
	unsigned popped = virtq_pop(&q->vq, chains, n, &w->pool), i;
	bool bad = false;

	for (i = 0; i < popped && w->room < room; i++) {
		c = &chains[i];
		bad = c->n_out || c->in_len < q->hdr_len;
		if (bad)
			break;
		w->room += c->in_len;
	}
	if (i < popped) {
		virtq_rewind(&q->vq, &chains[i], popped - i);
		w->pool.n = (unsigned)(chains[i].iov - w->iov);
	}
	if (bad && !i)
		virtq_break(&q->vq, c->n_out ? VIRTQ_FAULT_DIRECTION : VIRTQ_FAULT_NO_HEADER);
	w->n += i;
	return i;
}

static void rx_window_init(struct rx_window *w)
{
	w->pool = (struct iov_pool){ .iov = w->iov, .cap = RX_IOV };
	w->n = 0;
	w->room = 0;
}

/* Take chains for room bytes. */
static void rx_window_gather(struct rx_window *w, struct rx_queue *q, uint64_t room)
{
	rx_window_init(w);
	while (w->n < RX_CHAINS && w->room < room && rx_window_add(w, q, 1, room))
		;
}

/* Are these chains all that the driver can offer: have they each of the ring's descriptors? */
static bool rx_window_fills_ring(const struct rx_window *w, const struct rx_queue *q)
{
	unsigned slots = 0, i;

	for (i = 0; i < w->n && slots < q->vq.size; i++)
		slots += virtq_slots(&q->vq, &w->chains[i]);
	return slots >= q->vq.size;
}

/* The chains are for one read: give the last back if it has too many pieces for that. */
static void rx_window_trim(struct rx_window *w, struct rx_queue *q)
{
	const struct chain *last;

	if (w->pool.n <= CHAIN_MAX_IOV)
		return;
	last = &w->chains[--w->n];
	w->room -= last->in_len;
	w->pool.n -= last->n_in;
	virtq_rewind(&q->vq, last, 1);
}

/* A frame of len bytes lies in the chains from first on: push them. Returns how many that were. */
static unsigned rx_queue_push(struct rx_queue *q, const struct rx_window *w, unsigned first,
			      uint32_t len)
{
	uint32_t left = len, part;
	unsigned n = 0;

	do {
		const struct chain *c = &w->chains[first + n];

		part = left < c->in_len ? left : c->in_len;
		virtq_push(&q->vq, c->elem, part);
		left -= part;
		n++;
	} while (left);
	if (q->hdr_len == NET_HDR_LEN)
		net_hdr_set_num_buffers(w->chains[first].iov, (uint16_t)n);
	return n;
}

/* Make the n frames that were pushed, of so many bytes with headers, visible. */
static void rx_queue_publish(struct rx_queue *q, unsigned n, uint64_t bytes)
{
	count_add(&q->stats.frames, n);
	count_add(&q->stats.bytes, bytes - n * (uint64_t)q->hdr_len);
	virtq_publish(&q->vq);
	latency_batch(q->latency, iothread_stamp_ns(q->thread), n, 0);
	if (virtq_call(&q->vq))
		count_add(&q->stats.calls, 1);
}

static void copy_out(uint8_t *to, const struct iovec *iov, uint32_t len)
{
	size_t part;

	for (; len; len -= (uint32_t)part, to += part, iov++) {
		part = min_u64(iov->iov_len, len);
		memcpy(to, iov->iov_base, part);
	}
}

static void copy_in(const struct iovec *iov, const uint8_t *from, uint32_t len)
{
	size_t part;

	for (; len; len -= (uint32_t)part, from += part, iov++) {
		part = min_u64(iov->iov_len, len);
		memcpy(iov->iov_base, from, part);
	}
}

/*
 * The frame f ran over: join its two parts in private memory. The first one is read back from guest
 * memory, where the guest may have changed it; it is the guest's own frame.
 */
static void rx_queue_park(struct rx_queue *q, const struct frame *f)
{
	uint8_t *start = q->spill.buf - f->len;

	count_add(&q->stats.spilled, 1);
	if (!q->mergeable || f->len + q->spill.used > SPILL_SIZE) {
		count_add(&q->stats.drop_size, 1);
		return;
	}
	copy_out(start, f->iov, f->len);
	q->parked = start;
	q->parked_len = f->len + q->spill.used;
	if (!q->latency->known)
		latency_know(q->latency, 1, q->latency->at_ns, LATENCY_BUSY);
	q->gather = RX_GATHER;
}

/* Copy the parked frame into as many chains as it takes. */
static enum rx_next rx_queue_unpark(struct rx_queue *q)
{
	struct rx_window w;

	rx_window_gather(&w, q, q->parked_len);
	if (w.room < q->parked_len) {
		virtq_rewind(&q->vq, w.chains, w.n);
		/*
		 * If all that one frame may have of chains, or the whole ring, is not enough, more
		 * buffers will not help.
		 */
		if (w.n == RX_CHAINS || w.pool.cap - w.pool.n < CHAIN_MAX_IOV)
			count_add(&q->stats.drop_size, 1);
		else if (rx_window_fills_ring(&w, q))
			count_add(&q->stats.drop_no_room, 1);
		else
			return RX_NO_BUFFERS;
		q->parked = NULL;
		q->latency->known = 0;
		return RX_MORE;
	}
	copy_in(w.iov, q->parked, q->parked_len);
	q->parked = NULL;
	rx_queue_push(q, &w, 0, q->parked_len);
	rx_queue_publish(q, 1, q->parked_len);
	return RX_MORE;
}

/* How many chains to take for one call to the backend. */
static unsigned rx_queue_expect(const struct rx_queue *q)
{
	return q->bq->rx_waiting ? (unsigned)min_u64(*q->bq->rx_waiting, RX_BATCH) : q->batch;
}

/* One frame into gathered chains. */
static enum rx_next rx_queue_gather(struct rx_queue *q, struct turn *turn)
{
	struct rx_window w;
	struct frame f;
	unsigned used = 0, got;

	rx_window_gather(&w, q, SPILL_SIZE);
	rx_window_trim(&w, q);
	if (!w.n)
		return RX_NO_BUFFERS;
	f = (struct frame){ .iov = w.iov,
			    .n_iov = (uint16_t)w.pool.n,
			    .len = (uint32_t)min_u64(w.room, UINT32_MAX) };
	q->spill.used = 0;
	got = q->bq->ops->rx(q->bq, &f, 1, &q->spill, &q->stats);
	if (got && q->spill.used)
		rx_queue_park(q, &f);
	else if (got)
		used = rx_queue_push(q, &w, 0, f.len);
	if (used)
		rx_queue_publish(q, 1, f.len);
	if (got) {
		q->gather = used == 1 ? q->gather - 1 : RX_GATHER;
		turn_take(turn, 1, f.len + q->spill.used);
	}
	virtq_rewind(&q->vq, &w.chains[used], w.n - used);
	return got ? RX_MORE : RX_DRAINED;
}

/*
 * Some frames, each into a chain of its own. The next time it asks for more, and more again, unless
 * the room of so many is more than what is left of the turn.
 */
static enum rx_next rx_queue_batch(struct rx_queue *q, struct turn *turn)
{
	unsigned ask = (unsigned)min_u64(rx_queue_expect(q), turn->frames), got, done, i;
	struct frame frames[RX_BATCH];
	struct rx_window w;
	uint64_t bytes = 0;

	if (!ask)
		return RX_DRAINED;
	rx_window_init(&w);
	if (!rx_window_add(&w, q, ask, turn->bytes))
		return RX_NO_BUFFERS;
	q->batch = w.n < ask ? w.n : (unsigned)min_u64(2UL * q->batch, RX_BATCH);
	for (i = 0; i < w.n; i++)
		frames[i] = (struct frame){ .iov = w.chains[i].iov,
					    .n_iov = w.chains[i].n_in,
					    .len = w.chains[i].in_len };
	q->spill.used = 0;
	got = q->bq->ops->rx(q->bq, frames, w.n, &q->spill, &q->stats);
	done = q->spill.used ? got - 1 : got;
	for (i = 0; i < done; i++) {
		if (q->hdr_len == NET_HDR_LEN)
			net_hdr_set_num_buffers(w.chains[i].iov, 1);
		virtq_push(&q->vq, w.chains[i].elem, frames[i].len);
		bytes += frames[i].len;
	}
	if (done)
		rx_queue_publish(q, done, bytes);
	if (q->spill.used)
		rx_queue_park(q, &frames[done]);
	virtq_rewind(&q->vq, &w.chains[done], w.n - done);
	turn_take(turn, got, bytes + (q->spill.used ? frames[done].len + q->spill.used : 0));
	return got == w.n || q->spill.used ? RX_MORE : RX_DRAINED;
}

/* Nothing more to do until the driver adds buffers: ask for that kick. False: it did meanwhile. */
static bool rx_queue_await_buffers(struct rx_queue *q)
{
	bool more = q->parked ? virtq_arm_notify_more(&q->vq) : virtq_arm_notify(&q->vq);

	count_add(&q->stats.no_buffers, 1);
	if (more)
		virtq_disarm_notify(&q->vq);
	return !more;
}

/* Something makes the queue due to run, for frames that it does not know of otherwise. */
static void rx_queue_told(struct rx_queue *q, uint64_t now_ns, enum latency_cause cause)
{
	q->latency->told_ns = now_ns;
	latency_wake(q->latency, now_ns, cause);
	latency_enter(q->latency, now_ns, LATENCY_TURN);
}

static void rx_queue_sleep(struct rx_queue *q)
{
	if (q->parked)
		latency_enter(q->latency, q->latency->at_ns, LATENCY_FULL);
	else
		latency_sleep(q->latency, q->latency->at_ns);
}

static void rx_queue_run(struct rx_queue *q)
{
	struct turn turn = TURN_WHOLE;
	enum rx_next next = RX_MORE;
	uint64_t frames = q->stats.frames;

	count_add(&q->stats.runs, 1);
	latency_begin_run(q->latency, iothread_recent_ns(q->thread));
	while (next == RX_MORE && !turn_over(&turn) && !q->vq.fault) {
		if (q->parked)
			next = rx_queue_unpark(q);
		else if (q->gather && q->mergeable)
			next = rx_queue_gather(q, &turn);
		else
			next = rx_queue_batch(q, &turn);
	}
	latency_end_run(q->latency, q->stats.frames != frames);
	rx_queue_sleep(q);
	if (next != RX_MORE)
		q->batch = RX_FIRST_BATCH;
	if (q->vq.fault) {
		/* The backend may have called within this run. */
		iothread_work_cancel(q->thread, &q->run_work);
		count_add(&q->stats.broken, 1);
		if (q->on_broken)
			q->on_broken(q);
	} else if (next == RX_DRAINED) {
		await_arm(&q->ready);
	} else if (next == RX_MORE || !rx_queue_await_buffers(q)) {
		rx_queue_told(q, q->latency->at_ns, LATENCY_BUSY);
		iothread_work_queue(q->thread, &q->run_work);
	}
}

static bool rx_queue_may_run(const struct rx_queue *q)
{
	return q->running && q->enabled && !q->vq.fault && q->bq->ops->rx;
}

void rx_queue_ready(struct rx_queue *q)
{
	if (!rx_queue_may_run(q))
		return;
	if (!q->run_work.queued)
		rx_queue_told(q, iothread_recent_ns(q->thread), LATENCY_KICK);
	iothread_work_queue(q->thread, &q->run_work);
}

void rx_queue_kick(struct rx_queue *q)
{
	count_add(&q->stats.kicks, 1);
	if (!rx_queue_may_run(q))
		return;
	virtq_disarm_notify(&q->vq);
	rx_queue_ready(q);
}

static void rx_queue_on_run(struct iothread_work *work)
{
	rx_queue_run(container_of(work, struct rx_queue, run_work));
}

static void rx_queue_on_kick(struct iothread_watch *watch)
{
	rx_queue_kick(container_of(watch, struct rx_queue, kick_watch));
}

static void rx_queue_on_backend(struct await *await)
{
	rx_queue_ready(container_of(await, struct rx_queue, ready));
}

int rx_queue_init(struct rx_queue *q, struct iothread *thread, struct backend_queue *bq)
{
	memset(q, 0, sizeof(*q));
	/* Touched only when a frame spills. */
	q->memory = malloc(2 * (size_t)SPILL_SIZE);
	q->latency = latency_new();
	if (!q->memory || !q->latency) {
		rx_queue_deinit(q);
		return -ENOMEM;
	}
	q->spill.buf = q->memory + SPILL_SIZE;
	q->thread = thread;
	q->bq = bq;
	q->run_work.fn = rx_queue_on_run;
	q->kick_watch.fn = rx_queue_on_kick;
	q->kick_watch.events = POLLIN;
	q->kick_watch.every = true;
	await_init(&q->ready, thread, &bq->frames, rx_queue_on_backend);
	return 0;
}

void rx_queue_set_thread(struct rx_queue *q, struct iothread *thread)
{
	q->thread = thread;
	await_set_thread(&q->ready, thread);
}

void rx_queue_deinit(struct rx_queue *q)
{
	free(q->memory);
	q->memory = NULL;
	latency_free(q->latency);
	q->latency = NULL;
}

int rx_queue_start(struct rx_queue *q, const struct rx_queue_config *cfg)
{
	int err;

	q->hdr_len = cfg->hdr_len;
	q->mergeable = feature_has(cfg->vq.features, VIRTIO_NET_F_MRG_RXBUF);
	q->gather = 0;
	q->batch = RX_FIRST_BATCH;
	q->kick_watch.fd = cfg->kick_fd;
	virtq_start(&q->vq, &cfg->vq);
	if (cfg->kick_fd >= 0) {
		err = iothread_watch_arm(q->thread, &q->kick_watch);
		if (err)
			return err;
	}
	rx_queue_resume(q);
	return 0;
}

void rx_queue_pause(struct rx_queue *q)
{
	q->running = false;
	iothread_work_cancel(q->thread, &q->run_work);
	await_cancel(&q->ready);
}

void rx_queue_resume(struct rx_queue *q)
{
	q->running = true;
	latency_start(q->latency, iothread_stamp_ns(q->thread));
	rx_queue_ready(q);
}

uint32_t rx_queue_stop(struct rx_queue *q)
{
	rx_queue_pause(q);
	iothread_watch_disarm(q->thread, &q->kick_watch);
	if (q->parked)
		count_add(&q->stats.drop_stopped, 1);
	q->parked = NULL;
	return virtq_base(&q->vq);
}

void rx_queue_enable(struct rx_queue *q, bool enabled)
{
	q->enabled = enabled;
	if (enabled) {
		rx_queue_ready(q);
		return;
	}
	iothread_work_cancel(q->thread, &q->run_work);
	await_cancel(&q->ready);
}
