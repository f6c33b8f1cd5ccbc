/* SPDX-License-Identifier: MIT */
/*
 * How far apart two CPUs are: the round trip of a cache line between them, and its class. On a
 * virtual machine it changes, as the host moves CPUs. Makes and pins no thread.
 */
#ifndef BENCH_C2C_H
#define BENCH_C2C_H

#include <stdint.h>
#include <time.h>

#include "virtio/base.h"

#define C2C_CHUNKS 7
#define C2C_ROUNDS 100

/* The asking thread writes ping, the answering one pong. All zero at first; may be used again. */
struct c2c {
	uint64_t ping cache_aligned;
	uint64_t pad[2 * CACHE_LINE / sizeof(uint64_t)];
	uint64_t pong cache_aligned;
};

enum c2c_class {
	C2C_NEAR, /* under 75 ns: two threads of one core */
	C2C_MID,  /* under 250 ns: one L3 cache */
	C2C_FAR,
	C2C_CLASSES,
};

static inline enum c2c_class c2c_class_of(double ns)
{
	if (ns < 75)
		return C2C_NEAR;
	return ns < 250 ? C2C_MID : C2C_FAR;
}

static inline const char *c2c_class_name(enum c2c_class class)
{
	static const char *const names[C2C_CLASSES] = { "near", "mid", "far" };

	return names[class];
}

/* On the other CPU; ends with the c2c_ask() that it answers. */
static inline void c2c_answer(struct c2c *c)
{
	uint64_t n = load_relaxed(&c->pong), end = n + (C2C_CHUNKS + 1) * C2C_ROUNDS;

	while (n < end) {
		if (load_acquire(&c->ping) == n)
			continue;
		store_release(&c->pong, ++n);
	}
}

/* The mean of one chunk of round trips. */
static inline double c2c_chunk(struct c2c *c)
{
	struct timespec from, to;
	uint64_t n = c->ping, end = n + C2C_ROUNDS;

	clock_gettime(CLOCK_MONOTONIC, &from);
	while (n < end) {
		store_release(&c->ping, ++n);
		while (load_acquire(&c->pong) != n)
			;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
	       C2C_ROUNDS;
}

/* The median of some chunks, so that one in which a thread lost its CPU does not count. */
static inline double c2c_ask(struct c2c *c)
{
	double v[C2C_CHUNKS], next;
	unsigned i, k;

	c2c_chunk(c); /* waits for the other thread to wake up */
	for (i = 0; i < C2C_CHUNKS; i++) {
		next = c2c_chunk(c);
		for (k = i; k && v[k - 1] > next; k--)
			v[k] = v[k - 1];
		v[k] = next;
	}
	return v[C2C_CHUNKS / 2];
}

#endif
