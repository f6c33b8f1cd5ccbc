/* SPDX-License-Identifier: MIT */
/*
 * How a frame leaves: tx_queue_kick -> the engine's plan -> tx_queue_run -> tx_queue_batch
 * (batch.h: pop and judge; the backend; settle, push) -> tx_queue_publish (publish, call) -> the
 * engine again.
 *
 * Over 400 lines: run, plan and pause are one state machine, which is read as a whole.
 */
#include "datapath/tx/queue.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "datapath/probe.h"
#include "datapath/tx/coalesce.h"

static void tx_queue_broken(struct tx_queue *q)
{
	count_add(&q->stats.broken, 1);
	if (q->on_broken)
		q->on_broken(q);
}

/*
 * Make n chains visible that were pushed, the first of which was seen at from_ns, and call. Returns
 * when they were visible.
 */
static uint64_t tx_queue_publish(struct tx_queue *q, unsigned n, uint64_t from_ns)
{
	uint64_t now_ns;

	virtq_publish(&q->vq);
	now_ns = iothread_stamp_ns(q->thread);
	probe_4(complete, q->nic, q->pair, n, now_ns - from_ns);
	if (virtq_call(&q->vq))
		count_add(&q->stats.calls, 1);
	return now_ns;
}

/* done frames of those in flight have completed: give their chains back to the driver. */
static void tx_queue_land(struct tx_queue *q, unsigned done)
{
	unsigned before = tx_flight_count(&q->flight);

	if (tx_flight_complete(&q->flight, &q->vq, done)) {
		before -= tx_flight_count(&q->flight);
		latency_done(q->latency,
			     tx_queue_publish(q, before, latency_oldest_sent(q->latency)), before);
	}
}

/* Give back to the driver what the backend has completed since it was asked last. */
static void tx_queue_reap(struct tx_queue *q)
{
	if (q->bq->ops->tx_done && tx_flight_count(&q->flight))
		tx_queue_land(q, q->bq->ops->tx_done(q->bq));
}

/*
 * Chains that were seen and not taken, n of which were rewound. A packed ring does not tell how
 * many others there are: those are seen when they are taken.
 */
static unsigned tx_queue_left(const struct tx_queue *q, unsigned n)
{
	return q->vq.packed ? n : virtq_seen(&q->vq);
}

/*
 * Ring -> backend -> used: up to n chains, which are taken off turn. Returns how many left the
 * ring; *full: the backend took no more.
 */
static unsigned tx_queue_batch(struct tx_queue *q, unsigned n, struct turn *turn, bool *full)
{
	unsigned flying = tx_flight_count(&q->flight), room = q->vq.size - flying;
	unsigned taken = 0, done, popped;
	struct coalesce merged;
	struct tx_batch b;

	/* More chains than the ring has, those in flight included, do not fit the flight ring. */
	if (!room && virtq_peek(&q->vq))
		virtq_break(&q->vq, VIRTQ_FAULT_AVAIL_IDX);
	tx_batch_pop(&b, &q->vq, &q->rules, &q->stats, n < room ? n : room, turn->bytes);
	popped = b.n_chains;
	if (q->rules.merges && b.n_frames > 1)
		b.n_frames = coalesce(&merged, b.frames, b.n_frames, q->rules.merges, &q->stats);
	if (b.n_frames)
		taken = q->bq->ops->tx(q->bq, b.frames, b.n_frames, &q->stats);
	*full = taken < b.n_frames;
	tx_batch_settle(&b, &q->vq, &q->rules, &q->stats, taken);
	turn_take(turn, b.n_chains, b.bytes);
	probe_4(send, q->nic, q->pair, b.n_chains, b.bytes);
	/*
	 * When all are complete at once, no chain needs to wait in the flight ring. A full backend
	 * is asked with nothing in flight, too: what was given up is complete then, and makes room.
	 */
	done = b.n_frames;
	if (q->bq->ops->tx_done && !flying && (done || *full))
		done = q->bq->ops->tx_done(q->bq);
	if (flying || done < b.n_frames) {
		tx_batch_fly(&b, &q->flight);
		if (popped)
			latency_sent(q->latency, iothread_stamp_ns(q->thread), b.n_chains,
				     tx_queue_left(q, popped - b.n_chains));
		if (flying)
			tx_queue_reap(q);
		else
			tx_queue_land(q, done);
	} else if (b.n_chains) {
		tx_batch_push(&b, &q->vq);
		latency_batch(q->latency,
			      tx_queue_publish(q, b.n_chains, latency_oldest(q->latency)),
			      b.n_chains, tx_queue_left(q, popped - b.n_chains));
	} else if (popped) {
		latency_left(q->latency, q->latency->at_ns, 0, tx_queue_left(q, popped));
	}
	return b.n_chains;
}

