/* SPDX-License-Identifier: MIT */
/*
 * The real iothread: who gets a turn when, with an event that comes again as soon as it is told, as
 * from a driver that kicks without pause; its jobs; and what it makes of an io_uring that refuses.
 * All runs on the iothread, so the order is certain. The linker puts __wrap_x in the place of x, a
 * function of liburing: so the test decides what the kernel refuses.
 */
#include "datapath/iothread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/base.h"

#define MAX_TOLD 64
#define ENOUGH   50000 /* turns after which nobody else will get one any more */
#define PATIENCE 10    /* s */

static struct {
	struct iothread *thread;
	int storm_fd;
	struct iothread_watch storm;
	struct iothread_timer timer;
	struct iothread_work busy;
	struct iothread_work fresh;
	unsigned n_storm;
	unsigned n_events; /* of the storm, until all was done */
	unsigned n_busy;
	char told[MAX_TOLD]; /* a letter for each call, in their order */
	unsigned n_told;
	sem_t done;
	char errors[1024]; /* lines of the iothread's */
} rig;

struct io_uring;
struct io_uring_cqe;
struct __kernel_timespec;

/* While this is not 0 io_uring answers with it, and does nothing. */
static int refusal;
static unsigned n_refused;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned n, struct __kernel_timespec *ts,
					    sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned n, struct __kernel_timespec *ts,
					    sigset_t *mask);

int __wrap_io_uring_submit(struct io_uring *ring)
{
	int code = load_relaxed(&refusal);

	if (!code)
		return __real_io_uring_submit(ring);
	count_add(&n_refused, 1);
	return code;
}

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned n, struct __kernel_timespec *ts,
					    sigset_t *mask)
{
	int code = load_relaxed(&refusal);

	if (!code)
		return __real_io_uring_submit_and_wait_timeout(ring, cqe, n, ts, mask);
	count_add(&n_refused, 1);
	/* Said once: there is nothing to refuse any more. */
	if (code == -EBADR)
		store_relaxed(&refusal, 0);
	return code;
}

static void on_error(void *ctx, const char *line)
{
	size_t len = strlen(rig.errors);

	(void)ctx;
	snprintf(rig.errors + len, sizeof(rig.errors) - len, "%s\n", line);
}

static void tell(char who)
{
	if (rig.n_told < MAX_TOLD - 1)
		rig.told[rig.n_told++] = who;
}

static void finish(void)
{
	rig.n_events = rig.n_storm;
	sem_post(&rig.done);
}

/* Comes again before it is through; gives up only when nobody else had a turn for very long. */
static void on_storm(struct iothread_watch *watch)
{
	eventfd_write(watch->fd, 1);
	if (rig.n_storm++ == ENOUGH)
		finish();
}

static void on_timer(struct iothread_timer *timer)
{
	(void)timer;
	tell('t');
	finish();
}

static void on_busy(struct iothread_work *work)
{
	tell('b');
	if (++rig.n_busy < 5)
		iothread_work_queue(rig.thread, work);
	else
		finish();
}

static void on_fresh(struct iothread_work *work)
{
	(void)work;
	tell('f');
}

static int set_up(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	sem_init(&rig.done, 0, 0);
	rig.storm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig.storm = (struct iothread_watch){
		.fn = on_storm, .fd = rig.storm_fd, .events = POLLIN, .every = true
	};
	rig.timer.fn = on_timer;
	rig.busy.fn = on_busy;
	rig.fresh.fn = on_fresh;
	if (iothread_new(&rig.thread, "test"))
		return -1;
	iothread_on_error(rig.thread, on_error, NULL);
	return 0;
}

struct call {
	struct iothread_job job;
	void (*fn)(void *arg);
	void *arg;
};

static void on_job(struct iothread_job *job)
{
	struct call *call = container_of(job, struct call, job);

	call->fn(call->arg);
	iothread_job_done(job);
}

/* Run fn(arg) on the iothread, and wait for it. */
static void run(void (*fn)(void *arg), void *arg)
{
	struct call call = { .job.fn = on_job, .fn = fn, .arg = arg };
	struct iothread_batch batch;

	iothread_batch_init(&batch);
	iothread_post(rig.thread, &batch, &call.job);
	iothread_batch_wait(&batch);
}

