/* SPDX-License-Identifier: MIT */
/*
 * usage: connect_test TXRINGD
 *
 * How front-ends come and go: over an inherited socket of each kind, blocking or not; one straight
 * after the other; past one that says nothing; and what they are offered. Runs in a network
 * namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/echo.h"
#include "virtio/base.h"

#define INHERITED_FD 9

/* Of README: a front-end that has said nothing for so long gives way. */
#define SILENCE_MS 2000

static struct daemon daemon_;
static struct driver_net *net;
static const char *program;

static int tear_down(void **state)
{
	(void)state;
	driver_net_free(net);
	net = NULL;
	daemon_cleanup(&daemon_, false);
	return 0;
}

/* A txringd whose only card has fd. */
static void start_with_fd(int fd)
{
	daemon_.pid = fork();
	assert_true(daemon_.pid >= 0);
	if (!daemon_.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, INHERITED_FD);
		execl(program, program, "--fd", "9", "--backend", "loop", NULL);
		_exit(127);
	}
	close(fd);
}

/* SIGTERM, or nothing more to do, ends it. */
static void check_end(bool kill_it)
{
	int status = -1;

	if (kill_it)
		kill(daemon_.pid, SIGTERM);
	for (unsigned i = 0; i < 15000 && waitpid(daemon_.pid, &status, WNOHANG) == 0; i++)
		usleep(2000);
	assert_int_equal(status, 0);
	daemon_.pid = 0;
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, daemon_.path);
	return addr;
}

static int connect_to(void)
{
	struct sockaddr_un addr = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* A listening socket, as systemd passes one: several front-ends, one after the other. */
static void listening_fd(void **state)
{
	(void)state;
	for (unsigned flags = 0;; flags = SOCK_NONBLOCK) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (int)flags, 0);
		struct sockaddr_un addr;

		daemon_set_path(&daemon_);
		addr = address();
		assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_int_equal(listen(fd, 1), 0);
		start_with_fd(fd);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(echo_connect(&net, &daemon_, 0, 1, false), 0);
			assert_null(echo_frames(net, 0, 10));
			driver_net_free(net);
			net = NULL;
		}
		/* It waits for the next one, and not in accept(). */
		usleep(300000);
		check_end(true);
		unlink(daemon_.path);
		if (flags)
			break;
	}
}

/* A connected one: its only front-end, and then the end. */
static void connected_fd(void **state)
{
	const struct driver_net_config cfg = {
		.features = DRIVER_NET_FEATURES,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = 1,
		.ring_size = ECHO_RING,
	};
	struct driver_net_config with_fd;
	int fds[2];

	(void)state;
	for (unsigned flags = 0;; flags = SOCK_NONBLOCK) {
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (int)flags, 0, fds), 0);
		start_with_fd(fds[1]);
		with_fd = cfg;
		with_fd.fd = fds[0];
		assert_int_equal(driver_net_new(&net, &with_fd), 0);
		assert_null(echo_frames(net, 0, 10));
		driver_net_free(net);
		net = NULL;
		check_end(false);
		if (flags)
			break;
	}
}

static void start(void)
{
	static const char *const args[] = { "--backend", "loop", NULL };

	daemon_start(&daemon_, program, args);
}

/* A front-end that went away in order keeps the next one waiting for nothing. */
static void straight_after(void **state)
{
	uint64_t start_ns;

	(void)state;
	start();
	start_ns = monotonic_ns();
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(echo_connect(&net, &daemon_, 0, 1, false), 0);
		driver_net_free(net);
		net = NULL;
	}
	assert_true(monotonic_ns() - start_ns < 30 * 100 * 1000000ull);
	daemon_stop(&daemon_);
}

/* Many may wait for their turn, and none is refused. */
static void many_wait(void **state)
{
	int fds[20];

	(void)state;
	start();
	for (unsigned i = 0; i < array_size(fds); i++)
		fds[i] = connect_to();
	for (unsigned i = 0; i < array_size(fds); i++)
		close(fds[i]);
	assert_int_equal(echo_connect(&net, &daemon_, 0, 1, false), 0);
	assert_null(echo_frames(net, 0, 10));
	driver_net_free(net);
	net = NULL;
	daemon_stop(&daemon_);
}

