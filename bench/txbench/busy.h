/* SPDX-License-Identifier: MIT */
/*
 * How long a CPU was not idle, between two snapshots: threads, interrupts and the way into and out
 * of idle together. The kernel reads a clock where an idle time begins and where it ends.
 */
#ifndef BENCH_TXBENCH_BUSY_H
#define BENCH_TXBENCH_BUSY_H

#include <stdbool.h>
#include <stdint.h>

/* Where a figure comes from. */
enum busy_from {
	BUSY_UNKNOWN,
	BUSY_IDLE,      /* the CPU's idle time */
	BUSY_SPINNER,   /* what a process lost that wants that CPU all the time (company.h) */
	BUSY_NEIGHBOUR, /* likewise */
};

/* The words of the result file; "" is null. */
extern const char *const busy_from_names[];

struct busy {
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC, round the reading */
	uint64_t idle_ns;        /* since the machine started */
	bool known;
	bool exact; /* of /proc/timer_list; else of /proc/stat, in steps of 10 ms */
};

/* Takes some 200 us on that CPU, which is not idle meanwhile: that is in no figure. */
void busy_take(struct busy *b, int cpu);

/*
 * How long it was not idle from one to the other. False: not known; from /proc/stat it is known of
 * at least ten seconds only, of which its steps are 0.1 %.
 */
bool busy_between(const struct busy *before, const struct busy *after, uint64_t *busy_ns);

#endif