static void disarm(void *arg)
{
	(void)arg;
	iothread_watch_disarm(rig.thread, &rig.storm);
	iothread_timer_cancel(rig.thread, &rig.timer);
	iothread_work_cancel(rig.thread, &rig.busy);
	iothread_work_cancel(rig.thread, &rig.fresh);
}

static int tear_down(void **state)
{
	(void)state;
	store_relaxed(&refusal, 0);
	run(disarm, NULL);
	iothread_free(rig.thread);
	close(rig.storm_fd);
	sem_destroy(&rig.done);
	return 0;
}

static void start(void (*fn)(void *arg))
{
	struct timespec ts;

	run(fn, NULL);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += PATIENCE;
	assert_int_equal(sem_timedwait(&rig.done, &ts), 0);
	/* Between two turns. */
	run(disarm, NULL);
}

static void storm_and_timer(void *arg)
{
	(void)arg;
	iothread_timer_set(rig.thread, &rig.timer, iothread_now_ns(rig.thread) + 1000000);
	iothread_watch_arm(rig.thread, &rig.storm);
	eventfd_write(rig.storm_fd, 1);
}

/* Events without end do not keep timers from their time. */
static void storm_starves_no_timer(void **state)
{
	(void)state;
	start(storm_and_timer);
	assert_string_equal(rig.told, "t");
	assert_true(rig.n_events > 0);
}

static void storm_and_work(void *arg)
{
	(void)arg;
	iothread_work_queue(rig.thread, &rig.busy);
	iothread_watch_arm(rig.thread, &rig.storm);
	eventfd_write(rig.storm_fd, 1);
}

/* Nor work: each turn does its share, and tells of the storm once at most. */
static void storm_starves_no_work(void **state)
{
	(void)state;
	start(storm_and_work);
	assert_string_equal(rig.told, "bbbbb");
	assert_true(rig.n_events <= 5);
}

/* Wakes up the first time only, and has work then. */
static void on_once(struct iothread_watch *watch)
{
	(void)watch;
	tell('w');
	iothread_work_queue(rig.thread, &rig.fresh);
}

/* The event comes while the busy work runs for the first time. */
static void on_busy_with_event(struct iothread_work *work)
{
	if (!rig.n_busy)
		eventfd_write(rig.storm_fd, 1);
	on_busy(work);
}

static void busy_and_event(void *arg)
{
	(void)arg;
	rig.busy.fn = on_busy_with_event;
	rig.storm.fn = on_once;
	iothread_work_queue(rig.thread, &rig.busy);
	iothread_watch_arm(rig.thread, &rig.storm);
}

/* Who has just come does not wait behind who is always busy: one piece of work, not two. */
static void fresh_before_busy(void **state)
{
	(void)state;
	start(busy_and_event);
	assert_string_equal(rig.told, "bwfbbbb");
}

/* Due as soon as it is set. */
static void on_storm_with_timer(struct iothread_watch *watch)
{
	(void)watch;
	tell('w');
	iothread_timer_set(rig.thread, &rig.timer, iothread_now_ns(rig.thread));
	iothread_work_queue(rig.thread, &rig.fresh);
}

static void event_and_timer(void *arg)
{
	(void)arg;
	rig.storm.fn = on_storm_with_timer;
	iothread_watch_arm(rig.thread, &rig.storm);
	eventfd_write(rig.storm_fd, 1);
}

/* A timer set at an event is for the next turn, however short: nobody runs twice in one. */
static void timer_in_next_turn(void **state)
{
	(void)state;
	start(event_and_timer);
	assert_string_equal(rig.told, "wft");
}

#define N_JOBS 1000

struct numbered_job {
	struct iothread_job job;
	unsigned number;
};

static unsigned n_run, n_wrong;

static void on_numbered(struct iothread_job *job)
{
	n_wrong += container_of(job, struct numbered_job, job)->number != n_run++;
	iothread_job_done(job);
}

/*
 * Jobs of one batch run in the order in which they were posted, and all have when it was waited
 * for.
 */