/* Wait for room while the backend is full, and for what it has yet to complete. */
static void tx_queue_await_backend(struct tx_queue *q)
{
	if (q->blocked)
		await_arm(&q->room);
	if (tx_flight_count(&q->flight))
		await_arm(&q->done);
}

/* A run is over. */
static void tx_queue_end_run(struct tx_queue *q, enum tx_stop stop)
{
	q->run.open = false;
	probe_4(run_end, q->nic, q->pair, q->run.sent, stop);
	latency_end_run(q->latency, q->run.sent);
	if (q->vq.fault) {
		tx_queue_broken(q);
	} else if (stop == TX_STOP_FULL) {
		count_add(&q->stats.backend_full, 1);
		q->blocked = true;
		virtq_disarm_notify(&q->vq);
		latency_enter(q->latency, q->latency->at_ns, LATENCY_FULL);
	}
}

/* Begin a run, of whose end the engine will hear as event. */
static void tx_queue_open_run(struct tx_queue *q, enum tx_event event)
{
	count_add(&q->stats.runs, 1);
	q->waiting_ns = 0;
	probe_2(run_begin, q->nic, q->pair);
	q->run = (struct tx_run){ .open = true, .told_as = event };
	latency_begin_run(q->latency, iothread_recent_ns(q->thread));
}

/*
 * Go on with the run, for what is left of turn. True: it is over, *view says how. False: it goes
 * on in the next turn of the iothread, behind the work of others.
 */
static bool tx_queue_run(struct tx_queue *q, struct turn *turn, struct tx_view *view)
{
	struct tx_run *run = &q->run;
	bool full = false;
	unsigned done = 1;

	while (done && !full && run->sent < q->burst && !turn_over(turn)) {
		done = (unsigned)min_u64(min_u64(q->burst - run->sent, turn->frames), TX_BATCH);
		done = tx_queue_batch(q, done, turn, &full);
		run->sent += done;
	}
	if (done && !full)
		latency_wake(q->latency, q->latency->at_ns, LATENCY_BUSY);
	*view = (struct tx_view){ .sent = run->sent, .stop = TX_STOP_EMPTY };
	if (full) {
		view->stop = TX_STOP_FULL;
	} else if (run->sent == q->burst) {
		view->stop = TX_STOP_BURST;
	} else if (done) {
		run->rest = true;
		iothread_work_queue(q->thread, &q->run_work);
	}
	if (!run->rest)
		tx_queue_end_run(q, view->stop);
	else
		latency_enter(q->latency, q->latency->at_ns, LATENCY_TURN);
	tx_queue_await_backend(q);
	return !run->rest;
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

/* For the record of latencies: the engine is about to hear of event. */
static void tx_queue_told(struct tx_queue *q, enum tx_event event, const struct tx_view *view)
{
	struct latency *l = q->latency;

	l->told_ns = view->now_ns;
	if (event == TX_TIMER)
		latency_timer(l, view->now_ns, q->timer.at_ns);
	else if (event == TX_START && view->pending)
		latency_wake(l, view->now_ns, LATENCY_LOOK);
}

/* What the queue does from now on, by plan. */
static void tx_queue_planned(struct tx_queue *q, enum tx_when when)
{
	static const enum latency_part part[] = { [TX_ON_KICK] = LATENCY_IDLE,
						  [TX_SOON] = LATENCY_TURN,
						  [TX_NOW] = LATENCY_TURN,
						  [TX_AT] = LATENCY_DELAY };

	if (when == TX_ON_KICK)
		q->latency->known = 0;
	latency_enter(q->latency, q->latency->told_ns, part[when]);
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
		q->run.open = false;
		q->unheard = false;
	}
	view->pending = virtq_seen(&q->vq);
	tx_queue_told(q, event, view);
	plan = q->engine->plan(q->state, event, view);
	if (!tx_queue_mend(q, &plan, view->now_ns))
		count_add(&q->stats.unsafe_plans, 1);
	q->burst = plan.burst;
	probe_5(plan, q->nic, q->pair, event, plan.when,
		plan.when == TX_AT ? plan.at_ns - view->now_ns : 0);
	return plan;
}

