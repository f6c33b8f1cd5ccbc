/* SPDX-License-Identifier: MIT */
/*
 * The driver's loop: offers the load to a port, kicks, takes back, watches the wire, answers there,
 * and receives. It spins on the CPU that it was given. All times are CLOCK_REALTIME, as the
 * kernel's time stamps of frames are.
 *
 * Owner: one thread. Nothing else uses the port meanwhile.
 */
#ifndef BENCH_TXBENCH_DRIVE_H
#define BENCH_TXBENCH_DRIVE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/txbench/options.h"
#include "bench/txbench/port.h"
#include "bench/txbench/result.h"
#include "bench/txbench/trace.h"

struct drive_config {
	const struct options *options;
	struct port *port;
	const struct trace *trace;         /* of LOAD_TRACE and SIZE_TRACE */
	const volatile sig_atomic_t *stop; /* not 0: end soon, keep what there is */
	/* NULL, or called about once a second while there is time for it: frames offered so far */
	void (*progress)(void *arg, uint64_t frames);
	void *arg;
};

struct drive;

/* NULL: failed; *why says what, in one line. */
struct drive *drive_new(const struct drive_config *cfg, char *why, unsigned size);
/* Before the port is closed. Takes NULL. */
void drive_free(struct drive *d);

enum drive_end {
	DRIVE_DONE,
	DRIVE_STOPPED, /* by *stop */
	DRIVE_BROKEN,  /* *why says how, in one line */
};

/* One load on the port. */
struct drive_part {
	uint64_t ns;   /* at least one frame */
	uint64_t seed; /* different ones give different random moments */
	bool watched;  /* look at each frame on the wire, if the options say so */
};

/*
 * What was measured is in rep, which is all zero before, however it ended. Of rep, usage, cost,
 * company, syscalls and noise are left alone.
 */
enum drive_end drive_run(struct drive *d, struct repetition *rep, const struct drive_part *part,
			 char *why, unsigned size);
/* Whether the last part was watched. */
bool drive_watched(const struct drive *d);

#endif
