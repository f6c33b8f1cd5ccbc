/* SPDX-License-Identifier: MIT */
/*
 * The iothread's loop over one io_uring. io_uring is only the wait point here: polls and a
 * time-out. Frames do not go through it, since a plain non-blocking read or write of a tap is
 * faster (docs/design.md).
 *
 * A watch is known to the kernel by slot and generation, not by address: what arrives for a watch
 * that was disarmed meanwhile carries an old generation and is ignored, so disarming never waits.
 */
#include "datapath/iothread.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio/base.h"

#define RING_ENTRIES 256
#define NOBODY       UINT64_MAX /* user data of requests whose completion says nothing */

struct slot {
	struct iothread_watch *watch; /* NULL: free */
	uint32_t generation;
	uint32_t told; /* the turn in which it was called last */
};

struct iothread {
	pthread_t thread;
	char name[16];
	struct io_uring ring;
	struct slot slots[IOTHREAD_MAX_WATCHES];
	uint16_t free_slots[IOTHREAD_MAX_WATCHES];
	unsigned n_free;
	uint32_t turn;
	struct iothread_work work;  /* list head: for this turn */
	struct iothread_work again; /* list head: for the next one, queued by work of this */
	bool working;
	struct iothread_timer timers; /* list head, soonest first */
	bool stop;

	/* The mailbox: the control thread adds jobs, the iothread takes all of them. */
	int post_fd;
	struct iothread_watch post_watch;
	struct iothread_job *posted; /* the last one first */

	/* The control thread's. */
	struct iothread_batch *batch; /* posted to it, and not woken yet */
	struct iothread *next;        /* of batch's */
	sem_t started;
	int start_error;
};

uint64_t iothread_now_ns(struct iothread *t)
{
	(void)t;
	return monotonic_ns();
}

static struct io_uring_sqe *get_sqe(struct iothread *t)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);

	while (!sqe) {
		io_uring_submit(&t->ring);
		sqe = io_uring_get_sqe(&t->ring);
	}
	return sqe;
}

static uint64_t watch_key(const struct iothread *t, uint32_t slot)
{
	return (uint64_t)t->slots[slot].generation << 32 | slot;
}

static void watch_submit(struct iothread *t, struct iothread_watch *w)
{
	struct io_uring_sqe *sqe = get_sqe(t);

	if (w->every)
		io_uring_prep_poll_multishot(sqe, w->fd, (unsigned)w->events);
	else
		io_uring_prep_poll_add(sqe, w->fd, (unsigned)w->events);
	io_uring_sqe_set_data64(sqe, watch_key(t, w->slot));
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
	t->slots[w->slot].watch = NULL;
	t->slots[w->slot].generation++;
	t->free_slots[t->n_free++] = (uint16_t)w->slot;
	w->armed = false;
}

void iothread_watch_disarm(struct iothread *t, struct iothread_watch *w)
{
	struct io_uring_sqe *sqe;

	if (!w->armed)
		return;
	sqe = get_sqe(t);
	io_uring_prep_poll_remove(sqe, watch_key(t, w->slot));
	io_uring_sqe_set_data64(sqe, NOBODY);
	io_uring_submit(&t->ring);
	watch_release(t, w);
}

static void watch_completed(struct iothread *t, uint64_t key, unsigned flags)
{
	uint32_t slot = (uint32_t)key;
	struct iothread_watch *w;

	if (key == NOBODY || slot >= IOTHREAD_MAX_WATCHES || watch_key(t, slot) != key)
		return;
	w = t->slots[slot].watch;
	if (!w->every)
		watch_release(t, w);
	else if (!(flags & IORING_CQE_F_MORE))
		watch_submit(t, w);
	if (t->slots[slot].told == t->turn)
		return;
	t->slots[slot].told = t->turn;
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

	t->turn++;
	while (n-- && !io_uring_peek_cqe(&t->ring, &cqe)) {
		uint64_t key = io_uring_cqe_get_data64(cqe);
		unsigned flags = cqe->flags;

		io_uring_cqe_seen(&t->ring, cqe);
		watch_completed(t, key, flags);
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
static void look(struct iothread *t)
{
	if (io_uring_sq_ready(&t->ring))
		io_uring_submit_and_get_events(&t->ring);
	else if (load_relaxed(t->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		io_uring_get_events(&t->ring);
}

static void wait_for_events(struct iothread *t)
{
	struct __kernel_timespec ts, *timeout = NULL;
	struct io_uring_cqe *cqe;
	uint64_t now, at;

	if (t->again.next != &t->again) {
		look(t);
		return;
	}
	if (timer_armed(t)) {
		now = iothread_now_ns(t);
		at = t->timers.next->at_ns;
		at = at > now ? at - now : 0;
		ts.tv_sec = (int64_t)(at / 1000000000);
		ts.tv_nsec = (int64_t)(at % 1000000000);
		timeout = &ts;
	}
	io_uring_submit_and_wait_timeout(&t->ring, &cqe, 1, timeout, NULL);
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
 * The time is taken first: a timer that is set in this turn is not due in it. So nobody who runs at
 * an event and sets a short timer runs twice.
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
