/* SPDX-License-Identifier: MIT */
/*
 * usage: away_test TXRINGD
 *
 * The tap of a running txringd is removed and made again, and its carrier follows the guest: what
 * the guest notices, what the log says, and which frames are counted where. Runs in a network
 * namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/lab.h"
#include "virtio/base.h"

#define WINDOW 128
#define FRAMES 2000

/* The log's lines, whole. */
#define BACKEND(n) "txringd: backend tap " LAB_TAP " (" n ", csum tso uso): "
#define LOST(n)    BACKEND(n) "it was removed\n"
#define BACK(n)    BACKEND(n) "it is back\n"

static const char *program;
static struct lab lab;

/* Takes the frames that reached the host: how many. The interface may have gone. */
static unsigned host_takes(void)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned n = 0;
	ssize_t len;

	do {
		len = peer_receive(&lab.peer, &hdr, lab.frame, sizeof(lab.frame));
		n += len >= 0;
	} while (len >= 0 || len == -ENETDOWN);
	return n;
}

/* One frame, for which there may be no room before some are complete. */
static void guest_sends(const struct virtio_net_hdr_v1 *hdr, size_t len)
{
	for (unsigned i = 0; i < 30000; i++) {
		int err = driver_net_send(lab.net, 0, hdr, lab.frame, len, 0);

		assert_true(driver_net_reap(lab.net, 0) >= 0);
		if (!err)
			return;
		assert_int_equal(err, -EAGAIN);
		usleep(1000);
	}
	fail_msg("the guest's ring does not move");
}

/* The guest sends n frames, and after half of them COMMAND of ip(8) runs. How many arrived. */
static unsigned guest_sends_while(unsigned n, const char *command)
{
	struct virtio_net_hdr_v1 hdr;
	size_t len = stream_make(&lab.to_host[0], &hdr, lab.frame);
	unsigned i;

	for (i = 0; i < n; i++) {
		if (i == n / 2)
			peer_ip("%s", command);
		guest_sends(&hdr, len);
	}
	for (i = 0; i < 30000 && lab.net->pairs[0].n_tx_free < lab.net->cfg.ring_size; i++) {
		usleep(1000);
		assert_true(driver_net_reap(lab.net, 0) >= 0);
	}
	assert_int_equal(lab.net->pairs[0].n_tx_free, lab.net->cfg.ring_size);
	return host_takes();
}

static void make_tap(unsigned queues)
{
	peer_ip("tuntap add " LAB_TAP " mode tap%s", queues > 1 ? " multi_queue" : "");
}

static void expect_lines(const char *line, unsigned n)
{
	daemon_check_log(&lab.daemon, line, n);
}

/* It is back: the peer at its end is a new one, and what was under way is forgotten. */
static void traffic_resumes(void)
{
	unsigned i;

	peer_close(&lab.peer);
	peer_open(&lab.peer, LAB_TAP);
	for (i = 0; i < LAB_FLOWS; i++) {
		stream_forget(&lab.to_host[i]);
		stream_forget(&lab.to_guest[i]);
	}
	lab_traffic(&lab, FRAMES, FRAMES, WINDOW);
}

/*
 * Every frame of the guest's arrived, or is counted as dropped; its ring goes on meanwhile, and
 * nothing is busy; when the tap is back, so are all its queues.
 */
static void is_taken_again(void **state)
{
	const struct lab_config *cfg = *state;
	const char *lost = cfg->queues > 1 ? LOST("2 queues") : LOST("1 queue");
	const char *back = cfg->queues > 1 ? BACK("2 queues") : BACK("1 queue");
	uint64_t cpu, sent = 0, arrived = 0;
	unsigned i;

	make_tap(cfg->queues);
	lab_open(&lab, cfg);
	lab_traffic(&lab, FRAMES, FRAMES, WINDOW);
	for (i = 1; i <= 2; i++) {
		uint64_t drops = daemon_drops(&lab.daemon, "tx0"), now;

		arrived = guest_sends_while(FRAMES, "link del " LAB_TAP);
		sent = FRAMES;
		expect_lines(lost, i);
		now = daemon_drops(&lab.daemon, "tx0") - drops;
		if (arrived + now != sent)
			fail_msg("%u sent, %u arrived, %u dropped", (unsigned)sent,
				 (unsigned)arrived, (unsigned)now);
		assert_in_range(arrived, FRAMES / 2 - lab.net->cfg.ring_size, FRAMES / 2);
		cpu = daemon_cpu_ns(&lab.daemon);
		usleep(1500000);
		assert_in_range(daemon_cpu_ns(&lab.daemon) - cpu, 0, 20000000);
		make_tap(cfg->queues);
		expect_lines(back, i);
		traffic_resumes();
	}
	daemon_check_log(&lab.daemon, lost, 2);
	daemon_check_log(&lab.daemon, "it cannot be taken again", 0);
	lab_close(&lab);
	peer_ip("link del " LAB_TAP);
}

/* Made again with too few queues: said once, and it is waited for one that has them. */
static void waits_for_the_right_one(void **state)
{
	static const struct lab_config cfg = { .queues = 2 };

	(void)state;
	make_tap(2);
	lab_open(&lab, &cfg);
	peer_ip("link del " LAB_TAP);
	expect_lines(LOST("2 queues"), 1);
	make_tap(1);
	daemon_wait_log(&lab.daemon,
			BACKEND("2 queues") "it cannot be taken again: tap " LAB_TAP
					    " has one queue, not 2",
			1);
	usleep(2500000);
	daemon_check_log(&lab.daemon, "it cannot be taken again", 1);
	peer_ip("link del " LAB_TAP);
	make_tap(2);
	expect_lines(BACK("2 queues"), 1);
	traffic_resumes();
	lab_close(&lab);
	peer_ip("link del " LAB_TAP);
}

