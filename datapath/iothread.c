/* SPDX-License-Identifier: MIT */
/*
 * The iothread's loop over one io_uring. io_uring is only the wait point here: polls and a
 * time-out. Frames do not go through it, since a plain non-blocking read or write of a tap is
 * faster (docs/design.md).
 *
 * A watch is known to the kernel by slot and generation, not by address: what arrives for a watch
 * that was disarmed meanwhile carries an old generation and is ignored, so disarming never waits.
 *
 * What the kernel refuses it may refuse for ever, and the queues of all cards are served here. So
 * nothing is tried again in a loop: a poll that finds no memory waits for RETRY_NS, a wait that
 * fails sleeps for PAUSE_NS, and each is said once.
 *
 * One long file, since all of it works on the one private struct of a thread.
 */
#include "datapath/iothread.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "datapath/ticks.h"
#include "virtio/base.h"

#define RING_ENTRIES 256
#define NOBODY       UINT64_MAX /* user data of requests whose completion says nothing */
#define RETRY_NS     10000000 /* until a poll that was refused for want of memory is tried again */
#define PAUSE_NS     1000000  /* in place of a wait that the kernel refuses */
/* A poll of an every-watch that ends so often in a row is of a file that is always ready. */
#define MAX_ENDED 16

_Static_assert(!(IOTHREAD_MAX_WATCHES & (IOTHREAD_MAX_WATCHES - 1)), "a key is split by a mask");

struct slot {
	struct iothread_watch *watch; /* NULL: free */
	uint64_t generation; /* with the slot's number it is less than 2^64 for centuries */
	uint64_t called;     /* the turn in which the watch was called last */
	unsigned ended;      /* polls of it that ended, since the last that went on */
	bool refused;        /* to be tried again */
};

struct iothread {
	pthread_t thread;
	char name[16];
	struct io_uring ring;
	struct slot slots[IOTHREAD_MAX_WATCHES];
	uint16_t free_slots[IOTHREAD_MAX_WATCHES];
	unsigned n_free;
	uint64_t turn;
	struct ticks ticks;
	uint64_t recent_ns;
	struct iothread_timer retry; /* of the watches that were refused */
	bool lost;                   /* the kernel has dropped events of any of them */
	struct iothread_work work;   /* list head: for this turn */
	struct iothread_work again;  /* list head: for the next one, queued by work of this */
	bool working;
	struct iothread_timer timers; /* list head, soonest first */
	bool stop;

	/* The mailbox: the control thread adds jobs, the iothread takes all of them. */
	int post_fd;
	struct iothread_watch post_watch;
	struct iothread_job *posted; /* the last one first */

	/* Set by the control thread before anything can fail. */
	void (*on_error)(void *ctx, const char *line);
	void *error_ctx;
	int error_fd; /* what was said last */
	int error;

	/* The control thread's. */
	struct iothread_batch *batch; /* posted to it, and not woken yet */
	struct iothread *next;        /* of batch's */
	sem_t started;
	int start_error;
};

const char *iothread_name(const struct iothread *t)
{
	return t->name;
}

