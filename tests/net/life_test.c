/* SPDX-License-Identifier: MIT */
/*
 * usage: life_test TXRINGD MAX_KIB
 *
 * What happens to a running txringd: guests come, go, die and misbehave, the tap goes down or away.
 * Whatever it is, the daemon serves what is left of it, and the next guest. Runs in a network
 * namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
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

#include "tests/net/lab.h"
#include "virtio/base.h"
#include "virtio/features.h"

#define WINDOW 128
#define IDLE_NS \
	1000000 /* of CPU in two seconds: none, but for what the kernel charges to a sleeper */
#define IDLE_US 2000000

static const struct lab_config one_pair = { .queues = 1 };
static const struct lab_config two_pairs = { .queues = 2 };
static struct lab lab;
static uint64_t max_kib; /* that a daemon may have beside the guest's memory */

/* The guest goes; so many have gone by now. */
static void hang_up(unsigned n)
{
	driver_net_free(lab.net);
	lab.net = NULL;
	daemon_wait_log(&lab.daemon, "front-end gone", n);
}

/* The tap belongs to the daemon, not to the guest: addresses and routes on it outlive one. */
static void tap_outlives_guests(void **state)
{
	unsigned ifindex, fds = 0, i;

	(void)state;
	lab_open(&lab, &one_pair);
	ifindex = if_nametoindex(LAB_TAP);
	for (i = 0; i < 5; i++) {
		lab_traffic(&lab, 500, 500, WINDOW);
		if (i)
			daemon_wait_n_fds(&lab.daemon, fds);
		fds = daemon_n_fds(&lab.daemon);
		/* In mid-traffic. */
		lab_host_sends(&lab, 300);
		hang_up(i + 1);
		assert_int_equal(if_nametoindex(LAB_TAP), ifindex);
		lab_connect(&lab);
	}
	lab_traffic(&lab, 500, 500, WINDOW);
	lab_close(&lab);
	assert_int_equal(if_nametoindex(LAB_TAP), 0);
}

/* What another process does as a guest until it is killed: sends, and takes what comes. */
static void be_a_guest(const char *path)
{
	const struct driver_net_config cfg = {
		.path = path,
		.fd = -1,
		.features = DRIVER_NET_FEATURES,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = 1,
		.ring_size = 256,
	};
	struct driver_net *net;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* No frame of a stream. */
	memset(lab.frame, 0, sizeof(lab.frame));
	if (driver_net_new(&net, &cfg))
		_exit(1);
	for (;;) {
		driver_net_send(net, 0, NULL, lab.frame, 1000, 0);
		driver_net_reap(net, 0);
		driver_net_receive(net, 0, NULL, lab.frame, sizeof(lab.frame));
	}
}

/* A VMM is killed while its rings are busy: the daemon lets go of its memory and takes the next. */
static void guest_is_killed(void **state)
{
	pid_t child;

	(void)state;
	lab_open(&lab, &one_pair);
	hang_up(1);
	for (unsigned i = 2; i < 5; i++) {
		child = fork();
		assert_true(child >= 0);
		if (!child)
			be_a_guest(lab.daemon.path);
		daemon_wait_log(&lab.daemon, "negotiated", i);
		for (unsigned k = 0; k < 10; k++) {
			lab_host_sends(&lab, 50);
			usleep(5000);
		}
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		daemon_wait_log(&lab.daemon, "front-end gone", i);
	}
	lab_connect(&lab);
	lab_traffic(&lab, 1000, 1000, WINDOW);
	lab_close(&lab);
}

struct restarts {
	unsigned turns; /* until the next one */
	unsigned n;     /* that are left */
};

/* In mid-traffic, at another place of it each time. */
static void restart_in_turn(void *ctx)
{
	struct restarts *r = ctx;

	if (!r->n || r->turns--)
		return;
	lab_restart(&lab, r->n % 2 ? SIGKILL : SIGTERM);
	r->turns = 20 + 7 * r->n--;
}

/*
 * txringd ends, or is killed, under traffic, and another one takes its place. Nothing is stuck, the
 * host gets every frame in order, and the guest all that come after: with both layouts, with frames
 * of one descriptor and of many, and although the front-end says of a packed ring where it once
 * began, as QEMU does.
 */
static void daemon_is_restarted(void **state)
{
	static const struct lab_config guests[] = {
		{ .queues = 1 },
		{ .queues = 1, .with = FEATURE(VIRTIO_F_RING_PACKED) },
		{ .queues = 1,
		  .with = FEATURE(VIRTIO_F_RING_PACKED),
		  .flags = DRIVER_NET_HEADER_APART,
		  .rx_parts = 2,
		  .ring_size = 255 },
	};

	(void)state;
	peer_ip("tuntap add %s mode tap vnet_hdr", LAB_TAP);
	for (unsigned i = 0; i < array_size(guests); i++) {
		struct restarts r = { .turns = 30, .n = 8 };

		lab_open(&lab, &guests[i]);
		lab.turn = restart_in_turn;
		lab.turn_ctx = &r;
		while (r.n)
			lab_traffic(&lab, 1000, 1000, WINDOW);
		lab_traffic(&lab, 1000, 1000, WINDOW);
		lab_ping(&lab, 10);
		lab_close(&lab);
	}
	peer_ip("link del %s", LAB_TAP);
}

