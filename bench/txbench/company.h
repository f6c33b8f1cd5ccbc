/* SPDX-License-Identifier: MIT */
/*
 * A process that wants the back-end's CPU all the time, and says for how long it did not have it: a
 * spinner, which gives way to everybody and keeps the CPU from halting, or a neighbour, which has
 * the same right to it as the back-end. What others take from it is exact: threads, interrupts and
 * the host alike. It ends with the thread that started it.
 */
#ifndef BENCH_TXBENCH_COMPANY_H
#define BENCH_TXBENCH_COMPANY_H

#include <stdint.h>
#include <sys/types.h>

#include "bench/txbench/options.h"

/* What it had up to now; between two of them: what it lost. */
struct company_loss {
	uint64_t wall_ns; /* 0: there is no company */
	uint64_t lost_ns;
	uint64_t times;
};

struct company_account;

struct company {
	pid_t pid; /* 0: none */
	struct company_account *account;
};

/* state: STATE_SPINNER or STATE_NEIGHBOUR, else there is none. 0 or a negative errno. */
int company_start(struct company *c, enum state state, int cpu);
/* May run twice. */
void company_stop(struct company *c);

void company_take(const struct company *c, struct company_loss *loss);
void company_subtract(struct company_loss *loss, const struct company_loss *from);

#endif