uint64_t iothread_cpu_ns(const struct iothread *t)
{
	struct timespec used;
	clockid_t clock;

	if (pthread_getcpuclockid(t->thread, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

uint64_t iothread_turns(const struct iothread *t)
{
	return load_relaxed(&t->turn);
}

uint64_t iothread_now_ns(struct iothread *t)
{
	return t->recent_ns = ticks_ns(&t->ticks);
}

uint64_t iothread_stamp_ns(struct iothread *t)
{
	return iothread_now_ns(t);
}

uint64_t iothread_recent_ns(const struct iothread *t)
{
	return t->recent_ns;
}

/* The same again says nothing new. */
static void say(struct iothread *t, const char *what, int fd, int error)
{
	char line[128], number[16] = "";

	if (!t->on_error || (error == t->error && fd == t->error_fd))
		return;
	t->error = error;
	t->error_fd = fd;
	if (fd >= 0)
		snprintf(number, sizeof(number), " fd %d", fd);
	snprintf(line, sizeof(line), "%s: io_uring: %s%s: %s", t->name, what, number,
		 strerror(-error));
	t->on_error(t->error_ctx, line);
}

/* What a system call of io_uring has said. False: it did nothing, and may do so again. */
static bool entered(struct iothread *t, int code)
{
	if (code >= 0 || code == -ETIME || code == -EINTR)
		return true;
	if (code == -EBADR) {
		say(t, "events were dropped, all files are asked again", -1, code);
		t->lost = true;
		return true;
	}
	say(t, "it is refused for now", -1, code);
	return false;
}

/* NULL: the kernel takes none now. */
static struct io_uring_sqe *get_sqe(struct iothread *t)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);

	if (sqe)
		return sqe;
	entered(t, io_uring_submit(&t->ring));
	return io_uring_get_sqe(&t->ring);
}

static uint64_t watch_key(const struct iothread *t, uint32_t slot)
{
	return t->slots[slot].generation * IOTHREAD_MAX_WATCHES + slot;
}

static void retry_later(struct iothread *t, struct slot *slot)
{
	slot->refused = true;
	if (!t->retry.armed)
		iothread_timer_set(t, &t->retry, iothread_now_ns(t) + RETRY_NS);
}

/* False: the kernel takes no request now; it is tried again later. */
static bool watch_submit(struct iothread *t, struct iothread_watch *w)
{
	struct io_uring_sqe *sqe = get_sqe(t);

	if (!sqe) {
		retry_later(t, &t->slots[w->slot]);
		return false;
	}
	if (w->every)
		io_uring_prep_poll_multishot(sqe, w->fd, (unsigned)w->events);
	else
		io_uring_prep_poll_add(sqe, w->fd, (unsigned)w->events);
	io_uring_sqe_set_data64(sqe, watch_key(t, w->slot));
	return true;
}

static void on_retry(struct iothread_timer *timer)
{
	struct iothread *t = container_of(timer, struct iothread, retry);

	for (unsigned i = 0; i < IOTHREAD_MAX_WATCHES; i++) {
		struct slot *slot = &t->slots[i];

		if (slot->watch && slot->refused) {
			slot->refused = false;
			if (!watch_submit(t, slot->watch))
				return;
		}
	}
}

int iothread_watch_arm(struct iothread *t, struct iothread_watch *w)
{
	if (w->armed)
		return 0;
	if (!t->n_free)
		return -ENOMEM;
	w->slot = t->free_slots[--t->n_free];
	t->slots[w->slot].watch = w;
	w->armed = true;
	watch_submit(t, w);
	return 0;
}

static void watch_release(struct iothread *t, struct iothread_watch *w)
{
	struct slot *slot = &t->slots[w->slot];

	slot->watch = NULL;
	slot->generation++;
	slot->ended = 0;
	slot->refused = false;
	t->free_slots[t->n_free++] = (uint16_t)w->slot;
	w->armed = false;
}

/* The kernel forgets the poll of a slot. Where it takes no request, a stale poll stays, unheard. */
static void poll_remove(struct iothread *t, uint32_t slot)
{
	struct io_uring_sqe *sqe = get_sqe(t);

	if (!sqe)
		return;
	io_uring_prep_poll_remove(sqe, watch_key(t, slot));
	io_uring_sqe_set_data64(sqe, NOBODY);
}

void iothread_watch_disarm(struct iothread *t, struct iothread_watch *w)
{
	if (!w->armed)
		return;
	poll_remove(t, w->slot);
	entered(t, io_uring_submit(&t->ring));
	watch_release(t, w);
}

/* The kernel has dropped events, and does not say whose: each file is asked for its state anew. */
static void ask_all_again(struct iothread *t)
{
	t->lost = false;
	for (uint32_t i = 0; i < IOTHREAD_MAX_WATCHES; i++) {
		if (!t->slots[i].watch)
			continue;
		poll_remove(t, i);
		t->slots[i].generation++;
		watch_submit(t, t->slots[i].watch);
	}
}

static void watch_failed(struct iothread *t, struct iothread_watch *w, int error)
{
	say(t, "cannot wait for", w->fd, error);
	/* The control thread would wait for its jobs for ever. */
	if (error == -ENOMEM || error == -EAGAIN || w == &t->post_watch)
		retry_later(t, &t->slots[w->slot]);
	else
		watch_release(t, w);
}

/* Before its function is called: is the watch armed on? False: it has failed. */
static bool watch_go_on(struct iothread *t, struct iothread_watch *w, unsigned flags)
{
	struct slot *slot = &t->slots[w->slot];

	if (!w->every) {
		watch_release(t, w);
	} else if (flags & IORING_CQE_F_MORE) {
		slot->ended = 0;
	} else if (++slot->ended < MAX_ENDED) {
		/* The kernel ends polls when there is no room for their events. */
		watch_submit(t, w);
	} else {
		watch_failed(t, w, -EPERM);
		return false;
	}
	return true;
}

static void watch_completed(struct iothread *t, uint64_t key, int result, unsigned flags)
{
	struct slot *slot = &t->slots[key % IOTHREAD_MAX_WATCHES];
	struct iothread_watch *w = slot->watch;

	if (key == NOBODY || !w || watch_key(t, w->slot) != key)
		return;
	if (result < 0) {
		watch_failed(t, w, result);
		return;
	}
	if (!watch_go_on(t, w, flags) || slot->called == t->turn)
		return;
	slot->called = t->turn;
	w->fn(w);
}

/*
 * What is here now and no more: peeking into an empty queue would fetch what came meanwhile, and
 * with a driver that kicks without pause there is always some.
 */
static void reap(struct iothread *t)
{
	unsigned n = io_uring_cq_ready(&t->ring);
	struct io_uring_cqe *cqe;

	store_relaxed(&t->turn, t->turn + 1);
	if (t->lost)
		ask_all_again(t);
	while (n-- && !io_uring_peek_cqe(&t->ring, &cqe)) {
		uint64_t key = io_uring_cqe_get_data64(cqe);
		unsigned flags = cqe->flags;
		int result = cqe->res;

		io_uring_cqe_seen(&t->ring, cqe);
		watch_completed(t, key, result, flags);
	}
}

void iothread_timer_set(struct iothread *t, struct iothread_timer *timer, uint64_t at_ns)
{
	struct iothread_timer *before;

	iothread_timer_cancel(t, timer);
	/* From the back: timers of one delay are set in the order in which they are due. */
	for (before = t->timers.prev; before != &t->timers && before->at_ns > at_ns;
	     before = before->prev)
		;
	timer->at_ns = at_ns;
	timer->armed = true;
	timer->prev = before;
	timer->next = before->next;
	timer->next->prev = timer;
	before->next = timer;
}

void iothread_timer_cancel(struct iothread *t, struct iothread_timer *timer)
{
	(void)t;
	if (!timer->armed)
		return;
	timer->armed = false;
	timer->prev->next = timer->next;
	timer->next->prev = timer->prev;
}

static bool timer_armed(const struct iothread *t)
{
	return t->timers.next != &t->timers;
}

/* Timers that are due at now. */
static void expire(struct iothread *t, uint64_t now)
{
	struct iothread_timer *timer;

	while ((timer = t->timers.next) != &t->timers && timer->at_ns <= now) {
		iothread_timer_cancel(t, timer);
		timer->fn(timer);
	}
}

void iothread_work_queue(struct iothread *t, struct iothread_work *work)
{
	struct iothread_work *list = t->working ? &t->again : &t->work;

	if (work->queued)
		return;
	work->queued = true;
	work->next = list;
	work->prev = list->prev;
	work->prev->next = work;
	list->prev = work;
}

void iothread_work_cancel(struct iothread *t, struct iothread_work *work)
{
	(void)t;
	if (!work->queued)
		return;
	work->queued = false;
	work->prev->next = work->next;
	work->next->prev = work->prev;
}

/* Each piece once; what it queues has to wait for the next turn. */
static void run_work(struct iothread *t)
{
	struct iothread_work *work;

	while ((work = t->again.next) != &t->again) {
		iothread_work_cancel(t, work);
		iothread_work_queue(t, work);
	}
	t->working = true;
	while ((work = t->work.next) != &t->work) {
		iothread_work_cancel(t, work);
		work->fn(work);
	}
	t->working = false;
}

/*
 * Let the kernel post what has happened, without waiting; without a system call when there is
 * nothing.
 */
static void fetch_events(struct iothread *t)
{
	if (io_uring_sq_ready(&t->ring))
		entered(t, io_uring_submit_and_get_events(&t->ring));
	else if (load_relaxed(t->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		entered(t, io_uring_get_events(&t->ring));
	else
		return;
	iothread_now_ns(t);
}

static struct __kernel_timespec timespec_of(uint64_t ns)
{
	return (struct __kernel_timespec){ .tv_sec = (int64_t)(ns / 1000000000),
					   .tv_nsec = (int64_t)(ns % 1000000000) };
}

static void wait_for_events(struct iothread *t)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct __kernel_timespec ts, *timeout = NULL;
	struct io_uring_cqe *cqe;
	uint64_t now, at;

	if (t->again.next != &t->again || t->lost) {
		fetch_events(t);
		return;
	}
	if (timer_armed(t)) {
		now = iothread_now_ns(t);
		at = t->timers.next->at_ns;
		ts = timespec_of(at > now ? at - now : 0);
		timeout = &ts;
	}
	if (!entered(t, io_uring_submit_and_wait_timeout(&t->ring, &cqe, 1, timeout, NULL)))
		nanosleep(&pause, NULL);
	iothread_now_ns(t);
}

/* All that was posted, the first one first. */
static struct iothread_job *take_jobs(struct iothread *t)
{
	struct iothread_job *job = __atomic_exchange_n(&t->posted, NULL, __ATOMIC_ACQUIRE);
	struct iothread_job *first = NULL, *next;

	for (; job; job = next) {
		next = job->next;
		job->next = first;
		first = job;
	}
	return first;
}

static void on_post(struct iothread_watch *w)
{
	struct iothread_job *job = take_jobs(container_of(w, struct iothread, post_watch)), *next;

	for (; job; job = next) {
		/* One that has ended is not ours any more. */
		next = job->next;
		job->fn(job);
	}
	iothread_now_ns(container_of(w, struct iothread, post_watch));
}

static int ring_init(struct iothread *t)
{
	/*
	 * The thread that waits is the only one that submits: completions need no lock and no
	 * interrupt of it.
	 */
	struct io_uring_params params = { .flags = IORING_SETUP_SINGLE_ISSUER |
						   IORING_SETUP_DEFER_TASKRUN |
						   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
					  .cq_entries = 2 * IOTHREAD_MAX_WATCHES };

	return io_uring_queue_init_params(RING_ENTRIES, &t->ring, &params);
}

/*
 * The time is taken first: a timer that is set in this turn is not due in it. So a
 * queue that runs at an event and sets a short timer does not run twice in a turn.
 */
static void take_turn(struct iothread *t)
{
	uint64_t now = timer_armed(t) ? iothread_now_ns(t) : 0;

	reap(t);
	expire(t, now);
	run_work(t);
}

static void *iothread_main(void *arg)
{
	struct iothread *t = arg;

	t->start_error = ring_init(t);
	if (!t->start_error)
		iothread_watch_arm(t, &t->post_watch);
	sem_post(&t->started);
	if (t->start_error)
		return NULL;
	while (!t->stop) {
		take_turn(t);
		if (!t->stop)
			wait_for_events(t);
	}
	io_uring_queue_exit(&t->ring);
	return NULL;
}

/* sem_wait that a signal cannot end. */
static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) && errno == EINTR)
		;
}

