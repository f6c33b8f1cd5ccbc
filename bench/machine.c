/* SPDX-License-Identifier: MIT */
/*
 * machine: how late this machine itself is, as a measure for the latencies of a device on it.
 *
 *   wake-up   from just before an eventfd is written on one CPU until a thread that slept in
 *             read() on another one runs: what a kick costs before any code of a device can run
 *   timer     how long after its time a thread that slept on a timerfd runs, with the default delay
 *             of the tx mode timer: what every timer adds
 *
 * usage: machine [WAITER_CPU WRITER_CPU]; without CPUs both threads go where the kernel wants them.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/histogram.h"
#include "bench/pace.h"
#include "virtio/base.h"

#define N         1000
#define WARM_UP   50
#define GAP_NS    1e6 /* between wake-ups, on average: as between drive's frames */
#define DELAY_NS  150000
#define SECOND_NS 1000000000

struct machine {
	int waiter_cpu; /* -1: any */
	int writer_cpu;
	int event_fd;
	uint64_t written_ns; /* CLOCK_MONOTONIC: the writer's, read after the event */
	uint64_t n_awake;    /* the waiter's: wake-ups that it has noted */
	struct histogram wake_up;
	struct histogram timer;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "machine: %s: %s\n", what, strerror(err));
	exit(EXIT_FAILURE);
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot use that CPU", errno);
}

static void note(struct histogram *h, unsigned i, uint64_t late_ns)
{
	if (i >= WARM_UP)
		histogram_add(h, late_ns);
}

static void *wait_for_wake_ups(void *arg)
{
	struct machine *m = arg;
	eventfd_t value;

	pin(m->waiter_cpu);
	for (unsigned i = 0; i < WARM_UP + N; i++) {
		if (eventfd_read(m->event_fd, &value))
			die("eventfd", errno);
		note(&m->wake_up, i, pace_now_ns(CLOCK_MONOTONIC) - load_acquire(&m->written_ns));
		store_release(&m->n_awake, i + 1);
	}
	return NULL;
}

static void measure_wake_up(struct machine *m)
{
	struct pace pace;
	pthread_t waiter;
	int err;

	m->event_fd = eventfd(0, EFD_CLOEXEC);
	err = m->event_fd < 0 ? errno : pthread_create(&waiter, NULL, wait_for_wake_ups, m);
	if (err)
		die("cannot start", err);
	pin(m->writer_cpu);
	pace_start(&pace, GAP_NS);
	for (unsigned i = 0; i < WARM_UP + N; i++, pace_next(&pace)) {
		while (!pace_due(&pace) || load_acquire(&m->n_awake) < i)
			if (m->writer_cpu < 0)
				sched_yield();
		store_release(&m->written_ns, pace_now_ns(CLOCK_MONOTONIC));
		if (eventfd_write(m->event_fd, 1))
			die("eventfd", errno);
	}
	pthread_join(waiter, NULL);
}

static void measure_timer(struct machine *m)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t at_ns, times;

	if (fd < 0)
		die("timerfd", errno);
	pin(m->waiter_cpu);
	for (unsigned i = 0; i < WARM_UP + N; i++) {
		at_ns = pace_now_ns(CLOCK_MONOTONIC) + DELAY_NS;
		const struct itimerspec it = { .it_value = { (time_t)(at_ns / SECOND_NS),
							     (long)(at_ns % SECOND_NS) } };

		if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL) ||
		    read(fd, &times, sizeof(times)) != sizeof(times))
			die("timerfd", errno);
		note(&m->timer, i, pace_now_ns(CLOCK_MONOTONIC) - at_ns);
	}
}

static void print(const char *name, const struct histogram *h, const char *end)
{
	printf("\"%s\": {\"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"p999_ns\": %" PRIu64
	       "}%s",
	       name, histogram_at(h, 0.5), histogram_at(h, 0.99), histogram_at(h, 0.999), end);
}

int main(int argc, char **argv)
{
	static struct machine m = { .waiter_cpu = -1, .writer_cpu = -1 };

	if (argc != 1 &&
	    (argc != 3 || sscanf(argv[1], "%d", &m.waiter_cpu) != 1 ||
	     sscanf(argv[2], "%d", &m.writer_cpu) != 1 || m.waiter_cpu < 0 ||
	     m.waiter_cpu >= CPU_SETSIZE || m.writer_cpu < 0 || m.writer_cpu >= CPU_SETSIZE)) {
		fputs("usage: machine [WAITER_CPU WRITER_CPU]\n", stderr);
		return EXIT_FAILURE;
	}
	measure_wake_up(&m);
	measure_timer(&m);
	printf("{");
	print("wake_up", &m.wake_up, ", ");
	print("timer", &m.timer, "}\n");
	return EXIT_SUCCESS;
}
