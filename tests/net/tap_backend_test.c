/* SPDX-License-Identifier: MIT */
/*
 * The tap backend alone, with frames: no ring, no daemon. Runs in a network namespace of its own
 * (run.sh).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/backend/tap.h"
#include "tests/net/peer.h"
#include "tests/net/world.h"
#include "virtio/base.h"

#define BRIDGE "txringbr"
#define HOLDER "txringh" /* a port of the bridge that is as slow as a qdisc makes it */

/* A wrong argument gives this text, on one line, and leaves no interface. */
static void refused(const char *name, unsigned n_queues, int code, const char *text)
{
	char err[BACKEND_ERR_LEN] = "";
	struct backend *b;
	int got = tap_backend_new(&b, name, n_queues, err);

	if (got != code || !strstr(err, text) || strchr(err, '\n'))
		fail_msg("%s with %u queues gives %d: %s", name, n_queues, got, err);
}

/*
 * A tap that we made goes with us; one that was there stays, and is as it was found but for its
 * flags.
 */
static void leaves_nothing_behind(void **state)
{
	struct world *w = *state;

	world_open_tap(w, 1, ALL);
	assert_string_equal(w->backend->describe, "tap " NAME " (1 queue, csum tso uso)");
	assert_int_equal(w->backend->features & FEATURES_GUEST_LARGE, FEATURES_GUEST_LARGE);
	assert_int_equal(w->backend->features & FEATURES_HOST_TSO, FEATURES_HOST_TSO);
	backend_free(w->backend);
	assert_int_equal(if_nametoindex(NAME), 0);

	peer_ip("tuntap add " NAME " mode tap");
	assert_int_equal(tap_backend_new(&w->backend, NAME, 1, (char[BACKEND_ERR_LEN]){ 0 }), 0);
	backend_free(w->backend);
	w->backend = NULL;
	assert_true(if_nametoindex(NAME) > 0);
}

/* Each way in which the kernel refuses is told apart, with what to do about it. */
static void says_what_is_wrong(void **state)
{
	struct world *w = *state;

	refused("lo", 1, -EINVAL, "lo is an interface, but not a tap");
	peer_ip("tuntap add " NAME " mode tun");
	refused(NAME, 1, -EINVAL, NAME " is an interface, but not a tap");
	peer_ip("link del " NAME);
	peer_ip("tuntap add " NAME " mode tap");
	refused(NAME, 2, -EINVAL, "ip tuntap add " NAME " mode tap multi_queue vnet_hdr");
	world_open_tap(w, 1, ALL);
	refused(NAME, 1, -EBUSY, "tap " NAME " is in use");
}

/* Somebody made the tap for several queues; with one it works as well. */
static void uses_one_queue_of_several(void **state)
{
	struct world *w = *state;

	peer_ip("tuntap add " NAME " mode tap multi_queue");
	world_open_tap(w, 1, ALL);
	world_host_sends(w);
	world_guest_takes(w, ROOM, 1);
	world_guest_sends(w, 1, true);
	world_host_takes(w);
}

