/* SPDX-License-Identifier: MIT */
/*
 * The tap backend on what administrators make: macvtaps of one queue and of several, a tap in
 * another network namespace, one in a bridge, one that is opened with other flags. Each carries
 * frames, or is refused with the reason. Runs in a network namespace of its own (run.sh).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "tests/net/world.h"
#include "virtio/base.h"

#define LOWER  "txringlow" /* what the macvtap is on */
#define WIRE   "txringwire"
#define BRIDGE "txringbr"
#define QUEUES 4
#define FLOWS  40
#define TURNS  50

/* Device nodes are for all namespaces, and named by an index that each can use: ours alone. */
static unsigned macvtap_index(void)
{
	return 1000000 + (unsigned)getpid();
}

static void make_macvtap(const char *kind)
{
	peer_ip("link add " LOWER " type veth peer name " WIRE);
	peer_ip("link set " LOWER " up");
	peer_ip("link add index %u link " LOWER " name " NAME " type %s mode passthru",
		macvtap_index(), kind);
	peer_ip("link set " NAME " up");
}

static int tear_down(void **state)
{
	world_tear_down(state);
	(void)!system("ip link del " LOWER " 2>/dev/null; ip link del " BRIDGE " 2>/dev/null");
	return 0;
}

static void open_by_name(struct world *w, unsigned n_queues, const char *end)
{
	char err[BACKEND_ERR_LEN];

	if (tap_backend_new(&w->backend, NAME, n_queues, err))
		fail_msg("%s", err);
	assert_int_equal(w->backend->ops->start(w->backend, ALL, NET_HDR_LEN), 0);
	peer_open(&w->peer, end);
	assert_true(peer_wait_link(&w->peer, NAME) && peer_wait_link(&w->peer, end));
}

static void refused(int code, unsigned n_queues, const char *text)
{
	char err[BACKEND_ERR_LEN] = "";
	struct backend *b;
	int got = tap_backend_new(&b, NAME, n_queues, err);

	if (got != code || !strstr(err, text) || strchr(err, '\n'))
		fail_msg("%d: %s", got, err);
}

static void fds_refused(const int *fds, unsigned n, const char *text)
{
	char err[BACKEND_ERR_LEN] = "";
	struct backend *b;

	assert_int_equal(tap_backend_from_fds(&b, fds, n, err), -EINVAL);
	if (!strstr(err, text) || strchr(err, '\n'))
		fail_msg("%s", err);
}

static int open_node(void)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/tap%u", macvtap_index());
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}

