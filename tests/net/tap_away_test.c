/* SPDX-License-Identifier: MIT */
/*
 * The tap backend and the interface behind it: what waits there when a driver comes, its carrier
 * and MTU, and an interface that is removed and made again. Runs in a network namespace of its own
 * (run.sh).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "tests/net/world.h"
#include "virtio/base.h"

#define LOWER "txringlow"
#define FLOWS 40

static int tear_down(void **state)
{
	world_tear_down(state);
	(void)!system("ip link del " LOWER " 2>/dev/null");
	return 0;
}

static int start(struct world *w)
{
	return w->backend->ops->start(w->backend, ALL, NET_HDR_LEN);
}

static void expect_health(struct world *w, enum backend_health health, const char *text)
{
	char why[BACKEND_ERR_LEN] = "";

	assert_int_equal(w->backend->ops->check(w->backend, why), health);
	assert_string_equal(why, text);
}

static void reopens(struct world *w)
{
	char err[BACKEND_ERR_LEN];

	if (w->backend->ops->reopen(w->backend, err))
		fail_msg("%s", err);
	expect_health(w, BACKEND_HEALTHY, "");
	peer_close(&w->peer);
	peer_open(&w->peer, NAME);
}

static void expect_no_reopen(struct world *w, int code, const char *text)
{
	char err[BACKEND_ERR_LEN] = "";

	assert_int_equal(w->backend->ops->reopen(w->backend, err), code);
	if (!strstr(err, text) || strchr(err, '\n'))
		fail_msg("%s", err);
}

static void carries_both_ways(struct world *w)
{
	unsigned i;

	for (i = 0; i < 5; i++) {
		world_guest_sends(w, 1, true);
		world_host_takes(w);
		world_host_sends(w);
		world_guest_takes(w, ROOM, 1);
	}
}

/* How many frames the guest gets of those that wait in the first n queues. */
static unsigned frames_in(struct world *w, unsigned n)
{
	struct iovec iov = { w->room, ROOM };
	unsigned got = 0, q;

	for (q = 0; q < n; q++) {
		struct backend_queue *bq = w->backend->queues[q];
		struct frame f = { .iov = &iov, .n_iov = 1, .len = ROOM };

		for (; bq->ops->rx(bq, &f, 1, &w->spill, &w->rx_stats); f.len = ROOM)
			got++;
	}
	return got;
}

static void host_sends_flows(struct world *w)
{
	for (w->in.flow = 0; w->in.flow < FLOWS; w->in.flow++)
		world_host_sends(w);
	w->in.flow = 0;
	w->in.seen = w->in.sent;
}

/* Frames that waited for nobody are of no use to the next guest: dropped and counted. */
static void starts_with_empty_queues(void **state)
{
	struct world *w = *state;

	world_open_tap(w, 4, ALL);
	host_sends_flows(w);
	assert_int_equal(start(w), 0);
	assert_int_equal(frames_in(w, 4), 0);
	assert_int_equal(w->rx_stats.drop_backend, FLOWS);
}

/* Of a queue that is longer than most as well. */
static void starts_with_an_empty_long_queue(void **state)
{
	struct world *w = *state;
	unsigned i;

	world_open_tap(w, 1, ALL);
	peer_ip("link set " NAME " txqueuelen 6000");
	for (i = 0; i < 5000; i++)
		world_host_sends(w);
	assert_int_equal(start(w), 0);
	assert_int_equal(frames_in(w, 1), 0);
	assert_int_equal(w->rx_stats.drop_backend, 5000);
}

/* Sends until it is killed. */
static pid_t flood(struct world *w)
{
	struct virtio_net_hdr_v1 hdr = { 0 };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!pid)
		peer_send(&w->peer, &hdr, w->frame, PEER_MIN_LEN);
	return pid;
}

/* A host that does not cease to send cannot hold it: a queue's length of frames, and no more. */
static void start_is_bounded(void **state)
{
	struct world *w = *state;
	struct virtio_net_hdr_v1 hdr;
	unsigned i, some = 0;
	uint64_t before;
	pid_t pid;

	world_open_tap(w, 1, ALL);
	stream_make(&w->in, &hdr, w->frame);
	pid = flood(w);
	for (i = 0; i < 5000 && some < 20; i++) {
		before = w->rx_stats.drop_backend;
		assert_int_equal(start(w), 0);
		frames_in(w, 1);
		assert_in_range(w->rx_stats.drop_backend - before, 0, 4096);
		some += w->rx_stats.drop_backend > before;
		usleep(1000);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(some, 20);
}

static bool has_carrier(struct world *w)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ifreq ifr = { .ifr_name = NAME, .ifr_data = (char *)&value };
	int sock = w->peer.fd >= 0 ? dup(w->peer.fd) : socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(ioctl(sock, SIOCETHTOOL, &ifr), 0);
	close(sock);
	return value.data;
}

