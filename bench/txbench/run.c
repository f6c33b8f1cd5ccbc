/* SPDX-License-Identifier: MIT */
/* A run from start to end: open the port, repeat, judge, write. Contracts in run.h. */
#include "bench/txbench/run.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
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

#include "bench/txbench/company.h"
#include "bench/txbench/cpu.h"
#include "bench/txbench/die.h"
#include "bench/txbench/drive.h"
#include "bench/txbench/host.h"
#include "bench/txbench/load.h"
#include "bench/txbench/moment.h"
#include "bench/txbench/noise.h"
#include "bench/txbench/options.h"
#include "bench/txbench/port.h"
#include "bench/txbench/result.h"
#include "bench/txbench/script.h"
#include "bench/txbench/trace.h"
#include "bench/txbench/usage.h"
#include "virtio/base.h"

#define WHY_LEN       400
#define MAX_WAITED    0.02      /* of the time driver or back-end may have had no CPU */
#define SYSCALLS_NS   500000000 /* of the repetition that counts them */
#define STOPPED       130       /* as a shell says of SIGINT */
#define MAX_CPUS      1024
#define WARM_UP_SEEDS 1000000 /* other moments than those of the repetitions */
#define COST_SEEDS    2000000

static volatile sig_atomic_t stop;

struct run {
	const struct options *o;
	struct port *port;
	struct drive *drive;
	struct trace trace;
	struct run_result result;
	struct repetition spare; /* of loads that are no repetition */
	struct company company;
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

static void pin(const char *option, int cpu)
{
	int err = cpu_pin(cpu);

	if (err)
		txbench_die("%s '%d': %s (taskset, cgroup?)", option, cpu, strerror(-err));
}

/* The one it is pinned to; else any that is not the driver's; -1: not known. */
static int find_backend_cpu(const struct usage_target *who, int driver_cpu)
{
	static int cpus[MAX_CPUS];
	unsigned n = host_cpus_of(who, cpus, MAX_CPUS);

	for (unsigned i = 0; i < n; i++)
		if (n == 1 || cpus[i] != driver_cpu)
			return cpus[i];
	return -1;
}

/* Finds the CPUs of driver and back-end, and puts the state's process beside the back-end. */
static void set_up_state(struct run *r)
{
	const struct options *o = r->o;
	const char *state = state_names[o->state];
	int err;

	r->driver_cpu = o->cpu >= 0 ? o->cpu : sched_getcpu();
	r->backend_cpu = o->backend_cpu >= 0 ? o->backend_cpu
					     : find_backend_cpu(&r->port->who, r->driver_cpu);
	if (o->state == STATE_IDLE)
		return;
	if (r->backend_cpu < 0)
		txbench_die("--state '%s': the back-end's CPU is not known: --backend-cpu N",
			    state);
	if (o->state == STATE_SAME_CPU) {
		pin("--state 'same-cpu': CPU", r->backend_cpu);
		r->driver_cpu = r->backend_cpu;
		return;
	}
	if (r->backend_cpu == r->driver_cpu)
		txbench_die("--state '%s': CPU %d is the driver's and the back-end's: it must be "
			    "another one for each (--cpu, --backend-cpu)",
			    state, r->driver_cpu);
	err = company_start(&r->company, o->state, r->backend_cpu);
	if (err)
		txbench_die("--state '%s': no process on CPU %d: %s", state, r->backend_cpu,
			    strerror(-err));
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

/* Before anything is measured that could not be kept. */
static void check_output(const char *path)
{
	char *copy = strdup(path);
	int missing = access(path, F_OK), err;

	if (!copy)
		txbench_die("--output '%s': out of memory", path);
	err = access(missing ? dirname(copy) : path, W_OK);
	if (err)
		txbench_die("--output '%s': %s", path, strerror(errno));
	free(copy);
}

static void start(struct run *r, struct options *o)
{
	struct drive_config cfg = { .options = o, .trace = &r->trace, .stop = &stop };
	char why[WHY_LEN] = "";
	time_t now = time(NULL);

	r->o = o;
	if (o->out)
		check_output(o->out);
	load_trace(r, o);
	pin("--cpu", o->cpu);
	r->port = port_open(o, why, sizeof(why));
	if (!r->port)
		txbench_die("%s", why);
	set_up_state(r);
	r->shows_progress = !o->quiet && isatty(STDERR_FILENO);
	cfg.port = r->port;
	cfg.progress = r->shows_progress ? on_progress : NULL;
	cfg.arg = r;
	r->drive = drive_new(&cfg, why, sizeof(why));
	if (!r->drive)
		txbench_die("%s", why);
	r->result.options = o;
	r->result.port = r->port;
	r->result.repetitions = calloc(o->repeat, sizeof(struct repetition));
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

static uint64_t seed_of(const struct run *r)
{
	return r->o->seed + r->result.n;
}

/* Of which nothing is kept. False: the run is over. */
static bool warm_up(struct run *r)
{
	const struct drive_part part = { r->o->warm_up_ns, seed_of(r) + WARM_UP_SEEDS, true };
	char why[WHY_LEN] = "";

	if (!part.ns)
		return true;
	show_progress(r, "warming up");
	memset(&r->spare, 0, sizeof(r->spare));
	return !ended(r, drive_run(r->drive, &r->spare, &part, why, sizeof(why)), why);
}

/* One load and what it took into rep. False: the run is over. */
static bool measure(struct run *r, struct repetition *rep, const struct drive_part *part)
{
	char why[WHY_LEN] = "";
	const struct moment_of of = { &r->port->who, &r->company, r->o->state, r->driver_cpu,
				      r->backend_cpu };
	struct moment before, after;
	enum drive_end end;

	moment_begin(&before, &of);
	end = drive_run(r->drive, rep, part, why, sizeof(why));
	moment_end(&after, &of);
	moment_account(&before, &after, &of, rep, drive_watched(r->drive));
	return !ended(r, end, why);
}

/* The same load once more, with the wire closed: for the figures of CPU. */
static bool measure_cost(struct run *r, struct repetition *rep)
{
	const struct drive_part part = { r->o->cost_ns, seed_of(r) + COST_SEEDS, false };
	bool good;

	if (!part.ns)
		return true;
	memset(&r->spare, 0, sizeof(r->spare));
	good = measure(r, &r->spare, &part);
	if (r->spare.frames)
		rep->cost = r->spare.cost;
	return good;
}

static bool repeat(struct run *r)
{
	struct repetition *rep = &r->result.repetitions[r->result.n];
	const struct drive_part part = { r->o->ns, seed_of(r), true };
	bool good;

	memset(rep, 0, sizeof(*rep));
	rep->syscalls = RESULT_UNKNOWN;
	show_progress(r, "measuring the machine");
	noise_measure(&rep->noise, r->driver_cpu, r->backend_cpu, load_gap_ns(r->o, &r->trace),
		      r->o->load == LOAD_CONSTANT, r->o->ns);
	if (stop || !warm_up(r))
		return false;
	rep->noise.c2c_before_ns = noise_c2c_ns(r->driver_cpu, r->backend_cpu);
	good = measure(r, rep, &part);
	rep->noise.c2c_after_ns = noise_c2c_ns(r->driver_cpu, r->backend_cpu);
	good = good && measure_cost(r, rep);
	if (rep->frames) {
		r->result.n++;
		return good;
	}
	if (good)
		snprintf(r->result.incomplete, sizeof(r->result.incomplete),
			 "no frame was due within %g s: it takes more --seconds, or a higher rate",
			 (double)r->o->ns / 1e9);
	return false;
}

/* One more load, of which only the back-end's system calls count, and none of its warm-up. */
static void count_syscalls(struct run *r)
{
	const struct drive_part part = { min_u64(r->o->ns, SYSCALLS_NS), seed_of(r), true };
	struct repetition *rep = r->result.repetitions;
	double per_frame;
	bool good;
	int handle;

	if (!warm_up(r))
		return;
	handle = usage_syscalls_start(&r->port->who);
	if (handle < 0)
		return;
	memset(&r->spare, 0, sizeof(r->spare));
	good = measure(r, &r->spare, &part);
	per_frame = (double)usage_syscalls_stop(handle) / (double)r->spare.frames;
	for (unsigned i = 0; good && r->spare.frames && i < r->result.n; i++)
		rep[i].syscalls = (uint64_t)(per_frame * (double)rep[i].frames + 0.5);
}

/* Why it does not count, though it was measured. The first reason stays; frames come before it. */

/* Lateness is data, and a CPU that others had is not. */
static void judge_cpus(struct run *r, const struct usage *u, unsigned number)
{
	struct run_result *res = &r->result;
	double driver = (double)u->waited_ns / (double)u->wall_ns;
	double backend = (double)u->backend_waited_ns / (double)u->wall_ns;
	bool driver_is_late = driver > MAX_WAITED && r->o->state != STATE_SAME_CPU;
	bool backend_is_late = backend > MAX_WAITED && r->o->state != STATE_SAME_CPU &&
			       r->o->state != STATE_NEIGHBOUR;

	if (*res->failed || (!driver_is_late && !backend_is_late))
		return;
	snprintf(res->failed, sizeof(res->failed),
		 "the machine was busy: repetition %u: the %s waited for its CPU %.1f %% of the "
		 "time, the limit is %.0f %%",
		 number, driver_is_late ? "driver" : "back-end",
		 100 * (driver_is_late ? driver : backend), 100 * MAX_WAITED);
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
		if (r->o->cost_ns) {
			frames += rep->cost.frames;
			lost += rep->cost.lost;
			judge_cpus(r, &rep->cost.usage, i + 1);
		}
		twice += known(rep->duplicated);
		order += known(rep->reordered);
		judge_cpus(r, &rep->usage, i + 1);
	}
	if (lost || twice || order)
		snprintf(res->failed, sizeof(res->failed),
			 "of %" PRIu64 " frames %" PRIu64 " were lost, %" PRIu64
			 " duplicated, %" PRIu64 " reordered",
			 frames, lost, twice, order);
}

/* The table of the result: of its file, or of one in memory. It changes no status. */
static void show(const struct run *r)
{
	static char path[64];
	int fd = -1, status;

	if (!r->o->out) {
		fd = result_in_memory(&r->result);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	status = r->o->out ? script_run("show.py", (char *)(uintptr_t)r->o->out)
		 : fd < 0  ? fd
			   : script_run("show.py", path);
	if (status == -ENOENT)
		fprintf(stderr, "txbench: no table: show.py is missing: it is %s\n",
			script_places());
	else if (status < 0)
		fprintf(stderr, "txbench: no table: %s\n", strerror(-status));
	else if (status)
		fprintf(stderr, "txbench: no table: show.py ended with status %d\n", status);
	if (fd >= 0)
		close(fd);
}

static int finish(struct run *r)
{
	const struct run_result *res = &r->result;
	int err = r->o->out ? result_write(res, r->o->out) : 0;

	clear_progress(r);
	if (err)
		fprintf(stderr, "txbench: --output '%s': %s\n", r->o->out, strerror(-err));
	else if (!r->o->quiet && res->n)
		show(r);
	if (*res->incomplete)
		fprintf(stderr, "txbench: incomplete: %s\n", res->incomplete);
	else if (*res->failed)
		fprintf(stderr, "txbench: does not count: %s\n", res->failed);
	if (stop)
		return STOPPED;
	return err || *res->incomplete || *res->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int run_main(int argc, char **argv)
{
	static struct run r;
	static struct options o;
	int status;

	options_parse(&o, argc, argv);
	catch_signals();
	start(&r, &o);
	while (r.result.n < o.repeat && repeat(&r))
		;
	if (stop)
		snprintf(r.result.incomplete, sizeof(r.result.incomplete), "interrupted");
	if (o.syscalls && !*r.result.incomplete)
		count_syscalls(&r);
	judge(&r);
	company_stop(&r.company);
	status = finish(&r);
	drive_free(r.drive);
	port_close(r.port);
	free(r.result.repetitions);
	trace_free(&r.trace);
	return status;
}
