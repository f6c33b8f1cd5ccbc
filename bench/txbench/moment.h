/* SPDX-License-Identifier: MIT */
/*
 * What a load took: everybody's clocks before it and behind it. Reading some of them keeps the
 * back-end's CPU busy, or takes milliseconds: these are read outside of the time that counts.
 */
#ifndef BENCH_TXBENCH_MOMENT_H
#define BENCH_TXBENCH_MOMENT_H

#include <stdbool.h>

#include "bench/txbench/busy.h"
#include "bench/txbench/company.h"
#include "bench/txbench/options.h"
#include "bench/txbench/others.h"
#include "bench/txbench/result.h"
#include "bench/txbench/usage.h"

/* Whose clocks these are. */
struct moment_of {
	const struct usage_target *backend;
	const struct company *company;
	enum state state;
	int driver_cpu, backend_cpu; /* negative: not known */
};

struct moment {
	struct others others;
	struct busy busy;
	struct company_loss company;
	struct usage usage;
	uint64_t company_ns; /* the company's CPU time */
	uint64_t threads_ns; /* of the back-end's CPU: all threads; 0: not known */
};

void moment_begin(struct moment *m, const struct moment_of *of);
void moment_end(struct moment *m, const struct moment_of *of);

/*
 * Fills rep's usage, company and cost: what the load took that was driven between the two moments.
 * rep has its frames already; observed: the wire was open meanwhile. Frees both moments.
 */
void moment_account(struct moment *before, struct moment *after, const struct moment_of *of,
		    struct repetition *rep, bool observed);

#endif
