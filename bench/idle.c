/* SPDX-License-Identifier: MIT */
/* What a daemon costs that has a driver but nothing to do: CPU time of all threads, and memory. */
#include <stdio.h>
#include <unistd.h>

#include "bench/subject.h"
#include "bench/tapdev.h"

struct idle {
	struct subject subject;
	unsigned seconds;
};

static double cpu_us(void *ctx)
{
	const struct idle *b = ctx;
	uint64_t before = subject_cpu_ns(&b->subject);

	sleep(b->seconds);
	return (double)(subject_cpu_ns(&b->subject) - before) / 1000;
}

/* What is resident and not shared with the driver. */
static double resident_mib(void *ctx)
{
	const struct idle *b = ctx;
	double kb = 0, n;
	char line[128];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/status", b->subject.pid);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "RssAnon: %lf", &n) == 1 || sscanf(line, "RssFile: %lf", &n) == 1)
			kb += n;
	}
	if (f)
		fclose(f);
	return kb / 1024;
}

void bench_idle(const struct bench_options *opt)
{
	struct idle b = { .seconds = opt->quick ? 1 : 5 };
	const struct measure_row cpu = {
		.bench = "idle", .unit = "us CPU", .max = 1, .subject = cpu_us, .pairs = 1
	};
	const struct measure_row memory = {
		.bench = "idle", .unit = "MiB", .max = 8, .subject = resident_mib, .pairs = 1
	};
	struct tapdev tap;
	char backend[24];

	tapdev_init(&tap, "bidle0");
	snprintf(backend, sizeof(backend), "tap-fd:%d", tap.fd);
	subject_start(&b.subject, opt->txringd,
		      &(struct subject_config){ .backend = backend, .ring_size = 256 });
	sleep(1);
	measure_row(&cpu, &b, "idle, connected, %u s", b.seconds);
	measure_row(&memory, &b, "resident beside the guest's pages");
	subject_stop(&b.subject);
	tapdev_deinit(&tap);
}
