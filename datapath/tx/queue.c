/* SPDX-License-Identifier: MIT */
/*
 * How a frame leaves: tx_queue_kick -> the engine's plan -> tx_queue_run -> tx_queue_batch (batch.h:
 * pop and judge; the backend; settle, push) -> tx_queue_publish (publish, call) -> the engine again.
 */
#include "datapath/tx/queue.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

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

/* Give back to the driver what the backend has completed since it was asked last. */
static void tx_queue_reap(struct tx_queue *q)
{
	if (q->bq->ops->tx_done && tx_flight_count(&q->flight) &&
	    tx_flight_complete(&q->flight, &q->vq, q->bq->ops->tx_done(q->bq)))
		tx_queue_publish(q);
}

/*
 * Ring -> backend -> used. Returns how many chains left the ring; *full: the backend took no more.
 */
static unsigned tx_queue_batch(struct tx_queue *q, unsigned n, bool *full)
{
	unsigned room = q->vq.size - tx_flight_count(&q->flight), taken = 0;
	struct tx_batch b;

	/* A driver that offers what it has not got back would make us forget whose turn it is. */
	if (!room && virtq_peek(&q->vq))
		virtq_break(&q->vq, VIRTQ_FAULT_AVAIL_IDX);
	tx_batch_pop(&b, &q->vq, &q->rules, &q->stats, n < room ? n : room);
	if (b.n_frames)
		taken = q->bq->ops->tx(q->bq, b.frames, b.n_frames, &q->stats);
	*full = taken < b.n_frames;
	tx_batch_settle(&b, &q->vq, &q->rules, &q->stats, taken);
	if (q->bq->ops->tx_done) {
		tx_batch_fly(&b, &q->flight);
		tx_queue_reap(q);
	} else if (b.n_chains) {
		tx_batch_push(&b, &q->vq);
		tx_queue_publish(q);
	}
	return b.n_chains;
}

/* While the backend is full, or has yet to complete frames; those of a broken queue too. */
static void tx_queue_await_backend(struct tx_queue *q)
{
	if (q->blocked && q->bq->room.fd >= 0)
		iothread_watch_arm(q->thread, &q->room_watch);
	if (tx_flight_count(&q->flight) && q->bq->done.fd >= 0)
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
	q->room_watch.events = bq->room.events;
	q->done_watch.fn = tx_queue_on_done;
	q->done_watch.events = bq->done.events;
}

void tx_queue_deinit(struct tx_queue *q)
{
	tx_flight_deinit(&q->flight);
}

int tx_queue_start(struct tx_queue *q, const struct tx_queue_config *cfg)
{
	int err = tx_flight_resize(&q->flight, cfg->vq.size);

	if (err)
		return err;
	q->rules.features = cfg->vq.features;
	q->rules.hdr_len = cfg->hdr_len;
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
	if (q->bq->ops->tx_cancel && tx_flight_count(&q->flight))
		q->bq->ops->tx_cancel(q->bq, &q->stats);
	tx_queue_reap(q);
	assert(!tx_flight_count(&q->flight));
}

void tx_queue_resume(struct tx_queue *q)
{
	q->running = true;
	/* The backend may have changed them meanwhile. */
	q->room_watch.fd = q->bq->room.fd;
	q->done_watch.fd = q->bq->done.fd;
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
	q->rules.enabled = enabled;
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
