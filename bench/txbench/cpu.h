/* SPDX-License-Identifier: MIT */
/* Which CPU a thread is on. */
#ifndef BENCH_TXBENCH_CPU_H
#define BENCH_TXBENCH_CPU_H

#include <pthread.h>

/* The calling thread moves there; negative: it stays. 0 or a negative errno. */
int cpu_pin(int cpu);

/*
 * A thread that is on that CPU (negative: on any) from its first moment, and gets no signal. It
 * cannot move there itself: made on the driver's CPU, which spins, it would not run if the driver
 * has a real-time priority. 0 or a negative errno.
 */
int cpu_thread(pthread_t *thread, int cpu, void *(*run)(void *arg), void *arg);

#endif
