/* SPDX-License-Identifier: MIT */
/*
 * usage: link_test TXRINGD
 *
 * The link of a card is set down and up by the control socket: what a front-end that can be told
 * sees, what becomes of one that cannot, and that no frame passes. In a network namespace.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/ask.h"
#include "tests/net/lab.h"
#include "virtio/base.h"
#include "virtio/vhost_user/proto.h"

#define WINDOW 64
#define MAC    "52:54:00:12:34:56"

static const char *program;
static struct lab lab;
static char control[96];

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* The control socket's answer to a command has text. */
static void expect_answer(const char *command, const char *text)
{
	const char *answer = ask_text(control, command);

	if (!strstr(answer, text))
		fail_msg("no word of '%s' in: %s", text, answer);
}

/* n frames of the guest's, of which all chains come back. */
static void guest_sends(unsigned n)
{
	struct virtio_net_hdr_v1 hdr;
	size_t len = stream_make(&lab.to_host[0], &hdr, lab.frame);
	unsigned i;

	for (i = 0; i < n; i++)
		assert_int_equal(driver_net_send(lab.net, 0, &hdr, lab.frame, len, 0), 0);
	for (i = 0; i < 3000 && lab.net->pairs[0].n_tx_free < lab.net->cfg.ring_size; i++) {
		usleep(1000);
		assert_true(driver_net_reap(lab.net, 0) >= 0);
	}
	assert_int_equal(lab.net->pairs[0].n_tx_free, lab.net->cfg.ring_size);
}

/* The host's side has no carrier, and has had none long enough to have noticed. */
static void expect_no_carrier(void)
{
	const char *command = "ip -o link show " LAB_TAP " | grep -q NO-CARRIER";

	for (unsigned i = 0; i < 3000 && system(command) != 0; i++)
		usleep(10000);
	assert_int_equal(system(command), 0);
}

/* A new front-end finds a socket, and its connection ends before it waits for anything. */
static void expect_refused(void)
{
	int fd = connect_to(lab.daemon.path);
	char byte;

	errno = 0;
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	assert_int_not_equal(errno, EAGAIN);
	close(fd);
}

/*
 * QEMU: it cannot be told, so it is given up, and refused as often as it comes, at no cost, until
 * the link is up.
 */
static void deaf_is_given_up(void **state)
{
	const char *const options[] = { "--control", control, NULL };
	const struct lab_config cfg = { .options = options };
	unsigned n_fds;
	uint64_t cpu;

	(void)state;
	lab_open(&lab, &cfg);
	expect_answer("show", "nic0: link up\n");
	for (unsigned i = 1; i <= 2; i++) {
		lab_traffic(&lab, 200, 200, WINDOW);
		n_fds = daemon_n_fds(&lab.daemon);
		expect_answer("link down", "nic0: link down: the front-end cannot be told, and "
					   "is given up\nok\n");
		assert_int_equal(frontend_wait_closed(&lab.net->frontend), 0);
		driver_net_free(lab.net);
		lab.net = NULL;
		expect_answer("show", "nic0: link down: it was set down\n");
		expect_answer("link down nic0", "nic0: link down: there is no front-end\nok\n");
		expect_no_carrier();
		for (unsigned k = 0; k < 10; k++)
			expect_refused();
		assert_true(daemon_n_fds(&lab.daemon) < n_fds);
		cpu = daemon_cpu_ns(&lab.daemon);
		usleep(500000);
		assert_in_range(daemon_cpu_ns(&lab.daemon) - cpu, 0, 20000000);
		daemon_wait_log(&lab.daemon,
				"front-ends that cannot be told are refused "
				"while the link is down",
				i);
		daemon_check_log(&lab.daemon, "are refused", i);
		expect_answer("link up", "nic0: link up: there is no front-end\nok\n");
		lab_connect(&lab);
	}
	lab_traffic(&lab, 200, 200, WINDOW);
	lab_close(&lab);
}

/* A card with a MAC takes a front-end that may yet say that it listens, and gives it up if not. */
static void mac_makes_no_ears(void **state)
{
	const char *const args[] = { "--control", control,  "--backend", "null", "--mac",
				     MAC,         "--link", "down",      NULL };
	struct driver_net_config net = { .features = DRIVER_NET_FEATURES,
					 .protocol = DRIVER_NET_PROTOCOL,
					 .n_pairs = 1,
					 .ring_size = 64,
					 .fd = -1 };
	struct driver_net *guest;

	(void)state;
	lab.peer.fd = -1;
	daemon_start(&lab.daemon, program, args);
	daemon_wait_log(&lab.daemon, ", the link is down", 1);
	net.path = lab.daemon.path;
	for (unsigned i = 0; i < 5; i++)
		assert_int_not_equal(driver_net_new(&guest, &net), 0);
	daemon_wait_log(&lab.daemon, "cannot be told are refused", 1);
	daemon_check_log(&lab.daemon, "front-end", 1);
	/*
	 * One that says that it listens is served, until a ring runs and it has sent no socket.
	 * It may get its last answer before that is seen.
	 */
	net.protocol |= FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) |
			FEATURE(VHOST_USER_PROTOCOL_F_BACKEND_REQ);
	net.timeout_ms = 10000;
	if (!driver_net_new(&guest, &net)) {
		assert_int_equal(frontend_wait_closed(&guest->frontend), 0);
		driver_net_free(guest);
	}
	daemon_wait_log(&lab.daemon, "front-end connected", 1);
	daemon_wait_log(&lab.daemon, "the front-end cannot be told: it is given up", 1);
	expect_answer("link up", "ok\n");
	assert_int_equal(driver_net_new(&guest, &net), 0);
	driver_net_free(guest);
	daemon_wait_log(&lab.daemon, "front-end gone", 2);
	daemon_stop(&lab.daemon);
	daemon_cleanup(&lab.daemon, false);
}

