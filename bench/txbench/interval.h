/* SPDX-License-Identifier: MIT */
/* The mean of some repetitions, and how sure it is. Assumes that they are independent. */
#ifndef BENCH_TXBENCH_INTERVAL_H
#define BENCH_TXBENCH_INTERVAL_H

/* 95 % interval of the mean (Student's t); low and high are NAN if n < 2, mean if n is 0. */
struct interval {
	double mean, low, high;
	unsigned n;
};

/* Of those values that are not NAN. */
struct interval interval_of(const double *v, unsigned n);

/* |t| is below this with a probability of 95 %; df >= 1. */
double interval_t(unsigned df);

#endif
