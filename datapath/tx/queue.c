/* SPDX-License-Identifier: MIT */
/*
 * How a frame leaves: tx_queue_kick -> the engine's plan -> tx_queue_run -> tx_queue_batch (pop,
 * check, backend) -> tx_queue_complete (push, publish, call) -> the engine again.
 */
#include "datapath/tx/queue.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Frames that go to the backend in one call, and iovecs for them. */
#define TX_BATCH 64
#define TX_IOV   (CHAIN_MAX_IOV + 1 + 2 * TX_BATCH)

static uint16_t in_flight(const struct tx_queue *q)
{
	return (uint16_t)(q->flight_tail - q->flight_head);
}

static struct tx_flight *flight_at(struct tx_queue *q, uint16_t idx)
{
	return &q->flight[idx & q->flight_mask];
}

static void tx_queue_broken(struct tx_queue *q)
{
	count_add(&q->stats.broken, 1);
	if (q->on_broken)
		q->on_broken(q);
}

static void tx_queue_publish(struct tx_queue *q)
{
	virtq_publish(&q->vq);
	if (virtq_call(&q->vq))
		count_add(&q->stats.calls, 1);
}

/*
 * Give back to the driver what is complete: done frames of the backend's, and the dropped ones
 * between them.
 */
static void tx_queue_complete(struct tx_queue *q, unsigned done)
{
	uint16_t head = q->flight_head, tail = q->flight_tail;

	for (; head != tail; head++) {
		const struct tx_flight *f = flight_at(q, head);

		if (!f->dropped) {
			if (!done)
				break;
			done--;
		}
		virtq_push(&q->vq, f->elem, 0);
	}
	if (head == q->flight_head)
		return;
	q->flight_head = head;
	tx_queue_publish(q);
}

static void tx_queue_reap(struct tx_queue *q)
{
	if (q->bq->ops->tx_done && in_flight(q))
		tx_queue_complete(q, q->bq->ops->tx_done(q->bq));
}

/*
 * The counter that a chain is dropped for, or NULL: it goes out as frame f.
 *
 * Only a copy of the header is judged; but the tap gets the guest's own by address, which may have
 * changed by then. So this finds honest mistakes and names them; it keeps nothing from the kernel,
 * which judges again what it copies itself.
 */
static uint64_t *tx_queue_frame(struct tx_queue *q, const struct chain *c, struct frame *f,
				unsigned hdr_len)
{
	struct virtio_net_hdr_v1 hdr;
	enum net_hdr_fault fault;

	if (!q->enabled)
		return &q->stats.drop_disabled;
	if (c->out_len > NET_FRAME_MAX + hdr_len)
		return &q->stats.drop_size;
	net_hdr_get(&hdr, NET_HDR_LEN_LEGACY, c->iov);
	fault = net_hdr_check(&hdr, c->out_len - hdr_len, q->features);
	if (fault)
		return &q->stats.drop_header[fault];
	*f = (struct frame){ .iov = c->iov, .n_iov = c->n_out, .len = c->out_len };
	return NULL;
}

/* A batch on its way from the ring to the backend. */
struct tx_batch {
	struct chain chains[TX_BATCH];
	struct frame frames[TX_BATCH];
	uint64_t *drop[TX_BATCH];   /* of chain i: the counter it is dropped for, or NULL */
	uint8_t chain_of[TX_BATCH]; /* of frame i */
	unsigned n_chains;
	unsigned n_frames;
};

/*
 * Take up to n chains and make frames of them. One that is shorter than a header is a fault like
 * those that pop finds: when it is the first.
 */
static void tx_batch_pop(struct tx_batch *b, struct tx_queue *q, unsigned n, struct iov_pool *pool)
{
	unsigned popped = virtq_pop(&q->vq, b->chains, n, pool), n_frames = 0, i;
	unsigned hdr_len = q->hdr_len;

	for (i = 0; i < popped; i++) {
		if (b->chains[i].out_len < hdr_len) {
			virtq_rewind(&q->vq, &b->chains[i], popped - i);
			if (!i)
				virtq_break(&q->vq, VIRTQ_FAULT_NO_HEADER);
			break;
		}
		b->drop[i] = tx_queue_frame(q, &b->chains[i], &b->frames[n_frames], hdr_len);
		b->chain_of[n_frames] = (uint8_t)i;
		n_frames += !b->drop[i];
	}
	b->n_chains = i;
	b->n_frames = n_frames;
}