/* The guest reboots: rings and offloads are made anew on the same connection. */
static void guest_reboots(void **state)
{
	(void)state;
	lab_open(&lab, &two_pairs);
	for (unsigned i = 0; i < 3; i++) {
		lab_traffic(&lab, 500, 500, WINDOW);
		assert_int_equal(driver_net_reset(lab.net), 0);
	}
	lab_traffic(&lab, 500, 500, WINDOW);
	lab_check_counters(&lab);
	lab_close(&lab);
}

/*
 * A tap that is set down: what the guest sends meanwhile is lost, counted and complete; then all is
 * as before.
 */
static void tap_goes_down(void **state)
{
	uint8_t byte;

	(void)state;
	lab_open(&lab, &one_pair);
	lab_traffic(&lab, 200, 200, WINDOW);
	peer_ip("link set " LAB_TAP " down");
	/* The host's socket was told. */
	assert_int_equal(read(lab.peer.fd, &byte, 1), -1);
	for (unsigned i = 0; i < 50; i++) {
		struct stream *s = &lab.to_host[i % LAB_FLOWS];
		struct virtio_net_hdr_v1 hdr;
		size_t len = stream_make(s, &hdr, lab.frame);

		assert_int_equal(driver_net_send(lab.net, 0, &hdr, lab.frame, len, 0), 0);
		s->sent++;
	}
	assert_true(daemon_counter_reaches(&lab.daemon, "tx0", "drop_backend", 50));
	peer_ip("link set " LAB_TAP " up");
	for (unsigned i = 0; i < LAB_FLOWS; i++)
		stream_forget(&lab.to_host[i]);
	lab_traffic(&lab, 500, 500, WINDOW);
	assert_int_equal(daemon_counter(&lab.daemon, "tx0", "drop_backend"), 50);
	lab_close(&lab);
}

static bool signalled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 30000) == 1;
}

/* Only pair 0: its flows' frames in both directions, with pair 1 broken. */
static void send_on_pair_0(unsigned n)
{
	struct stream *s = &lab.to_host[0];
	struct virtio_net_hdr_v1 hdr;
	struct pollfd p = { .fd = lab.peer.fd, .events = POLLIN };
	ssize_t len;

	while (n--) {
		len = (ssize_t)stream_make(s, &hdr, lab.frame);
		assert_int_equal(driver_net_send(lab.net, 0, &hdr, lab.frame, (size_t)len, 0), 0);
		s->sent++;
		assert_int_equal(poll(&p, 1, 30000), 1);
		len = peer_receive(&lab.peer, &hdr, lab.frame, sizeof(lab.frame));
		assert_true(len > 0);
		stream_take(lab.to_host, LAB_FLOWS, &hdr, lab.frame, (size_t)len);
		assert_true(driver_net_wait(lab.net, 1, 30000) > 0);
		assert_true(driver_net_reap(lab.net, 0) > 0);
	}
}

/* Garbage in a ring breaks that ring, says so on its err fd, and nothing else; a reset mends it. */
static void ring_of_garbage(void **state)
{
	static const unsigned rings[] = { 2, 3 };
	static const char *const queues[] = { "rx1", "tx1" };

	(void)state;
	lab_open(&lab, &two_pairs);
	for (unsigned i = 0; i < array_size(rings); i++) {
		struct ring *ring = driver_net_ring(lab.net, rings[i]);

		lab_traffic(&lab, 200, 200, WINDOW);
		/* More than a ring can hold. */
		store_release(&ring->areas.avail->idx, (uint16_t)(ring->avail_idx + 1000));
		ring_kick_now(ring);
		/* An rx queue looks again when it has used up what it knows of. */
		if (!(rings[i] % 2))
			lab_host_sends(&lab, LAB_FLOWS * 300);
		assert_true(signalled(lab.net->frontend.rings[rings[i]].err_fd));
		assert_true(daemon_counter_reaches(&lab.daemon, queues[i], "broken", 1));
		send_on_pair_0(50);
		assert_int_equal(lab_counter(&lab, "tx", "broken") +
					 lab_counter(&lab, "rx", "broken"),
				 i + 1);
		hang_up(i + 1);
		lab_connect(&lab);
	}
	lab_traffic(&lab, 500, 500, WINDOW);
	lab_close(&lab);
}

/* A guest that resets its device after it broke a ring needs no new connection. */
static void reset_mends_a_ring(void **state)
{
	struct ring *ring;

	(void)state;
	lab_open(&lab, &two_pairs);
	lab_traffic(&lab, 200, 200, WINDOW);
	ring = driver_net_ring(lab.net, 3);
	store_release(&ring->areas.avail->idx, (uint16_t)(ring->avail_idx + 1000));
	ring_kick_now(ring);
	assert_true(signalled(lab.net->frontend.rings[3].err_fd));
	assert_int_equal(driver_net_reset(lab.net), 0);
	lab_traffic(&lab, 500, 500, WINDOW);
	lab_close(&lab);
}

