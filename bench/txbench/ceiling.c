/* SPDX-License-Identifier: MIT */
/*
 * txbench-ceiling: what no back-end can beat here, as a result file like that of `txbench run`.
 * There is no ring and no protocol, only this program, which writes frames into a tap.
 *
 *   open-loop  a thread sleeps in read() of an eventfd on the back-end's CPU. When a frame is due,
 *              the driver's CPU writes the eventfd; the thread wakes up and writes the frame.
 *   flood      that thread writes frame after frame: a bare write() loop.
 *
 * It takes the options of `txbench run`, but for the target's: --wire is a tap that lasts without a
 * user (ip tuntap add dev NAME mode tap vnet_hdr).
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/packet.h"
#include "bench/tapdev.h"
#include "bench/txbench/die.h"
#include "bench/txbench/frames.h"
#include "bench/txbench/load.h"
#include "bench/txbench/noise.h"
#include "bench/txbench/options.h"
#include "bench/txbench/result.h"
#include "bench/txbench/usage.h"
#include "bench/wire.h"
#include "virtio/base.h"

#define ETHERTYPE 0x88b5 /* IEEE: for local experiments; nobody answers it */
#define HDR_LEN   12     /* virtio-net's, as a back-end writes it */
#define NUMBER_AT (HDR_LEN + 14)
#define WINDOW    65536
#define LEAD_NS   1000000
#define LOST_NS   200000000

struct ceiling {
	const struct options *o;
	struct tapdev tap;
	int event_fd;
	struct load load;
	uint8_t frame[HDR_LEN + LOAD_MAX_SIZE];

	/* written by the driver's thread */
	uint64_t offered cache_aligned; /* frames that may be written */
	uint64_t until_ns;              /* flood: the end; 0: open-loop */
	bool stop;

	/* written by the writer */
	uint64_t written cache_aligned;
	uint64_t bytes;
	uint64_t ns; /* flood: how long it took */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		txbench_die("cannot run on CPU %d: %s", cpu, strerror(errno));
}

/* The writer. */

static void write_frame(struct ceiling *c)
{
	unsigned len = load_size(&c->load, c->written);

	memcpy(c->frame + NUMBER_AT, &c->written, sizeof(c->written));
	if (write(c->tap.fd, c->frame, HDR_LEN + len) != (ssize_t)(HDR_LEN + len))
		txbench_die("--wire '%s': a frame cannot be written: %s", c->o->wire,
			    strerror(errno));
	c->bytes += len;
	store_release(&c->written, c->written + 1);
}

static void write_flood(struct ceiling *c, uint64_t until_ns)
{
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC), now_ns;

	do {
		for (unsigned i = 0; i < 64; i++)
			write_frame(c);
		now_ns = clock_ns(CLOCK_MONOTONIC);
	} while (now_ns < until_ns);
	store_release(&c->ns, now_ns - start_ns);
}

static void *writer(void *arg)
{
	struct ceiling *c = arg;
	eventfd_t n;

	pin(c->o->backend_cpu);
	while (!eventfd_read(c->event_fd, &n) && !load_acquire(&c->stop)) {
		if (c->until_ns)
			write_flood(c, c->until_ns);
		while (c->written < load_acquire(&c->offered))
			write_frame(c);
	}
	return NULL;
}

/* The driver's side. */

static void watch(struct wire *w, struct frames *frames)
{
	struct wire_frame f;
	uint64_t number;

	while (wire_peek(w, &f)) {
		memcpy(&number, f.data + NUMBER_AT - HDR_LEN, sizeof(number));
		frames_saw(frames, STAGE_WIRE, number, f.at_ns);
		wire_release(w);
	}
}

static void offer(struct ceiling *c, struct frames *frames, uint64_t due_ns)
{
	uint64_t at_ns;

	store_release(&c->offered, c->offered + 1);
	at_ns = clock_ns(CLOCK_REALTIME);
	frames_add(frames, due_ns);
	frames_saw(frames, STAGE_PUBLISHED, frames->next - 1, at_ns);
	histogram_add(&frames->rep->late, at_ns - due_ns);
	frames->rep->kicks += !eventfd_write(c->event_fd, 1);
}

