/* SPDX-License-Identifier: MIT */
/*
 * usage: many_test TXRINGD MAX_KIB
 *
 * 256 cards in one txringd, each with a guest: taps and loops in turn. Idle ones cost nothing, busy
 * ones do not see each other, and the end comes quickly. Runs in a network namespace of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/daemon.h"
#include "tests/net/echo.h"
#include "tests/net/peer.h"
#include "virtio/base.h"

#define CARDS   256
#define IDLE_US 2000000
#define IDLE_NS 0 /* nobody wakes up */

static struct {
	struct daemon daemon;
	struct driver_net *nets[CARDS];
	unsigned fds; /* of the daemon, with no front-end connected */
} lab;

static const char *program;
static uint64_t max_kib; /* of the daemon's own memory, for each card */

static bool has_tap(unsigned card)
{
	return card % 2;
}

static void connect_card(unsigned card)
{
	int err = echo_connect(&lab.nets[card], &lab.daemon, card, 1, card % 4 < 2);

	if (err)
		fail_msg("card %u: %s", card, strerror(-err));
}

static void disconnect_card(unsigned card)
{
	driver_net_free(lab.nets[card]);
	lab.nets[card] = NULL;
}

static void start_daemon(void)
{
	static char paths[CARDS][128], backends[CARDS][32];
	const char *args[5 * CARDS + 3] = { "--iothreads", "2", "--backend", "loop" };
	unsigned n = 4;

	daemon_set_path(&lab.daemon);
	for (unsigned i = 1; i < CARDS; i++) {
		echo_path(&lab.daemon, i, paths[i]);
		args[n++] = "--nic";
		args[n++] = "--socket-path";
		args[n++] = paths[i];
		args[n++] = "--backend";
		args[n++] = backends[i];
		snprintf(backends[i], sizeof(backends[i]), has_tap(i) ? "tap:txring%u" : "loop", i);
	}
	daemon_start(&lab.daemon, program, args);
}

static int set_up(void **state)
{
	struct rlimit limit;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	/* The daemon gets less than it needs, and more if it asks. */
	limit.rlim_cur = 1024;
	setrlimit(RLIMIT_NOFILE, &limit);
	start_daemon();
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	lab.fds = daemon_n_fds(&lab.daemon);
	for (unsigned i = 0; i < CARDS; i++)
		connect_card(i);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CARDS; i++)
		driver_net_free(lab.nets[i]);
	daemon_cleanup(&lab.daemon, false);
	return 0;
}

static void idle_costs_nothing(void **state)
{
	uint64_t before, used, own;

	(void)state;
	/* The control thread, the log's, and two iothreads. */
	daemon_wait_threads(&lab.daemon, 4);
	before = daemon_cpu_ns(&lab.daemon);
	usleep(IDLE_US);
	used = daemon_cpu_ns(&lab.daemon) - before;
	if (used > IDLE_NS)
		fail_msg("%u us of CPU in two idle seconds", (unsigned)(used / 1000));
	own = daemon_own_kib(&lab.daemon) / CARDS;
	print_message("%u KiB for each of %u cards, %u us of CPU\n", (unsigned)own, CARDS,
		      (unsigned)(used / 1000));
	if (own >= max_kib)
		fail_msg("%u KiB for each card beside the guest's memory", (unsigned)own);
}

static void check_echo(unsigned card, unsigned n)
{
	const char *failed = echo_frames(lab.nets[card], 0, n);

	if (failed)
		fail_msg("card %u: %s", card, failed);
}

/* Frames out of a tap: they are at the host's end, whole and in order. */
static void check_tap(unsigned card, unsigned n)
{
	struct stream s = { .to_host = true, .max_len = PEER_MTU_LEN };
	struct virtio_net_hdr_v1 hdr;
	uint8_t frame[PEER_MAX_LEN + 8];
	struct peer peer;
	char tap[16];
	ssize_t len;

	snprintf(tap, sizeof(tap), "txring%u", card);
	peer_open(&peer, tap);
	for (; s.sent < n; s.sent++) {
		len = (ssize_t)stream_make(&s, &hdr, frame);
		assert_int_equal(driver_net_send(lab.nets[card], 0, &hdr, frame, (size_t)len, 0),
				 0);
		assert_true(driver_net_wait(lab.nets[card], 1, 30000) > 0);
		assert_int_equal(driver_net_reap(lab.nets[card], 0), 1);
	}
	while ((len = peer_receive(&peer, &hdr, frame, sizeof(frame))) >= 0)
		stream_take(&s, 1, &hdr, frame, (size_t)len);
	assert_int_equal(s.seen, n);
	peer_close(&peer);
}

