/* SPDX-License-Identifier: MIT */
/*
 * One queue pair: what the control thread wants of it is a job with one of the operations below,
 * which the pair's iothread carries out.
 */
#include "datapath/pair.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "datapath/device_log.h"

static struct virtq *virtq_of(struct pair *p, unsigned ring)
{
	return ring == PAIR_TX ? &p->tx.vq : &p->rx.vq;
}

bool pair_in_use(const struct pair *p)
{
	return (p->rings[PAIR_RX].started && p->rings[PAIR_RX].enabled) ||
	       (p->rings[PAIR_TX].started && p->rings[PAIR_TX].enabled);
}

static int start_queue(struct pair *p, unsigned ring)
{
	const struct pair_ring *r = &p->rings[ring];
	struct rx_queue_config rx = { .vq = r->vq, .kick_fd = r->kick_fd, .hdr_len = p->hdr_len };
	struct tx_queue_config tx = { .vq = r->vq, .kick_fd = r->kick_fd, .hdr_len = p->hdr_len };

	return ring == PAIR_TX ? tx_queue_start(&p->tx, &tx) : rx_queue_start(&p->rx, &rx);
}

static uint32_t stop_queue(struct pair *p, unsigned ring)
{
	return ring == PAIR_TX ? tx_queue_stop(&p->tx) : rx_queue_stop(&p->rx);
}

/*
 * The operations, on the iothread. False: the tx queue has yet to get frames back from the backend,
 * and the operation runs again when it has.
 */

static bool start(struct pair *p)
{
	p->job.result = start_queue(p, p->job.ring);
	p->rings[p->job.ring].started = !p->job.result;
	return true;
}

static bool stop(struct pair *p)
{
	if (p->job.ring == PAIR_TX && !tx_queue_pause(&p->tx))
		return false;
	p->job.base = stop_queue(p, p->job.ring);
	p->rings[p->job.ring].started = false;
	return true;
}

static bool enable(struct pair *p)
{
	bool enabled = p->job.enabled;

	p->rings[p->job.ring].enabled = enabled;
	if (p->job.ring == PAIR_TX)
		tx_queue_enable(&p->tx, enabled);
	else
		rx_queue_enable(&p->rx, enabled);
	return true;
}

static bool take_fds(struct pair *p)
{
	struct virtq *vq = virtq_of(p, p->job.ring);

	vq->call = p->rings[p->job.ring].vq.call;
	vq->err = p->rings[p->job.ring].vq.err;
	/* A call may have gone to the old fd. */
	virtq_call_now(vq);
	return true;
}

/* A queue that is stopped begins by it. */
static bool set_mode(struct pair *p)
{
	tx_queue_set_mode(&p->tx, &p->mode);
	return true;
}

static bool set_coalesce(struct pair *p)
{
	p->tx.rules.merges = p->job.enabled ? p->cfg->backend->merges : 0;
	return true;
}

static bool progress(struct pair *p)
{
	const struct tx_queue *q = &p->tx;
	struct device_progress *now = &p->job.progress;

	*now = (struct device_progress){
		.broken = q->running && q->vq.fault,
		.full = q->blocked,
		.put_off = q->timer.armed,
		.in_flight = tx_flight_count(&q->flight),
		.left = q->stats.frames + q->stats.drop_size + q->stats.drop_disabled +
			q->stats.drop_backend,
		.ring_size = q->vq.size,
	};
	for (unsigned i = 0; i < NET_HDR_FAULTS; i++)
		now->left += q->stats.drop_header[i];
	now->left -= now->in_flight;
	now->rests = !q->running || (!now->full && !now->put_off && !now->in_flight &&
				     !q->run.open && !q->run_work.queued && !q->ready_work.queued);
	return true;
}

static bool pause_both(struct pair *p)
{
	if (p->rings[PAIR_RX].started)
		rx_queue_pause(&p->rx);
	return !p->rings[PAIR_TX].started || tx_queue_pause(&p->tx);
}

static bool resume_both(struct pair *p)
{
	if (p->rings[PAIR_RX].started)
		rx_queue_resume(&p->rx);
	if (p->rings[PAIR_TX].started)
		tx_queue_resume(&p->tx);
	return true;
}

/* A stopped queue keeps its fault, and has nothing that could be lost. */
static bool is_broken(const struct pair *p)
{
	return (p->rings[PAIR_RX].started && p->rx.vq.fault) ||
	       (p->rings[PAIR_TX].started && p->tx.vq.fault);
}

