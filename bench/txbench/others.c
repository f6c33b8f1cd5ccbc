/* SPDX-License-Identifier: MIT */
/* Every thread under /proc, twice: contracts in others.h. */
#include "bench/txbench/others.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AFTER_NAME_TO_CPU 37 /* fields of /proc/TID/stat from the state to the CPU, both counted */

static bool read_line(pid_t tid, const char *file, char *text, int size)
{
	char path[64];
	bool got;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, file);
	f = fopen(path, "re");
	got = f && fgets(text, size, f);
	if (f)
		fclose(f);
	return got;
}

/* The CPU in a line of /proc/TID/stat; the name may hold anything. -1: it is not there. */
static int cpu_in(char *line)
{
	char *at = strrchr(line, ')');

	for (unsigned i = 0; at && i < AFTER_NAME_TO_CPU; i++)
		at = strchr(at + 1, ' ');
	return at ? atoi(at + 1) : -1;
}

/*
 * False: it has ended, or it is ksoftirqd: softirqs that run there are the load's, as those that
 * run in an interrupt.
 */
static bool look_at(struct others_thread *t)
{
	unsigned long long ns;
	char text[1024];

	if (!read_line(t->tid, "schedstat", text, sizeof(text)) || sscanf(text, "%llu", &ns) != 1 ||
	    !read_line(t->tid, "stat", text, sizeof(text)) || strstr(text, " (ksoftirqd/"))
		return false;
	t->ran_ns = ns;
	t->cpu = cpu_in(text);
	return true;
}

static int add(struct others *o, pid_t pid, pid_t tid)
{
	struct others_thread *more = o->threads;

	if (!(o->n & (o->n + 1)))
		more = realloc(more, 2 * (o->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	o->threads = more;
	more[o->n] = (struct others_thread){ .pid = pid, .tid = tid };
	o->n += look_at(&more[o->n]);
	return 0;
}

/* Each entry of a directory that is a number, until fn fails. */
static int each(const char *path, int (*fn)(struct others *o, pid_t pid, pid_t number),
		struct others *o, pid_t pid)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int err = 0;

	while (dir && !err && (e = readdir(dir))) {
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			err = fn(o, pid, atoi(e->d_name));
	}
	if (dir)
		closedir(dir);
	return err;
}

static int add_process(struct others *o, pid_t unused, pid_t pid)
{
	char path[64];

	(void)unused;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return each(path, add, o, pid);
}

static int compare(const void *a, const void *b)
{
	return ((const struct others_thread *)a)->tid - ((const struct others_thread *)b)->tid;
}

int others_take(struct others *o)
{
	int err;

	*o = (struct others){ 0 };
	err = each("/proc", add_process, o, 0);
	if (err)
		others_free(o);
	else if (o->n)
		qsort(o->threads, o->n, sizeof(*o->threads), compare);
	return err;
}

void others_free(struct others *o)
{
	free(o->threads);
	*o = (struct others){ 0 };
}

uint64_t others_and_mine_ns(int cpu)
{
	FILE *f = fopen("/sys/fs/cgroup/cpuacct/cpuacct.usage_percpu", "re");
	unsigned long long ns = 0;
	int found = f ? 1 : 0;

	for (int i = 0; found == 1 && i <= cpu; i++)
		found = fscanf(f, "%llu", &ns);
	if (f)
		fclose(f);
	return found == 1 && cpu >= 0 ? ns : 0;
}

static bool is_mine(pid_t pid, const pid_t *mine)
{
	while (*mine && *mine != pid)
		mine++;
	return *mine;
}

uint64_t others_between(const struct others *before, const struct others *after, int cpu,
			const pid_t *mine)
{
	const struct others_thread *was;
	uint64_t sum = 0;

	for (unsigned i = 0; i < after->n; i++) {
		const struct others_thread *t = &after->threads[i];

		if (t->cpu != cpu || is_mine(t->pid, mine))
			continue;
		was = before->n ? bsearch(t, before->threads, before->n, sizeof(*t), compare)
				: NULL;
		sum += t->ran_ns - (was && was->pid == t->pid ? was->ran_ns : 0);
	}
	return sum;
}