/* A guest may come while it is away: it has what it negotiated when the tap is back. */
static void guest_comes_meanwhile(void **state)
{
	static const struct lab_config cfg = { .queues = 1 };

	(void)state;
	make_tap(1);
	lab_open(&lab, &cfg);
	lab_traffic(&lab, FRAMES, FRAMES, WINDOW);
	driver_net_free(lab.net);
	lab.net = NULL;
	daemon_wait_log(&lab.daemon, "front-end gone", 1);
	peer_ip("link del " LAB_TAP);
	expect_lines(LOST("1 queue"), 1);
	lab_connect(&lab);
	assert_int_equal(guest_sends_while(20, "link show lo >/dev/null"), 0);
	assert_int_equal(daemon_drops(&lab.daemon, "tx0"), 20);
	make_tap(1);
	expect_lines(BACK("1 queue"), 1);
	traffic_resumes();
	lab_close(&lab);
	peer_ip("link del " LAB_TAP);
}

static bool has_carrier(void)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ifreq ifr = { .ifr_name = LAB_TAP, .ifr_data = (char *)&value };

	assert_int_equal(ioctl(lab.peer.fd, SIOCETHTOOL, &ifr), 0);
	return value.data;
}

static void expect_carrier(bool want)
{
	for (unsigned i = 0; i < 3000 && has_carrier() != want; i++)
		usleep(10000);
	assert_int_equal(has_carrier(), want);
}

/* The host sees a carrier while there is a guest: not before, and not after. */
static void carrier_follows_the_guest(void **state)
{
	static const struct lab_config cfg = { .queues = 2, .pairs = 1 };

	(void)state;
	make_tap(2);
	lab_open(&lab, &cfg);
	for (unsigned i = 1; i <= 3; i++) {
		expect_carrier(true);
		lab_traffic(&lab, 100, 100, WINDOW);
		driver_net_free(lab.net);
		lab.net = NULL;
		daemon_wait_log(&lab.daemon, "front-end gone", i);
		expect_carrier(false);
		lab_connect(&lab);
	}
	lab_close(&lab);
	peer_ip("link del " LAB_TAP);
}

/* A queue of a new tap that a program which is run inherits. */
static int open_fd(void)
{
	struct ifreq ifr = { .ifr_name = LAB_TAP, .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

/* Queues that were passed in cannot be opened again: the card ends, and says why. */
static void passed_fds_end_the_card(void **state)
{
	char backend[32];
	const char *const args[] = { "--backend", backend, NULL };
	int fd = open_fd(), status;

	(void)state;
	snprintf(backend, sizeof(backend), "tap-fd:%d", fd);
	daemon_start(&lab.daemon, program, args);
	close(fd);
	peer_ip("link del " LAB_TAP);
	for (unsigned i = 0; i < 3000 && !waitpid(lab.daemon.pid, &status, WNOHANG); i++)
		usleep(10000);
	lab.daemon.pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	expect_lines(BACKEND("1 queue") "it was removed, and its queues were passed in as fds: "
					"they cannot be opened again\n",
		     1);
	assert_int_equal(access(lab.daemon.path, F_OK), -1);
	daemon_cleanup(&lab.daemon, false);
}

/* Of several cards the others go on. */
static void other_cards_go_on(void **state)
{
	static const struct driver_net_config net = { .fd = -1,
						      .features = DRIVER_NET_FEATURES,
						      .protocol = DRIVER_NET_PROTOCOL,
						      .n_pairs = 1,
						      .ring_size = 64 };
	struct driver_net_config cfg = net;
	char backend[32], path[128];
	const char *const args[] = { "--backend", "loop",      "--nic", "--socket-path",
				     path,        "--backend", backend, NULL };
	struct driver_net *guest;
	int fd = open_fd();

	(void)state;
	daemon_set_path(&lab.daemon);
	snprintf(path, sizeof(path), "%s.1", lab.daemon.path);
	snprintf(backend, sizeof(backend), "tap-fd:%d", fd);
	daemon_start(&lab.daemon, program, args);
	close(fd);
	daemon_wait_log(&lab.daemon, "listening on", 2);
	peer_ip("link del " LAB_TAP);
	daemon_wait_log(&lab.daemon,
			"txringd: nic1: backend tap " LAB_TAP
			" (1 queue, csum tso uso): it was removed, and",
			1);
	cfg.path = lab.daemon.path;
	assert_int_equal(driver_net_new(&guest, &cfg), 0);
	driver_net_free(guest);
	assert_int_equal(access(path, F_OK), -1);
	daemon_stop(&lab.daemon);
	daemon_cleanup(&lab.daemon, false);
}

static int tear_down(void **state)
{
	(void)state;
	lab_cleanup(&lab);
	lab.peer.fd = -1;
	(void)!system("ip link del " LAB_TAP " 2>/dev/null");
	return 0;
}

int main(int argc, char **argv)
{
	static struct lab_config one = { .queues = 1 }, two = { .queues = 2, .iothreads = 2 };
	const struct CMUnitTest tests[] = {
		{ "one queue is taken again", is_taken_again, NULL, tear_down, &one },
		{ "two queues are taken again", is_taken_again, NULL, tear_down, &two },
		cmocka_unit_test_teardown(waits_for_the_right_one, tear_down),
		cmocka_unit_test_teardown(guest_comes_meanwhile, tear_down),
		cmocka_unit_test_teardown(carrier_follows_the_guest, tear_down),
		cmocka_unit_test_teardown(passed_fds_end_the_card, tear_down),
		cmocka_unit_test_teardown(other_cards_go_on, tear_down),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: away_test TXRINGD\n");
		return 1;
	}
	program = argv[1];
	lab.peer.fd = -1;
	lab_init(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