static bool ask(struct pair *p)
{
	p->job.release = PAIR_RELEASED;
	if (is_broken(p))
		p->job.release = PAIR_BROKEN;
	else if (rx_queue_has_parked(&p->rx))
		p->job.release = PAIR_PARKED;
	return true;
}

static bool release(struct pair *p)
{
	/* Asked once, while both run: a queue that has stopped for it does not go on. */
	if (!p->job.releasing) {
		ask(p);
		if (p->job.release != PAIR_RELEASED)
			return true;
		p->released_ns = monotonic_ns();
		p->job.releasing = true;
	}
	if (!pause_both(p))
		return false;
	for (unsigned i = 0; i < PAIR_RINGS; i++) {
		if (p->rings[i].started)
			p->rings[i].vq.base = stop_queue(p, i);
	}
	return true;
}

static bool reclaim(struct pair *p)
{
	p->mode_waits = false;
	for (unsigned i = 0; i < PAIR_RINGS; i++) {
		int err = p->rings[i].started ? start_queue(p, i) : 0;

		if (!p->rings[i].started)
			continue;
		if (err)
			device_log(p->cfg, DEVICE_WARNING, "ring %u cannot go on: %s",
				   2 * p->index + i, strerror(-err));
		/* The kernel's last call may have come too early for the last used entries. */
		virtq_call_now(virtq_of(p, i));
	}
	return true;
}

static bool (*const operations[])(struct pair *p) = {
	[PAIR_START] = start,       [PAIR_STOP] = stop,         [PAIR_ENABLE] = enable,
	[PAIR_TAKE_FDS] = take_fds, [PAIR_PAUSE] = pause_both,  [PAIR_RESUME] = resume_both,
	[PAIR_ASK] = ask,           [PAIR_RELEASE] = release,   [PAIR_RECLAIM] = reclaim,
	[PAIR_SET_MODE] = set_mode, [PAIR_PROGRESS] = progress, [PAIR_SET_COALESCE] = set_coalesce,
};

static void on_job(struct iothread_job *job)
{
	struct pair *p = container_of(job, struct pair, job.job);

	if (operations[p->job.op](p))
		iothread_job_done(job);
}

/* The tx queue has got its last frame back from the backend. */
static void on_tx_paused(struct tx_queue *q)
{
	on_job(&container_of(q, struct pair, tx)->job.job);
}

void pair_post(struct pair *p, struct iothread_batch *batch, enum pair_op op)
{
	p->job.op = op;
	p->job.releasing = false;
	iothread_post(p->thread, batch, &p->job.job);
}

void pair_run(struct pair *p, enum pair_op op)
{
	struct iothread_batch batch;

	iothread_batch_init(&batch);
	pair_post(p, &batch, op);
	iothread_batch_wait(&batch);
}

static void run_on_ring(struct pair *p, unsigned ring, enum pair_op op)
{
	p->job.ring = ring;
	pair_run(p, op);
}

int pair_start(struct pair *p, unsigned ring, const struct virtq_config *vq, int kick_fd,
	       unsigned hdr_len)
{
	p->rings[ring].vq = *vq;
	p->rings[ring].kick_fd = kick_fd;
	p->hdr_len = hdr_len;
	run_on_ring(p, ring, PAIR_START);
	return p->job.result;
}

uint32_t pair_stop(struct pair *p, unsigned ring)
{
	run_on_ring(p, ring, PAIR_STOP);
	return p->job.base;
}

void pair_enable(struct pair *p, unsigned ring, bool enabled)
{
	p->job.enabled = enabled;
	run_on_ring(p, ring, PAIR_ENABLE);
}

void pair_set_fds(struct pair *p, unsigned ring, struct notifier call, struct notifier err)
{
	p->rings[ring].vq.call = call;
	p->rings[ring].vq.err = err;
	run_on_ring(p, ring, PAIR_TAKE_FDS);
}

void pair_set_mode(struct pair *p, const struct tx_mode *mode)
{
	p->mode = *mode;
	p->mode_waits = p->owner == PAIR_KERNEL;
	pair_run(p, PAIR_SET_MODE);
}

void pair_set_coalesce(struct pair *p, bool on)
{
	p->job.enabled = on;
	pair_run(p, PAIR_SET_COALESCE);
}

