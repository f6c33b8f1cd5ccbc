/* SPDX-License-Identifier: MIT */
/* How quiet the machine is, measured between repetitions on the CPUs that a run uses. */
#ifndef BENCH_TXBENCH_NOISE_H
#define BENCH_TXBENCH_NOISE_H

#include <stdint.h>

/* 0: not measured, as the CPU was too busy for so many samples. */
struct noise_late {
	uint64_t p50_ns, p99_ns, p999_ns;
};

struct noise {
	double c2c_before_ns,
		c2c_after_ns;      /* round trip of a cache line; 0: there is one CPU only */
	struct noise_late wake_up; /* a sleeping thread on the back-end's CPU */
	struct noise_late timer;   /* of 150 us, there */
	double steal_share;        /* of the repetition's time, of all CPUs */
};

/*
 * The distance of the two CPUs now; 0 if they are one or not known (negative), or if this process
 * may not use the back-end's. The calling thread is on driver_cpu. Takes less than 1 ms if both are
 * free.
 */
double noise_c2c_ns(int driver_cpu, int backend_cpu);
/*
 * wake_up and timer; 0 if this process may not use the back-end's CPU. Takes about 400 ms, longer
 * on a busy CPU. The calling thread is on driver_cpu.
 */
void noise_measure(struct noise *n, int driver_cpu, int backend_cpu);
/* "near", "mid", "far", "mixed" or "one CPU". */
const char *noise_class(const struct noise *n);

#endif