static void jobs_run_in_order(void **state)
{
	static struct numbered_job jobs[N_JOBS];
	struct iothread_batch batch;

	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		n_run = 0;
		iothread_batch_init(&batch);
		for (unsigned i = 0; i < N_JOBS; i++) {
			jobs[i] = (struct numbered_job){ .job.fn = on_numbered, .number = i };
			iothread_post(rig.thread, &batch, &jobs[i].job);
			/* Some go ahead of the others. */
			if (i % 100 == round)
				iothread_batch_start(&batch);
		}
		iothread_batch_wait(&batch);
		assert_int_equal(n_run, N_JOBS);
		assert_int_equal(n_wrong, 0);
	}
}

static struct iothread_job *late_job;

static void on_late_timer(struct iothread_timer *timer)
{
	on_timer(timer);
	iothread_job_done(late_job);
}

static void on_late_job(struct iothread_job *job)
{
	late_job = job;
	rig.timer.fn = on_late_timer;
	iothread_timer_set(rig.thread, &rig.timer, iothread_now_ns(rig.thread) + 1000000);
}

/* A batch lasts until its last job has ended, not until that job's function has returned. */
static void job_ends_later(void **state)
{
	struct numbered_job early = { .job.fn = on_numbered };
	struct iothread_job late = { .fn = on_late_job };
	struct iothread_batch batch;
	struct iothread *other;

	(void)state;
	assert_int_equal(iothread_new(&other, "other"), 0);
	n_run = 0;
	iothread_batch_init(&batch);
	iothread_post(rig.thread, &batch, &late);
	iothread_post(other, &batch, &early.job);
	iothread_batch_wait(&batch);
	assert_int_equal(n_run, 1);
	assert_string_equal(rig.told, "t");
	iothread_free(other);
}

static void nothing(void *arg)
{
	(void)arg;
}

/* A turn or two, or 30, of time. */
static void let_ms_pass(unsigned ms)
{
	poll(NULL, 0, (int)ms);
	run(nothing, NULL);
}

static struct iothread_watch bad;
static unsigned n_bad;

static void on_bad(struct iothread_watch *watch)
{
	(void)watch;
	n_bad++;
}

static void arm_bad(void *arg)
{
	bad.fn = on_bad;
	bad.events = POLLIN;
	*(int *)arg = iothread_watch_arm(rig.thread, &bad);
}

static void wait_for_bad(int fd, bool every)
{
	int code;

	n_bad = 0;
	bad = (struct iothread_watch){ .fd = fd, .every = every };
	run(arm_bad, &code);
	assert_int_equal(code, 0);
	let_ms_pass(20);
}

static unsigned n_lines(void)
{
	unsigned n = 0;

	for (const char *at = rig.errors; (at = strchr(at, '\n')); at++)
		n++;
	return n;
}

/*
 * No turn is made, and nobody is told that it is ready, for a file that the kernel will not poll.
 */
static void closed_fd(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		wait_for_bad(987, i % 2);
		assert_false(bad.armed);
		assert_int_equal(n_bad, 0);
	}
	assert_string_equal(rig.errors,
			    "test: io_uring: cannot wait for fd 987: Bad file descriptor\n");
	/* Another one is another error. */
	wait_for_bad(988, true);
	assert_int_equal(n_lines(), 2);
}

/* A file is ready for ever: that is told a few times, and then it is an error. */
static void regular_file(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	wait_for_bad(fd, true);
	assert_false(bad.armed);
	assert_in_range(n_bad, 1, 100);
	assert_non_null(strstr(rig.errors, "Operation not permitted"));
	close(fd);
}

#define MANY 1500

static struct iothread_watch many[MANY];
static bool heard[MANY];
static unsigned n_heard;

static void on_many(struct iothread_watch *watch)
{
	bool *first = &heard[watch - many];

	n_heard += !*first;
	*first = true;
}

static void arm_many(void *arg)
{
	(void)arg;
	memset(heard, 0, sizeof(heard));
	n_heard = 0;
	for (unsigned i = 0; i < MANY; i++) {
		many[i] = (struct iothread_watch){
			.fn = on_many, .fd = rig.storm_fd, .events = POLLIN, .every = true
		};
		assert_int_equal(iothread_watch_arm(rig.thread, &many[i]), 0);
	}
}