struct device_progress pair_progress(struct pair *p)
{
	pair_run(p, PAIR_PROGRESS);
	return p->job.progress;
}

void pair_move(struct pair *p, unsigned ring, const struct virtq_rings *rings)
{
	p->rings[ring].vq.rings = *rings;
	virtq_move(virtq_of(p, ring), rings);
}

enum pair_release pair_set_thread(struct pair *p, struct iothread *thread)
{
	assert(p->owner == PAIR_USER);
	if (thread == p->thread)
		return PAIR_RELEASED;
	pair_run(p, PAIR_RELEASE);
	if (p->job.release != PAIR_RELEASED)
		return p->job.release;
	p->thread = thread;
	rx_queue_set_thread(&p->rx, thread);
	tx_queue_set_thread(&p->tx, thread);
	pair_run(p, PAIR_RECLAIM);
	return PAIR_RELEASED;
}

enum pair_release pair_release(struct pair *p)
{
	assert(p->rings[PAIR_RX].started && p->rings[PAIR_TX].started);
	pair_run(p, PAIR_RELEASE);
	return p->job.release;
}

static void attach(struct pair *p, bool attached)
{
	struct backend *b = p->cfg->backend;

	if (!b->ops->set_queue(b, p->index, attached))
		p->attached = attached;
	else
		device_log(p->cfg, DEVICE_WARNING, "queue pair %u: backend %s cannot %s its queue",
			   p->index, b->describe, attached ? "attach" : "detach");
}

void pair_attach(struct pair *p, bool attached)
{
	if (attached == p->attached || !p->cfg->backend->ops->set_queue)
		return;
	/* What the queues wait for may be new afterwards. */
	pair_run(p, PAIR_PAUSE);
	attach(p, attached);
	pair_run(p, PAIR_RESUME);
}

static void log_broken(struct pair *p, unsigned ring)
{
	const struct virtq *vq = virtq_of(p, ring);

	device_log(p->cfg, DEVICE_WARNING,
		   "ring %u (%s of queue pair %u) is broken: %s, at available index %u",
		   2 * p->index + ring, ring == PAIR_TX ? "tx" : "rx", p->index,
		   virtq_fault_name(vq->fault), vq->fault_idx);
}

static void on_rx_broken(struct rx_queue *q)
{
	log_broken(container_of(q, struct pair, rx), PAIR_RX);
}

static void on_tx_broken(struct tx_queue *q)
{
	log_broken(container_of(q, struct pair, tx), PAIR_TX);
}

/* A backend without fds says what it has; on the pair's iothread. */
static void on_wake(void *ctx, unsigned events)
{
	struct pair *p = ctx;

	if (events & BACKEND_FRAMES)
		rx_queue_ready(&p->rx);
	if (events & (BACKEND_ROOM | BACKEND_DONE))
		tx_queue_ready(&p->tx, events & (BACKEND_ROOM | BACKEND_DONE));
}

int pair_init(struct pair *p, const struct device_config *cfg, unsigned index,
	      struct iothread *thread)
{
	struct backend_queue *bq = cfg->backend->queues[index];
	int err;

	memset(p, 0, sizeof(*p));
	p->cfg = cfg;
	p->index = index;
	p->thread = thread;
	p->job.job.fn = on_job;
	p->attached = true; /* as the backend made it */
	err = rx_queue_init(&p->rx, thread, bq);
	if (err)
		return err;
	p->mode = *cfg->mode;
	tx_queue_init(&p->tx, thread, bq, cfg->mode);
	if (!p->tx.latency) {
		rx_queue_deinit(&p->rx);
		return -ENOMEM;
	}
	p->tx.nic = cfg->name ? cfg->name : "";
	p->tx.pair = index;
	if (cfg->coalesce)
		p->tx.rules.merges = cfg->backend->merges;
	p->rx.on_broken = on_rx_broken;
	p->tx.on_broken = on_tx_broken;
	p->tx.on_paused = on_tx_paused;
	assert(!cfg->backend->merges || !bq->ops->tx_done);
	bq->wake = on_wake;
	bq->wake_ctx = p;
	/* Frames for a pair that no driver uses must not wait there for ever. */
	if (cfg->backend->ops->set_queue)
		attach(p, false);
	return 0;
}

void pair_deinit(struct pair *p)
{
	rx_queue_deinit(&p->rx);
	tx_queue_deinit(&p->tx);
	p->cfg->backend->queues[p->index]->wake = NULL;
}