int iothread_new(struct iothread **thread, const char *name)
{
	struct iothread *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	strncpy(t->name, name, sizeof(t->name) - 1);
	t->work.next = t->work.prev = &t->work;
	t->again.next = t->again.prev = &t->again;
	t->timers.next = t->timers.prev = &t->timers;
	while (t->n_free < IOTHREAD_MAX_WATCHES) {
		t->free_slots[t->n_free] = (uint16_t)(IOTHREAD_MAX_WATCHES - 1 - t->n_free);
		t->n_free++;
	}
	t->retry.fn = on_retry;
	ticks_init(&t->ticks);
	sem_init(&t->started, 0, 0);
	t->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->post_fd < 0) {
		err = -errno;
		goto out_free;
	}
	t->post_watch = (struct iothread_watch){
		.fn = on_post, .fd = t->post_fd, .events = POLLIN, .every = true
	};
	err = -pthread_create(&t->thread, NULL, iothread_main, t);
	if (err)
		goto out_close;
	pthread_setname_np(t->thread, t->name);
	wait_for(&t->started);
	if (t->start_error) {
		err = t->start_error;
		pthread_join(t->thread, NULL);
		goto out_close;
	}
	*thread = t;
	return 0;

out_close:
	close(t->post_fd);
out_free:
	sem_destroy(&t->started);
	free(t);
	return err;
}