/* The host sees a carrier while there is a guest, and none of a tap that nobody has open. */
static void carrier_follows(void **state)
{
	struct world *w = *state;
	unsigned i;

	peer_ip("tuntap add " NAME " mode tap multi_queue");
	assert_false(has_carrier(w));
	world_open_tap(w, 2, ALL);
	for (i = 0; i < 3; i++) {
		w->backend->ops->set_link(w->backend, false);
		assert_false(has_carrier(w));
		assert_int_equal(w->backend->ops->set_queue(w->backend, 1, i % 2), 0);
		assert_false(has_carrier(w));
		w->backend->ops->set_link(w->backend, true);
		assert_true(has_carrier(w));
	}
	backend_free(w->backend);
	w->backend = NULL;
	assert_false(has_carrier(w));
}

static int open_fd(void)
{
	struct ifreq ifr = { .ifr_name = NAME, .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static void use_fd(struct world *w, int fd)
{
	char err[BACKEND_ERR_LEN];

	if (tap_backend_from_fds(&w->backend, &fd, 1, err))
		fail_msg("%s", err);
	assert_int_equal(start(w), 0);
}

/* Whoever passed a queue in has it back as it was. */
static void gives_the_carrier_back(void **state)
{
	struct world *w = *state;
	int fd = open_fd();

	use_fd(w, dup(fd));
	peer_open(&w->peer, NAME);
	assert_true(has_carrier(w));
	w->backend->ops->set_link(w->backend, false);
	assert_false(has_carrier(w));
	backend_free(w->backend);
	w->backend = NULL;
	assert_true(has_carrier(w));
	close(fd);
}

/* The exit status of a child of another user who has the tap: 0, as it should be. */
static int mtu_as_nobody(void)
{
	char err[BACKEND_ERR_LEN];
	struct backend *b;

	if (setgid(65534) || setuid(65534))
		return 1;
	if (tap_backend_new(&b, NAME, 1, err))
		return 2;
	if (b->ops->set_mtu(b, 9000))
		return 3;
	return b->ops->set_mtu(b, 4000) == -EPERM ? 0 : 4;
}

/* To find the MTU as it should be takes no privilege; to change it does. */
static void asks_for_the_mtu_first(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	peer_ip("tuntap add " NAME " mode tap user 65534");
	peer_ip("link set " NAME " mtu 9000");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(mtu_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* All that the old interface was told, the new one is told. */
static void is_taken_again(void **state)
{
	struct world *w = *state;
	struct ifreq ifr = { .ifr_name = NAME };

	world_open_tap(w, 2, ALL);
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, false), 0);
	assert_int_equal(w->backend->ops->set_mtu(w->backend, 4000), 0);
	expect_health(w, BACKEND_HEALTHY, "");
	peer_ip("link del " NAME);
	expect_health(w, BACKEND_LOST, "it was removed");
	expect_no_reopen(w, -ENODEV, "tap " NAME " is not there");
	assert_int_equal(if_nametoindex(NAME), 0);
	world_guest_sends(w, 1, true);
	w->out.seen = w->out.sent;
	assert_int_equal(w->tx_stats.drop_backend, 1);
	w->backend->ops->set_link(w->backend, false);
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, true), 0);
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, false), 0);
	peer_ip("tuntap add " NAME " mode tap multi_queue");
	reopens(w);
	assert_false(has_carrier(w));
	w->backend->ops->set_link(w->backend, true);
	assert_true(has_carrier(w));
	assert_int_equal(ioctl(w->peer.fd, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 4000);
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, false), 0);
	carries_both_ways(w);
	host_sends_flows(w);
	assert_int_equal(frames_in(w, 1), FLOWS);
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, true), 0);
	host_sends_flows(w);
	assert_int_equal(frames_in(w, 2), FLOWS);
}

/* A driver that comes while it is away gets its offloads when it is back. */
static void starts_while_away(void **state)
{
	struct world *w = *state;

	world_open_tap(w, 1, NO_LARGE);
	peer_ip("link del " NAME);
	assert_int_equal(start(w), 0);
	peer_ip("tuntap add " NAME " mode tap");
	reopens(w);
	w->in.max_len = PEER_MAX_LEN;
	carries_both_ways(w);
}

