/* SPDX-License-Identifier: MIT */
/*
 * The tx mode timer: when does a frame leave, that was kicked into a sleeping device?
 *
 * The driver spins on the used index and takes the time when the frame has come back; the null
 * backend lets it leave and come back at once. Beside it a thread that sleeps on an eventfd, is
 * woken by a kick, sleeps on a timerfd for the same delay, and tells by one store: the machine's
 * own wake-up and timer, measured the same way. A second kick before the delay is over is measured
 * against that thread's wake-up, from a poll with a time-out.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/subject.h"
#include "virtio/base.h"

#define DELAY_NS      150000
#define LONG_DELAY_NS 2000000
#define SECOND_AT_NS  500000 /* the second kick, after the first */
#define PAUSE_NS      300000
#define FRAME_LEN     64
#define KICKS         10 /* of a window: few, so that many windows are undisturbed */

struct timer_bench {
	struct subject subject;
	unsigned n;        /* kicks of a window */
	uint64_t delay_ns; /* of the device */
	bool second;       /* it is the second kick that is measured */
	int event_fd, timer_fd;
	uint64_t rung;                      /* by the bare thread: how often it was done */
	struct measure_series device, bare; /* lateness in us, of all windows that were kept */
	unsigned device_kept, bare_kept;    /* of these, before the present pair */
};

/* Median of a window: of what was added to all since n were kept. */
static double median_since(const struct measure_series *all, unsigned n)
{
	struct measure_series part = { 0 };
	double median;

	for (; n < all->n; n++)
		measure_add(&part, all->v[n]);
	median = measure_quantile(&part, 0.5);
	measure_clear(&part);
	return median;
}

static double lateness_us(const struct timer_bench *b, uint64_t took_ns)
{
	return ((double)took_ns - (b->second ? 0 : (double)b->delay_ns)) / 1000;
}

static void judged(void *ctx, bool kept)
{
	struct timer_bench *b = ctx;

	if (!kept) {
		b->device.n = b->device_kept;
		b->bare.n = b->bare_kept;
	}
	b->device_kept = b->device.n;
	b->bare_kept = b->bare.n;
}

/* The device. */

/* Give the device a frame and the kick that is measured; when that was. 0: too late for it. */
static uint64_t kick(struct timer_bench *b)
{
	struct driver_net_pair *p = &b->subject.net->pairs[0];
	struct chain_part part = { .addr = p->tx_gpa, .len = FRAME_LEN + b->subject.net->hdr_len };
	uint64_t at;

	ring_fill(&p->tx, part, 0);
	ring_submit(&p->tx);
	at = measure_now_ns();
	if (!ring_kick(&p->tx))
		measure_die("the sleeping device did not ask for a kick");
	if (!b->second)
		return at;
	measure_spin_until(at + SECOND_AT_NS);
	at = ring_peek(&p->tx) ? 0 : measure_now_ns();
	ring_kick_now(&p->tx);
	return at;
}

/* From the kick until the frame came back, ns. 0: it came before that kick or by its delay. */
static uint64_t device_once(struct timer_bench *b)
{
	struct ring *r = &b->subject.net->pairs[0].tx;
	uint64_t at = kick(b), took;
	struct ring_used u;

	while (!ring_peek(r))
		;
	took = at ? measure_now_ns() - at : 0;
	if (ring_use(r, &u) != RING_USED)
		measure_die("the device broke the ring: %s", ring_fault_name(r->fault));
	if (!b->second && took < b->delay_ns)
		measure_die("a frame left %llu ns after its kick: the delay is %llu",
			    (unsigned long long)took, (unsigned long long)b->delay_ns);
	return b->second && took > b->delay_ns - SECOND_AT_NS ? 0 : took;
}

static double device_window(void *ctx)
{
	struct timer_bench *b = ctx;
	uint64_t took = 1;

	for (unsigned i = 0; took && i < b->n; i++) {
		took = device_once(b);
		measure_add(&b->device, lateness_us(b, took));
		measure_spin_until(measure_now_ns() + PAUSE_NS);
	}
	return took ? median_since(&b->device, b->device_kept) : -1;
}

/* The machine. */