/* Some at once, of both kinds and both layouts, first and last among them. */
static void busy_ones_work(void **state)
{
	static const unsigned loops[] = { 0, 2, 100, CARDS - 2 };
	static const unsigned taps[] = { 1, 3, 101, CARDS - 1 };
	struct echo echoes[array_size(loops)];

	(void)state;
	for (unsigned i = 0; i < array_size(loops); i++)
		echo_start(&echoes[i], lab.nets[loops[i]], 0);
	for (unsigned i = 0; i < array_size(taps); i++)
		check_tap(taps[i], 200);
	for (unsigned i = 0; i < array_size(loops); i++) {
		bool on = echo_goes_on(&echoes[i], 200);
		const char *failed = echo_stop(&echoes[i]);

		if (!on || failed)
			fail_msg("card %u: %s", loops[i], failed ? failed : "it stalls");
	}
}

/* One session and one ring go wrong; their neighbours' go on, and both are mended. */
static void bad_ones_are_alone(void **state)
{
	struct ring *ring = driver_net_ring(lab.nets[10], 1);
	struct echo near, far;

	(void)state;
	echo_start(&near, lab.nets[6], 0);
	echo_start(&far, lab.nets[200], 0);
	for (unsigned i = 1; i <= 3; i++) {
		uint8_t garbage[64];

		memset(garbage, 0xa5 + (int)i, sizeof(garbage));
		assert_true(send(lab.nets[4]->frontend.sock, garbage, sizeof(garbage), 0) > 0);
		daemon_wait_log(&lab.daemon, "nic4: front-end gone", i);
		assert_true(echo_goes_on(&near, 50) && echo_goes_on(&far, 50));
		disconnect_card(4);
		connect_card(4);

		store_release(&ring->areas.avail->idx, 0x5a5a);
		ring_kick_now(ring);
		daemon_wait_log(&lab.daemon, "nic10: ring 1 (tx of queue pair 0) is broken", i);
		assert_true(echo_goes_on(&near, 50) && echo_goes_on(&far, 50));
		assert_int_equal(driver_net_ring_stop(lab.nets[10], 1), 0);
		assert_int_equal(driver_net_ring_restart(lab.nets[10], 1), 0);
		check_echo(4, 50);
		check_echo(10, 50);
	}
	assert_null(echo_stop(&near));
	assert_null(echo_stop(&far));
	daemon_check_log(&lab.daemon, "is broken", 3);
	daemon_check_log(&lab.daemon, "front-end gone", 3);
}

/* Half of the guests go and leave no fd; then the daemon ends within a second under the others. */
static void end_is_quick(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	for (unsigned i = 0; i < CARDS; i++)
		disconnect_card(i);
	daemon_wait_log(&lab.daemon, "front-end gone", CARDS + 3);
	daemon_wait_n_fds(&lab.daemon, lab.fds);
	for (unsigned i = 0; i < CARDS; i++)
		connect_card(i);
	daemon_stop(&lab.daemon);
	for (unsigned i = 0; i < CARDS; i++) {
		echo_path(&lab.daemon, i, path);
		assert_int_equal(stat(path, &st), -1);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_costs_nothing),
		cmocka_unit_test(busy_ones_work),
		cmocka_unit_test(bad_ones_are_alone),
		cmocka_unit_test(end_is_quick),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: many_test TXRINGD MAX_KIB\n");
		return 1;
	}
	/* meson's: it makes malloc touch memory that the daemon never does. */
	unsetenv("MALLOC_PERTURB_");
	program = argv[1];
	max_kib = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
