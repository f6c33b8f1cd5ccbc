/* SPDX-License-Identifier: MIT */
/*
 * usage: fair_test TXRINGD
 *
 * Two cards on one iothread: the guest of one floods it in every way that it can, the other's sends
 * one frame at a time. How long that takes, from kick to used, must stay within what the flooder
 * may do in a turn, TURN_FRAMES or TURN_BYTES each way at the cost of a frame that is measured in
 * the same run, over what it takes with nobody else there. Runs in a network namespace of its own.
 *
 * The quicker quarter is judged: the slower ones are the scheduler's, on a machine that does other
 * things. With turns that know no bound it is late, too, for rings hold many turns. Beside large
 * frames it is also counted how many of them a ping meets, which needs no clock.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/frame.h"
#include "tests/net/daemon.h"
#include "tests/net/echo.h"
#include "tests/net/peer.h"
#include "virtio/base.h"

#define TAP       "txring0"
#define RING_SIZE 8192 /* of the flooder's rings: many turns */
#define WAYS      2    /* of a turn: tx and rx */
/*
 * Turns that a ping may meet: kick, timer, its run and the way back are four; the others are for a
 * test thread that waits for its processor. Without a bound in bytes it meets 28 and more.
 */
#define TURNS       12
#define PINGS       300
#define COST_US     200000
#define PATIENCE_NS 30000000000
#define FRAME_LEN   1514
#define LARGE_LEN   60000
#define WAKE_NS     10000000 /* some slices of the scheduler: more threads run than processors */

struct flood {
	const char *name;
	const char *backend;
	bool fill;  /* the tx ring is always full */
	bool storm; /* kicks without pause */
	bool rx;    /* frames from the host without pause */
	bool large; /* tx of LARGE_LEN bytes instead of FRAME_LEN */
};

static const struct flood floods[] = {
	{ "tx into null", "null", .fill = true },
	{ "tx into a tap", "tap:" TAP, .fill = true },
	{ "tx and rx of a loop", "loop", .fill = true },
	{ "rx from a tap", "tap:" TAP, .rx = true },
	{ "tx and rx of a tap", "tap:" TAP, .fill = true, .rx = true },
	{ "kicks for nothing", "null", .storm = true },
	{ "kicks and tx into a tap", "tap:" TAP, .fill = true, .storm = true },
	{ "kicks, tx and rx of a loop", "loop", .fill = true, .storm = true },
	{ "tx of 60 KB into a tap", "tap:" TAP, .fill = true, .large = true },
	{ "kicks and tx of 60 KB into a tap", "tap:" TAP, .fill = true, .storm = true,
	  .large = true },
	{ "tx and rx of 60 KB of a loop", "loop", .fill = true, .large = true },
};

static struct {
	const char *mode;
	const struct flood *flood;
	struct daemon daemon;
	struct driver_net *flooder;
	struct driver_net *pinger;
	struct peer peer;
	pthread_t threads[3];
	unsigned n_threads;
	bool stop;
} lab;

static const char *program;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The flood: each of its parts on a thread. */

/*
 * Whatever the device has used is available again; it may have fallen asleep over a ring that had
 * no more than few.
 */
static void refill(struct ring *r, unsigned few)
{
	uint16_t old = r->avail_idx, used = load_acquire(&r->areas.used->idx);

	r->avail_idx = (uint16_t)(used + r->size);
	store_release(&r->areas.avail->idx, r->avail_idx);
	/* This thread may have lost its processor meanwhile, and the device drained the ring. */
	full_fence();
	used = load_acquire(&r->areas.used->idx);
	if ((uint16_t)(old - used) <= few)
		ring_kick_now(r);
}

/* In less time than the device takes to drain them; and the processors are for others. */
static void *fill_rings(void *arg)
{
	struct ring *rx = &lab.flooder->pairs[0].rx, *tx = &lab.flooder->pairs[0].tx;

	while (!load_relaxed(&lab.stop)) {
		refill(rx, LARGE_LEN / FRAME_LEN + 1);
		if (lab.flood->fill)
			refill(tx, 0);
		usleep(20);
	}
	return arg;
}

