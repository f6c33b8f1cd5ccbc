/* SPDX-License-Identifier: MIT */
/*
 * How a bench measures on a machine that does not hold still: two CPUs that the host may move
 * apart, and other programs that want them.
 *
 * A subject and its ceiling are measured in turn, in many short windows. A window counts only if
 * the cache-line round trip between the two CPUs was of one class around it and no thread of it
 * had to wait for its CPU. What is reported are medians within one class.
 *
 * The bench's own thread is pinned to MEASURE_CPU_BENCH; what is measured, subject or ceiling, runs
 * on MEASURE_CPU_SUBJECT. What cannot be set up ends the program with a line on stderr.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/c2c.h"

#define MEASURE_CPU_SUBJECT 0
#define MEASURE_CPU_BENCH   1

/* Ends the program with status 1. */
_Noreturn void measure_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends it if err is a negative errno. */
void measure_check(int err, const char *what);

void measure_pin(int cpu);
uint64_t measure_now_ns(void);        /* CLOCK_MONOTONIC */
uint64_t measure_thread_cpu_ns(void); /* of the calling thread */
/* Spin. */
void measure_spin_until(uint64_t at_ns);

/* What the scheduler says of any thread. The CPU time is exact while the thread sleeps. */
struct measure_task {
	pid_t pid;
	pid_t tid;
};

struct measure_times {
	uint64_t cpu_ns;
	uint64_t wait_ns; /* ready to run, but without a CPU */
};

/* The thread of process pid with this name; false: there is none. */
bool measure_task_find(struct measure_task *task, pid_t pid, const char *name);
struct measure_task measure_task_self(void);
/* Zero for a thread that is gone. */
struct measure_times measure_task_times(const struct measure_task *task);
/* Wait until the thread sleeps; false: it still ran after a second. */
bool measure_task_sleeps(const struct measure_task *task);

/* A thread on MEASURE_CPU_SUBJECT, to run what must run there. Starting is cold, joining spins. */
void measure_worker_init(void);
void measure_worker_start(void (*fn)(void *arg), void *arg);
void measure_worker_join(void);
void measure_worker_run(void (*fn)(void *arg), void *arg);

/*
 * The bench's thread and the worker take turns, round after round: the bench prepares what the
 * worker then uses, so that it has to come from the other CPU's cache. Both zero at first.
 */
struct measure_turns {
	uint32_t given;
	uint32_t taken;
};

/* Bench: wait until the last turn was taken; give the next one. */
void measure_turns_wait_taken(const struct measure_turns *t);
void measure_turns_give(struct measure_turns *t);
/* Worker: wait for a turn; say that it is over. */
void measure_turns_wait_given(const struct measure_turns *t);
void measure_turns_take(struct measure_turns *t);

/* Cache-line round trip between the two CPUs. */
double measure_c2c_ns(void);

struct measure_series {
	double *v;
	unsigned n, cap;
};

struct measure_summary {
	double median, p10, p90;
	unsigned n;
};

void measure_add(struct measure_series *s, double v);
/* Sorts. q from 0 to 1; 0 for an empty series. */
double measure_quantile(struct measure_series *s, double q);
struct measure_summary measure_summarize(struct measure_series *s);
void measure_clear(struct measure_series *s);

/*
 * One comparison. subject and ceiling run one window each and return its figure, or a negative
 * number if the window is void. ceiling may be NULL. task is the subject's thread.
 */
struct measure_contest {
	void *ctx;
	double (*subject)(void *ctx);
	double (*ceiling)(void *ctx);
	/* After each pair, for who collects more than the windows' figures. May be NULL. */
	void (*judged)(void *ctx, bool kept);
	const struct measure_task *task;
	unsigned pairs; /* windows of each that are wanted */
};

struct measure_outcome {
	struct measure_summary subject, ceiling;
	struct measure_summary ratio; /* of pairs that were taken one after the other */
	enum c2c_class class;
	double c2c_ns;
	unsigned tried;     /* pairs */
	bool all_disturbed; /* the figures are of disturbed pairs: there were no others */
};

/* Of the class that most undisturbed pairs had. Dies if no window gives a figure. */
struct measure_outcome measure_contest_run(const struct measure_contest *c);

#endif
