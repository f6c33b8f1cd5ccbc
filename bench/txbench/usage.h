/* SPDX-License-Identifier: MIT */
/*
 * CPU time: of this thread, of the back-end's process and of the softirqs of the two CPUs; and the
 * system calls of the back-end. Snapshots, to be subtracted.
 */
#ifndef BENCH_TXBENCH_USAGE_H
#define BENCH_TXBENCH_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
	uint64_t driver_ns;
	uint64_t backend_ns;        /* all threads; exact while they sleep; 0: not known */
	uint64_t backend_user_ns;   /* a part of it, to the kernel's tick (10 ms) */
	uint64_t backend_kernel_ns; /* the rest of it; both 0: shorter than a tick, not known */
	uint64_t softirq_ns;        /* of all CPUs, to the kernel's tick */
	uint64_t waited_ns;         /* this thread was ready to run, but had no CPU */
	uint64_t backend_waited_ns; /* so its threads; without what a wake-up takes by itself */
	uint64_t backend_turns;     /* how often one of them got a CPU */
	uint64_t steal_ns;          /* of all CPUs */
	uint64_t wall_ns;
};

/* 0 or -ESRCH: there is no process pid. pid 0: none of a back-end's figures. */
int usage_take(struct usage *u, pid_t pid);
/* The split of the back-end's time is right only when this was done. */
void usage_subtract(struct usage *u, const struct usage *from);
/* Steal between two snapshots, as a share of the time of all CPUs. */
double usage_steal_share(const struct usage *u);

/*
 * Count the system calls of all threads that pid has now, and of those that they start. One count
 * at a time. An fd-like handle >= 0, or a negative errno: the kernel does not let us (-EPERM,
 * -EACCES: it takes CAP_PERFMON and CAP_SYS_ADMIN; -ENODEV, -ENOENT: it has no such trace point).
 */
int usage_syscalls_start(pid_t pid);
/* How many since; ends the counting. */
uint64_t usage_syscalls_stop(int handle);

#endif