void iothread_on_error(struct iothread *t, void (*fn)(void *ctx, const char *line), void *ctx)
{
	t->error_ctx = ctx;
	t->on_error = fn;
}

void iothread_batch_init(struct iothread_batch *batch)
{
	*batch = (struct iothread_batch){ .left = 1 };
	sem_init(&batch->ended, 0, 0);
}

void iothread_post(struct iothread *t, struct iothread_batch *batch, struct iothread_job *job)
{
	job->batch = batch;
	__atomic_add_fetch(&batch->left, 1, __ATOMIC_RELAXED);
	job->next = load_relaxed(&t->posted);
	while (!__atomic_compare_exchange_n(&t->posted, &job->next, job, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	if (t->batch == batch)
		return;
	assert(!t->batch);
	t->batch = batch;
	t->next = batch->threads;
	batch->threads = t;
}

void iothread_batch_start(struct iothread_batch *batch)
{
	struct iothread *t;

	while ((t = batch->threads)) {
		batch->threads = t->next;
		t->batch = NULL;
		eventfd_write(t->post_fd, 1);
	}
}

/* One less that holds the batch back. True: that was the last. */
static bool batch_drop(struct iothread_batch *batch)
{
	return !__atomic_sub_fetch(&batch->left, 1, __ATOMIC_ACQ_REL);
}

void iothread_batch_wait(struct iothread_batch *batch)
{
	iothread_batch_start(batch);
	if (!batch_drop(batch))
		wait_for(&batch->ended);
	sem_destroy(&batch->ended);
}

void iothread_job_done(struct iothread_job *job)
{
	struct iothread_batch *batch = job->batch;

	if (batch_drop(batch))
		sem_post(&batch->ended);
}

struct stop_job {
	struct iothread_job job;
	struct iothread *thread;
};

static void on_stop(struct iothread_job *job)
{
	container_of(job, struct stop_job, job)->thread->stop = true;
	iothread_job_done(job);
}

void iothread_free(struct iothread *t)
{
	struct stop_job stop = { .job.fn = on_stop, .thread = t };
	struct iothread_batch batch;

	if (!t)
		return;
	iothread_batch_init(&batch);
	iothread_post(t, &batch, &stop.job);
	iothread_batch_wait(&batch);
	pthread_join(t->thread, NULL);
	close(t->post_fd);
	sem_destroy(&t->started);
	free(t);
}
