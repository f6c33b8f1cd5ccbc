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

/*
 * One repetition of ns, at least one frame; rep is all zero. What was measured is in rep however it
 * ended. Of rep, usage, waited_ns, syscalls and noise are left alone. Different seeds give
 * different random moments.
 */
enum drive_end drive_run(struct drive *d, struct repetition *rep, uint64_t ns, uint64_t seed,
			 char *why, unsigned size);

#endif