static int connect_raw(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, lab.daemon.path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Bytes with n fds. */
static void send_raw(int sock, const void *data, size_t len, unsigned n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = &control.align;

	if (n) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		for (unsigned i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &lab.peer.fd, sizeof(int));
	}
	(void)!sendmsg(sock, &msg, MSG_NOSIGNAL);
}

/*
 * Whatever comes over the socket, the daemon ends that session, leaks nothing, and serves the next.
 */
static void socket_of_garbage(void **state)
{
	static const struct vhost_user_header headers[] = {
		{ .request = 0, .flags = 1 },
		{ .request = 5, .flags = 1, .size = 0xffffffff },
		{ .request = 5, .flags = 1, .size = 8 },
		{ .request = 12, .flags = 1, .size = 8 },
		{ .request = 1000, .flags = 1 | 8 },
		{ .request = 8, .flags = 0 },
		{ .request = 14, .flags = 1, .size = 3 },
	};
	static const unsigned n_fds[] = { 0, 1, 8, 9, 64 };
	unsigned before, n = 0, i, k;
	uint8_t bytes[64];
	int sock;

	(void)state;
	lab_open(&lab, &one_pair);
	hang_up(++n);
	before = daemon_n_fds(&lab.daemon);
	for (i = 0; i < array_size(headers); i++) {
		for (k = 0; k < array_size(n_fds); k++) {
			sock = connect_raw();
			memset(bytes, 0xa5, sizeof(bytes));
			memcpy(bytes, &headers[i], sizeof(headers[i]));
			send_raw(sock, bytes, sizeof(bytes), n_fds[k]);
			send_raw(sock, bytes, 7, n_fds[k]);
			close(sock);
			daemon_wait_log(&lab.daemon, "front-end gone", ++n);
		}
	}
	daemon_wait_n_fds(&lab.daemon, before);
	lab_connect(&lab);
	lab_traffic(&lab, 500, 500, WINDOW);
	lab_close(&lab);
}

/* With a guest that is silent, nothing runs; and what runs is small. */
static void idle_costs_nothing(void **state)
{
	static const char *const modes[] = { "iothread", "timer" };
	struct lab_config cfg = { .queues = 4, .iothreads = 2 };
	uint64_t before, used, own;

	(void)state;
	for (unsigned i = 0; i < array_size(modes); i++) {
		cfg.txmode = modes[i];
		lab_open(&lab, &cfg);
		lab_traffic(&lab, 2000, 2000, WINDOW);
		/* The control thread, the log's, and two iothreads. */
		daemon_wait_threads(&lab.daemon, 4);
		before = daemon_cpu_ns(&lab.daemon);
		usleep(IDLE_US);
		used = daemon_cpu_ns(&lab.daemon) - before;
		if (used > IDLE_NS)
			fail_msg("%s: %u us of CPU in two idle seconds", modes[i],
				 (unsigned)(used / 1000));
		own = daemon_own_kib(&lab.daemon);
		if (own >= max_kib)
			fail_msg("%u KiB beside the guest's memory", (unsigned)own);
		lab_close(&lab);
	}
}

/* Somebody removes the tap: frames are lost and counted, and nothing spins. */
static void tap_is_removed(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	uint64_t before, used;
	size_t len;

	(void)state;
	lab_open(&lab, &two_pairs);
	lab_traffic(&lab, 200, 200, WINDOW);
	peer_ip("link del " LAB_TAP);
	usleep(50000);
	before = daemon_cpu_ns(&lab.daemon);
	usleep(IDLE_US / 4);
	used = daemon_cpu_ns(&lab.daemon) - before;
	if (used > IDLE_NS)
		fail_msg("%u us of CPU in half a second without a tap", (unsigned)(used / 1000));
	len = stream_make(&lab.to_host[0], &hdr, lab.frame);
	assert_int_equal(driver_net_send(lab.net, 0, &hdr, lab.frame, len, 0), 0);
	assert_true(driver_net_wait(lab.net, 1, 30000) > 0);
	assert_int_equal(daemon_counter(&lab.daemon, "tx0", "drop_backend"), 1);
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
		cmocka_unit_test_teardown(tap_outlives_guests, tear_down),
		cmocka_unit_test_teardown(guest_is_killed, tear_down),
		cmocka_unit_test_teardown(daemon_is_restarted, tear_down),
		cmocka_unit_test_teardown(guest_reboots, tear_down),
		cmocka_unit_test_teardown(tap_goes_down, tear_down),
		cmocka_unit_test_teardown(ring_of_garbage, tear_down),
		cmocka_unit_test_teardown(reset_mends_a_ring, tear_down),
		cmocka_unit_test_teardown(socket_of_garbage, tear_down),
		cmocka_unit_test_teardown(idle_costs_nothing, tear_down),
		cmocka_unit_test_teardown(tap_is_removed, tear_down),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: life_test TXRINGD MAX_KIB\n");
		return 1;
	}
	lab_init(argv[1]);
	max_kib = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
