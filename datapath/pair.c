/* SPDX-License-Identifier: MIT */
/* One queue pair: what control wants of it becomes orders, which its iothread carries out. */
#include "datapath/pair.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "datapath/device_log.h"

/* What an iothread is asked to do with one ring, or with both. */
struct order {
	struct pair *pair;
	unsigned ring;
	bool enabled;
	enum pair_release release;
	int result;
	uint32_t base;
};

static void give(struct order *o, void (*fn)(void *arg))
{
	iothread_call(o->pair->thread, fn, o);
}

static struct virtq *virtq_of(struct pair *p, unsigned ring)
{
	return ring == PAIR_TX ? &p->tx.vq : &p->rx.vq;
}

bool pair_in_use(const struct pair *p)
{
	return (p->rings[PAIR_RX].started && p->rings[PAIR_RX].enabled) ||
	       (p->rings[PAIR_TX].started && p->rings[PAIR_TX].enabled);
}

/*
 * On the iothread: the backend's queue follows the pair, attached while a ring of it can move
 * frames, whoever moves them.
 */
static void update_attached(struct pair *p)
{
	struct backend *b = p->cfg->backend;
	bool used = pair_in_use(p);

	if (used == p->attached || !b->ops->set_queue)
		return;
	if (b->ops->set_queue(b, p->index, used) == 0)
		p->attached = used;
	else
		device_log(p->cfg, "queue pair %u: backend %s cannot %s its queue", p->index,
			   b->describe, used ? "attach" : "detach");
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

static void on_start(void *arg)
{
	struct order *o = arg;
	struct pair *p = o->pair;
	bool *started = &p->rings[o->ring].started;

	*started = true;
	update_attached(p);
	o->result = start_queue(p, o->ring);
	*started = !o->result;
	update_attached(p);
}

int pair_start(struct pair *p, unsigned ring, const struct virtq_config *vq, int kick_fd,
	       unsigned hdr_len)
{
	struct order o = { .pair = p, .ring = ring };

	p->rings[ring].vq = *vq;
	p->rings[ring].kick_fd = kick_fd;
	p->hdr_len = hdr_len;
	give(&o, on_start);
	return o.result;
}

static void on_stop(void *arg)
{
	struct order *o = arg;

	o->base = stop_queue(o->pair, o->ring);
	o->pair->rings[o->ring].started = false;
	update_attached(o->pair);
}

uint32_t pair_stop(struct pair *p, unsigned ring)
{
	struct order o = { .pair = p, .ring = ring };

	give(&o, on_stop);
	return o.base;
}

static void on_enable(void *arg)
{
	struct order *o = arg;
	struct pair *p = o->pair;

	p->rings[o->ring].enabled = o->enabled;
	/* Attached before the first frame, detached after the last. */
	if (o->enabled)
		update_attached(p);
	if (o->ring == PAIR_TX)
		tx_queue_enable(&p->tx, o->enabled);
	else
		rx_queue_enable(&p->rx, o->enabled);
	update_attached(p);
}

void pair_enable(struct pair *p, unsigned ring, bool enabled)
{
	struct order o = { .pair = p, .ring = ring, .enabled = enabled };

	give(&o, on_enable);
}

static void on_fds(void *arg)
{
	struct order *o = arg;
	struct virtq *vq = virtq_of(o->pair, o->ring);

	vq->call = o->pair->rings[o->ring].vq.call;
	vq->err = o->pair->rings[o->ring].vq.err;
	/* A call may have gone to the old fd. */
	virtq_call_now(vq);
}

void pair_set_fds(struct pair *p, unsigned ring, struct notifier call, struct notifier err)
{
	struct order o = { .pair = p, .ring = ring };

	p->rings[ring].vq.call = call;
	p->rings[ring].vq.err = err;
	give(&o, on_fds);
}

static void on_pause(void *arg)
{
	struct order *o = arg;

	if (o->pair->rings[PAIR_RX].started)
		rx_queue_pause(&o->pair->rx);
	if (o->pair->rings[PAIR_TX].started)
		tx_queue_pause(&o->pair->tx);
}

void pair_pause(struct pair *p)
{
	struct order o = { .pair = p };

	give(&o, on_pause);
}

static void on_resume(void *arg)
{
	struct order *o = arg;

	if (o->pair->rings[PAIR_RX].started)
		rx_queue_resume(&o->pair->rx);
	if (o->pair->rings[PAIR_TX].started)
		tx_queue_resume(&o->pair->tx);
}

void pair_resume(struct pair *p)
{
	struct order o = { .pair = p };

	give(&o, on_resume);
}

void pair_move(struct pair *p, unsigned ring, const struct virtq_rings *rings)
{
	p->rings[ring].vq.rings = *rings;
	/* The queue is paused: nobody else touches it. */
	virtq_move(virtq_of(p, ring), rings);
}

static void on_may_release(void *arg)
{
	struct order *o = arg;
	const struct pair *p = o->pair;

	o->release = PAIR_RELEASED;
	if (p->rx.vq.fault || p->tx.vq.fault)
		o->release = PAIR_BROKEN;
	else if (rx_queue_has_parked(&p->rx))
		o->release = PAIR_PARKED;
}

enum pair_release pair_may_release(struct pair *p)
{
	struct order o = { .pair = p };

	give(&o, on_may_release);
	return o.release;
}

static void on_release(void *arg)
{
	struct order *o = arg;
	struct pair *p = o->pair;

	on_may_release(o);
	if (o->release != PAIR_RELEASED)
		return;
	p->released_ns = monotonic_ns();
	for (unsigned i = 0; i < PAIR_RINGS; i++)
		p->rings[i].vq.base = stop_queue(p, i);
}

enum pair_release pair_release(struct pair *p)
{
	struct order o = { .pair = p };

	assert(p->rings[PAIR_RX].started && p->rings[PAIR_TX].started);
	give(&o, on_release);
	return o.release;
}

static void on_reclaim(void *arg)
{
	struct order *o = arg;
	struct pair *p = o->pair;

	for (unsigned i = 0; i < PAIR_RINGS; i++) {
		int err = start_queue(p, i);

		if (err)
			device_log(p->cfg, "ring %u cannot go on: %s", 2 * p->index + i,
				   strerror(-err));
		/* Whether the last one was for the driver to see in time, nobody knows. */
		virtq_call_now(virtq_of(p, i));
	}
}

void pair_reclaim(struct pair *p)
{
	struct order o = { .pair = p };

	give(&o, on_reclaim);
}

static void log_broken(struct pair *p, unsigned ring)
{
	const struct virtq *vq = virtq_of(p, ring);

	device_log(p->cfg, "ring %u (%s of queue pair %u) is broken: %s, at available index %u",
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
		tx_queue_ready(&p->tx);
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
	p->attached = true; /* as the backend made it */
	err = rx_queue_init(&p->rx, thread, bq);
	if (err)
		return err;
	tx_queue_init(&p->tx, thread, bq, cfg->mode);
	p->rx.on_broken = on_rx_broken;
	p->tx.on_broken = on_tx_broken;
	bq->wake = on_wake;
	bq->wake_ctx = p;
	/* Frames for a pair that no driver uses must not wait there for ever. */
	update_attached(p);
	return 0;
}

void pair_deinit(struct pair *p)
{
	rx_queue_deinit(&p->rx);
	tx_queue_deinit(&p->tx);
	p->cfg->backend->queues[p->index]->wake = NULL;
}