/*
 * Follow a plan made after *event. True: run at once, and tell the engine of it as the new *event.
 */
static bool tx_queue_follow(struct tx_queue *q, struct tx_plan plan, enum tx_event *event)
{
	bool ran = *event == TX_RAN || *event == TX_RECHECKED;

	/*
	 * The plan before is void: no run finds one. A queue that waits for its turn, and is to run
	 * soon again, keeps its place.
	 */
	iothread_timer_cancel(q->thread, &q->timer);
	if (plan.when != TX_SOON)
		iothread_work_cancel(q->thread, &q->run_work);
	if (plan.when == TX_ON_KICK) {
		q->waiting_ns = 0;
		if (!virtq_arm_notify(&q->vq)) {
			tx_queue_planned(q, TX_ON_KICK);
			return false;
		}
		latency_wake(q->latency, q->latency->told_ns, LATENCY_LOOK);
		/* Chains came before the driver could see that it is to kick: it did not. */
		count_add(&q->stats.rechecks, 1);
		plan.when = *event == TX_RECHECKED ? TX_SOON : TX_NOW;
		*event = TX_RECHECKED;
	} else if (plan.when == TX_NOW && ran) {
		plan.when = TX_SOON;
	} else if (plan.when == TX_NOW) {
		*event = TX_RAN;
	}
	virtq_disarm_notify(&q->vq);
	tx_queue_planned(q, plan.when);
	if (plan.when == TX_SOON)
		iothread_work_queue(q->thread, &q->run_work);
	else if (plan.when == TX_AT)
		iothread_timer_set(q->thread, &q->timer, plan.at_ns);
	return plan.when == TX_NOW;
}

/*
 * Tell the engine of event and follow its plan, until the queue sleeps, waits for its turn, or
 * cannot go on.
 */
static void tx_queue_go_on(struct tx_queue *q, enum tx_event event, struct tx_view view,
			   struct turn turn)
{
	struct tx_plan plan;

	do {
		plan = tx_queue_ask(q, event, &view);
		if (q->vq.fault || q->blocked || !tx_queue_follow(q, plan, &event))
			return;
		/* One burst a turn: what is found after a run gets what that left of it. */
		q->burst -= (uint32_t)min_u64(view.sent, q->burst - 1);
		tx_queue_open_run(q, event);
	} while (tx_queue_run(q, &turn, &view));
}

static void tx_queue_event(struct tx_queue *q, enum tx_event event)
{
	tx_queue_go_on(q, event, (struct tx_view){ 0 }, TURN_WHOLE);
}

static void tx_queue_on_run(struct iothread_work *work)
{
	struct tx_queue *q = container_of(work, struct tx_queue, run_work);
	struct turn turn = TURN_WHOLE;
	struct tx_view view;

	if (!q->run.open)
		tx_queue_open_run(q, TX_RAN);
	else
		latency_enter(q->latency, iothread_recent_ns(q->thread), LATENCY_RUN);
	if (q->run.rest)
		iothread_work_queue(q->thread, &q->run_work);
	else if (tx_queue_run(q, &turn, &view))
		tx_queue_go_on(q, q->run.told_as, view, turn);
	/* What is queued from here on is for the next turn. */
	q->run.rest = false;
}

static void tx_queue_on_timer(struct iothread_timer *timer)
{
	tx_queue_event(container_of(timer, struct tx_queue, timer), TX_TIMER);
}

static void tx_queue_on_kick(struct iothread_watch *watch)
{
	tx_queue_kick(container_of(watch, struct tx_queue, kick_watch));
}

void tx_queue_kick(struct tx_queue *q)
{
	count_add(&q->stats.kicks, 1);
	probe_2(kick, q->nic, q->pair);
	/* While blocked, or within a run, one is owed already; a broken queue does nothing more. */
	if (!q->running || q->blocked || q->run.open || q->vq.fault)
		return;
	latency_wake(q->latency, iothread_recent_ns(q->thread), LATENCY_KICK);
	tx_queue_event(q, TX_KICK);
}

