/* SPDX-License-Identifier: MIT */
/* Clocks, the scheduler's figures, cache-line round trips, medians: contracts in measure.h. */
#include "bench/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "virtio/base.h"

/* A window is disturbed when its threads waited for a CPU longer than this. */
#define WAIT_SHARE    0.02
#define WAIT_SLACK_NS 20000

/* Pairs tried for each one wanted, at most. */
#define MAX_TRIES 2

void measure_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("txring-bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(EXIT_FAILURE);
}

void measure_check(int err, const char *what)
{
	if (err < 0)
		measure_die("%s: %s", what, strerror(-err));
}

void measure_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		measure_die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t measure_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t measure_thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void measure_spin_until(uint64_t at_ns)
{
	while (measure_now_ns() < at_ns)
		;
}

/* The scheduler. */

/* One file of /proc/PID/task/TID, as a string; empty if it cannot be read. */
static void task_read(const struct measure_task *t, const char *file, char *text, size_t cap)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", t->pid, t->tid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = read(fd, text, cap - 1);
	text[len > 0 ? len : 0] = '\0';
	close(fd);
}

bool measure_task_find(struct measure_task *task, pid_t pid, const char *name)
{
	struct measure_task t = { .pid = pid };
	char text[64];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(text, sizeof(text), "/proc/%d/task", pid);
	dir = opendir(text);
	while (dir && !found && (e = readdir(dir))) {
		t.tid = atoi(e->d_name);
		task_read(&t, "comm", text, sizeof(text));
		found = t.tid && !strncmp(text, name, strlen(name)) && text[strlen(name)] == '\n';
	}
	if (dir)
		closedir(dir);
	*task = t;
	return found;
}

struct measure_task measure_task_self(void)
{
	return (struct measure_task){ getpid(), gettid() };
}

struct measure_times measure_task_times(const struct measure_task *task)
{
	unsigned long long cpu = 0, wait = 0;
	char text[96];

	task_read(task, "schedstat", text, sizeof(text));
	sscanf(text, "%llu %llu", &cpu, &wait);
	return (struct measure_times){ cpu, wait };
}

bool measure_task_sleeps(const struct measure_task *task)
{
	uint64_t end = measure_now_ns() + 1000000000;
	char text[256];
	char *state;

	do {
		task_read(task, "stat", text, sizeof(text));
		state = strrchr(text, ')');
		if (state && state[1] == ' ' && state[2] == 'S')
			return true;
	} while (measure_now_ns() < end);
	return false;
}

/* The worker. */

static struct {
	pthread_t thread;
	struct measure_task task;
	sem_t go;
	void (*fn)(void *arg);
	void *arg;
	uint32_t done;
} worker;

static void *worker_main(void *arg)
{
	(void)arg;
	measure_pin(MEASURE_CPU_SUBJECT);
	worker.task = measure_task_self();
	store_release(&worker.done, 1);
	for (;;) {
		while (sem_wait(&worker.go))
			;
		worker.fn(worker.arg);
		store_release(&worker.done, 1);
	}
	return NULL;
}

void measure_worker_init(void)
{
	sem_init(&worker.go, 0, 0);
	measure_check(-pthread_create(&worker.thread, NULL, worker_main, NULL), "worker");
	measure_worker_join();
}

void measure_worker_start(void (*fn)(void *arg), void *arg)
{
	worker.fn = fn;
	worker.arg = arg;
	store_relaxed(&worker.done, 0);
	sem_post(&worker.go);
}

void measure_worker_join(void)
{
	while (!load_acquire(&worker.done))
		;
}

void measure_worker_run(void (*fn)(void *arg), void *arg)
{
	measure_worker_start(fn, arg);
	measure_worker_join();
}

void measure_turns_wait_taken(const struct measure_turns *t)
{
	while (load_acquire(&t->taken) != t->given)
		;
}

void measure_turns_give(struct measure_turns *t)
{
	store_release(&t->given, t->given + 1);
}

void measure_turns_wait_given(const struct measure_turns *t)
{
	while (load_acquire(&t->given) == t->taken)
		;
}

void measure_turns_take(struct measure_turns *t)
{
	store_release(&t->taken, t->taken + 1);
}

/* The distance between the CPUs. */

static struct c2c lines;

static void answer(void *arg)
{
	c2c_answer(arg);
}

double measure_c2c_ns(void)
{
	double ns;

	measure_worker_start(answer, &lines);
	ns = c2c_ask(&lines);
	measure_worker_join();
	return ns;
}

/* Numbers. */

