/* SPDX-License-Identifier: MIT */
/*
 * What txbench-known did since its start, for txbench selftest to compare with. Exact: times are
 * kept one by one and sorted at the end. A frame that is seen at one look at the ring came after
 * the look before, so what it waited for the back-end lies between two times: known_account_delay.
 */
#ifndef BENCH_TXBENCH_KNOWN_ACCOUNT_H
#define BENCH_TXBENCH_KNOWN_ACCOUNT_H

#include <stdint.h>

#define KNOWN_ACCOUNT_ABSENCES 4096

/* What was done since the start. */
struct known_account {
	uint64_t frames; /* used */
	uint64_t written;
	uint64_t dropped;
	uint64_t duplicated;
	uint64_t reordered; /* pairs */
	uint64_t alone;     /* to be swapped, but nothing followed */
	uint64_t failed;    /* could not be written */
	uint64_t discarded; /* held when the ring stopped */
	uint64_t stalls;
	uint64_t kicks; /* of the tx ring, until it stopped */
	uint64_t n_samples;
	struct known_account_samples { /* ns */
		uint32_t *written;     /* from seen to written */
		uint32_t *least;       /* from seen until its write began */
		uint32_t *most;        /* from the look before to written */
	} samples;
	uint64_t n_absences;
	uint64_t absences[KNOWN_ACCOUNT_ABSENCES]; /* ns, of those that frames waited for */
};

/* a is all zero. 0 or -ENOMEM. */
int known_account_init(struct known_account *a);
void known_account_deinit(struct known_account *a);

/* The times of a frame. */
struct known_account_times {
	uint64_t before_ns; /* the ring was looked at, and it was not there yet */
	uint64_t seen_ns;
	uint64_t began_ns; /* to be written */
	uint64_t written_ns;
};

/*
 * A frame was written. It waited for the back-end from seen to began at least, from before to
 * written at most.
 */
void known_account_delay(struct known_account *a, const struct known_account_times *t);
/* Nobody looked at the ring for so long, and a frame had come. */
void known_account_absence(struct known_account *a, uint64_t ns);

/* To stdout, as one line of JSON. */
void known_account_print(struct known_account *a);

#endif
