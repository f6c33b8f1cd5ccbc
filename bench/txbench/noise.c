/* SPDX-License-Identifier: MIT */
/*
 * How quiet the machine is: contracts in noise.h. What is late here is so without any device; a
 * thread is woken by an eventfd as a kick does it, and by a timer as the tx mode timer sets it.
 */
#include "bench/txbench/noise.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/c2c.h"
#include "datapath/histogram.h"
#include "bench/pace.h"

#define SAMPLES   1000 /* that is what p99.9 takes */
#define WARM_UP   20
#define LEAST     (WARM_UP + 20) /* even if it takes longer than LIMIT_NS */
#define ASLEEP_NS 50000          /* between wake-ups, at least */
#define GAP_NS    1e5            /* and on top of it, on average */
#define LIMIT_NS  400000000      /* for either: a busy CPU gives fewer samples */
#define DELAY_NS  150000
#define SECOND_NS 1000000000

struct waiter {
	int event_fd;
	int timer_fd;
	uint64_t written_ns; /* the writer's, before the event */
	uint64_t n_awake;    /* the waiter's */
	uint32_t stop;       /* the writer's */
	struct histogram wake_up;
	struct histogram timer;
};

/*
 * A thread that is on that CPU (negative: on any) from its first moment. It cannot move there
 * itself: made on the driver's CPU, which spins, it would not run if that has a real-time priority.
 * Signals are for the program's own threads.
 */
static bool start(pthread_t *thread, int cpu, void *(*run)(void *arg), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	cpu_set_t set;
	bool ok = true;

	if (cpu >= CPU_SETSIZE || pthread_attr_init(&attr))
		return false;
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET((unsigned)cpu, &set);
		ok = !pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = ok && !pthread_create(thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return ok;
}

static void *answer(void *lines)
{
	c2c_answer(lines);
	return NULL;
}

double noise_c2c_ns(int driver_cpu, int backend_cpu)
{
	struct c2c lines = { 0 };
	pthread_t thread;
	double ns;

	if (driver_cpu < 0 || backend_cpu < 0 || driver_cpu == backend_cpu ||
	    !start(&thread, backend_cpu, answer, &lines))
		return 0;
	ns = c2c_ask(&lines);
	pthread_join(thread, NULL);
	return ns;
}

static void note(struct histogram *h, uint64_t i, uint64_t late_ns)
{
	if (i >= WARM_UP)
		histogram_add(h, late_ns);
}

static bool goes_on(uint64_t i, uint64_t now_ns, uint64_t end_ns)
{
	return i < LEAST || (i < WARM_UP + SAMPLES && now_ns < end_ns);
}

static void wait_for_wake_ups(struct waiter *w)
{
	eventfd_t value;

	for (uint64_t i = 0; !eventfd_read(w->event_fd, &value); i++) {
		uint64_t now_ns = pace_now_ns(CLOCK_MONOTONIC);

		if (load_acquire(&w->stop))
			return;
		note(&w->wake_up, i, now_ns - load_acquire(&w->written_ns));
		store_release(&w->n_awake, i + 1);
	}
}

static void wait_for_timers(struct waiter *w)
{
	uint64_t end_ns = pace_now_ns(CLOCK_MONOTONIC) + LIMIT_NS, now_ns = 0, times;

	for (uint64_t i = 0; goes_on(i, now_ns, end_ns); i++) {
		uint64_t at_ns = pace_now_ns(CLOCK_MONOTONIC) + DELAY_NS;
		const struct itimerspec it = { .it_value = { (time_t)(at_ns / SECOND_NS),
							     (long)(at_ns % SECOND_NS) } };

		if (timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &it, NULL) ||
		    read(w->timer_fd, &times, sizeof(times)) != sizeof(times))
			return;
		now_ns = pace_now_ns(CLOCK_MONOTONIC);
		note(&w->timer, i, now_ns - at_ns);
	}
}

static void *wait_main(void *arg)
{
	struct waiter *w = arg;

	wait_for_wake_ups(w);
	wait_for_timers(w);
	return NULL;
}

/* Spin, or give way on a CPU that the waiter needs, too. */
static void spin(bool share)
{
	if (share)
		sched_yield();
}

/* On the driver's CPU, which does not sleep. The waiter gets time to fall asleep each time. */
static void wake_up(struct waiter *w, bool share)
{
	uint64_t end_ns = pace_now_ns(CLOCK_MONOTONIC) + LIMIT_NS, now_ns = 0;
	struct pace pace;

	pace_start(&pace, GAP_NS);
	for (uint64_t i = 1; goes_on(i - 1, now_ns, end_ns); i++) {
		pace.at_ns = pace_now_ns(CLOCK_MONOTONIC) + ASLEEP_NS;
		pace_next(&pace);
		while (!pace_due(&pace))
			spin(share);
		now_ns = pace_now_ns(CLOCK_MONOTONIC);
		store_release(&w->written_ns, now_ns);
		eventfd_write(w->event_fd, 1);
		while (load_acquire(&w->n_awake) < i)
			spin(share);
	}
	store_release(&w->stop, 1);
	eventfd_write(w->event_fd, 1);
}

static struct noise_late late_of(const struct histogram *h)
{
	return (struct noise_late){
		h->n ? histogram_at(h, 0.5) : 0,
		h->n >= 100 ? histogram_at(h, 0.99) : 0,
		h->n >= 1000 ? histogram_at(h, 0.999) : 0,
	};
}

static void measure(struct noise *n, struct waiter *w, int cpu, bool share)
{
	pthread_t thread;

	if (w->event_fd < 0 || w->timer_fd < 0 || !start(&thread, cpu, wait_main, w))
		return;
	wake_up(w, share);
	pthread_join(thread, NULL);
	n->wake_up = late_of(&w->wake_up);
	n->timer = late_of(&w->timer);
}

void noise_measure(struct noise *n, int driver_cpu, int backend_cpu)
{
	struct waiter *w = calloc(1, sizeof(*w));

	n->wake_up = n->timer = (struct noise_late){ 0 };
	if (!w)
		return;
	w->event_fd = eventfd(0, EFD_CLOEXEC);
	w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	measure(n, w, backend_cpu, driver_cpu == backend_cpu || driver_cpu < 0 || backend_cpu < 0);
	close(w->event_fd);
	close(w->timer_fd);
	free(w);
}

const char *noise_class(const struct noise *n)
{
	enum c2c_class before = c2c_class_of(n->c2c_before_ns);

	if (n->c2c_before_ns <= 0 || n->c2c_after_ns <= 0)
		return "one CPU";
	return before == c2c_class_of(n->c2c_after_ns) ? c2c_class_name(before) : "mixed";
}