/* Something completed while the queue is pausing. */
static void tx_queue_end_pause(struct tx_queue *q)
{
	if (tx_flight_count(&q->flight)) {
		await_arm(&q->done);
		return;
	}
	q->pausing = false;
	await_cancel(&q->done);
	if (q->on_paused)
		q->on_paused(q);
}

static void tx_queue_on_ready(struct iothread_work *work)
{
	struct tx_queue *q = container_of(work, struct tx_queue, ready_work);
	unsigned events = q->ready;

	q->ready = 0;
	tx_queue_reap(q);
	if (q->pausing) {
		tx_queue_end_pause(q);
		return;
	}
	if (events & BACKEND_ROOM && q->blocked && !q->vq.fault) {
		q->blocked = false;
		tx_queue_event(q, q->unheard ? TX_START : TX_WRITABLE);
		q->run.rest = false;
	}
	/* Both may be the case again, or still. */
	tx_queue_await_backend(q);
}

static void tx_queue_on_room(struct await *await)
{
	tx_queue_ready(container_of(await, struct tx_queue, room), BACKEND_ROOM);
}

static void tx_queue_on_done(struct await *await)
{
	tx_queue_ready(container_of(await, struct tx_queue, done), BACKEND_DONE);
}

void tx_queue_ready(struct tx_queue *q, unsigned events)
{
	if (!q->running && !q->pausing)
		return;
	q->ready |= events;
	iothread_work_queue(q->thread, &q->ready_work);
}

void tx_queue_init(struct tx_queue *q, struct iothread *thread, struct backend_queue *bq,
		   const struct tx_mode *mode)
{
	memset(q, 0, sizeof(*q));
	q->nic = "";
	q->latency = latency_new();
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
	await_init(&q->room, thread, &bq->room, tx_queue_on_room);
	await_init(&q->done, thread, &bq->done, tx_queue_on_done);
}

void tx_queue_set_thread(struct tx_queue *q, struct iothread *thread)
{
	q->thread = thread;
	await_set_thread(&q->room, thread);
	await_set_thread(&q->done, thread);
}

void tx_queue_deinit(struct tx_queue *q)
{
	tx_flight_deinit(&q->flight);
	latency_free(q->latency);
	q->latency = NULL;
}

int tx_queue_start(struct tx_queue *q, const struct tx_queue_config *cfg)
{
	int err = q->latency ? tx_flight_resize(&q->flight, cfg->vq.size) : -ENOMEM;

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

bool tx_queue_pause(struct tx_queue *q)
{
	if (!q->running)
		return !q->pausing;
	q->running = false;
	q->blocked = false;
	q->ready = 0;
	iothread_work_cancel(q->thread, &q->run_work);
	iothread_work_cancel(q->thread, &q->ready_work);
	iothread_timer_cancel(q->thread, &q->timer);
	await_cancel(&q->room);
	await_cancel(&q->done);
	if (tx_flight_count(&q->flight))
		q->pausing = !q->bq->ops->tx_cancel(q->bq, &q->stats);
	tx_queue_reap(q);
	assert(q->pausing || !tx_flight_count(&q->flight));
	q->pausing = tx_flight_count(&q->flight);
	if (q->pausing)
		await_arm(&q->done);
	return !q->pausing;
}

void tx_queue_resume(struct tx_queue *q)
{
	assert(!q->pausing);
	q->running = true;
	latency_start(q->latency, iothread_stamp_ns(q->thread));
	if (!q->vq.fault)
		tx_queue_event(q, TX_START);
}

uint32_t tx_queue_stop(struct tx_queue *q)
{
	bool paused = tx_queue_pause(q);

	assert(paused);
	(void)paused;
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
	tx_queue_event(q, TX_START);
}

void tx_queue_set_mode(struct tx_queue *q, const struct tx_mode *mode)
{
	q->engine = mode->engine;
	memset(q->state, 0, sizeof(q->state));
	q->engine->init(q->state, mode->values);
	q->unheard = q->blocked;
	if (q->running && !q->blocked && !q->vq.fault)
		tx_queue_event(q, TX_START);
}
