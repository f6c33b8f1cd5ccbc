/* SPDX-License-Identifier: MIT */
/*
 * The daemon that is measured: a txringd in a process of its own on MEASURE_CPU_SUBJECT, with one
 * iothread, and a driver in this process connected to it. It dies with us. And the benches, each of
 * which starts its subjects, measures its rows and ends the program when it cannot.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/measure.h"
#include "virtio/driver/net.h"

struct bench_options {
	const char *txringd; /* the program under test */
	bool quick;          /* few and short windows: shows that it works, not how fast */
};

static inline unsigned bench_pairs_of(const struct bench_options *opt, unsigned full)
{
	return opt->quick ? 6 : full;
}

void bench_tx_null(const struct bench_options *opt);
void bench_bulk(const struct bench_options *opt);
void bench_pairs(const struct bench_options *opt);
void bench_rx_tap(const struct bench_options *opt);
void bench_tx_xdp(const struct bench_options *opt);
void bench_rx_xdp(const struct bench_options *opt);
void bench_idle(const struct bench_options *opt);
void bench_offload(const struct bench_options *opt);

struct subject {
	pid_t pid;
	pid_t tid; /* the iothread */
	struct driver_net *net;
};

struct subject_config {
	const char *backend; /* NULL: null */
	uint64_t without;    /* features of DRIVER_NET_FEATURES that are not taken */
	unsigned ring_size;
	bool coalesce;
	unsigned pairs; /* queue pairs, all on one iothread; 0: 1 */
};

/* Dies when it does not come up; why is on stderr, which the daemon inherits. */
void subject_start(struct subject *s, const char *txringd, const struct subject_config *cfg);
void subject_stop(struct subject *s);

/* CPU time of all its threads; only the iothread has anything to do. */
uint64_t subject_cpu_ns(const struct subject *s);
/* Take back what the device used, into each of which it wrote len bytes: how many chains. */
unsigned subject_reap(struct ring *r, unsigned len);

#endif