static void bare_thread(void *arg)
{
	struct timer_bench *b = arg;
	struct pollfd kicked = { .fd = b->event_fd, .events = POLLIN };
	struct timespec delay = { .tv_nsec = LONG_DELAY_NS };
	uint64_t count, at;

	for (unsigned i = 0; i < b->n; i++) {
		if (b->second)
			ppoll(&kicked, 1, &delay, NULL);
		if (read(b->event_fd, &count, sizeof(count)) != sizeof(count))
			return;
		if (!b->second) {
			at = measure_now_ns() + b->delay_ns;
			timerfd_settime(
				b->timer_fd, TFD_TIMER_ABSTIME,
				&(struct itimerspec){ .it_value = { (time_t)(at / 1000000000),
								    (long)(at % 1000000000) } },
				NULL);
			if (read(b->timer_fd, &count, sizeof(count)) != sizeof(count))
				return;
		}
		store_release(&b->rung, b->rung + 1);
	}
}

static double bare_window(void *ctx)
{
	struct timer_bench *b = ctx;
	uint64_t at, rung;

	measure_worker_start(bare_thread, b);
	for (unsigned i = 0; i < b->n; i++) {
		measure_spin_until(measure_now_ns() + PAUSE_NS);
		rung = load_relaxed(&b->rung);
		at = measure_now_ns();
		eventfd_write(b->event_fd, 1);
		while (load_acquire(&b->rung) == rung)
			;
		at = measure_now_ns() - at;
		measure_add(&b->bare, lateness_us(b, at));
	}
	measure_worker_join();
	return median_since(&b->bare, b->bare_kept);
}

static void report_p99(struct timer_bench *b, const struct bench_row *of)
{
	struct bench_row row = { .bench = "timer", .unit = of->unit, .ceiling = of->ceiling };
	double device = measure_quantile(&b->device, 0.99), bare = measure_quantile(&b->bare, 0.99);

	if (!b->device.n)
		return;
	row.got.subject = (struct measure_summary){ device, device, device, 1 };
	row.got.ceiling = (struct measure_summary){ bare, bare, bare, 1 };
	row.got.ratio.median = row.got.ratio.p10 = row.got.ratio.p90 = device / bare;
	snprintf(row.what, sizeof(row.what), "  its p99, of %u kicks", b->device.n);
	bench_report(&row);
}

static void timer_case(const struct bench_options *opt, const char *txmode, struct timer_bench *b,
		       struct bench_row *row)
{
	struct measure_contest contest = { .ctx = b,
					   .subject = device_window,
					   .ceiling = bare_window,
					   .judged = judged,
					   .task = &b->subject.task,
					   .pairs = bench_scale(opt, 200, 12) };
	uint8_t frame[FRAME_LEN] = { 0 };

	b->n = KICKS;
	b->event_fd = eventfd(0, EFD_CLOEXEC);
	b->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (b->event_fd < 0 || b->timer_fd < 0)
		measure_die("eventfd, timerfd: %s", strerror(errno));
	subject_start(&b->subject, &(struct subject_config){ .program = opt->txringd,
							     .txmode = txmode,
							     .tap_fd = -1,
							     .ring_size = 256 });
	subject_fill_tx(&b->subject, frame, sizeof(frame));
	row->got = measure_contest_run(&contest);
	bench_report(row);
	report_p99(b, row);
	subject_stop(&b->subject);
	close(b->event_fd);
	close(b->timer_fd);
	measure_clear(&b->device);
	measure_clear(&b->bare);
}

void bench_timer(const struct bench_options *opt)
{
	struct timer_bench late = { .delay_ns = DELAY_NS };
	struct timer_bench second = { .delay_ns = LONG_DELAY_NS, .second = true };
	struct bench_row late_row = { .bench = "timer",
				      .what = "timer 150 us: late after kick + delay",
				      .unit = "us",
				      .ceiling = "wake-up + timerfd",
				      .max_ratio = 1.10 };
	struct bench_row second_row = { .bench = "timer",
					.what = "timer: second kick to the wire",
					.unit = "us",
					.ceiling = "wake-up" };

	timer_case(opt, "timer,delay=150us", &late, &late_row);
	timer_case(opt, "timer,delay=2ms", &second, &second_row);
}