static int open_tap(int flags)
{
	struct ifreq ifr = { .ifr_name = NAME, .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static void carries_both_ways(struct world *w)
{
	unsigned i;

	w->in.max_len = PEER_MAX_LEN;
	for (i = 0; i < 50; i++) {
		world_guest_sends(w, 1 + i % 3, true);
		world_host_takes(w);
		world_host_sends(w);
		world_guest_takes(w, ROOM, 1 + i % 3);
	}
	assert_int_equal(w->tx_stats.drop_backend + w->rx_stats.drop_backend, 0);
}

/* The name of a macvtap is as good as a tap's. */
static void macvtap_by_name(void **state)
{
	struct world *w = *state;

	make_macvtap("macvtap");
	open_by_name(w, 1, WIRE);
	assert_string_equal(w->backend->describe, "macvtap " NAME " (1 queue, csum tso uso)");
	carries_both_ways(w);
}

/* Takes what has come to a queue, each frame right and the next of its flow. */
static unsigned drain(struct world *w, unsigned q, struct stream *flows, unsigned hdr_len)
{
	struct iovec iov = { w->room, ROOM };
	struct virtio_net_hdr_v1 hdr = { 0 };
	struct frame f = { .iov = &iov, .n_iov = 1, .len = ROOM };
	unsigned n = 0;

	for (; world_rx(w, q, &f); f.len = ROOM, n++) {
		memcpy(&hdr, w->room, hdr_len);
		stream_take(flows, FLOWS, &hdr, w->room + hdr_len, f.len - hdr_len);
	}
	return n;
}

/* FLOWS frames arrive, each right, in any of the first n queues, and in each of them some. */
static void spreads(struct world *w, struct stream *flows, unsigned n, unsigned hdr_len)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned here[QUEUES] = { 0 };
	unsigned i, turn, got = 0;

	for (i = 0; i < FLOWS; i++) {
		size_t len = stream_make(&flows[i], &hdr, w->frame);

		assert_true(peer_send(&w->peer, &hdr, w->frame, len));
		flows[i].sent++;
	}
	/* On a busy machine the kernel takes its time, between one frame and the next, too. */
	for (turn = 0; turn < TURNS && got < FLOWS; turn++) {
		for (i = 0; i < n; i++) {
			unsigned more = drain(w, i, flows, hdr_len);

			here[i] += more;
			got += more;
		}
	}
	assert_int_equal(got, FLOWS);
	for (i = 0; i < n; i++)
		assert_true(here[i] > 0);
}

/*
 * Each queue of a macvtap has a header length of its own: where only the first one was told, frames
 * of the others were two bytes off, both ways.
 */
static void macvtap_queues(void **state)
{
	static const unsigned hdr_lens[] = { NET_HDR_LEN, NET_HDR_LEN_LEGACY, NET_HDR_LEN };
	struct world *w = *state;
	struct stream flows[FLOWS];
	unsigned i, q;

	for (i = 0; i < FLOWS; i++)
		flows[i] = (struct stream){ .flow = i, .max_len = PEER_MTU_LEN };
	make_macvtap("macvtap");
	open_by_name(w, QUEUES, WIRE);
	for (i = 0; i < array_size(hdr_lens); i++) {
		assert_int_equal(w->backend->ops->start(w->backend, ALL, hdr_lens[i]), 0);
		spreads(w, flows, QUEUES, hdr_lens[i]);
	}
	for (q = 0; q < QUEUES; q++) {
		w->queue = q;
		world_guest_sends(w, 1, true);
		world_host_takes(w);
	}
	/* Frames for a queue that no pair uses go to another one. */
	for (i = 0; i < 2; i++) {
		for (q = 1; q < QUEUES; q++)
			assert_int_equal(w->backend->ops->set_queue(w->backend, q, i), 0);
		spreads(w, flows, i ? QUEUES : 1, NET_HDR_LEN);
	}
}

/* Until the macvtap has had as many frames as that. */
static void wait_for_frames(unsigned long n)
{
	unsigned long had = 0;

	for (unsigned tries = 0; had < n && tries < 1000; tries++) {
		FILE *f = fopen("/proc/net/dev", "re");
		char line[512];

		while (f && fgets(line, sizeof(line), f))
			sscanf(line, " " NAME ": %*u %lu", &had);
		if (f)
			fclose(f);
		usleep(10000);
	}
	assert_true(had >= n);
}

/* What waits in a queue that no pair uses any more is not for the next one that does. */
static void macvtap_forgets(void **state)
{
	struct world *w = *state;
	struct iovec iov = { w->room, ROOM };
	struct frame f = { .iov = &iov, .n_iov = 1, .len = ROOM };
	unsigned q;

	make_macvtap("macvtap");
	open_by_name(w, QUEUES, WIRE);
	for (w->in.flow = 0; w->in.flow < FLOWS; w->in.flow++)
		world_host_sends(w);
	wait_for_frames(FLOWS);
	for (q = 1; q < QUEUES; q++)
		assert_int_equal(w->backend->ops->set_queue(w->backend, q, false), 0);
	for (q = 1; q < QUEUES; q++) {
		assert_int_equal(w->backend->ops->set_queue(w->backend, q, true), 0);
		f.len = ROOM;
		assert_int_equal(w->backend->ops->rx(w->backend->queues[q], &f, 1, &w->spill,
						     &w->rx_stats),
				 0);
	}
	assert_in_range(w->rx_stats.drop_backend, QUEUES - 1, FLOWS - 1);
}

/* A launcher opens the nodes: plain open()s, of which the kernel does not know how many. */
static void macvtap_fds(void **state)
{
	struct world *w = *state;
	char err[BACKEND_ERR_LEN];
	int fds[2], two[2];

	make_macvtap("macvtap");
	fds[0] = open_node();
	fds[1] = open_node();
	two[0] = fds[1];
	two[1] = dup(fds[1]);
	fds_refused(two, 2, "are the same queue of tap " NAME);
	close(two[1]);
	if (tap_backend_from_fds(&w->backend, fds, 2, err))
		fail_msg("%s", err);
	assert_string_equal(w->backend->describe, "macvtap " NAME " (2 queues, csum tso uso)");
	assert_int_equal(w->backend->ops->start(w->backend, ALL, NET_HDR_LEN), 0);
	peer_open(&w->peer, WIRE);
	assert_true(peer_wait_link(&w->peer, NAME) && peer_wait_link(&w->peer, WIRE));
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, false), 0);
	carries_both_ways(w);
}

