/* SPDX-License-Identifier: MIT */
/*
 * One thread with one wait point: kicks, backend readiness, timers, and jobs from the control
 * thread.
 *
 * Watches, timers and work belong to the iothread: they are armed, cancelled and called only on it
 * (so the control thread needs a job for that). The structs are the caller's, zeroed but for the
 * fields marked "set by the user"; one that is armed must not move. None of their functions may
 * block.
 *
 * A turn: events that came, timers that are due, then each piece of work once: first what these
 * have queued, then what was queued by work of the turn before. So a busy queue
 * waits behind one that has just been kicked, pieces of work that queue themselves again share the
 * thread fairly, and the thread sleeps only when none is queued. No watch or timer is called twice
 * in a turn, however fast its events come.
 */
#ifndef DATAPATH_IOTHREAD_H
#define DATAPATH_IOTHREAD_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

struct iothread;
struct iothread_batch;

#define IOTHREAD_MAX_WATCHES 2048

/* A file descriptor to wait for. */
struct iothread_watch {
	void (*fn)(struct iothread_watch *watch); /* set by the user */
	int fd;       /* set by the user before arming; borrowed, may be closed once disarmed */
	short events; /* set by the user: POLLIN or POLLOUT */
	bool every;   /* set by the user: call at every wake-up until disarmed, not once */
	bool armed;
	uint32_t slot;
};

/* A time to wait for. */
struct iothread_timer {
	void (*fn)(struct iothread_timer *timer); /* set by the user */
	uint64_t at_ns;
	bool armed;
	struct iothread_timer *prev, *next;
};

/* Something to do in the next turn. */
struct iothread_work {
	void (*fn)(struct iothread_work *work); /* set by the user */
	bool queued;
	struct iothread_work *prev, *next;
};

/* What the control thread wants done on the iothread. Must not move until it has ended. */
struct iothread_job {
	void (*fn)(struct iothread_job *job); /* set by the user */
	struct iothread_batch *batch;
	struct iothread_job *next;
};

/* Jobs, of any number of iothreads, whose end the control thread awaits together. */
struct iothread_batch {
	unsigned left; /* jobs that have not ended; and one until they are waited for */
	sem_t ended;
	struct iothread *threads; /* posted to, and not woken yet */
};

/*
 * Starts the thread; name is at most 15 characters. 0 or negative errno (ENOSYS, EPERM: no
 * io_uring).
 */
int iothread_new(struct iothread **thread, const char *name);

/*
 * What io_uring refuses becomes a line for fn, called on the iothread; the same trouble with the
 * same fd is said once, until there is another. To be set before anything is armed.
 */
void iothread_on_error(struct iothread *thread, void (*fn)(void *ctx, const char *line), void *ctx);

/* Any thread, while this one is there: its name, CPU time that it has used, turns that it took. */
const char *iothread_name(const struct iothread *thread);
uint64_t iothread_cpu_ns(const struct iothread *thread);
uint64_t iothread_turns(const struct iothread *thread);

/* Ends the thread; nothing may be armed or queued any more. Takes NULL. */
void iothread_free(struct iothread *thread);

/*
 * Control thread. A batch serves once: init, post any number of jobs, wait. Each iothread that was
 * posted to is woken once, by start, or by wait, which starts what was not; it runs its jobs in the
 * order in which they were posted, between two events. Between the first post to an iothread and
 * the start no other batch may be posted to it.
 */
void iothread_batch_init(struct iothread_batch *batch);
void iothread_post(struct iothread *thread, struct iothread_batch *batch, struct iothread_job *job);
void iothread_batch_start(struct iothread_batch *batch);
/* Until all of its jobs have ended. */
void iothread_batch_wait(struct iothread_batch *batch);

/*
 * On the job's iothread, once: it has ended. Its fn calls this, or something later does that fn has
 * set going. The job is the control thread's again, and may be gone when this returns.
 */
void iothread_job_done(struct iothread_job *job);

/* On the iothread: CLOCK_MONOTONIC within some microseconds, ns; never goes back (ticks.h). */
uint64_t iothread_now_ns(struct iothread *thread);
/* The same, for whoever measures: no decision follows from it. */
uint64_t iothread_stamp_ns(struct iothread *thread);
/*
 * What the iothread's clock said last. Each wait for the kernel, each round of jobs, and each batch
 * of frames ends with a look at it, so it is the end of what the iothread did before; and it is
 * free.
 */
uint64_t iothread_recent_ns(const struct iothread *thread);

/*
 * Arming what is armed does nothing. With every, wake-ups that come close together may be one call;
 * the file is never read, so one that is readable still is called for once more when armed. 0, or
 * -ENOMEM beyond IOTHREAD_MAX_WATCHES.
 *
 * A file that cannot be waited for (it is closed, or is always ready, under every) is an error: the
 * watch is disarmed, and its function not called. Where the kernel has no memory to wait with, the
 * iothread tries again until it has.
 */
int iothread_watch_arm(struct iothread *thread, struct iothread_watch *watch);
void iothread_watch_disarm(struct iothread *thread, struct iothread_watch *watch);

/* Set, or set anew. */
void iothread_timer_set(struct iothread *thread, struct iothread_timer *timer, uint64_t at_ns);
void iothread_timer_cancel(struct iothread *thread, struct iothread_timer *timer);

/* Queueing what is queued does nothing. */
void iothread_work_queue(struct iothread *thread, struct iothread_work *work);
void iothread_work_cancel(struct iothread *thread, struct iothread_work *work);

#endif
