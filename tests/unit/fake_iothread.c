/* SPDX-License-Identifier: MIT */
/*
 * The functions of datapath/iothread.h in virtual time; see fake_iothread.h. Host failures abort:
 * this is a test.
 */
#include "tests/unit/fake_iothread.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define MAX_WATCHES 64
#define MAX_FIRED   16
#define MAX_TURNS   100000 /* until a job ends that ends later */
#define TURN_NS     1000   /* of such a turn, if nothing happens in it */

struct iothread {
	uint64_t now_ns;
	struct iothread_watch *watches[MAX_WATCHES]; /* at their slot; NULL: free */
	unsigned n_slots;                            /* that ever had one */
	struct iothread_timer *timers;               /* in order of time, then of setting */
	struct iothread_work *first, *last;
	int fired[MAX_FIRED];
	unsigned n_fired;
};

int iothread_new(struct iothread **thread, const char *name)
{
	(void)name;
	*thread = calloc(1, sizeof(**thread));
	assert(*thread);
	(*thread)->now_ns = 1000000000;
	return 0;
}

void iothread_free(struct iothread *thread)
{
	unsigned i;

	if (!thread)
		return;
	assert(!thread->timers && !thread->first);
	for (i = 0; i < MAX_WATCHES; i++)
		assert(!thread->watches[i]);
	free(thread);
}

void iothread_batch_init(struct iothread_batch *batch)
{
	*batch = (struct iothread_batch){ 0 };
}

/* At once: there is no turn that it would have to wait for. */
void iothread_post(struct iothread *thread, struct iothread_batch *batch, struct iothread_job *job)
{
	job->batch = batch;
	batch->left++;
	batch->threads = thread;
	job->fn(job);
}

void iothread_batch_start(struct iothread_batch *batch)
{
	(void)batch;
}

/* A job that ends later does so in the turns of the thread that was posted to last. */
void iothread_batch_wait(struct iothread_batch *batch)
{
	for (unsigned n = 0; batch->left; n++) {
		assert(n < MAX_TURNS);
		if (!fake_iothread_turn(batch->threads))
			fake_iothread_advance(batch->threads, TURN_NS);
	}
}

void iothread_job_done(struct iothread_job *job)
{
	assert(job->batch->left);
	job->batch->left--;
}

uint64_t iothread_now_ns(struct iothread *thread)
{
	return thread->now_ns;
}

uint64_t iothread_stamp_ns(struct iothread *thread)
{
	return thread->now_ns;
}

uint64_t iothread_recent_ns(const struct iothread *thread)
{
	return thread->now_ns;
}

int iothread_watch_arm(struct iothread *thread, struct iothread_watch *watch)
{
	uint32_t slot;

	if (watch->armed)
		return 0;
	assert(watch->fn && watch->fd >= 0 && watch->events);
	for (slot = 0; slot < MAX_WATCHES && thread->watches[slot]; slot++)
		;
	if (slot == MAX_WATCHES)
		return -ENOMEM;
	watch->slot = slot;
	watch->armed = true;
	thread->watches[slot] = watch;
	if (slot == thread->n_slots)
		thread->n_slots++;
	return 0;
}

void iothread_watch_disarm(struct iothread *thread, struct iothread_watch *watch)
{
	if (!watch->armed)
		return;
	watch->armed = false;
	thread->watches[watch->slot] = NULL;
}

void iothread_timer_set(struct iothread *thread, struct iothread_timer *timer, uint64_t at_ns)
{
	struct iothread_timer **at = &thread->timers, *prev = NULL;

	assert(timer->fn);
	iothread_timer_cancel(thread, timer);
	while (*at && (*at)->at_ns <= at_ns) {
		prev = *at;
		at = &prev->next;
	}
	timer->at_ns = at_ns;
	timer->armed = true;
	timer->prev = prev;
	timer->next = *at;
	if (timer->next)
		timer->next->prev = timer;
	*at = timer;
}

void iothread_timer_cancel(struct iothread *thread, struct iothread_timer *timer)
{
	if (!timer->armed)
		return;
	timer->armed = false;
	if (timer->next)
		timer->next->prev = timer->prev;
	if (timer->prev)
		timer->prev->next = timer->next;
	else
		thread->timers = timer->next;
}

void iothread_work_queue(struct iothread *thread, struct iothread_work *work)
{
	assert(work->fn);
	if (work->queued)
		return;
	work->queued = true;
	work->next = NULL;
	if (thread->last)
		thread->last->next = work;
	else
		thread->first = work;
	thread->last = work;
}