/* Until all are seen; what was written and did not come within LOST_NS is lost. */
static void wait_for_rest(struct ceiling *c, struct frames *frames, struct wire *w)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + LOST_NS;

	while (frames->seen < frames->next - frames->base && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		if (load_acquire(&c->written) < c->offered)
			until_ns = clock_ns(CLOCK_MONOTONIC) + LOST_NS;
		watch(w, frames);
	}
}

/* Frames until ns are over, then until all are seen. */
static void run_open_loop(struct ceiling *c, struct frames *frames, struct wire *w,
			  struct repetition *rep, uint64_t ns)
{
	uint64_t start_ns = clock_ns(CLOCK_REALTIME) + LEAD_NS, due_ns;

	load_start(&c->load, c->o, NULL, c->o->seed + frames->next);
	frames_begin(frames, rep, STAGE_WIRE, start_ns, ns);
	while ((due_ns = load_next_ns(&c->load)) < ns) {
		while (clock_ns(CLOCK_REALTIME) < start_ns + due_ns)
			watch(w, frames);
		offer(c, frames, start_ns + due_ns);
	}
	wait_for_rest(c, frames, w);
	frames_end(frames);
	rep->ns = ns;
}

static void run_flood(struct ceiling *c, struct repetition *rep, uint64_t ns)
{
	uint64_t before = c->written, arrived = 0, now = 0;

	c->ns = 0;
	load_start(&c->load, c->o, NULL, 0);
	if (wire_count(c->o->wire, &arrived))
		txbench_die("--wire '%s': there is no such interface", c->o->wire);
	c->until_ns = clock_ns(CLOCK_MONOTONIC) + ns;
	eventfd_write(c->event_fd, 1);
	while (!load_acquire(&c->ns))
		;
	wire_count(c->o->wire, &now);
	rep->ns = c->ns;
	rep->frames = c->written - before;
	rep->lost = rep->frames - (now - arrived);
	rep->duplicated = rep->reordered = RESULT_UNKNOWN;
	rep->bin_ns = ns;
}

/* What the writer's thread has used is what a back-end would have. */
static void take_usage(struct usage *u, pthread_t thread)
{
	clockid_t clock;

	usage_take(u, 0);
	u->backend_ns = pthread_getcpuclockid(thread, &clock) ? 0 : clock_ns(clock);
}

static void repeat(struct ceiling *c, struct frames *frames, struct wire *w, pthread_t thread,
		   struct repetition *rep, uint64_t ns)
{
	uint64_t bytes = c->bytes;
	struct usage before;

	take_usage(&before, thread);
	if (options_open_loop(c->o))
		run_open_loop(c, frames, w, rep, ns);
	else
		run_flood(c, rep, ns);
	take_usage(&rep->usage, thread);
	usage_subtract(&rep->usage, &before);
	rep->waited_ns = rep->usage.waited_ns;
	rep->bytes = c->bytes - bytes;
	rep->syscalls = RESULT_UNKNOWN;
}

static void measure(struct ceiling *c, struct repetition *rep, pthread_t thread)
{
	const struct options *o = c->o;
	struct repetition *warm_up = calloc(1, sizeof(*warm_up));
	struct wire wire = { .fd = -1 };
	struct frames frames;
	int err = options_open_loop(o) ? wire_open(&wire, o->wire, ETHERTYPE) : 0;

	if (err)
		txbench_die("--wire '%s': %s", o->wire, strerror(-err));
	if (!warm_up || frames_init(&frames, WINDOW))
		txbench_die("%s", strerror(ENOMEM));
	repeat(c, &frames, &wire, thread, warm_up, o->warm_up_ns);
	noise_measure(&rep->noise, o->cpu, o->backend_cpu);
	rep->noise.c2c_before_ns = noise_c2c_ns(o->cpu, o->backend_cpu);
	repeat(c, &frames, &wire, thread, rep, o->ns);
	rep->noise.c2c_after_ns = noise_c2c_ns(o->cpu, o->backend_cpu);
	rep->noise.steal_share = usage_steal_share(&rep->usage);
	wire_close(&wire);
	frames_deinit(&frames);
	free(warm_up);
}

