/* SPDX-License-Identifier: MIT */
/*
 * The tx queue's decision to sleep: datapath/tx/queue.c with its engines as the device's side, in
 * all orders against a driver. The iothread here has the contract of datapath/iothread.h and no
 * thread: when it has work it may look at the kick first or not, when it waits for a time that time
 * may come at any moment. An engine that looks at the clock finds each time that half of what it
 * waits for has gone by, or all of it. Then without the fence and without the look-again of arming,
 * where an order must be found in which both sides sleep for ever.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/tx/queue.h"
#include "tests/explore/guest.h"
#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define PACKED    FEATURE(VIRTIO_F_RING_PACKED)
#define LEN       (NET_HDR_LEN + 14)

/* The iothread: one watch, one timer, and the queue's two pieces of work. */
struct iothread {
	struct iothread_watch *watch;
	struct iothread_timer *timer;
	struct iothread_work *work;
};

/* The device's private state. */
static struct device {
	struct iothread thread;
	struct backend_queue bq;
	struct tx_queue q;
	struct tx_flight_chain flight[GUEST_SIZE_MAX];
	unsigned sent;
	bool started;
	uint64_t now_ns;
	bool busy; /* something happened since the last look at the clock */
} device;

/* Beside the state: nothing depends on it. It remembers no worst frames, which would be steps. */
static struct latency latency = { .worst_ns = UINT64_MAX, .end_ns = UINT64_MAX };

static struct guest guest;
static struct explore explore;
static struct tx_queue_config config;

#define START_NS 1000000000
#define SPIN_NS  50000

/*
 * Time matters to who is idle and polls. It begins anew with each kick and frame, so that states do
 * not differ in it.
 */
uint64_t iothread_now_ns(struct iothread *thread)
{
	(void)thread;
	if (device.busy)
		device.now_ns = START_NS;
	else if (device.q.engine == &poll_tx_engine)
		device.now_ns += explore_choose(2) ? SPIN_NS : SPIN_NS / 2;
	device.busy = false;
	return device.now_ns;
}

/* What is measured makes no difference: one state is not two. */
uint64_t iothread_stamp_ns(struct iothread *thread)
{
	(void)thread;
	return START_NS;
}

uint64_t iothread_recent_ns(const struct iothread *thread)
{
	(void)thread;
	return START_NS;
}

int iothread_watch_arm(struct iothread *thread, struct iothread_watch *watch)
{
	watch->armed = true;
	thread->watch = watch;
	return 0;
}

void iothread_watch_disarm(struct iothread *thread, struct iothread_watch *watch)
{
	if (watch->armed)
		thread->watch = NULL;
	watch->armed = false;
}

void iothread_timer_set(struct iothread *thread, struct iothread_timer *timer, uint64_t at_ns)
{
	timer->at_ns = at_ns;
	timer->armed = true;
	thread->timer = timer;
}

void iothread_timer_cancel(struct iothread *thread, struct iothread_timer *timer)
{
	timer->armed = false;
	thread->timer = NULL;
}

void iothread_work_queue(struct iothread *thread, struct iothread_work *work)
{
	explore_require(!thread->work || thread->work == work);
	work->queued = true;
	thread->work = work;
}

void iothread_work_cancel(struct iothread *thread, struct iothread_work *work)
{
	work->queued = false;
	if (thread->work == work)
		thread->work = NULL;
}

/* Takes everything, in order, each once. */
static unsigned backend_tx(struct backend_queue *bq, const struct frame *frames, unsigned n,
			   struct tx_stats *stats)
{
	(void)bq;
	(void)stats;
	for (unsigned i = 0; i < n; i++)
		explore_require(guest_number(frames[i].iov) == device.sent++);
	device.busy = true;
	return n;
}

static const struct backend_ops backend_ops = { .name = "explored", .tx = backend_tx };

static void kick_comes(struct iothread *t)
{
	device.busy = true;
	t->watch->fn(t->watch);
}

static void timer_comes(struct iothread *t)
{
	struct iothread_timer *timer = t->timer;

	iothread_timer_cancel(t, timer);
	timer->fn(timer);
}

/* One turn, or the wait before it. */
static void turn(struct iothread *t)
{
	struct iothread_work *work = t->work;

	if (work) {
		if (explore_poll(EXPLORE_KICK))
			kick_comes(t);
		if (t->work == work) {
			iothread_work_cancel(t, work);
			work->fn(work);
		}
	} else if (!t->timer) {
		explore_require(t->watch);
		explore_sleep(EXPLORE_KICK);
		kick_comes(t);
	} else if (explore_sleep_or_timer(EXPLORE_KICK)) {
		kick_comes(t);
	} else {
		timer_comes(t);
	}
}