void iothread_work_cancel(struct iothread *thread, struct iothread_work *work)
{
	struct iothread_work **at = &thread->first, *prev = NULL;

	if (!work->queued)
		return;
	for (; *at != work; at = &prev->next)
		prev = *at;
	*at = work->next;
	if (thread->last == work)
		thread->last = prev;
	work->queued = false;
}

static bool was_fired(const struct iothread *thread, int fd)
{
	unsigned i;

	for (i = 0; i < thread->n_fired; i++) {
		if (thread->fired[i] == fd)
			return true;
	}
	return false;
}

/*
 * All are looked at before the first is told, as completions of one wake-up are: by one call, as
 * calls are what a turn costs.
 */
static void look(const struct iothread *thread, bool *ready)
{
	struct pollfd fds[MAX_WATCHES];
	eventfd_t n;
	unsigned i;

	for (i = 0; i < thread->n_slots; i++) {
		const struct iothread_watch *watch = thread->watches[i];

		fds[i] = (struct pollfd){ .fd = watch ? watch->fd : -1,
					  .events = watch ? watch->events : 0 };
	}
	if (poll(fds, thread->n_slots, 0) < 0)
		memset(fds, 0, sizeof(fds));
	for (i = 0; i < thread->n_slots; i++) {
		const struct iothread_watch *watch = thread->watches[i];

		ready[i] = watch && (fds[i].revents || was_fired(thread, watch->fd));
		if (fds[i].revents && watch->every)
			(void)!eventfd_read(watch->fd, &n);
	}
}

static unsigned turn_events(struct iothread *thread)
{
	bool ready[MAX_WATCHES];
	unsigned n_slots = thread->n_slots, i, n = 0;

	look(thread, ready);
	thread->n_fired = 0;
	for (i = 0; i < n_slots; i++) {
		struct iothread_watch *watch = thread->watches[i];

		if (!ready[i] || !watch)
			continue;
		if (!watch->every)
			iothread_watch_disarm(thread, watch);
		watch->fn(watch);
		n++;
	}
	return n;
}

/* A timer that is set anew to a time gone by waits for the next turn. */
static unsigned turn_timers(struct iothread *thread)
{
	struct iothread_timer *due[MAX_WATCHES], *timer;
	unsigned n = 0, called = 0, i;

	for (timer = thread->timers; timer && timer->at_ns <= thread->now_ns; timer = timer->next) {
		assert(n < MAX_WATCHES);
		due[n++] = timer;
	}
	for (i = 0; i < n; i++) {
		if (!due[i]->armed || due[i]->at_ns > thread->now_ns)
			continue;
		iothread_timer_cancel(thread, due[i]);
		due[i]->fn(due[i]);
		called++;
	}
	return called;
}

/* As many as are queued now; what they queue waits for the next turn. */
static unsigned turn_work(struct iothread *thread)
{
	struct iothread_work *work;
	unsigned n = 0, i;

	for (work = thread->first; work; work = work->next)
		n++;
	for (i = 0; i < n && thread->first; i++) {
		work = thread->first;
		iothread_work_cancel(thread, work);
		work->fn(work);
	}
	return i;
}

unsigned fake_iothread_turn(struct iothread *thread)
{
	unsigned n = turn_events(thread);

	n += turn_timers(thread);
	return n + turn_work(thread);
}

bool fake_iothread_run_until_idle(struct iothread *thread, unsigned max)
{
	while (max--) {
		if (!fake_iothread_turn(thread))
			return true;
	}
	return false;
}

uint64_t fake_iothread_next_timer(const struct iothread *thread)
{
	return thread->timers ? thread->timers->at_ns : FAKE_IOTHREAD_NO_TIMER;
}

void fake_iothread_advance(struct iothread *thread, uint64_t ns)
{
	uint64_t end = thread->now_ns + ns, next;

	for (;;) {
		next = fake_iothread_next_timer(thread);
		if (next > end)
			break;
		/* A turn takes time, so that a timer set to a time gone by for ever ends too. */
		thread->now_ns = next > thread->now_ns ? next : thread->now_ns + 1;
		fake_iothread_turn(thread);
	}
	if (thread->now_ns < end)
		thread->now_ns = end;
}

void fake_iothread_hold(struct iothread *thread, uint64_t ns)
{
	thread->now_ns += ns;
}

void fake_iothread_fire(struct iothread *thread, int fd)
{
	assert(thread->n_fired < MAX_FIRED);
	thread->fired[thread->n_fired++] = fd;
}