/* The node of our interface's index may be that of another namespace's interface. */
static void macvtap_elsewhere(void **state)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	make_macvtap("macvtap");
	fd = open_node(); /* keeps nothing but the node's name in use */
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	make_macvtap("macvtap");
	refused(-ENODEV, 1, "is of another network namespace: open it elsewhere and pass it in");
	close(fd);
	close(here);
}

/* It has a macvtap's driver, and no node. */
static void macvlan_is_none(void **state)
{
	(void)state;
	make_macvtap("macvlan");
	refused(-ENOENT, 1, NAME " is a macvlan, or a macvtap without its device node /dev/tap");
}

/* Four bytes before each frame: the kernel does not tell, but it can be found out. */
static void refuses_packet_information(void **state)
{
	int hdr_len = NET_HDR_LEN, fd = open_tap(IFF_TAP | IFF_VNET_HDR);

	(void)state;
	fds_refused(&fd, 1, "tap " NAME " (fd ");
	fds_refused(&fd, 1, "was opened without IFF_NO_PI: its opener must set that flag");
	assert_int_equal(ioctl(fd, TUNSETVNETHDRSZ, &hdr_len), 0);
	fds_refused(&fd, 1, "without IFF_NO_PI");
	peer_ip("link set " NAME " up");
	fds_refused(&fd, 1, "without IFF_NO_PI");
	close(fd);
}

/* Whoever has queues of it, attached or not, they are not shared. */
static void refuses_a_tap_in_use(void **state)
{
	struct ifreq detach = { .ifr_flags = IFF_DETACH_QUEUE };
	int fd = open_tap(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);

	(void)state;
	refused(-EBUSY, 2, "has 1 of its queues");
	assert_int_equal(ioctl(fd, TUNSETQUEUE, &detach), 0);
	refused(-EBUSY, 1, "has 1 of its queues");
	close(fd);
}

/* A queue that was detached when it was passed in is attached. */
static void takes_detached_fds(void **state)
{
	struct ifreq detach = { .ifr_flags = IFF_DETACH_QUEUE };
	struct world *w = *state;
	char err[BACKEND_ERR_LEN];
	int fd = open_tap(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);

	assert_int_equal(ioctl(fd, TUNSETQUEUE, &detach), 0);
	if (tap_backend_from_fds(&w->backend, &fd, 1, err))
		fail_msg("%s", err);
	assert_int_equal(w->backend->ops->start(w->backend, ALL, NET_HDR_LEN), 0);
	peer_open(&w->peer, NAME);
	carries_both_ways(w);
}

/* One passed in from another namespace works, and is not taken for ours of the same name. */
static void tap_elsewhere(void **state)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;
	struct world *w = *state;
	char err[BACKEND_ERR_LEN];

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"), 0);
	fd = open_tap(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	peer_open(&w->peer, NAME);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	peer_ip("tuntap add " NAME " mode tap");
	if (tap_backend_from_fds(&w->backend, &fd, 1, err))
		fail_msg("%s", err);
	assert_int_equal(w->backend->ops->start(w->backend, ALL, NET_HDR_LEN), 0);
	carries_both_ways(w);
	assert_int_equal(w->backend->ops->set_mtu(w->backend, 4000), -ENODEV);
}

static void tap_in_a_bridge(void **state)
{
	struct world *w = *state;

	/* The host's firewall need not like the frames. */
	(void)!system("echo 0 2>/dev/null >/proc/sys/net/bridge/bridge-nf-call-iptables");
	peer_ip("link add " BRIDGE " type bridge");
	peer_ip("link add " LOWER " type veth peer name " WIRE);
	peer_ip("tuntap add " NAME " mode tap");
	peer_ip("link set " NAME " master " BRIDGE);
	peer_ip("link set " LOWER " master " BRIDGE);
	peer_ip("link set " LOWER " up");
	peer_ip("link set " NAME " up");
	peer_ip("link set " BRIDGE " up");
	open_by_name(w, 1, WIRE);
	assert_true(peer_wait_link(&w->peer, NAME));
	assert_true(peer_wait_link(&w->peer, LOWER));
	assert_true(peer_wait_link(&w->peer, BRIDGE));
	carries_both_ways(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(macvtap_by_name, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(macvtap_queues, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(macvtap_forgets, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(macvtap_fds, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(macvtap_elsewhere, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(macvlan_is_none, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_packet_information, world_set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(refuses_a_tap_in_use, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_detached_fds, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(tap_elsewhere, world_set_up, tear_down),
		cmocka_unit_test_setup_teardown(tap_in_a_bridge, world_set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
