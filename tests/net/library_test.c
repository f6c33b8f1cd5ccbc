/* SPDX-License-Identifier: MIT */
/*
 * libtxring with a tap behind the card, by name and as open queues: numbered frames of a guest
 * arrive at the host and those of the host at the guest, and the program's own fds stay its own.
 * Runs in a network namespace of its own (run.sh).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/txring.h"
#include "tests/net/peer.h"
#include "virtio/driver/net.h"

#define TAP         "txringlib"
#define FRAMES      300
#define PATIENCE_MS 30000

struct program {
	struct txring_iothread *thread;
	struct txring_card *card;
	pthread_t loop;
	int stop_fd;
};

static void *run_loop(void *arg)
{
	struct program *p = arg;
	struct pollfd fds[] = { { txring_card_fd(p->card), POLLIN, 0 }, { p->stop_fd, POLLIN, 0 } };

	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		txring_card_dispatch(p->card);
	return NULL;
}

/* A card, its loop on a thread of its own, and a guest at it. */
static struct driver_net *start(struct program *p, const char *backend, const int *fds,
				unsigned n_fds)
{
	struct txring_card_config cfg = {
		.size = sizeof(cfg),
		.backend = backend,
		.fds = fds,
		.n_fds = n_fds,
		.threads = &p->thread,
		.n_threads = 1,
	};
	struct driver_net_config guest = {
		.timeout_ms = PATIENCE_MS,
		.features = DRIVER_NET_FEATURES,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = 1,
		.ring_size = 64,
	};
	char err[TXRING_ERR_LEN] = "";
	struct driver_net *net;
	int ends[2];

	assert_int_equal(txring_iothread_new(&p->thread, "frames", NULL, NULL), 0);
	if (txring_card_new(&p->card, &cfg, err))
		fail_msg("%s", err);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(txring_card_attach(p->card, ends[0]), 0);
	p->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(pthread_create(&p->loop, NULL, run_loop, p), 0);
	guest.fd = ends[1];
	assert_int_equal(driver_net_new(&net, &guest), 0);
	return net;
}

static void stop(struct program *p, struct driver_net *net)
{
	uint64_t one = 1;

	driver_net_free(net);
	assert_int_equal(write(p->stop_fd, &one, sizeof(one)), sizeof(one));
	pthread_join(p->loop, NULL);
	close(p->stop_fd);
	txring_card_free(p->card);
	txring_iothread_free(p->thread);
}

static void to_host(struct driver_net *net, struct peer *peer, struct stream *s)
{
	uint8_t frame[PEER_MAX_LEN], back[PEER_MAX_LEN];
	struct virtio_net_hdr_v1 hdr, seen;
	struct pollfd wait = { peer->fd, POLLIN, 0 };
	size_t len = stream_make(s, &hdr, frame);
	ssize_t n = -EAGAIN;

	assert_int_equal(driver_net_send(net, 0, &hdr, frame, len, 0), 0);
	s->sent++;
	while (n == -EAGAIN) {
		assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
		n = peer_receive(peer, &seen, back, sizeof(back));
	}
	assert_true(n > 0);
	stream_take(s, 1, &seen, back, (size_t)n);
	assert_true(driver_net_reap(net, 0) >= 0);
}

static void to_guest(struct driver_net *net, struct peer *peer, struct stream *s)
{
	uint8_t frame[PEER_MAX_LEN], back[PEER_MAX_LEN];
	struct virtio_net_hdr_v1 hdr, seen;
	size_t len = stream_make(s, &hdr, frame);
	ssize_t n = -EAGAIN;

	assert_true(peer_send(peer, &hdr, frame, len));
	s->sent++;
	while (n == -EAGAIN || (n > 0 && !stream_owns(back, (size_t)n, false))) {
		assert_true(driver_net_wait(net, 0, PATIENCE_MS) > 0);
		n = driver_net_receive(net, 0, &seen, back, sizeof(back));
	}
	assert_true(n > 0);
	stream_take(s, 1, &seen, back, (size_t)n);
}

static void both_ways(struct driver_net *net)
{
	struct stream out = { .flow = 0, .to_host = true, .max_len = PEER_MTU_LEN };
	struct stream in = { .flow = 0, .to_host = false, .max_len = PEER_MTU_LEN };
	struct peer peer;

	peer_open(&peer, TAP);
	assert_true(peer_wait_link(&peer, TAP));
	for (unsigned i = 0; i < FRAMES; i++) {
		to_host(net, &peer, &out);
		to_guest(net, &peer, &in);
	}
	assert_int_equal(out.seen, FRAMES);
	assert_int_equal(in.seen, FRAMES);
	peer_close(&peer);
}

static void tap_by_name(void **state)
{
	struct program p;
	struct driver_net *net = start(&p, "tap:" TAP, NULL, 0);

	(void)state;
	both_ways(net);
	stop(&p, net);
	assert_int_equal(if_nametoindex(TAP), 0); /* it was made for the card */
}

static void tap_by_fd(void **state)
{
	struct ifreq ifr = { .ifr_name = TAP, .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct driver_net *net;
	struct program p;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	net = start(&p, "tap-fd", &fd, 1);
	both_ways(net);
	stop(&p, net);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_not_equal(if_nametoindex(TAP), 0); /* our fd keeps it */
	close(fd);
	assert_int_equal(if_nametoindex(TAP), 0); /* and the card left none */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tap_by_name),
		cmocka_unit_test(tap_by_fd),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