/* Counters decide nothing, so states that differ in them only are one. */
static void device_iterate(void)
{
	if (device.started)
		turn(&device.thread);
	else
		tx_queue_resume(&device.q);
	device.started = true;
	explore_require(!device.q.vq.fault);
	memset(&device.q.stats, 0, sizeof(device.q.stats));
}

/* As after tx_queue_start(), but for the first look into the ring, which is explored. */
static void device_set_up(const struct tx_mode *mode)
{
	memset(&device, 0, sizeof(device));
	device.busy = true;
	device.bq = (struct backend_queue){ .ops = &backend_ops,
					    .room = { .fd = -1 },
					    .done = { .fd = -1 },
					    .frames = { .fd = -1 } };
	tx_queue_init(&device.q, &device.thread, &device.bq, mode);
	tx_queue_enable(&device.q, true);
	config = (struct tx_queue_config){ .vq = guest.vq, .kick_fd = 0, .hdr_len = NET_HDR_LEN };
	if (tx_queue_start(&device.q, &config) < 0)
		abort();
	tx_queue_pause(&device.q);
	memcpy(device.flight, device.q.flight.chains, guest.vq.size * sizeof(device.flight[0]));
	tx_queue_deinit(&device.q);
	device.q.flight.chains = device.flight;
	device.q.latency = &latency;
}

static void run(const struct tx_mode *mode, uint64_t features, unsigned n_chains,
		struct explore_break brk, struct explore_result *result)
{
	struct guest_config cfg = { .features = features | FEATURE(VIRTIO_F_VERSION_1),
				    .size = 2,
				    .n_chains = n_chains,
				    .batch_max = 2,
				    .out_len = LEN };

	guest_set_up(&guest, &explore, &cfg);
	device_set_up(mode);
	explore.brk = brk;
	explore.quiet = brk.func;
	explore.programs[EXPLORE_DEVICE] =
		(struct explore_program){ device_iterate, &device, sizeof(device) };
	explore_run(&explore, result);
}

static const struct {
	const char *name;
	uint64_t features;
} rings[] = {
	{ "split, flags", 0 },
	{ "split, EVENT_IDX", EVENT_IDX },
	{ "packed, flags", PACKED },
	{ "packed, EVENT_IDX", PACKED | EVENT_IDX },
};

/*
 * A burst of 1 ends many runs full, one of 8 none. Of 3 chains the ring takes 2 at a time; one that
 * polls has as many orders with 2.
 */
static const struct {
	struct tx_mode tx;
	unsigned burst;
	unsigned n_chains;
} modes[] = {
	{ { &bh_tx_engine, { 1 } }, 1, 3 },
	{ { &bh_tx_engine, { 8 } }, 8, 3 },
	{ { &timer_tx_engine, { 150000, 1 } }, 1, 3 },
	{ { &timer_tx_engine, { 150000, 8 } }, 8, 3 },
	{ { &poll_tx_engine, { SPIN_NS, 1 } }, 1, 3 },
	{ { &poll_tx_engine, { SPIN_NS, 8 } }, 8, 2 },
};

/* What run() finds in a ring and a mode with a part taken out, where it must find something. */
static bool found_without(const char *what, unsigned ring, unsigned mode, struct explore_break brk)
{
	struct explore_result result;

	run(&modes[mode].tx, rings[ring].features, modes[mode].n_chains, brk, &result);
	printf("  without the %s: %s after %" PRIu64 " states\n", what,
	       result.failure ? result.failure : "NOT FOUND", result.states);
	return result.failure;
}

static bool explored(unsigned ring, unsigned mode)
{
	static const struct explore_break none = { 0 }, fence = { "arm_notify", false },
					  again = { "arm_notify", true };
	struct explore_result result;
	bool ok;

	run(&modes[mode].tx, rings[ring].features, modes[mode].n_chains, none, &result);
	printf("%s, %s engine, bursts of %u: %" PRIu64 " states, %" PRIu64
	       " steps, %.3g orders: %s\n",
	       rings[ring].name, modes[mode].tx.engine->name, modes[mode].burst, result.states,
	       result.steps, result.orders, result.failure ? result.failure : "holds in all");
	ok = !result.failure;
	ok &= found_without("fence", ring, mode, fence);
	ok &= found_without("look-again", ring, mode, again);
	return ok;
}

int main(void)
{
	unsigned r, m;
	int failed = 0;

	setbuf(stdout, NULL);
	for (r = 0; r < array_size(rings); r++) {
		for (m = 0; m < array_size(modes); m++)
			failed |= !explored(r, m);
	}
	return failed;
}