static void disarm_many(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < MANY; i++)
		iothread_watch_disarm(rig.thread, &many[i]);
}

static void get_heard(void *arg)
{
	*(unsigned *)arg = n_heard;
}

static void wait_for_many(void)
{
	unsigned n = 0;

	for (unsigned ms = 0; n < MANY && ms < 1000 * PATIENCE; ms += 10) {
		poll(NULL, 0, 10);
		run(get_heard, &n);
	}
	assert_int_equal(n, MANY);
}

/* Of files that are ready, each request completes at once: far more than there is room for. */
static void arm_and_disarm(void *arg)
{
	for (unsigned i = 0; i < 10; i++) {
		arm_many(arg);
		disarm_many(arg);
	}
	arm_many(arg);
}

/* More requests than the queue has entries, more completions than it has room for: none is lost. */
static void ring_overflow(void **state)
{
	(void)state;
	eventfd_write(rig.storm_fd, 1);
	run(arm_and_disarm, NULL);
	wait_for_many();
	run(disarm_many, NULL);
	assert_string_equal(rig.errors, "");
}

static void arm_many_refused(void *arg)
{
	store_relaxed(&refusal, *(int *)arg);
	arm_many(NULL);
}

/*
 * The kernel takes no requests for a while: nobody waits for it, it is said once, nothing is lost.
 */
static void submit_is_refused(void **state)
{
	static int codes[] = { -EBUSY, -EAGAIN, -ENOMEM };

	(void)state;
	eventfd_write(rig.storm_fd, 1);
	for (unsigned i = 0; i < array_size(codes); i++) {
		rig.errors[0] = '\0';
		n_refused = 0;
		run(arm_many_refused, &codes[i]);
		poll(NULL, 0, 50);
		/* Once a watch in vain, and once a millisecond, and then some for a late CPU. */
		assert_in_range(load_relaxed(&n_refused), 1, 2 * MANY + 1000);
		store_relaxed(&refusal, 0);
		wait_for_many();
		run(disarm_many, NULL);
		assert_int_equal(n_lines(), 1);
		assert_non_null(strstr(rig.errors, strerror(-codes[i])));
	}
}

static void refuse_memory(void *arg)
{
	(void)arg;
	store_relaxed(&refusal, -ENOMEM);
}

/* To wait is refused for a while: the thread does not spin, and wakes up afterwards. */
static void wait_is_refused(void **state)
{
	(void)state;
	n_refused = 0;
	run(refuse_memory, NULL);
	poll(NULL, 0, 100);
	store_relaxed(&refusal, 0);
	run(nothing, NULL);
	assert_in_range(load_relaxed(&n_refused), 1, 500);
	assert_int_equal(n_lines(), 1);
}

static void arm_storm(void *arg)
{
	(void)arg;
	rig.storm.fn = on_once;
	iothread_watch_arm(rig.thread, &rig.storm);
}

/* The kernel has dropped events: whatever is ready is told once more. */
static void events_are_dropped(void **state)
{
	(void)state;
	eventfd_write(rig.storm_fd, 1);
	run(arm_storm, NULL);
	let_ms_pass(5);
	assert_string_equal(rig.told, "wf");
	store_relaxed(&refusal, -EBADR);
	/* Out of its wait, and back. */
	run(nothing, NULL);
	let_ms_pass(5);
	let_ms_pass(5);
	assert_string_equal(rig.told, "wfwf");
	assert_int_equal(n_lines(), 1);
	assert_non_null(strstr(rig.errors, "dropped"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(storm_starves_no_timer),
		TEST(storm_starves_no_work),
		TEST(fresh_before_busy),
		TEST(timer_in_next_turn),
		TEST(jobs_run_in_order),
		TEST(job_ends_later),
		TEST(closed_fd),
		TEST(regular_file),
		TEST(ring_overflow),
		TEST(submit_is_refused),
		TEST(wait_is_refused),
		TEST(events_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