static void *kick(void *arg)
{
	while (!load_relaxed(&lab.stop)) {
		ring_kick_now(&lab.flooder->pairs[0].tx);
		ring_kick_now(&lab.flooder->pairs[0].rx);
	}
	return arg;
}

static void *send_from_host(void *arg)
{
	struct virtio_net_hdr_v1 hdr = { 0 };
	uint8_t frame[FRAME_LEN] = { 2 };

	while (!load_relaxed(&lab.stop))
		peer_send(&lab.peer, &hdr, frame, sizeof(frame));
	return arg;
}

static void start_thread(void *(*fn)(void *arg))
{
	assert_int_equal(pthread_create(&lab.threads[lab.n_threads], NULL, fn, NULL), 0);
	lab.n_threads++;
}

static uint32_t frame_len(void)
{
	return lab.flood->large ? LARGE_LEN : FRAME_LEN;
}

/*
 * Every descriptor of the tx ring is a frame, and every entry of the available ring names one.
 * Large ones are one and the same.
 */
static void prepare_tx(void)
{
	struct driver_net_pair *p = &lab.flooder->pairs[0];

	for (uint16_t i = 0; i < RING_SIZE; i++) {
		uint64_t at = lab.flood->large ? 0 : i * lab.flooder->tx_stride;

		store_relaxed(&p->tx.areas.desc[i].addr, p->tx_gpa + at);
		store_relaxed(&p->tx.areas.desc[i].len, frame_len() + lab.flooder->hdr_len);
		store_relaxed(&p->tx.areas.avail->ring[i], i);
	}
}

static void flood_start(void)
{
	prepare_tx();
	start_thread(fill_rings);
	if (lab.flood->storm)
		start_thread(kick);
	if (lab.flood->rx)
		start_thread(send_from_host);
	ring_kick_now(&lab.flooder->pairs[0].tx);
}

static void flood_stop(void)
{
	store_relaxed(&lab.stop, true);
	while (lab.n_threads)
		pthread_join(lab.threads[--lab.n_threads], NULL);
	lab.stop = false;
}

static uint64_t flood_frames(void)
{
	return daemon_counter(&lab.daemon, "nic0: tx0", "frames") +
	       daemon_counter(&lab.daemon, "nic0: rx0", "frames");
}

/* CPU time that one of the flooder's frames costs; 0: there are none. */
static uint64_t frame_ns(void)
{
	uint64_t n = flood_frames(), ns = daemon_cpu_ns(&lab.daemon);

	usleep(COST_US);
	ns = daemon_cpu_ns(&lab.daemon) - ns;
	n = flood_frames() - n;
	return n ? ns / n : 0;
}

/* The pings. */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t ping_once(void)
{
	uint8_t frame[60] = { 0 };
	uint64_t start = now_ns(), took;

	assert_int_equal(driver_net_send(lab.pinger, 0, NULL, frame, sizeof(frame), 0), 0);
	if (driver_net_wait(lab.pinger, 1, 30000) < 0)
		fail_msg("%s, %s: a ping takes half a minute", lab.mode, lab.flood->name);
	took = now_ns() - start;
	assert_int_equal(driver_net_reap(lab.pinger, 0), 1);
	return took;
}

/* Changes while the flooder's rings are worked at. */
static uint32_t flood_at(void)
{
	const struct driver_net_pair *p = &lab.flooder->pairs[0];

	return load_relaxed(&p->tx.areas.used->idx) | (uint32_t)load_relaxed(&p->rx.areas.used->idx)
							      << 16;
}

/*
 * The slowest of the quickest quarter of PINGS; *met is of the quarter that met the fewest frames
 * of the flooder's tx. With contested only those pings count that met the flood, whose threads do
 * not always get a processor.
 */
