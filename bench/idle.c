/* SPDX-License-Identifier: MIT */
/* What a daemon costs that has a driver but nothing to do: CPU time of all threads, and memory. */
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/subject.h"
#include "bench/tapdev.h"

#define MIB (1024.0 * 1024)

static struct measure_summary once(double v)
{
	return (struct measure_summary){ v, v, v, 1 };
}

void bench_idle(const struct bench_options *opt)
{
	unsigned seconds = bench_scale(opt, 5, 1);
	struct bench_row row = { .bench = "idle", .unit = "us CPU", .max = 1 };
	struct tapdev tap;
	struct subject s;
	uint64_t before;

	tapdev_init(&tap, "bidle0");
	subject_start(&s, &(struct subject_config){ .program = opt->txringd,
						    .txmode = "iothread",
						    .tap_fd = tap.fd,
						    .ring_size = 256 });
	sleep(1);
	before = subject_cpu_ns(&s);
	sleep(seconds);
	row.got.subject = once((double)(subject_cpu_ns(&s) - before) / 1000);
	snprintf(row.what, sizeof(row.what), "idle, connected, %u s", seconds);
	bench_report(&row);
	row = (struct bench_row){ .bench = "idle", .unit = "MiB", .max = 8 };
	row.got.subject = once((double)subject_resident(&s) / MIB);
	snprintf(row.what, sizeof(row.what), "resident beside the guest's pages");
	bench_report(&row);
	subject_stop(&s);
	tapdev_deinit(&tap);
}
