/* SPDX-License-Identifier: MIT */
/*
 * How a queue waits for one thing of its backend, as struct backend_wait says: it watches the fd,
 * or a timer looks again. A backend that has neither calls wake(), for which nothing is armed.
 *
 * Owner: the iothread of the queue, but for await_init().
 */
#ifndef DATAPATH_AWAIT_H
#define DATAPATH_AWAIT_H

#include <stdbool.h>

#include "datapath/backend.h"
#include "datapath/iothread.h"

struct await {
	struct iothread *thread;
	const struct backend_wait *wait; /* read each time that it is armed */
	void (*fn)(struct await *await);
	struct iothread_watch watch;
	struct iothread_timer timer;
};

/* Another iothread's from here on; it is not armed. */
static inline void await_set_thread(struct await *a, struct iothread *thread)
{
	a->thread = thread;
}

/* fn is called once for each await_arm(), on the iothread. */
void await_init(struct await *a, struct iothread *thread, const struct backend_wait *wait,
		void (*fn)(struct await *await));

/* What is armed stays as it is: a time to look again is not put off. */
void await_arm(struct await *a);
void await_cancel(struct await *a);

static inline bool await_armed(const struct await *a)
{
	return a->watch.armed || a->timer.armed;
}

#endif