/* Made again as something that cannot take its place: refused, and not half taken. */
static void refuses_another_kind(void **state)
{
	struct world *w = *state;

	world_open_tap(w, 2, ALL);
	peer_ip("link del " NAME);
	peer_ip("tuntap add " NAME " mode tap");
	expect_no_reopen(w, -EINVAL, "tap " NAME " has one queue, not 2");
	peer_ip("link del " NAME);
	peer_ip("tuntap add " NAME " mode tun");
	expect_no_reopen(w, -EINVAL, NAME " is an interface, but not a tap");
	expect_health(w, BACKEND_LOST, "it was removed");
	peer_ip("link del " NAME);
	peer_ip("tuntap add " NAME " mode tap multi_queue");
	reopens(w);
}

/* One that another process has meanwhile is not waited for. */
static void does_not_wait_for_one_in_use(void **state)
{
	struct world *w = *state;
	int fd;

	world_open_tap(w, 1, ALL);
	peer_ip("link del " NAME);
	fd = open_fd();
	expect_no_reopen(w, -EBUSY, "tap " NAME " is in use");
	close(fd);
}

/* Queues that were passed in have no name to be opened by. */
static void fds_are_gone_for_good(void **state)
{
	struct world *w = *state;

	use_fd(w, open_fd());
	peer_ip("link del " NAME);
	expect_health(w, BACKEND_DEAD,
		      "it was removed, and its queues were passed "
		      "in as fds: they cannot be opened again");
	expect_no_reopen(w, -EBADFD, "cannot be opened again");
	assert_true(start(w) < 0);
}

/* Moved to another namespace it goes on; when that one ends, the tap does. */
static void outlives_a_move(void **state)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there;
	struct world *w = *state;
	unsigned i;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	world_open_tap(w, 1, ALL);
	peer_close(&w->peer);
	peer_ip("link set " NAME " netns /proc/%d/fd/%d", (int)getpid(), there);
	expect_health(w, BACKEND_HEALTHY, "");
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	assert_int_equal(system("echo 1 >/proc/sys/net/ipv6/conf/" NAME "/disable_ipv6"), 0);
	peer_open(&w->peer, NAME);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	carries_both_ways(w);
	peer_close(&w->peer);
	close(there);
	for (i = 0; i < 3000 && w->backend->ops->check(w->backend, (char[BACKEND_ERR_LEN]){ 0 }) !=
					BACKEND_LOST;
	     i++)
		usleep(10000);
	expect_health(w, BACKEND_LOST, "it was removed");
	close(here);
}

static void make_macvtap(void)
{
	peer_ip("link add " LOWER " type veth peer name " LOWER "1");
	peer_ip("link set " LOWER " up");
	peer_ip("link add index %u link " LOWER " name " NAME " type macvtap mode passthru",
		1000000 + (unsigned)getpid());
	peer_ip("link set " NAME " up");
}

/* A macvtap that is gone takes frames and says nothing: only the check finds it out. */
static void macvtap_is_taken_again(void **state)
{
	struct world *w = *state;
	char err[BACKEND_ERR_LEN];

	make_macvtap();
	if (tap_backend_new(&w->backend, NAME, 2, err))
		fail_msg("%s", err);
	assert_int_equal(start(w), 0);
	expect_health(w, BACKEND_HEALTHY, "");
	peer_ip("link del " LOWER);
	expect_health(w, BACKEND_LOST, "it was removed");
	expect_no_reopen(w, -ENODEV, NAME " is not there");
	make_macvtap();
	if (w->backend->ops->reopen(w->backend, err))
		fail_msg("%s", err);
	expect_health(w, BACKEND_HEALTHY, "");
	peer_open(&w->peer, LOWER "1");
	assert_true(peer_wait_link(&w->peer, NAME) && peer_wait_link(&w->peer, LOWER));
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, false), 0);
	carries_both_ways(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(starts_with_empty_queues, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(starts_with_an_empty_long_queue, world_set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(start_is_bounded, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(carrier_follows, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(gives_the_carrier_back, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(asks_for_the_mtu_first, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_taken_again, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(starts_while_away, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_another_kind, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(does_not_wait_for_one_in_use, world_set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(fds_are_gone_for_good, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(outlives_a_move, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(macvtap_is_taken_again, world_set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