/*
 * The backend took the first taken frames: chains up to there are in flight, the others go back to
 * the ring.
 */
static void tx_batch_settle(struct tx_batch *b, struct tx_queue *q, unsigned taken)
{
	unsigned n = taken < b->n_frames ? b->chain_of[taken] : b->n_chains, i;
	bool dropped = b->n_frames < b->n_chains;

	virtq_rewind(&q->vq, &b->chains[n], b->n_chains - n);
	b->n_chains = n;
	for (i = 0; i < n && dropped; i++) {
		if (b->drop[i])
			count_add(b->drop[i], 1);
	}
}

/* Who is sent waits for the backend, in ring order; one that completes in tx() knows no waiting. */
static void tx_batch_complete(const struct tx_batch *b, struct tx_queue *q)
{
	uint16_t tail = q->flight_tail;
	unsigned i;

	if (q->bq->ops->tx_done) {
		for (i = 0; i < b->n_chains; i++, tail++)
			*flight_at(q, tail) = (struct tx_flight){ .elem = b->chains[i].elem,
								  .dropped = b->drop[i] };
		q->flight_tail = tail;
		tx_queue_complete(q, q->bq->ops->tx_done(q->bq));
		return;
	}
	for (i = 0; i < b->n_chains; i++)
		virtq_push(&q->vq, b->chains[i].elem, 0);
	if (b->n_chains)
		tx_queue_publish(q);
}

/*
 * Ring -> backend -> used. Returns how many chains left the ring; *full: the backend took no more.
 */
static unsigned tx_queue_batch(struct tx_queue *q, unsigned n, bool *full)
{
	struct iovec iov[TX_IOV];
	struct iov_pool pool = { .iov = iov, .cap = TX_IOV };
	uint64_t bytes = 0, refused = q->stats.drop_backend;
	unsigned room = q->vq.size - in_flight(q), taken = 0, i;
	struct tx_batch b;

	/* A driver that offers what it has not got back would make us forget whose turn it is. */
	if (!room && virtq_peek(&q->vq))
		virtq_break(&q->vq, VIRTQ_FAULT_AVAIL_IDX);
	tx_batch_pop(&b, q, n < room ? n : room, &pool);
	if (b.n_frames)
		taken = q->bq->ops->tx(q->bq, b.frames, b.n_frames, &q->stats);
	*full = taken < b.n_frames;
	tx_batch_settle(&b, q, taken);
	for (i = 0; i < taken; i++)
		bytes += b.frames[i].len - q->hdr_len;
	count_add(&q->stats.frames, taken - (q->stats.drop_backend - refused));
	count_add(&q->stats.bytes, bytes);
	tx_batch_complete(&b, q);
	return b.n_chains;
}

/* While the backend is full, or has yet to complete frames; those of a broken queue too. */
static void tx_queue_await_backend(struct tx_queue *q)
{
	if (q->blocked && q->bq->room.fd >= 0)
		iothread_watch_arm(q->thread, &q->room_watch);
	if (in_flight(q) && q->bq->done.fd >= 0)
		iothread_watch_arm(q->thread, &q->done_watch);
}

/* After a run: who tells us to go on where the engine cannot. */
static void tx_queue_after_run(struct tx_queue *q, enum tx_stop stop)
{
	if (q->vq.fault) {
		tx_queue_broken(q);
	} else if (stop == TX_STOP_FULL) {
		count_add(&q->stats.backend_full, 1);
		q->blocked = true;
		virtq_disarm_notify(&q->vq);
	}
	tx_queue_await_backend(q);
}

/* Send up to a burst. */
static struct tx_view tx_queue_run(struct tx_queue *q)
{
	struct tx_view view = { .stop = TX_STOP_EMPTY };
	bool full = false;
	unsigned done;

	count_add(&q->stats.runs, 1);
	q->waiting_ns = 0;
	do {
		done = tx_queue_batch(q, (unsigned)min_u64(q->burst - view.sent, TX_BATCH), &full);
		view.sent += done;
	} while (done && !full && view.sent < q->burst);
	if (full)
		view.stop = TX_STOP_FULL;
	else if (view.sent == q->burst)
		view.stop = TX_STOP_BURST;
	tx_queue_after_run(q, view.stop);
	return view;
}

