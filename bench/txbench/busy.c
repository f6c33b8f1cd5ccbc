/* SPDX-License-Identifier: MIT */
/*
 * Idle time: contracts in busy.h.
 *
 * /proc/timer_list has two sums of each CPU, which root may read: the idle time, and that with a
 * task waiting for its disk. An idle time that has not ended is in neither. So they are read on
 * that CPU itself: as long as the reader runs there, the CPU is not idle.
 */
#include "bench/txbench/busy.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/txbench/cpu.h"
#include "virtio/base.h"

#define LEAST_NS 10000000000 /* that the steps of /proc/stat can tell */

const char *const busy_from_names[] = { "", "idle", "spinner", "neighbour" };

struct reading {
	struct busy *busy;
	int cpu;
};

/* The sum of the CPU's two lines. */
static bool read_timer_list(struct busy *b, int cpu)
{
	FILE *f = fopen("/proc/timer_list", "re");
	unsigned long long ns;
	unsigned found = 0;
	char line[256];
	int at = -1;

	while (f && found < 2 && fgets(line, sizeof(line), f)) {
		sscanf(line, "cpu: %d", &at);
		if (at != cpu || (sscanf(line, " .idle_sleeptime : %llu", &ns) != 1 &&
				  sscanf(line, " .iowait_sleeptime: %llu", &ns) != 1))
			continue;
		b->idle_ns += ns;
		found++;
	}
	if (f)
		fclose(f);
	return found == 2;
}

static bool read_stat(struct busy *b, int cpu)
{
	FILE *f = fopen("/proc/stat", "re");
	unsigned long long idle, io;
	bool found = false;
	char line[512];
	int at;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "cpu%d %*u %*u %*u %llu %llu", &at, &idle, &io) == 3 &&
			at == cpu;
	if (f)
		fclose(f);
	if (found)
		b->idle_ns = (idle + io) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
	return found;
}

static void *read_there(void *arg)
{
	const struct reading *r = arg;
	struct busy *b = r->busy;

	b->from_ns = monotonic_ns();
	b->exact = read_timer_list(b, r->cpu);
	b->known = b->exact || read_stat(b, r->cpu);
	b->to_ns = monotonic_ns();
	return NULL;
}

void busy_take(struct busy *b, int cpu)
{
	struct reading r = { b, cpu };
	pthread_t thread;

	*b = (struct busy){ 0 };
	if (cpu >= 0 && !cpu_thread(&thread, cpu, read_there, &r))
		pthread_join(thread, NULL);
}

bool busy_between(const struct busy *before, const struct busy *after, uint64_t *busy_ns)
{
	uint64_t wall_ns = after->from_ns - before->to_ns;
	uint64_t idle_ns = after->idle_ns - before->idle_ns;

	if (!before->known || !after->known || before->exact != after->exact ||
	    (!after->exact && wall_ns < LEAST_NS))
		return false;
	*busy_ns = wall_ns - min_u64(idle_ns, wall_ns);
	return true;
}
