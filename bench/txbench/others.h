/* SPDX-License-Identifier: MIT */
/*
 * What threads of other programs had of a CPU between two snapshots, by the scheduler's account of
 * each thread: a machine does other things, too, and no frame is to be charged for them.
 */
#ifndef BENCH_TXBENCH_OTHERS_H
#define BENCH_TXBENCH_OTHERS_H

#include <stdint.h>
#include <sys/types.h>

struct others_thread {
	pid_t pid, tid;
	int cpu; /* where it ran last */
	uint64_t ran_ns;
};

struct others {
	struct others_thread *threads; /* by tid */
	unsigned n;
};

/* All threads of the machine. Takes some milliseconds on the caller's CPU. 0 or -ENOMEM. */
int others_take(struct others *o);
/* May run twice. */
void others_free(struct others *o);

/*
 * What all threads have had of cpu since the machine started, those that have ended too; 0 where
 * the kernel does not tell: it takes a cpuacct control group (version 1). Some microseconds.
 */
uint64_t others_and_mine_ns(int cpu);

/*
 * How long the threads ran from one to the other that were last on cpu, without those of the
 * processes mine (0 ends the list). One that has moved there meanwhile counts with all that it ran;
 * one that has ended does not count, and neither does one that has come and gone.
 */
uint64_t others_between(const struct others *before, const struct others *after, int cpu,
			const pid_t *mine);

#endif
