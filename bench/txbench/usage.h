/* SPDX-License-Identifier: MIT */
/*
 * CPU time of this thread and of the back-end, as exact as the scheduler's own account; and the
 * system calls of the back-end. Snapshots, to be subtracted.
 */
#ifndef BENCH_TXBENCH_USAGE_H
#define BENCH_TXBENCH_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* The back-end: all threads of a process, or one of them. */
struct usage_target {
	pid_t pid; /* 0: not known */
	pid_t tid; /* 0: all */
};

struct usage {
	uint64_t wall_ns;
	uint64_t driver_ns;
	uint64_t backend_ns;        /* 0: not known */
	uint64_t waited_ns;         /* this thread was ready to run, but had no CPU */
	uint64_t backend_waited_ns; /* so the back-end; without what a wake-up takes by itself */
	uint64_t backend_turns;     /* how often one of its threads got a CPU */
	uint64_t steal_ns;          /* of all CPUs; the kernel samples it, by ticks of 10 ms */
};

/* 0 or -ESRCH: there is no such process. With pid 0 there are no figures of a back-end. */
int usage_take(struct usage *u, const struct usage_target *t);
void usage_subtract(struct usage *u, const struct usage *from);
/* Steal between two snapshots, as a share of the time of all CPUs. */
double usage_steal_share(const struct usage *u);

/*
 * Count the system calls of the threads that the target has now, and of those that they start. One
 * count at a time. An fd-like handle >= 0, or a negative errno: the kernel does not let us (-EPERM,
 * -EACCES: it takes CAP_PERFMON and CAP_SYS_ADMIN; -ENODEV, -ENOENT: it has no such trace point).
 */
int usage_syscalls_start(const struct usage_target *t);
/* How many since; ends the counting. */
uint64_t usage_syscalls_stop(int handle);

#endif