/* A plan with which no frame waits for ever and no run takes for ever. True: it was so already. */
static bool tx_queue_mend(struct tx_queue *q, struct tx_plan *plan, uint64_t now_ns)
{
	struct tx_plan was = *plan;

	if (plan->when > TX_AT)
		plan->when = TX_ON_KICK;
	plan->burst = (uint32_t)min_u64(max_u64(plan->burst, 1), TX_BURST_MAX);
	if (plan->when != TX_AT)
		return plan->when == was.when && plan->burst == was.burst;
	if (!q->waiting_ns)
		q->waiting_ns = now_ns;
	plan->at_ns = min_u64(plan->at_ns, q->waiting_ns + TX_WAIT_MAX_NS);
	if (plan->at_ns <= now_ns)
		plan->when = TX_SOON;
	return plan->at_ns == was.at_ns && plan->burst == was.burst;
}

/* What the engine wants after event, made safe. */
static struct tx_plan tx_queue_ask(struct tx_queue *q, enum tx_event event, struct tx_view *view)
{
	struct tx_plan plan;

	view->now_ns = iothread_now_ns(q->thread);
	view->ring_size = q->vq.size;
	if (event == TX_START) {
		virtq_peek(&q->vq);
		q->waiting_ns = 0;
	}
	view->pending = virtq_seen(&q->vq);
	plan = q->engine->plan(q->state, event, view);
	if (!tx_queue_mend(q, &plan, view->now_ns))
		count_add(&q->stats.unsafe_plans, 1);
	q->burst = plan.burst;
	return plan;
}

/*
 * Follow a plan made after *event. True: run at once, and tell the engine of it as the new *event.
 */
static bool tx_queue_follow(struct tx_queue *q, struct tx_plan plan, enum tx_event *event)
{
	bool ran = *event == TX_RAN || *event == TX_RECHECKED;

	/* The plan before is void: a run never finds one. Who waits for a turn keeps the place. */
	iothread_timer_cancel(q->thread, &q->timer);
	if (plan.when != TX_SOON)
		iothread_work_cancel(q->thread, &q->run_work);
	if (plan.when == TX_ON_KICK) {
		q->waiting_ns = 0;
		if (!virtq_arm_notify(&q->vq))
			return false;
		/*
		 * Something came before the driver could see that we want kicks: it will not tell.
		 */
		count_add(&q->stats.rechecks, 1);
		plan.when = *event == TX_RECHECKED ? TX_SOON : TX_NOW;
		*event = TX_RECHECKED;
	} else if (plan.when == TX_NOW && ran) {
		plan.when = TX_SOON;
	} else if (plan.when == TX_NOW) {
		*event = TX_RAN;
	}
	virtq_disarm_notify(&q->vq);
	if (plan.when == TX_SOON)
		iothread_work_queue(q->thread, &q->run_work);
	else if (plan.when == TX_AT)
		iothread_timer_set(q->thread, &q->timer, plan.at_ns);
	return plan.when == TX_NOW;
}

/* Ask and follow, until the queue sleeps, waits for its turn, or cannot go on. */
static void tx_queue_event(struct tx_queue *q, enum tx_event event, struct tx_view view)
{
	struct tx_plan plan;

	for (;;) {
		plan = tx_queue_ask(q, event, &view);
		if (q->vq.fault || q->blocked || !tx_queue_follow(q, plan, &event))
			return;
		/* One burst a turn: what is found after a run gets what that left of it. */
		q->burst -= (uint32_t)min_u64(view.sent, q->burst - 1);
		view = tx_queue_run(q);
	}
}

static void tx_queue_on_run(struct iothread_work *work)
{
	struct tx_queue *q = container_of(work, struct tx_queue, run_work);

	tx_queue_event(q, TX_RAN, tx_queue_run(q));
}

static void tx_queue_on_timer(struct iothread_timer *timer)
{
	tx_queue_event(container_of(timer, struct tx_queue, timer), TX_TIMER,
		       (struct tx_view){ 0 });
}

static void tx_queue_on_kick(struct iothread_watch *watch)
{
	tx_queue_kick(container_of(watch, struct tx_queue, kick_watch));
}

void tx_queue_kick(struct tx_queue *q)
{
	count_add(&q->stats.kicks, 1);
	/* While blocked a run is owed already; a broken queue does nothing more. */
	if (q->running && !q->blocked && !q->vq.fault)
		tx_queue_event(q, TX_KICK, (struct tx_view){ 0 });
}