static void check(const struct options *o)
{
	bool load = o->load == LOAD_CONSTANT || o->load == LOAD_POISSON || o->load == LOAD_ONOFF ||
		    o->load == LOAD_FLOOD;

	if (!load || o->direction != DIRECTION_TX || o->wire_kind != WIRE_INTERFACE ||
	    o->repeat != 1 || o->size == SIZE_TRACE)
		txbench_die(
			"a ceiling is measured with --direction tx, --wire NAME, --repeat 1 and a "
			"load constant, poisson, onoff or flood");
	if (o->cpu < 0 || o->backend_cpu < 0 || o->cpu == o->backend_cpu)
		txbench_die("a ceiling needs --cpu and --backend-cpu, two different ones");
}

/* The options of `txbench run`, with a target that is never opened. */
static void parse(struct options *o, int argc, char **argv)
{
	static char *const target[] = { "txbench", "run", "--socket-path", "none" };
	char **full = calloc((size_t)argc + array_size(target), sizeof(*full));

	if (!full)
		txbench_die("%s", strerror(ENOMEM));
	memcpy(full, target, sizeof(target));
	memcpy(full + array_size(target), argv + 1, ((size_t)argc - 1) * sizeof(*full));
	options_parse(o, argc - 1 + (int)array_size(target), full);
	free(full);
	o->socket_path = NULL;
	o->argc = argc;
	o->argv = argv;
	check(o);
}

/* Whether it counts. */
static bool judge(struct run_result *r, const struct repetition *rep)
{
	uint64_t late_ns = histogram_at(&rep->late, 0.99);

	if (rep->lost)
		snprintf(r->failed, sizeof(r->failed), "%" PRIu64 " frames were lost", rep->lost);
	else if (late_ns > r->options->late_limit_ns)
		snprintf(r->failed, sizeof(r->failed), "the generator was late: %.1f us at p99",
			 (double)late_ns / 1e3);
	return !*r->failed;
}

static void start_of(struct run_result *r)
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(r->started, sizeof(r->started), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

int main(int argc, char **argv)
{
	struct options o;
	struct ceiling *c = aligned_alloc(CACHE_LINE, sizeof(*c));
	struct repetition *rep = calloc(1, sizeof(*rep));
	struct port port = { .pid = getpid() };
	struct run_result r = { .options = &o, .port = &port, .repetitions = rep, .n = 1 };
	pthread_t thread;
	bool good;
	int err;

	if (!c || !rep)
		txbench_die("%s", strerror(ENOMEM));
	parse(&o, argc, argv);
	memset(c, 0, sizeof(*c));
	c->o = &o;
	start_of(&r);
	tapdev_init(&c->tap, o.wire);
	packet_frame(c->frame + HDR_LEN, LOAD_MAX_SIZE);
	c->frame[HDR_LEN + 12] = ETHERTYPE >> 8;
	c->frame[HDR_LEN + 13] = ETHERTYPE & 0xff;
	c->event_fd = eventfd(0, EFD_CLOEXEC);
	pin(o.cpu);
	if (c->event_fd < 0 || (err = pthread_create(&thread, NULL, writer, c)))
		txbench_die("no eventfd or no thread can be made");
	measure(c, rep, thread);
	good = judge(&r, rep);
	err = o.out ? result_write(&r, o.out) : 0;
	if (err)
		txbench_die("-o '%s': %s", o.out, strerror(-err));
	if (!o.quiet)
		result_print(&r);
	store_release(&c->stop, true);
	eventfd_write(c->event_fd, 1);
	pthread_join(thread, NULL);
	tapdev_deinit(&c->tap);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
