/* SPDX-License-Identifier: MIT */
/*
 * The daemon that is measured: a txringd in a process of its own on MEASURE_CPU_SUBJECT, with one
 * iothread, and a driver in this process connected to it. It dies with us.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/measure.h"
#include "virtio/driver/net.h"

struct subject {
	pid_t pid;
	struct measure_task task; /* the iothread */
	struct driver_net *net;
	int log_fd; /* what it said */
};

struct subject_config {
	const char *program;
	const char *txmode;
	int tap_fd;          /* -1: the backend's name */
	const char *backend; /* NULL: null */
	uint64_t features;   /* taken where offered; 0: DRIVER_NET_FEATURES */
	unsigned ring_size;
	unsigned pairs; /* queue pairs, all on one iothread; 0: 1 */
};

/* Dies, with the daemon's own words, when it does not come up. */
void subject_start(struct subject *s, const struct subject_config *cfg);
void subject_stop(struct subject *s);

/* The tx rings with all their buffers filled with one frame of len bytes behind an empty header. */
void subject_fill_tx(struct subject *s, const void *frame, unsigned len);
/*
 * Offer n of them, over all pairs in turn, as fast as the rings take them, kick when it asks for
 * that, and return when all came back and the iothread sleeps. Its CPU time for each; negative: it
 * did not go to sleep. fresh: write each one's header anew, as a driver does, so that it has to
 * come from our cache.
 */
double subject_send(struct subject *s, unsigned len, bool fresh, uint64_t n);

/* Was it built with this backend? */
bool subject_has_backend(const char *program, const char *backend);

/* Write the headers of all tx buffers anew, rounds times, each when the turn before was taken. */
void subject_write_headers(struct subject *s, struct measure_turns *turns, uint64_t rounds);

/* Resident memory of the daemon beside what it shares with the driver, in bytes. */
uint64_t subject_resident(const struct subject *s);
/* CPU time of all its threads. Exact while they sleep. */
uint64_t subject_cpu_ns(const struct subject *s);

#endif