void measure_add(struct measure_series *s, double v)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		if (!s->v)
			measure_die("out of memory");
	}
	s->v[s->n++] = v;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double measure_quantile(struct measure_series *s, double q)
{
	if (!s->n)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), compare);
	return s->v[(size_t)(q * (s->n - 1) + 0.5)];
}

struct measure_summary measure_summarize(struct measure_series *s)
{
	return (struct measure_summary){ measure_quantile(s, 0.5), measure_quantile(s, 0.1),
					 measure_quantile(s, 0.9), s->n };
}

void measure_clear(struct measure_series *s)
{
	free(s->v);
	*s = (struct measure_series){ 0 };
}

/* The comparison. */

/* Runs one window; false: it is void, or a thread of it waited for its CPU. */
static bool window(const struct measure_contest *c, double (*fn)(void *ctx), double *v)
{
	const struct measure_task self = measure_task_self();
	const struct measure_task *tasks[] = { &self, &worker.task, c->task };
	uint64_t waited = 0, start = measure_now_ns();
	double wall;
	unsigned i;

	for (i = 0; i < array_size(tasks); i++)
		waited -= tasks[i] ? measure_task_times(tasks[i]).wait_ns : 0;
	*v = fn(c->ctx);
	wall = (double)(measure_now_ns() - start);
	for (i = 0; i < array_size(tasks); i++)
		waited += tasks[i] ? measure_task_times(tasks[i]).wait_ns : 0;
	return *v >= 0 && (double)waited < WAIT_SHARE * wall + WAIT_SLACK_NS;
}

struct by_class {
	struct measure_series subject, ceiling, ratio, c2c;
};

static void keep(struct by_class *k, const struct measure_contest *c, double subject,
		 double ceiling, double c2c)
{
	measure_add(&k->subject, subject);
	measure_add(&k->c2c, c2c);
	if (!c->ceiling)
		return;
	measure_add(&k->ceiling, ceiling);
	measure_add(&k->ratio, subject / ceiling);
}

/*
 * A pair, in the order A B or B A by turns. False: disturbed, and kept apart if it has figures at
 * all.
 */
static bool pair(const struct measure_contest *c, bool swap, struct by_class *good,
		 struct by_class *bad)
{
	double v[2] = { 0, 0 }, before = measure_c2c_ns(), after = before;
	double (*fn[2])(void *ctx) = { c->subject, c->ceiling };
	enum c2c_class class = c2c_class_of(before);
	bool calm = true;
	unsigned i, which;

	for (i = 0; i < 2; i++) {
		which = i ^ swap;
		if (!fn[which])
			continue;
		calm &= window(c, fn[which], &v[which]);
		after = measure_c2c_ns();
		calm &= c2c_class_of(after) == class;
	}
	if (v[0] >= 0 && v[1] >= 0)
		keep(calm ? &good[class] : &bad[class], c, v[0], v[1], (before + after) / 2);
	return calm;
}

static unsigned most(const struct by_class *classes)
{
	unsigned best = 0, i;

	for (i = 1; i < C2C_CLASSES; i++) {
		if (classes[i].subject.n > classes[best].subject.n)
			best = i;
	}
	return best;
}

static void forget(struct by_class *classes)
{
	for (unsigned i = 0; i < C2C_CLASSES; i++) {
		measure_clear(&classes[i].subject);
		measure_clear(&classes[i].ceiling);
		measure_clear(&classes[i].ratio);
		measure_clear(&classes[i].c2c);
	}
}

struct measure_outcome measure_contest_run(const struct measure_contest *c)
{
	struct by_class good[C2C_CLASSES] = { 0 }, bad[C2C_CLASSES] = { 0 };
	struct measure_outcome out = { 0 };
	unsigned kept = 0;
	struct by_class *k;
	bool calm;

	while (kept < c->pairs && out.tried < MAX_TRIES * c->pairs) {
		calm = pair(c, out.tried++ % 2, good, bad);
		kept += calm;
		if (c->judged)
			c->judged(c->ctx, calm);
	}
	out.all_disturbed = !kept;
	k = kept ? good : bad;
	out.class = most(k);
	k += out.class;
	if (!k->subject.n)
		measure_die("none of %u windows gave a figure: the machine is too busy, or the "
			    "device never did what it was asked for",
			    out.tried);
	out.subject = measure_summarize(&k->subject);
	out.ceiling = measure_summarize(&k->ceiling);
	out.ratio = measure_summarize(&k->ratio);
	out.c2c_ns = measure_quantile(&k->c2c, 0.5);
	forget(good);
	forget(bad);
	return out;
}