static uint64_t ping(bool contested, uint64_t *met)
{
	uint64_t end = now_ns() + PATIENCE_NS, took[PINGS], frames[PINGS];
	unsigned n = 0;

	while (n < PINGS && now_ns() < end) {
		uint32_t at = flood_at();

		took[n] = ping_once();
		frames[n] = (uint16_t)(flood_at() - at);
		n += !contested || flood_at() != at;
		usleep(50);
	}
	if (n < PINGS / 10)
		fail_msg("%s, %s: a flood that is none", lab.mode, lab.flood->name);
	qsort(took, n, sizeof(*took), compare);
	qsort(frames, n, sizeof(*frames), compare);
	*met = frames[n / 4];
	return took[n / 4];
}

/* The lab. */

static void open_lab(void)
{
	char other[128];
	const char *args[] = { "--backend", lab.flood->backend, "--txmode", lab.mode,
			       "--nic",     "--socket-path",    other,      "--backend",
			       "null",      "--txmode",         lab.mode,   NULL };
	struct driver_net_config cfg = {
		.path = lab.daemon.path,
		.fd = -1,
		.features = DRIVER_NET_FEATURES & ~FEATURES_GUEST_LARGE,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = 1,
		.ring_size = RING_SIZE,
	};
	int err;

	daemon_set_path(&lab.daemon);
	echo_path(&lab.daemon, 1, other);
	daemon_start(&lab.daemon, program, args);
	err = driver_net_new(&lab.flooder, &cfg);
	if (!err)
		err = echo_connect(&lab.pinger, &lab.daemon, 1, 1, false);
	if (err)
		fail_msg("no front-end: %s", strerror(-err));
	lab.peer.fd = -1;
	if (strncmp(lab.flood->backend, "tap:", 4) == 0)
		peer_open(&lab.peer, TAP);
}

static int close_lab(void **state)
{
	(void)state;
	flood_stop();
	driver_net_free(lab.flooder);
	driver_net_free(lab.pinger);
	lab.flooder = lab.pinger = NULL;
	if (lab.peer.fd > 0)
		peer_close(&lab.peer);
	daemon_cleanup(&lab.daemon, lab.daemon.pid > 0);
	return 0;
}

static void check_flood(void)
{
	uint64_t alone, flooded, cost, bound, turn, met;

	open_lab();
	alone = ping(false, &met);
	flood_start();
	cost = frame_ns();
	flooded = ping(lab.flood->fill || lab.flood->rx, &met);
	turn = min_u64(TURN_FRAMES, (TURN_BYTES + frame_len() - 1) / frame_len());
	bound = alone + WAYS * turn * cost + WAKE_NS;
	print_message("%s, %s: %u us alone, %u us of %u allowed, a frame costs %u ns, %u met\n",
		      lab.mode, lab.flood->name, (unsigned)(alone / 1000),
		      (unsigned)(flooded / 1000), (unsigned)(bound / 1000), (unsigned)cost,
		      (unsigned)met);
	if (flooded > bound)
		fail_msg("a flood delays another device");
	/* Of small frames many pass while the test's own thread waits for a processor. */
	if (lab.flood->large && met > TURNS * turn)
		fail_msg("a turn takes more than %u bytes", TURN_BYTES);
	assert_int_equal(daemon_counter(&lab.daemon, "nic0: tx0", "broken"), 0);
	assert_int_equal(daemon_counter(&lab.daemon, "nic0: rx0", "broken"), 0);
	flood_stop();
	daemon_stop(&lab.daemon);
	close_lab(NULL);
}

static void others_do_not_wait(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(floods); i++) {
		lab.flood = &floods[i];
		check_flood();
	}
}

static int iothread_mode(void **state)
{
	(void)state;
	lab.mode = "iothread";
	return 0;
}

static int timer_mode(void **state)
{
	(void)state;
	lab.mode = "timer,delay=50us";
	return 0;
}

/* A timer that is always due. */
static int short_timer_mode(void **state)
{
	(void)state;
	lab.mode = "timer,delay=1us";
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(others_do_not_wait, iothread_mode, close_lab),
		cmocka_unit_test_setup_teardown(others_do_not_wait, timer_mode, close_lab),
		cmocka_unit_test_setup_teardown(others_do_not_wait, short_timer_mode, close_lab),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: fair_test TXRINGD\n");
		return 1;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
