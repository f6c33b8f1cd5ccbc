/* SPDX-License-Identifier: MIT */
/*
 * A difficult backend: takes few frames at a time, says "full", completes late and in pieces, and
 * refuses frames. It reads a frame only when that completes, so memory that was given back to the
 * driver too early shows. Not for speed.
 *
 * Scripted (delay_ns 0), it does what the functions below say, called on the queue's iothread: a
 * wake-up follows by itself when there is news. By itself (delay_ns not 0), it chooses from the
 * seed, for a real iothread: with fds at random times up to delay_ns apart (a timerfd), without fds
 * from turn to turn.
 */
#ifndef TESTS_UNIT_TEST_BACKEND_H
#define TESTS_UNIT_TEST_BACKEND_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"

#define TEST_BACKEND_NO_LIMIT UINT_MAX

struct test_backend_config {
	unsigned n_queues;
	bool fds;          /* else it calls wake() */
	bool late;         /* frames complete through tx_done, else within tx() */
	uint64_t delay_ns; /* 0: scripted */
	uint64_t seed;
	uint64_t features;
	/*
	 * Each frame taken, once, in order of completion; hdr as it was when taken; arrived is
	 * false for one that was refused or cancelled. On the queue's iothread. May be NULL.
	 */
	void (*sent)(void *ctx, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
		     const uint8_t *bytes, uint32_t len, bool arrived);
	void (*wake)(void *ctx, unsigned events); /* each queue's; a device sets its own */
	void *ctx;
};

/*
 * What a queue saw. misuse: calls that break backend.h's contract (no frame, no room, lengths that
 * are not the iovecs', a header that is not the guest's though in_place).
 */
struct test_backend_counts {
	uint64_t tx_calls;
	uint64_t tx_in_place; /* frames taken */
	uint64_t rx_calls;
	uint64_t misuse;
};

/* Free with backend_free(). */
struct backend *test_backend_new(const struct test_backend_config *cfg);

/* tx() takes n more frames in all (at first without limit). */
void test_backend_room(struct backend *backend, unsigned queue, unsigned n);
/* tx() takes the next n frames and loses them. */
void test_backend_refuse(struct backend *backend, unsigned queue, unsigned n);
/* The oldest n of the frames held complete. Returns how many there were. */
unsigned test_backend_finish(struct backend *backend, unsigned queue, unsigned n);
/* Frames taken and not completed. */
unsigned test_backend_held(const struct backend *backend, unsigned queue);

/* rx() will give this frame, header included. */
void test_backend_give(struct backend *backend, unsigned queue, const void *bytes, uint32_t len);
/* rx() gives at most n frames a call (at first without limit). */
void test_backend_rx_limit(struct backend *backend, unsigned queue, unsigned n);
/* Frames given that rx() has not fetched. */
unsigned test_backend_waiting(const struct backend *backend, unsigned queue);

const struct test_backend_counts *test_backend_counts(const struct backend *backend,
						      unsigned queue);

/* splitmix64: the tests' random numbers. */
static inline uint64_t test_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* 0 .. n - 1; n is not 0. */
static inline unsigned test_random_below(uint64_t *state, unsigned n)
{
	return (unsigned)(test_random(state) % n);
}

#endif