static int open_fd(const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static void fds_refused(const int *fds, unsigned n, const char *text)
{
	char err[BACKEND_ERR_LEN] = "";
	struct backend *b;

	assert_int_equal(tap_backend_from_fds(&b, fds, n, err), -EINVAL);
	if (!strstr(err, text))
		fail_msg("'%s' is not in: %s", text, err);
	for (unsigned i = 0; i < n; i++)
		assert_true(fcntl(fds[i], F_GETFD) >= 0);
}

/* A launcher hands over the wrong fds: refused with the reason, and still its own. */
static void checks_inherited_fds(void **state)
{
	int good = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, fds[2], two[2];

	(void)state;
	fds[0] = open_fd(NAME, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	fds_refused(fds, 1, "is a tun, not a tap");
	close(fds[0]);
	fds[0] = open_fd(NAME, IFF_TAP | IFF_NO_PI);
	fds_refused(fds, 1, "without IFF_VNET_HDR");
	close(fds[0]);
	fds[0] = open_fd(NAME, good);
	fds[1] = open_fd("txring1", good);
	fds_refused(fds, 2, "queues of one tap");
	two[0] = two[1] = fds[0];
	fds_refused(two, 2, "are the same queue");
	two[1] = dup(fds[0]);
	fds_refused(two, 2, "are the same queue");
	close(two[1]);
	close(fds[0]);
	close(fds[1]);
}

/* Inherited fds work whatever their opener had set: blocking, a small send buffer. */
static void takes_inherited_fds(void **state)
{
	int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE, sndbuf = 4096, fds[2];
	struct world *w = *state;
	char err[BACKEND_ERR_LEN];

	fds[0] = open_fd(NAME, flags);
	fds[1] = open_fd(NAME, flags);
	assert_int_equal(ioctl(fds[1], TUNSETSNDBUF, &sndbuf), 0);
	if (tap_backend_from_fds(&w->backend, fds, 2, err))
		fail_msg("%s", err);
	assert_string_equal(w->backend->describe, "tap " NAME " (2 queues, csum tso uso)");
	assert_true(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	assert_int_equal(ioctl(fds[1], TUNGETSNDBUF, &sndbuf), 0);
	assert_int_equal(sndbuf, INT_MAX);
	assert_int_equal(w->backend->ops->start(w->backend, ALL, NET_HDR_LEN), 0);
	assert_int_equal(w->backend->ops->set_queue(w->backend, 1, false), 0);
	peer_open(&w->peer, NAME);
	world_guest_sends(w, 1, true);
	world_host_takes(w);
	world_host_sends(w);
	world_guest_takes(w, ROOM, 1);
}

/* Every byte of frames of all lengths, in one piece or several, both ways. */
static void carries_frames(void **state)
{
	struct world *w = *state;
	unsigned i;

	world_open_tap(w, 1, ALL);
	w->in.max_len = PEER_MAX_LEN;
	for (i = 0; i < 200; i++) {
		world_guest_sends(w, 1 + i % 5, i % 2);
		world_host_takes(w);
		world_host_sends(w);
		world_guest_takes(w, ROOM, 1 + i % 7);
	}
	assert_int_equal(w->tx_stats.drop_backend, 0);
	assert_int_equal(w->rx_stats.spilled + w->rx_stats.drop_size + w->rx_stats.drop_backend, 0);
}

/* No frame is cut by too little room: its end is in the spill buffer, wherever the room ends. */
static void spills(void **state)
{
	static const unsigned pieces[] = { 1, 2, 17, IOV_MAX - 1, IOV_MAX };
	struct world *w = *state;
	unsigned i, k;

	world_open_tap(w, 1, ALL);
	w->in.max_len = PEER_MAX_LEN;
	for (i = 0; i < array_size(pieces); i++) {
		for (k = 0; k < 20; k++) {
			world_host_sends(w);
			world_guest_takes(w, i < 3 ? 17 + 100 * k : 1024 + 3 * k, pieces[i]);
		}
	}
	world_host_sends(w);
	world_guest_takes(w, NET_HDR_LEN + 40, 1);
	assert_true(w->spill.used > 0);
}

/*
 * A read for which more room than the MTU seems enough, and then somebody raises the MTU: one frame
 * is lost, and counted.
 */
static void notices_a_raised_mtu(void **state)
{
	struct world *w = *state;
	struct iovec iov = { w->room, 2048 };
	struct frame f = { .iov = &iov, .n_iov = 1, .len = 2048 };
	struct virtio_net_hdr_v1 plain = { 0 }, hdr;

	world_open_tap(w, 1, NO_LARGE);
	world_host_sends(w);
	world_guest_takes(w, 2048, 1);
	peer_ip("link set " NAME " mtu 9000");
	w->in.sent = 3; /* of 65535 bytes, of which 9014 are sent, and not as TSO */
	w->in.max_len = PEER_MAX_LEN;
	stream_make(&w->in, &hdr, w->frame);
	assert_true(peer_send(&w->peer, &plain, w->frame, 9014));
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(w->rx_stats.drop_size, 1);
	assert_int_equal(f.len, 2048);
	assert_true(peer_send(&w->peer, &plain, w->frame, 9014));
	assert_int_equal(world_rx(w, 0, &f), 1);
	assert_int_equal(f.len, 2048);
	assert_int_equal(f.len + w->spill.used, 9014 + NET_HDR_LEN);
	assert_memory_equal(w->room + NET_HDR_LEN, w->frame, 2048 - NET_HDR_LEN);
	assert_memory_equal(w->spill.buf, w->frame + 2048 - NET_HDR_LEN, w->spill.used);
	assert_int_equal(w->rx_stats.drop_size, 1);
}

/* The MTU that a front-end asks for is the interface's. */
static void sets_the_mtu(void **state)
{
	struct world *w = *state;
	struct ifreq ifr = { .ifr_name = NAME };

	world_open_tap(w, 1, NO_LARGE);
	assert_int_equal(w->backend->ops->set_mtu(w->backend, 4000), 0);
	assert_int_equal(ioctl(w->peer.fd, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 4000);
	assert_int_equal(w->backend->ops->set_mtu(w->backend, 20), -EINVAL);
}

/*
 * Without the features of a guest that takes long frames, it is given none: the kernel cuts them
 * into segments.
 */
static void keeps_offloads_from_a_plain_guest(void **state)
{
	struct world *w = *state;
	struct iovec iov = { w->room, ROOM };
	struct frame f;
	struct virtio_net_hdr_v1 hdr;
	unsigned n = 0;

	world_open_tap(w, 1, NO_LARGE & ~FEATURE(VIRTIO_NET_F_GUEST_CSUM));
	w->in.max_len = PEER_MAX_LEN;
	w->in.sent = 3;
	world_host_sends(w);
	for (;;) {
		f = (struct frame){ .iov = &iov, .n_iov = 1, .len = ROOM };
		if (!world_rx(w, 0, &f))
			break;
		memcpy(&hdr, w->room, sizeof(hdr));
		assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_int_equal(hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
		assert_true(f.len <= NET_HDR_LEN + PEER_MTU_LEN);
		n++;
	}
	assert_int_equal(n, (PEER_MAX_LEN - 54 + PEER_MSS - 1) / PEER_MSS);
}

/*
 * Long frames that waited for a guest that took them are not given to its successor that does not.
 */
static void forgets_the_former_guests_frames(void **state)
{
	struct world *w = *state;
	unsigned i;

	world_open_tap(w, 1, ALL);
	w->in.max_len = PEER_MAX_LEN;
	for (i = 0; i < 10; i++)
		world_host_sends(w);
	assert_int_equal(w->backend->ops->start(w->backend, NO_LARGE, NET_HDR_LEN), 0);
	w->in.max_len = PEER_MTU_LEN;
	w->in.seen = w->in.sent;
	world_host_sends(w);
	world_guest_takes(w, ROOM, 1);
	assert_int_equal(w->rx_stats.drop_backend, 10);
}

/* A frame in as many pieces as a chain has, with its header apart: one more than writev() takes. */
static void sends_the_most_pieces(void **state)
{
	static struct iovec iov[IOV_MAX];
	struct world *w = *state;
	struct frame f = { .iov = iov, .n_chains = 1 };
	struct backend_queue *q;

	world_open_tap(w, 1, ALL);
	q = w->backend->queues[0];
	do
		f.len = (uint32_t)stream_make(&w->out, &f.hdr, w->frame);
	while (f.len < 2 * IOV_MAX && (w->out.seen = ++w->out.sent));
	for (f.n_iov = 0; f.n_iov < IOV_MAX; f.n_iov++)
		iov[f.n_iov] = (struct iovec){ w->frame + f.n_iov, 1 };
	iov[IOV_MAX - 1].iov_len = f.len - (IOV_MAX - 1);
	assert_int_equal(q->ops->tx(q, &f, 1, &w->tx_stats), 1);
	assert_int_equal(w->tx_stats.drop_backend, 0);
	w->out.sent++;
	world_host_takes(w);
}

/* A merged frame that the kernel does not take as it is goes in its parts. */
static void sends_parts(void **state)
{
	const struct virtio_net_hdr_v1 odd = { .gso_type = 0x7f, .gso_size = 100 };
	struct world *w = *state;
	struct iovec iov[3];
	struct frame parts[3] = { 0 },
		     f = { .iov = iov, .n_iov = 3, .n_chains = 3, .parts = parts };
	struct backend_queue *q;
	uint8_t *at = w->frame;

	world_open_tap(w, 1, ALL);
	q = w->backend->queues[0];
	for (unsigned i = 0; i < 3; i++, at += iov[i - 1].iov_len) {
		struct frame *part = &parts[i];

		part->len = (uint32_t)stream_make(&w->out, &part->hdr, at);
		iov[i] = (struct iovec){ at, part->len };
		part->iov = &iov[i];
		part->n_iov = part->n_chains = 1;
		f.len += part->len;
		/* The one in the middle is refused as well. */
		if (i == 1)
			part->hdr = odd;
		else
			w->out.sent++;
	}
	f.hdr = odd;
	assert_int_equal(q->ops->tx(q, &f, 1, &w->tx_stats), 1);
	assert_int_equal(w->tx_stats.drop_backend, 1);
	world_host_takes(w);
	world_host_takes(w);
	/* Refused for another reason it is not tried again. */
	peer_ip("link set " NAME " down");
	assert_int_equal(q->ops->tx(q, &f, 1, &w->tx_stats), 1);
	assert_int_equal(w->tx_stats.drop_backend, 4);
}

/* Frames from the tap stay in HOLDER's qdisc, and charged to the tap's send buffer. */
static void hold_frames(void)
{
	peer_ip("link add " BRIDGE " type bridge");
	peer_ip("link add " HOLDER " type veth peer name " HOLDER "1");
	peer_ip("link set " NAME " master " BRIDGE);
	peer_ip("link set " HOLDER " master " BRIDGE);
	peer_ip("link set " BRIDGE " up");
	peer_ip("link set " HOLDER "1 up");
	peer_ip("link set " HOLDER " up");
	if (!system("tc qdisc add dev " HOLDER " root tbf rate 1kbit burst 2000 limit 1000000"))
		return;
	peer_ip("link del " BRIDGE);
	peer_ip("link del " HOLDER);
	print_message("skipped: needs tc (iproute2) and the kernel's sch_tbf\n");
	skip();
}

/* A send buffer that is full: the frame stays the guest's, none is lost, and poll() tells when. */
static void waits_while_full(void **state)
{
	struct world *w = *state;
	struct iovec iov = { w->frame, 1000 };
	struct frame f = { .iov = &iov, .n_iov = 1, .n_chains = 1, .len = 1000 };
	struct backend_queue *q;
	struct pollfd p;
	int sndbuf = 16384;
	unsigned n = 0;

	world_open_tap(w, 1, ALL);
	hold_frames();
	q = w->backend->queues[0];
	p = (struct pollfd){ .fd = q->room.fd, .events = q->room.events };
	assert_int_equal(ioctl(q->room.fd, TUNSETSNDBUF, &sndbuf), 0);
	/* To somebody whom the bridge does not know. */
	memcpy(w->frame, (uint8_t[]){ 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 }, 14);
	while (n < 100 && q->ops->tx(q, &f, 1, &w->tx_stats))
		n++;
	assert_in_range(n, 5, 30);
	assert_int_equal(q->ops->tx(q, &f, 1, &w->tx_stats), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(system("tc qdisc del dev " HOLDER " root"), 0);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(q->ops->tx(q, &f, 1, &w->tx_stats), 1);
	assert_int_equal(w->tx_stats.drop_backend, 0);
	peer_ip("link del " BRIDGE);
	peer_ip("link del " HOLDER);
}

/* A tap that is down takes nothing: dropped, counted, and over when it is up again. */
static void drops_while_down(void **state)
{
	struct world *w = *state;
	unsigned i;

	world_open_tap(w, 1, ALL);
	peer_ip("link set " NAME " down");
	for (i = 0; i < 5; i++)
		world_guest_sends(w, 1 + i, i % 2);
	assert_int_equal(w->tx_stats.drop_backend, 5);
	peer_ip("link set " NAME " up");
	w->out.seen = w->out.sent;
	/* The socket was told that the network is down. */
	assert_int_equal(read(w->peer.fd, w->room, 1), -1);
	world_guest_sends(w, 1, true);
	world_host_takes(w);
	assert_int_equal(w->tx_stats.drop_backend, 5);
}

/* A tap that was removed is always "ready": whoever waits for it would spin. */
static void survives_removal(void **state)
{
	struct world *w = *state;
	struct iovec iov = { w->room, ROOM };
	struct frame f = { .iov = &iov, .n_iov = 1, .len = ROOM };
	struct backend_queue *q;

	world_open_tap(w, 1, ALL);
	q = w->backend->queues[0];
	peer_ip("link del " NAME);
	assert_int_equal(world_rx(w, 0, &f), 0);
	assert_int_equal(q->frames.fd, -1);
	assert_int_equal(q->room.fd, -1);
	assert_int_equal(w->rx_stats.drop_backend, 1);
	world_guest_sends(w, 1, true);
	assert_int_equal(w->tx_stats.drop_backend, 1);
}

/* A queue that no pair uses must get no frames: nobody would read them. */
static void detaches_queues(void **state)
{
	struct world *w = *state;
	struct iovec iov = { w->room, ROOM };
	struct frame f;
	unsigned counts[4] = { 0 }, q, round;

	world_open_tap(w, 4, ALL);
	for (round = 0; round < 3; round++) {
		bool used = round != 1;

		for (q = 0; q < 4; q++)
			assert_int_equal(w->backend->ops->set_queue(w->backend, q, used), 0);
		memset(counts, 0, sizeof(counts));
		for (w->in.flow = 0; w->in.flow < 40; w->in.flow++)
			world_host_sends(w);
		for (q = 0; q < (used ? 4 : 1); q++) {
			for (f = (struct frame){ .iov = &iov, .n_iov = 1, .len = ROOM };
			     world_rx(w, q, &f); f.len = ROOM)
				counts[q]++;
		}
		assert_int_equal(counts[0] + counts[1] + counts[2] + counts[3], 40);
		if (used)
			assert_true(counts[0] && counts[1] && counts[2] && counts[3]);
		else
			assert_int_equal(w->backend->queues[1]->frames.fd, -1);
	}
}

static uint16_t sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		start += (uint32_t)p[i] << 8 | p[i + 1];
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)start;
}

/* A datagram of len bytes as one frame, its checksum and its fragments left to the kernel. */
static void make_ufo(struct virtio_net_hdr_v1 *hdr, uint8_t *frame, const uint8_t to[ETH_ALEN],
		     uint16_t len)
{
	struct udphdr udp = { .source = htons(1000), .dest = htons(1001), .len = htons(8 + len) };
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = IPPROTO_UDP,
			    .tot_len = htons(28 + len),
			    .saddr = htonl(0x0a636302),
			    .daddr = htonl(0x0a636301) };

	ip.check = htons((uint16_t)~sum(&ip, sizeof(ip), 0));
	/* Of the pseudo header. */
	udp.check = htons(sum(&ip.saddr, 8, IPPROTO_UDP + 8U + len));
	*hdr = (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					   .gso_type = VIRTIO_NET_HDR_GSO_UDP,
					   .hdr_len = 42,
					   .gso_size = 1480,
					   .csum_start = 34,
					   .csum_offset = 6 };
	memcpy(frame, to, ETH_ALEN);
	memcpy(frame + 6, (uint8_t[]){ 2, 0, 0, 0, 0, 2, 8, 0 }, 8);
	memcpy(frame + 14, &ip, sizeof(ip));
	memcpy(frame + 34, &udp, sizeof(udp));
	for (unsigned i = 0; i < len; i++)
		frame[42 + i] = (uint8_t)(i * 7);
}

/* HOST_UFO: a datagram larger than the MTU goes out as one frame and arrives whole. */
static void takes_ufo(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(1001) };
	struct timeval patience = { .tv_sec = 2 };
	struct world *w = *state;
	struct ifreq ifr = { 0 };
	struct iovec iov = { w->frame, 42 + 4000 };
	struct frame f = { .iov = &iov, .n_iov = 1, .n_chains = 1, .len = 42 + 4000 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	world_open_tap(w, 1, ALL);
	assert_true(feature_has(w->backend->features, VIRTIO_NET_F_HOST_UFO));
	assert_false(feature_has(w->backend->features, VIRTIO_NET_F_GUEST_UFO));
	peer_ip("addr add 10.99.99.1/24 dev " NAME);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	strcpy(ifr.ifr_name, NAME);
	assert_int_equal(ioctl(sock, SIOCGIFHWADDR, &ifr), 0);
	make_ufo(&f.hdr, w->frame, (uint8_t *)ifr.ifr_hwaddr.sa_data, 4000);
	assert_int_equal(w->backend->ops->tx(w->backend->queues[0], &f, 1, &w->tx_stats), 1);
	assert_int_equal(w->tx_stats.drop_backend, 0);
	assert_int_equal(recv(sock, w->room, sizeof(w->room), 0), 4000);
	assert_memory_equal(w->room, w->frame + 42, 4000);
	close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leaves_nothing_behind, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(says_what_is_wrong, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(uses_one_queue_of_several, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(checks_inherited_fds, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(takes_inherited_fds, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(carries_frames, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(spills, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(notices_a_raised_mtu, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(sets_the_mtu, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(keeps_offloads_from_a_plain_guest, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(forgets_the_former_guests_frames, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(sends_the_most_pieces, world_set_up,
						world_tear_down),
		cmocka_unit_test_setup_teardown(sends_parts, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(waits_while_full, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(drops_while_down, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(survives_removal, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(detaches_queues, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(takes_ufo, world_set_up, world_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
