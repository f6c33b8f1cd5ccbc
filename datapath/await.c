/* SPDX-License-Identifier: MIT */
/* Waiting for a backend; see await.h. */
#include "datapath/await.h"

#include "virtio/base.h"

/* Between two looks when the iothread has no place for one more watch. */
#define AWAIT_LOOK_NS 1000000

static void await_on_watch(struct iothread_watch *watch)
{
	struct await *a = container_of(watch, struct await, watch);

	a->fn(a);
}

static void await_on_timer(struct iothread_timer *timer)
{
	struct await *a = container_of(timer, struct await, timer);

	a->fn(a);
}

void await_init(struct await *a, struct iothread *thread, const struct backend_wait *wait,
		void (*fn)(struct await *await))
{
	*a = (struct await){ .thread = thread,
			     .wait = wait,
			     .fn = fn,
			     .watch.fn = await_on_watch,
			     .timer.fn = await_on_timer };
}

void await_arm(struct await *a)
{
	uint64_t look_ns = (uint64_t)a->wait->look_us * 1000;

	if (await_armed(a))
		return;
	if (a->wait->fd >= 0) {
		a->watch.fd = a->wait->fd;
		a->watch.events = a->wait->events;
		look_ns = iothread_watch_arm(a->thread, &a->watch) ? AWAIT_LOOK_NS : 0;
	}
	if (look_ns)
		iothread_timer_set(a->thread, &a->timer, iothread_now_ns(a->thread) + look_ns);
}

void await_cancel(struct await *a)
{
	iothread_watch_disarm(a->thread, &a->watch);
	iothread_timer_cancel(a->thread, &a->timer);
}