static uint16_t shown_status(void)
{
	struct virtio_net_config config;

	assert_int_equal(frontend_get_config(&lab.net->frontend, 0, &config, sizeof(config)), 0);
	return config.status;
}

static void expect_change(int sock)
{
	struct vhost_user_header hdr;

	assert_int_equal(recv(sock, &hdr, sizeof(hdr), 0), sizeof(hdr));
	assert_int_equal(hdr.request, VHOST_USER_BACKEND_CONFIG_CHANGE);
}

/*
 * A front-end that listens stays, and hears of each change. No frame passes meanwhile: the guest's
 * are dropped and counted, the host's do not come late.
 */
static void listener_is_told(void **state)
{
	const char *const options[] = { "--control", control, "--mac", MAC, NULL };
	const struct lab_config cfg = { .options = options,
					.protocol = FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) |
						    FEATURE(VHOST_USER_PROTOCOL_F_BACKEND_REQ) };
	struct virtio_net_hdr_v1 hdr = { 0 };
	uint64_t frames;
	int pair[2];
	size_t len;

	(void)state;
	lab_open(&lab, &cfg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(frontend_request(&lab.net->frontend, VHOST_USER_SET_BACKEND_REQ_FD, NULL,
					  0, &pair[1], 1),
			 0);
	close(pair[1]);
	for (unsigned i = 1; i <= 3; i++) {
		lab_traffic(&lab, 200, 200, WINDOW);
		assert_int_equal(shown_status(), VIRTIO_NET_S_LINK_UP);
		expect_answer("link down", "nic0: link down: the front-end is told\nok\n");
		/* Before the carrier is gone the tap takes frames. */
		len = stream_make(&lab.to_guest[0], &hdr, lab.frame);
		for (unsigned k = 0; k < 10; k++)
			peer_send(&lab.peer, &hdr, lab.frame, len);
		expect_change(pair[0]);
		assert_int_equal(shown_status(), 0);
		guest_sends(20);
		assert_int_equal(daemon_counter(&lab.daemon, "tx0", "drop_disabled"), 20 * i);
		assert_int_equal(peer_receive(&lab.peer, &hdr, lab.frame, sizeof(lab.frame)),
				 -EAGAIN);
		expect_no_carrier();
		frames = daemon_counter(&lab.daemon, "rx0", "frames");
		expect_answer("link up", "nic0: link up: the front-end is told\nok\n");
		expect_change(pair[0]);
		usleep(50000);
		assert_int_equal(daemon_counter(&lab.daemon, "rx0", "frames"), frames);
		assert_int_equal(driver_net_reap(lab.net, 0), 0);
	}
	lab_traffic(&lab, 200, 200, WINDOW);
	daemon_check_log(&lab.daemon, "front-end gone", 0);
	close(pair[0]);
	lab_close(&lab);
}

/* What is wrong is said, and nothing changes. */
static void refused_commands(void **state)
{
	const char *const options[] = { "--control", control, NULL };
	const struct lab_config cfg = { .options = options };

	(void)state;
	lab_open(&lab, &cfg);
	expect_answer("link", "error: it is 'link up|down [NIC]'");
	expect_answer("link off", "error: it is 'link up|down [NIC]'");
	expect_answer("link down nic0 nic1", "error: it is 'link up|down [NIC]'");
	expect_answer("link down nic1", "error: there is no card 'nic1'; allowed: nic0\n");
	lab_traffic(&lab, 200, 200, WINDOW);
	lab_close(&lab);
}

static int tear_down(void **state)
{
	(void)state;
	lab_cleanup(&lab);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(deaf_is_given_up, tear_down),
		cmocka_unit_test_teardown(mac_makes_no_ears, tear_down),
		cmocka_unit_test_teardown(listener_is_told, tear_down),
		cmocka_unit_test_teardown(refused_commands, tear_down),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: link_test TXRINGD\n");
		return 1;
	}
	snprintf(control, sizeof(control), "%s/control", getenv("TMPDIR"));
	program = argv[1];
	lab_init(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
