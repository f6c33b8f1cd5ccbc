/* SPDX-License-Identifier: MIT */
/* A run from start to end: open the port, repeat, judge, write. Contracts in run.h. */
#include "bench/txbench/run.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/txbench/die.h"
#include "bench/txbench/drive.h"
#include "bench/txbench/host.h"
#include "bench/txbench/load.h"
#include "bench/txbench/noise.h"
#include "bench/txbench/options.h"
#include "bench/txbench/port.h"
#include "bench/txbench/result.h"
#include "bench/txbench/trace.h"
#include "bench/txbench/usage.h"
#include "virtio/base.h"

#define WHY_LEN       400
#define MAX_WAITED    0.02      /* of the time driver or back-end may have had no CPU */
#define SYSCALLS_NS   500000000 /* of the repetition that counts them */
#define STOPPED       130       /* as a shell says of SIGINT */
#define MAX_CPUS      1024
#define WARM_UP_SEEDS 1000000 /* other moments than those of the repetitions */

static volatile sig_atomic_t stop;

struct run {
	const struct options *o;
	struct port *port;
	struct drive *drive;
	struct trace trace;
	struct run_result result;
	int driver_cpu;
	int backend_cpu;
	bool shows_progress;
};

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Progress. */

static void show_progress(struct run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void show_progress(struct run *r, const char *fmt, ...)
{
	va_list args;

	if (!r->shows_progress)
		return;
	if (r->result.n < r->o->repeat)
		fprintf(stderr, "\r\033[Krepetition %u of %u: ", r->result.n + 1, r->o->repeat);
	else
		fputs("\r\033[Kcounting system calls: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
}

static void on_progress(void *arg, uint64_t frames)
{
	show_progress(arg, "%" PRIu64 " frames", frames);
}

static void clear_progress(const struct run *r)
{
	if (r->shows_progress)
		fputs("\r\033[K", stderr);
}

/* CPUs. */

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		txbench_die("--cpu '%d': %s (taskset, cgroup?)", cpu, strerror(errno));
}

/* The one it is pinned to; else any that is not the driver's; -1: not known. */
static int find_backend_cpu(pid_t pid, int driver_cpu)
{
	static int cpus[MAX_CPUS];
	unsigned n = host_cpus_of(pid, cpus, MAX_CPUS);

	for (unsigned i = 0; i < n; i++)
		if (n == 1 || cpus[i] != driver_cpu)
			return cpus[i];
	return -1;
}

/* A run. */

static void check_sizes(const struct trace *t, const char *file)
{
	if (!t->sizes)
		txbench_die("--size 'trace': '%s' does not have the length of each frame", file);
	for (size_t i = 0; i < t->n; i++)
		if (t->frames[i].len > LOAD_MAX_SIZE)
			txbench_die("--size 'trace': frame %zu of '%s' has %u bytes, at most %d "
				    "can be sent (capture without GSO and GRO)",
				    i + 1, file, t->frames[i].len, LOAD_MAX_SIZE);
}

static void load_trace(struct run *r, struct options *o)
{
	char why[WHY_LEN];

	if (o->load != LOAD_TRACE)
		return;
	if (trace_load(&r->trace, o->trace, why, sizeof(why)))
		txbench_die("--load 'trace:%s': %s", o->trace, why);
	if (o->size == SIZE_TRACE)
		check_sizes(&r->trace, o->trace);
	if (!o->ns)
		o->ns = r->trace.frames[r->trace.n - 1].at_ns + 1;
}

static void start(struct run *r, struct options *o)
{
	struct drive_config cfg = { .options = o, .trace = &r->trace, .stop = &stop };
	char why[WHY_LEN] = "";
	time_t now = time(NULL);

	r->o = o;
	load_trace(r, o);
	pin(o->cpu);
	r->port = port_open(o, why, sizeof(why));
	if (!r->port)
		txbench_die("%s", why);
	r->shows_progress = !o->quiet && isatty(STDERR_FILENO);
	cfg.port = r->port;
	cfg.progress = r->shows_progress ? on_progress : NULL;
	cfg.arg = r;
	r->drive = drive_new(&cfg, why, sizeof(why));
	if (!r->drive)
		txbench_die("%s", why);
	r->driver_cpu = o->cpu >= 0 ? o->cpu : sched_getcpu();
	r->backend_cpu = o->backend_cpu >= 0 ? o->backend_cpu
					     : find_backend_cpu(r->port->pid, r->driver_cpu);
	r->result.options = o;
	r->result.port = r->port;
	r->result.repetitions = calloc(o->repeat + 1, sizeof(struct repetition));
	if (!r->result.repetitions)
		txbench_die("--repeat '%u': out of memory", o->repeat);
	strftime(r->result.started, sizeof(r->result.started), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	/* A page fault within a repetition would count as the generator's lateness. */
	(void)mlockall(MCL_CURRENT);
}

/* Whether it may go on. */
static bool ended(struct run *r, enum drive_end end, const char *why)
{
	if (end == DRIVE_DONE)
		return false;
	snprintf(r->result.incomplete, sizeof(r->result.incomplete), "%s",
		 end == DRIVE_STOPPED ? "interrupted" : why);
	return true;
}

static void snapshot(const struct run *r, struct usage *u)
{
	/* A process that is gone has no figures more; the run ends by itself then. */
	if (usage_take(u, r->port->pid))
		(void)usage_take(u, 0);
}

/* False: the run is over. */
static bool warm_up(struct run *r, uint64_t seed)
{
	static struct repetition unused;
	char why[WHY_LEN] = "";
	enum drive_end end = DRIVE_DONE;

	memset(&unused, 0, sizeof(unused));
	show_progress(r, "warming up");
	if (r->o->warm_up_ns)
		end = drive_run(r->drive, &unused, r->o->warm_up_ns, seed + WARM_UP_SEEDS, why,
				sizeof(why));
	return !ended(r, end, why);
}

/* Run for ns, noise and usage beside it. False: the run is over. */
static bool repeat(struct run *r, struct repetition *rep, uint64_t ns, uint64_t seed)
{
	char why[WHY_LEN] = "";
	struct usage before;
	enum drive_end end;

	rep->syscalls = RESULT_UNKNOWN;
	rep->noise.c2c_before_ns = noise_c2c_ns(r->driver_cpu, r->backend_cpu);
	snapshot(r, &before);
	end = drive_run(r->drive, rep, ns, seed, why, sizeof(why));
	snapshot(r, &rep->usage);
	usage_subtract(&rep->usage, &before);
	rep->waited_ns = rep->usage.waited_ns;
	rep->noise.steal_share = usage_steal_share(&rep->usage);
	rep->noise.c2c_after_ns = noise_c2c_ns(r->driver_cpu, r->backend_cpu);
	r->result.n += rep->frames > 0;
	return !ended(r, end, why);
}

static bool repeat_with_noise(struct run *r)
{
	struct repetition *rep = &r->result.repetitions[r->result.n];
	uint64_t seed = r->o->seed + r->result.n;

	memset(rep, 0, sizeof(*rep));
	show_progress(r, "measuring the machine");
	noise_measure(&rep->noise, r->driver_cpu, r->backend_cpu);
	if (stop || !warm_up(r, seed) || !repeat(r, rep, r->o->ns, seed))
		return false;
	if (rep->frames)
		return true;
	snprintf(r->result.incomplete, sizeof(r->result.incomplete),
		 "no frame was due within %g s: it takes more --seconds, or a higher rate",
		 (double)r->o->ns / 1e9);
	return false;
}

/* One more repetition, of which only the back-end's system calls count, and none of its warm-up. */
static void count_syscalls(struct run *r)
{
	struct repetition *rep = &r->result.repetitions[r->o->repeat];
	unsigned n = r->result.n;
	double per_frame;
	bool good;
	int handle;

	if (!warm_up(r, n))
		return;
	handle = usage_syscalls_start(r->port->pid);
	if (handle < 0)
		return;
	memset(rep, 0, sizeof(*rep));
	good = repeat(r, rep, min_u64(r->o->ns, SYSCALLS_NS), n);
	per_frame = (double)usage_syscalls_stop(handle) / (double)rep->frames;
	r->result.n = n;
	for (unsigned i = 0; good && rep->frames && i < n; i++)
		r->result.repetitions[i].syscalls =
			(uint64_t)(per_frame * (double)r->result.repetitions[i].frames + 0.5);
}

/* Why it does not count, though it was measured. The first reason stays; frames come before it. */

static void judge_lateness(struct run *r, const struct repetition *rep, unsigned number)
{
	struct run_result *res = &r->result;
	uint64_t late_ns = histogram_at(&rep->late, 0.99), limit_ns = r->o->late_limit_ns;
	double waited = (double)rep->waited_ns / (double)rep->usage.wall_ns;
	double backend_waited = (double)rep->usage.backend_waited_ns / (double)rep->usage.wall_ns;

	if (*res->failed)
		return;
	if (late_ns > limit_ns)
		snprintf(res->failed, sizeof(res->failed),
			 "the generator was late: repetition %u: %.1f us at p99, the limit is %.1f "
			 "us (--late-limit)",
			 number, (double)late_ns / 1e3, (double)limit_ns / 1e3);
	else if (waited > MAX_WAITED && !r->o->share_cpu)
		snprintf(res->failed, sizeof(res->failed),
			 "the generator was late: repetition %u: it waited for its CPU %.1f %% of "
			 "the time, the limit is %.0f %%",
			 number, 100 * waited, 100 * MAX_WAITED);
	else if (backend_waited > MAX_WAITED && !r->o->share_cpu)
		snprintf(res->failed, sizeof(res->failed),
			 "the machine was busy: repetition %u: the back-end waited for its CPU "
			 "%.1f %% of the time, the limit is %.0f %%",
			 number, 100 * backend_waited, 100 * MAX_WAITED);
}

static uint64_t known(uint64_t count)
{
	return count == RESULT_UNKNOWN ? 0 : count;
}

static void judge(struct run *r)
{
	struct run_result *res = &r->result;
	uint64_t lost = 0, twice = 0, order = 0, frames = 0;

	for (unsigned i = 0; i < res->n; i++) {
		const struct repetition *rep = &res->repetitions[i];

		frames += rep->frames;
		lost += rep->lost;
		twice += known(rep->duplicated);
		order += known(rep->reordered);
		judge_lateness(r, rep, i + 1);
	}
	if (lost || twice || order)
		snprintf(res->failed, sizeof(res->failed),
			 "of %" PRIu64 " frames %" PRIu64 " were lost, %" PRIu64
			 " duplicated, %" PRIu64 " reordered",
			 frames, lost, twice, order);
}

static int finish(struct run *r)
{
	const struct run_result *res = &r->result;
	int status = EXIT_SUCCESS, err = 0;

	clear_progress(r);
	if (!r->o->quiet && res->n)
		result_print(res);
	if (r->o->out)
		err = result_write(res, r->o->out);
	if (err)
		fprintf(stderr, "txbench: --output '%s': %s\n", r->o->out, strerror(-err));
	if (*res->incomplete)
		fprintf(stderr, "txbench: incomplete: %s\n", res->incomplete);
	else if (*res->failed)
		fprintf(stderr, "txbench: does not count: %s\n", res->failed);
	if (err || *res->incomplete || *res->failed)
		status = EXIT_FAILURE;
	return stop ? STOPPED : status;
}

int run_main(int argc, char **argv)
{
	static struct run r;
	static struct options o;
	int status;

	options_parse(&o, argc, argv);
	catch_signals();
	start(&r, &o);
	while (r.result.n < o.repeat && repeat_with_noise(&r))
		;
	if (stop)
		snprintf(r.result.incomplete, sizeof(r.result.incomplete), "interrupted");
	if (o.syscalls && !*r.result.incomplete)
		count_syscalls(&r);
	judge(&r);
	status = finish(&r);
	drive_free(r.drive);
	port_close(r.port);
	free(r.result.repetitions);
	trace_free(&r.trace);
	return status;
}