/*
 * A connection that says nothing, or not a whole message, has the card while nobody else wants it;
 * then it gives way. One that has spoken keeps it, however quiet it is.
 */
static void silent(void **state)
{
	static const char half[4] = "";
	struct driver_net *other;
	uint64_t start_ns;
	int fd;

	(void)state;
	start();
	for (unsigned i = 0; i < 2; i++) {
		start_ns = monotonic_ns();
		fd = connect_to();
		if (i)
			assert_int_equal(send(fd, half, sizeof(half), MSG_NOSIGNAL), sizeof(half));
		daemon_wait_log(&daemon_, "front-end connected", 2 * i + 1);
		assert_int_equal(echo_connect(&net, &daemon_, 0, 1, false), 0);
		assert_true(monotonic_ns() - start_ns >= (SILENCE_MS - 100) * 1000000ull);
		daemon_wait_log(&daemon_, "gives way", i + 1);
		assert_null(echo_frames(net, 0, 10));
		close(fd);
		/* This one has spoken. */
		fd = connect_to();
		usleep((SILENCE_MS + 500) * 1000);
		assert_null(echo_frames(net, 0, 10));
		close(fd);
		other = net;
		net = NULL;
		driver_net_free(other);
		daemon_wait_log(&daemon_, "front-end gone", 3 * i + 3);
	}
	daemon_stop(&daemon_);
}

/* What a front-end is offered, by the specification's names; what needs another goes with it. */
static void offers(void **state)
{
#define F(name) FEATURE(VIRTIO_##name)
	static const struct {
		const char *args[7];
		uint64_t with, without;
	} cases[] = {
		{ { NULL },
		  F(F_RING_PACKED) | F(NET_F_CSUM) | F(NET_F_HOST_TSO4),
		  F(F_RING_RESET) | F(NET_F_MAC) | F(NET_F_STATUS) },
		{ { "--no-offer", "CSUM,RING_PACKED" },
		  F(F_IN_ORDER),
		  F(F_RING_PACKED) | F(NET_F_CSUM) | F(NET_F_HOST_TSO4) | F(NET_F_HOST_ECN) |
			  F(NET_F_HOST_USO) },
		{ { "--no-offer", "VERSION_1" },
		  F(NET_F_CSUM),
		  F(F_VERSION_1) | F(F_RING_PACKED) | F(F_IN_ORDER) },
		{ { "--no-offer", "CSUM", "--offer", "csum,RING_RESET" },
		  F(NET_F_CSUM) | F(F_RING_RESET),
		  0 },
		{ { "--mac", "52:54:00:12:34:56", "--no-offer", "STATUS" },
		  F(NET_F_MAC),
		  F(NET_F_STATUS) },
	};
#undef F

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		const char *args[10] = { "--backend", "null" };
		struct frontend f;

		memcpy(args + 2, cases[i].args, sizeof(cases[i].args));
		daemon_start(&daemon_, program, args);
		assert_int_equal(frontend_init(&f, 2), 0);
		assert_int_equal(frontend_connect(&f, daemon_.path), 0);
		assert_int_equal(frontend_negotiate(&f, 0, 0), 0);
		assert_int_equal(f.offered & cases[i].with, cases[i].with);
		assert_int_equal(f.offered & cases[i].without, 0);
		frontend_deinit(&f);
		daemon_stop(&daemon_);
		daemon_cleanup(&daemon_, false);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(listening_fd, tear_down),
		cmocka_unit_test_teardown(connected_fd, tear_down),
		cmocka_unit_test_teardown(straight_after, tear_down),
		cmocka_unit_test_teardown(many_wait, tear_down),
		cmocka_unit_test_teardown(silent, tear_down),
		cmocka_unit_test_teardown(offers, tear_down),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
