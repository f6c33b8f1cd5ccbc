/* SPDX-License-Identifier: MIT */
/*
 * How quiet the machine is: contracts in noise.h. What is late here is so without any device; a
 * thread is woken by an eventfd as a kick does it, and by a timer as the tx mode timer sets it.
 *
 * A CPU that slept for long takes longer to wake up. So the thread sleeps as long as a back-end
 * under that load does.
 */
#include "bench/txbench/noise.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/c2c.h"
#include "bench/txbench/cpu.h"
#include "bench/txbench/load.h"

#define SAMPLES    1000
#define LEAST      20        /* even if it takes longer than LIMIT_NS */
#define LIMIT_NS   350000000 /* a busy CPU gives fewer samples */
#define MAX_GAP_NS 17e6      /* so that LEAST of them fit into it */
#define WARM_UP    20        /* with the gap of closed-loop */
#define ASLEEP_NS  20000     /* a gap, at least: so long it takes to fall asleep */
#define LOOP_NS    150e3     /* closed-loop: a gap on average */
#define DELAY_NS   150000
#define SECOND_NS  1000000000

struct waiter {
	int event_fd;
	int timer_fd;
	uint64_t written_ns; /* the writer's, before the event */
	uint64_t n_awake;    /* the waiter's */
	uint32_t stop;       /* the writer's */
	struct noise *noise; /* the waiter's */
};

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
	    cpu_thread(&thread, backend_cpu, answer, &lines))
		return 0;
	ns = c2c_ask(&lines);
	pthread_join(thread, NULL);
	return ns;
}

/* How late a timer is; 0 if there is none. */
static uint64_t wait_for_timer(const struct waiter *w)
{
	uint64_t at_ns = monotonic_ns() + DELAY_NS, times;
	const struct itimerspec it = { .it_value = { (time_t)(at_ns / SECOND_NS),
						     (long)(at_ns % SECOND_NS) } };

	if (timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &it, NULL) ||
	    read(w->timer_fd, &times, sizeof(times)) != sizeof(times))
		return 0;
	return monotonic_ns() - at_ns;
}

static void *wait_main(void *arg)
{
	struct waiter *w = arg;
	uint64_t wake_up_ns, timer_ns;
	eventfd_t value;

	for (uint64_t i = 0; !eventfd_read(w->event_fd, &value); i++) {
		wake_up_ns = monotonic_ns() - load_acquire(&w->written_ns);
		if (load_acquire(&w->stop))
			break;
		timer_ns = wait_for_timer(w);
		if (i >= WARM_UP) {
			timings_add(&w->noise->wake_up, wake_up_ns);
			timings_add(&w->noise->timer, timer_ns);
		}
		store_release(&w->n_awake, i + 1);
	}
	return NULL;
}

/* Spin, or give way on a CPU that the waiter needs, too. */
static void spin(bool share)
{
	if (share)
		sched_yield();
}

/* On the driver's CPU, which does not sleep. */
static void wake_up(struct waiter *w, struct load *gaps, uint64_t limit_ns, bool share)
{
	uint64_t end_ns = monotonic_ns() + min_u64(limit_ns, LIMIT_NS), now_ns = 0, until_ns,
		 last_ns = 0, at_ns;

	for (uint64_t i = 1; i <= WARM_UP + LEAST || (i <= WARM_UP + SAMPLES && now_ns < end_ns);
	     i++) {
		at_ns = load_next_ns(gaps);
		until_ns = monotonic_ns() +
			   (i > WARM_UP ? max_u64(at_ns - last_ns, ASLEEP_NS) : (uint64_t)LOOP_NS);
		last_ns = at_ns;
		while (monotonic_ns() < until_ns)
			spin(share);
		now_ns = monotonic_ns();
		store_release(&w->written_ns, now_ns);
		eventfd_write(w->event_fd, 1);
		while (load_acquire(&w->n_awake) < i)
			spin(share);
	}
	store_release(&w->stop, 1);
	eventfd_write(w->event_fd, 1);
}

void noise_measure(struct noise *n, int driver_cpu, int backend_cpu, double gap_ns, bool constant,
		   uint64_t limit_ns)
{
	struct options o = { .load = constant ? LOAD_CONSTANT : LOAD_POISSON };
	struct waiter w = { .event_fd = eventfd(0, EFD_CLOEXEC),
			    .timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
			    .noise = n };
	bool share = driver_cpu == backend_cpu || driver_cpu < 0 || backend_cpu < 0;
	struct load gaps;
	pthread_t thread;

	gap_ns = gap_ns > 0 ? gap_ns : LOOP_NS;
	o.rate = 1e9 / (gap_ns < MAX_GAP_NS ? gap_ns : MAX_GAP_NS);
	load_start(&gaps, &o, NULL, 0);
	n->wake_up = n->timer = (struct timings){ 0 };
	if (w.event_fd >= 0 && w.timer_fd >= 0 &&
	    !cpu_thread(&thread, backend_cpu, wait_main, &w)) {
		wake_up(&w, &gaps, limit_ns, share);
		pthread_join(thread, NULL);
	}
	close(w.event_fd);
	close(w.timer_fd);
}

const char *noise_class(const struct noise *n)
{
	enum c2c_class before = c2c_class_of(n->c2c_before_ns);

	if (n->c2c_before_ns <= 0 || n->c2c_after_ns <= 0)
		return "one CPU";
	return before == c2c_class_of(n->c2c_after_ns) ? c2c_class_name(before) : "mixed";
}