static void tx_queue_on_ready(struct iothread_work *work)
{
	struct tx_queue *q = container_of(work, struct tx_queue, ready_work);

	tx_queue_reap(q);
	if (q->blocked && !q->vq.fault) {
		q->blocked = false;
		tx_queue_event(q, TX_WRITABLE, (struct tx_view){ 0 });
	}
	/* Whatever the engine made of that. */
	tx_queue_await_backend(q);
}

static void tx_queue_on_room(struct iothread_watch *watch)
{
	tx_queue_ready(container_of(watch, struct tx_queue, room_watch));
}

static void tx_queue_on_done(struct iothread_watch *watch)
{
	tx_queue_ready(container_of(watch, struct tx_queue, done_watch));
}

void tx_queue_ready(struct tx_queue *q)
{
	if (q->running)
		iothread_work_queue(q->thread, &q->ready_work);
}

void tx_queue_init(struct tx_queue *q, struct iothread *thread, struct backend_queue *bq,
		   const struct tx_mode *mode)
{
	memset(q, 0, sizeof(*q));
	q->thread = thread;
	q->bq = bq;
	q->engine = mode->engine;
	q->engine->init(q->state, mode->values);
	q->run_work.fn = tx_queue_on_run;
	q->ready_work.fn = tx_queue_on_ready;
	q->timer.fn = tx_queue_on_timer;
	q->kick_watch.fn = tx_queue_on_kick;
	q->kick_watch.events = POLLIN;
	q->kick_watch.every = true;
	q->room_watch.fn = tx_queue_on_room;
	q->room_watch.fd = bq->room.fd;
	q->room_watch.events = bq->room.events;
	q->done_watch.fn = tx_queue_on_done;
	q->done_watch.fd = bq->done.fd;
	q->done_watch.events = bq->done.events;
}

void tx_queue_deinit(struct tx_queue *q)
{
	free(q->flight);
	q->flight = NULL;
}

int tx_queue_start(struct tx_queue *q, const struct tx_queue_config *cfg)
{
	struct tx_flight *flight;
	size_t n = 1;
	int err;

	/* A packed ring's size may be any; indices run free, so this one is a power of two. */
	while (n < cfg->vq.size)
		n *= 2;
	flight = realloc(q->flight, n * sizeof(*flight));
	if (!flight)
		return -ENOMEM;
	q->flight = flight;
	q->flight_mask = (uint16_t)(n - 1);
	q->flight_head = q->flight_tail = 0;
	q->features = cfg->vq.features;
	q->hdr_len = cfg->hdr_len;
	q->kick_watch.fd = cfg->kick_fd;
	virtq_start(&q->vq, &cfg->vq);
	if (cfg->kick_fd >= 0) {
		err = iothread_watch_arm(q->thread, &q->kick_watch);
		if (err)
			return err;
	}
	tx_queue_resume(q);
	return 0;
}

void tx_queue_pause(struct tx_queue *q)
{
	q->running = false;
	q->blocked = false;
	iothread_work_cancel(q->thread, &q->run_work);
	iothread_work_cancel(q->thread, &q->ready_work);
	iothread_timer_cancel(q->thread, &q->timer);
	iothread_watch_disarm(q->thread, &q->room_watch);
	iothread_watch_disarm(q->thread, &q->done_watch);
	if (q->bq->ops->tx_cancel && in_flight(q))
		q->bq->ops->tx_cancel(q->bq, &q->stats);
	tx_queue_reap(q);
	assert(!in_flight(q));
}

void tx_queue_resume(struct tx_queue *q)
{
	q->running = true;
	if (!q->vq.fault)
		tx_queue_event(q, TX_START, (struct tx_view){ 0 });
}

uint32_t tx_queue_stop(struct tx_queue *q)
{
	tx_queue_pause(q);
	iothread_watch_disarm(q->thread, &q->kick_watch);
	return virtq_base(&q->vq);
}

void tx_queue_enable(struct tx_queue *q, bool enabled)
{
	q->enabled = enabled;
	if (!q->running || q->vq.fault)
		return;
	/* Frames that waited for the backend are dropped, or go out, from here on. */
	q->blocked = false;
	tx_queue_event(q, TX_START, (struct tx_view){ 0 });
}

void tx_queue_set_mode(struct tx_queue *q, const struct tx_mode *mode)
{
	q->engine = mode->engine;
	memset(q->state, 0, sizeof(q->state));
	q->engine->init(q->state, mode->values);
	if (q->running && !q->blocked && !q->vq.fault)
		tx_queue_event(q, TX_START, (struct tx_view){ 0 });
}
