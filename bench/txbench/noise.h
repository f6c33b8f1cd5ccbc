/* SPDX-License-Identifier: MIT */
/* How quiet the machine is, measured between repetitions on the CPUs that a run uses. */
#ifndef BENCH_TXBENCH_NOISE_H
#define BENCH_TXBENCH_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/txbench/options.h"
#include "bench/txbench/timings.h"

struct noise {
	double c2c_before_ns,
		c2c_after_ns; /* round trip of a cache line; 0: there is one CPU only */
	/* of a thread on the back-end's CPU; n is 0: it may not be there */
	struct timings
		wake_up; /* from an eventfd's write to running, after a sleep like the load's */
	struct timings timer; /* how late one of 150 us is */
};

/*
 * The distance of the two CPUs now; 0 if they are one or not known (negative), or if this process
 * may not use the back-end's. The calling thread is on driver_cpu. Takes less than 1 ms if both are
 * free.
 */
double noise_c2c_ns(int driver_cpu, int backend_cpu);
/*
 * wake_up and timer, in turns. gap_ns: what lies between two frames of the load on average, random
 * unless it is constant; 0: closed-loop. Takes about 400 ms, or limit_ns if that is less; longer on
 * a busy CPU or if frames are rare. The calling thread is on driver_cpu.
 */
void noise_measure(struct noise *n, int driver_cpu, int backend_cpu, double gap_ns, bool constant,
		   uint64_t limit_ns);
/* "near", "mid", "far", "mixed" or "one CPU". */
const char *noise_class(const struct noise *n);

#endif
