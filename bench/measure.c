/* SPDX-License-Identifier: MIT */
/* Clocks, the scheduler's figures, the worker, pairs of windows: contracts in measure.h. */
#include "bench/measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtio/base.h"

/* A window is disturbed when its threads waited for a CPU longer than this. */
#define WAIT_SHARE    0.02
#define WAIT_SLACK_NS 20000

/* A window that takes as long ends the program by SIGALRM: a frame never came back. */
#define MAX_SECONDS 60

/* Pairs tried for each one wanted, at most. */
#define MAX_TRIES 2

void measure_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
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

void measure_shell(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		measure_die("failed: %s", command);
}

void measure_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		measure_die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

uint64_t measure_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The scheduler. */

/* A file of /proc/TID, as a string; empty if it cannot be read. */
static void thread_read(pid_t tid, const char *file, char *text, size_t cap)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = read(fd, text, cap - 1);
	text[len > 0 ? len : 0] = '\0';
	close(fd);
}

pid_t measure_thread(pid_t pid, const char *name)
{
	char text[64];
	struct dirent *e;
	pid_t found = 0;
	DIR *dir;

	snprintf(text, sizeof(text), "/proc/%d/task", pid);
	dir = opendir(text);
	while (dir && !found && (e = readdir(dir))) {
		thread_read(atoi(e->d_name), "comm", text, sizeof(text));
		text[strcspn(text, "\n")] = '\0';
		found = strcmp(text, name) ? 0 : atoi(e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* How long it was ready to run, but without a CPU. Zero for a thread that is gone. */
static uint64_t thread_waited_ns(pid_t tid)
{
	unsigned long long waited = 0;
	char text[96];

	thread_read(tid, "schedstat", text, sizeof(text));
	sscanf(text, "%*u %llu", &waited);
	return waited;
}

bool measure_thread_sleeps(pid_t tid)
{
	uint64_t end = measure_ns(CLOCK_MONOTONIC) + 1000000000;
	char text[256], *state;

	do {
		thread_read(tid, "stat", text, sizeof(text));
		state = strrchr(text, ')');
		if (state && state[1] == ' ' && state[2] == 'S')
			return true;
	} while (measure_ns(CLOCK_MONOTONIC) < end);
	return false;
}

/* The worker. */

static struct {
	pid_t tid;
	sem_t go;
	double (*fn)(void *ctx);
	void *ctx;
	double result;
	uint32_t done;
} worker;

static void *worker_main(void *arg)
{
	(void)arg;
	measure_pin(MEASURE_CPU_SUBJECT);
	worker.tid = gettid();
	for (;;) {
		store_release(&worker.done, 1);
		while (sem_wait(&worker.go))
			;
		worker.result = worker.fn(worker.ctx);
	}
	return NULL;
}

void measure_init(void)
{
	pthread_t thread;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		measure_die("two CPUs are needed");
	measure_pin(MEASURE_CPU_BENCH);
	sem_init(&worker.go, 0, 0);
	measure_check(-pthread_create(&thread, NULL, worker_main, NULL), "worker");
	measure_worker_join();
}

void measure_worker_start(double (*fn)(void *ctx), void *ctx)
{
	worker.fn = fn;
	worker.ctx = ctx;
	store_relaxed(&worker.done, 0);
	sem_post(&worker.go);
}

double measure_worker_join(void)
{
	while (!load_acquire(&worker.done))
		;
	return worker.result;
}

double measure_worker_run(double (*fn)(void *ctx), void *ctx)
{
	measure_worker_start(fn, ctx);
	return measure_worker_join();
}

static double answer(void *ctx)
{
	c2c_answer(ctx);
	return 0;
}

double measure_c2c_ns(void)
{
	static struct c2c lines;
	double ns;

	measure_worker_start(answer, &lines);
	ns = c2c_ask(&lines);
	measure_worker_join();
	return ns;
}

/* Pairs. */

struct pair {
	double subject, against; /* negative: void, or not wanted */
	double c2c_ns;
	enum c2c_class class;
	bool calm;
};

static uint64_t all_waited_ns(pid_t tid)
{
	return thread_waited_ns(gettid()) + thread_waited_ns(worker.tid) +
	       (tid ? thread_waited_ns(tid) : 0);
}

/* One window, and the distance of the CPUs behind it. */
static double window(const struct measure_row *row, bool subject, void *ctx, struct pair *p)
{
	double (*fn)(void *ctx) = subject ? row->subject : row->against;
	bool by_worker = subject ? row->subject_by_worker : row->against_by_worker;
	uint64_t waited = all_waited_ns(row->tid), start = measure_ns(CLOCK_MONOTONIC);
	double wall, v, c2c_ns;

	if (!fn)
		return -1;
	alarm(MAX_SECONDS);
	v = by_worker ? measure_worker_run(fn, ctx) : fn(ctx);
	wall = (double)(measure_ns(CLOCK_MONOTONIC) - start);
	waited = all_waited_ns(row->tid) - waited;
	c2c_ns = measure_c2c_ns();
	alarm(0);
	p->calm &= v >= 0 && (double)waited < WAIT_SHARE * wall + WAIT_SLACK_NS &&
		   c2c_class_of(c2c_ns) == p->class;
	p->c2c_ns = (p->c2c_ns + c2c_ns) / 2;
	return v;
}

static struct pair pair(const struct measure_row *row, bool subject_last, void *ctx)
{
	double c2c_ns = measure_c2c_ns();
	struct pair p = { .c2c_ns = c2c_ns, .class = c2c_class_of(c2c_ns), .calm = true };

	if (subject_last)
		p.against = window(row, false, ctx, &p);
	p.subject = window(row, true, ctx, &p);
	if (!subject_last)
		p.against = window(row, false, ctx, &p);
	return p;
}

static void print_figure(const char *name, double v)
{
	if (v < 0)
		printf("\"%s\": null, ", name);
	else
		printf("\"%s\": %.6g, ", name, v);
}

static void print_pair(const struct pair *p, const char *before)
{
	printf("%s{", before);
	print_figure("subject", p->subject);
	print_figure("ceiling", p->against);
	printf("\"c2c_ns\": %.0f, \"class\": \"%s\", \"calm\": %s}", p->c2c_ns,
	       c2c_class_name(p->class), p->calm ? "true" : "false");
}

void measure_row(const struct measure_row *row, void *ctx, const char *what, ...)
{
	unsigned calm = 0, tried = 0;
	struct pair p;
	va_list args;

	printf("{\"bench\": \"%s\", \"unit\": \"%s\", \"ceiling\": \"%s\", \"max\": %g, "
	       "\"max_ratio\": %g, \"what\": \"",
	       row->bench, row->unit, row->ceiling ? row->ceiling : "", row->max, row->max_ratio);
	va_start(args, what);
	vprintf(what, args);
	va_end(args);
	printf("\", \"pairs\": [");
	while (calm < row->pairs && tried < MAX_TRIES * row->pairs) {
		p = pair(row, tried % 2, ctx);
		print_pair(&p, tried++ ? ", " : "");
		calm += p.calm;
	}
	printf("]}\n");
	fflush(stdout);
}
