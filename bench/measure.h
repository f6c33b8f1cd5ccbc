/* SPDX-License-Identifier: MIT */
/*
 * How txring-bench measures on a machine that does not hold still: two CPUs that the host may move
 * apart, and other programs that want them.
 *
 * A subject and its ceiling are measured in turn, in many short windows. A pair of windows is calm
 * if the cache-line round trip between the two CPUs was of one class around both and no thread
 * of theirs had to wait for its CPU. All pairs are printed as they are; bench/run computes.
 *
 * The bench's own thread is pinned to MEASURE_CPU_BENCH; what is measured, subject or ceiling, runs
 * on MEASURE_CPU_SUBJECT. What cannot be set up ends the program with a line on stderr.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "bench/c2c.h"

#define MEASURE_CPU_SUBJECT 0
#define MEASURE_CPU_BENCH   1

/* Ends the program with status 1. */
_Noreturn void measure_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends it if err is a negative errno. */
void measure_check(int err, const char *what);
/* Ends it if the shell's command fails. */
void measure_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

void measure_pin(int cpu);
uint64_t measure_ns(clockid_t clock);

/* The thread of process pid with this name; 0: there is none. */
pid_t measure_thread(pid_t pid, const char *name);
/* Wait until the thread sleeps; false: it still ran after a second. */
bool measure_thread_sleeps(pid_t tid);

/* Pins the calling thread, and makes the worker: a thread on MEASURE_CPU_SUBJECT. */
void measure_init(void);
/* The worker calls fn. Starting is cold; joining spins, and gives what fn returned. */
void measure_worker_start(double (*fn)(void *ctx), void *ctx);
double measure_worker_join(void);
double measure_worker_run(double (*fn)(void *ctx), void *ctx);

/* Cache-line round trip between the two CPUs. */
double measure_c2c_ns(void);

/*
 * A row of the table. subject and against run one window each and return its figure, or a negative
 * number if the window is void.
 */
struct measure_row {
	const char *bench;
	const char *unit;
	const char *ceiling; /* what stands beside it; NULL: nothing does */
	double max;          /* target: the subject's median at most; 0: none */
	double max_ratio;    /* target: the median of the pairs' ratios at most; 0: none */
	double (*subject)(void *ctx);
	double (*against)(void *ctx); /* the ceiling; NULL: there is none */
	bool subject_by_worker;       /* the worker calls it instead of the bench's thread */
	bool against_by_worker;
	pid_t tid;      /* the subject's thread in a daemon; 0: none */
	unsigned pairs; /* windows of each that are wanted */
};

/* Measures it and prints one line of JSON with all pairs. what is the row's name. */
void measure_row(const struct measure_row *row, void *ctx, const char *what, ...)
	__attribute__((format(printf, 3, 4)));

#endif
