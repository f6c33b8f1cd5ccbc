/* SPDX-License-Identifier: MIT */
/*
 * The guest's card (virtio/driver/net.h) and its front-end against our own session with a small
 * device on a second thread that sends each frame back. It shows that the tool which other tests
 * trust is right; the session has its own tests.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/driver/net.h"
#include "virtio/vhost_user/session.h"
#include "virtio/virtq.h"

#define PAIRS      2
#define MAX_LEN    65549
#define POOL       (2 * CHAIN_MAX_IOV)
#define MAX_GATHER 64
#define PACKED     FEATURE(VIRTIO_F_RING_PACKED)

/* The device's side: all of it on its own thread, between device_start() and device_stop(). */
struct echo {
	struct virtq vq[2 * PAIRS];
	bool started[2 * PAIRS], enabled[2 * PAIRS];
	int kick_fd[2 * PAIRS];
	uint64_t offered, features;
	struct vhost_user_session *session;
	int listener;
	int stop_fd;
	int hang_up_fd; /* end the session as if the back-end had died */
	char dir[32], path[64];
	uint8_t rarp[6]; /* the last SEND_RARP's */
	pthread_t thread;
	uint8_t frame[MAX_LEN + NET_HDR_LEN];
};

static int set_features(void *dev, uint64_t features)
{
	struct echo *e = dev;

	e->features = features;
	return 0;
}

static int ring_start(void *dev, unsigned ring, const struct virtq_config *cfg, int kick_fd)
{
	struct echo *e = dev;

	virtq_start(&e->vq[ring], cfg);
	e->kick_fd[ring] = kick_fd;
	e->started[ring] = true;
	return 0;
}

static uint32_t ring_stop(void *dev, unsigned ring)
{
	struct echo *e = dev;

	e->started[ring] = false;
	return virtq_base(&e->vq[ring]);
}

static void ring_enable(void *dev, unsigned ring, bool enabled)
{
	struct echo *e = dev;

	e->enabled[ring] = enabled;
}

static void ring_fds(void *dev, unsigned ring, struct notifier call, struct notifier err)
{
	struct echo *e = dev;

	e->vq[ring].call = call;
	e->vq[ring].err = err;
	virtq_call_now(&e->vq[ring]);
}

static void quiesce(void *dev)
{
	(void)dev;
}

static void ring_moved(void *dev, unsigned ring, const struct virtq_rings *rings)
{
	struct echo *e = dev;

	virtq_move(&e->vq[ring], rings);
}

static int set_mtu(void *dev, uint16_t mtu)
{
	(void)dev;
	return mtu < 68 ? -EINVAL : 0;
}

static void send_rarp(void *dev, const uint8_t mac[6])
{
	struct echo *e = dev;

	memcpy(e->rarp, mac, sizeof(e->rarp));
}

static void log_line(void *dev, const char *fmt, va_list args)
{
	(void)dev;
	vprintf(fmt, args);
	printf("\n");
}

static const struct vhost_user_ops echo_ops = {
	.set_features = set_features,
	.ring_start = ring_start,
	.ring_stop = ring_stop,
	.ring_enable = ring_enable,
	.ring_fds = ring_fds,
	.quiesce = quiesce,
	.ring_moved = ring_moved,
	.resume = quiesce,
	.set_mtu = set_mtu,
	.send_rarp = send_rarp,
	.log = log_line,
};

/* Copy len bytes of e->frame into as many rx chains as it takes. False: not enough of them. */
static bool give(struct echo *e, struct virtq *rx, size_t len)
{
	struct chain chains[MAX_GATHER];
	static struct iovec iov[POOL];
	struct iov_pool pool = { .iov = iov, .cap = POOL };
	uint32_t used[MAX_GATHER];
	size_t room = 0, done = 0;
	unsigned n = 0;

	for (; room < len && n < MAX_GATHER; n++) {
		if (!virtq_pop(rx, &chains[n], 1, &pool)) {
			virtq_rewind(rx, chains, n);
			return false;
		}
		room += chains[n].in_len;
	}
	assert_true(room >= len);
	for (unsigned i = 0; i < n; i++) {
		used[i] = 0;
		for (unsigned k = 0; k < chains[i].n_in; k++) {
			size_t part = min_u64(chains[i].iov[k].iov_len, len - done);

			memcpy(chains[i].iov[k].iov_base, e->frame + done, part);
			used[i] += (uint32_t)part;
			done += part;
		}
	}
	if (net_hdr_len(e->features) == NET_HDR_LEN)
		net_hdr_set_num_buffers(chains[0].iov, (uint16_t)n);
	for (unsigned i = 0; i < n; i++)
		virtq_push(rx, chains[i].elem, used[i]);
	virtq_publish(rx);
	virtq_call(rx);
	return true;
}

static void echo_pair(struct echo *e, unsigned pair)
{
	struct virtq *rx = &e->vq[2 * pair], *tx = &e->vq[2 * pair + 1];
	static struct iovec iov[POOL];
	struct chain c;

	if (!e->started[2 * pair] || !e->started[2 * pair + 1] || !e->enabled[2 * pair + 1])
		return;
	do {
		struct iov_pool pool = { .iov = iov, .cap = POOL };

		while (virtq_pop(tx, &c, 1, &pool)) {
			size_t len = 0;

			for (unsigned i = 0; i < c.n_out; len += c.iov[i++].iov_len)
				memcpy(e->frame + len, c.iov[i].iov_base, c.iov[i].iov_len);
			if (!give(e, rx, len)) {
				virtq_rewind(tx, &c, 1);
				virtq_arm_notify(rx);
				return;
			}
			virtq_push(tx, c.elem, 0);
			virtq_publish(tx);
			virtq_call(tx);
			pool.n = 0;
		}
	} while (!tx->fault && virtq_arm_notify(tx));
}

static void drop_session(struct echo *e)
{
	vhost_user_session_free(e->session);
	e->session = NULL;
}

static void serve(struct echo *e, struct pollfd *p)
{
	struct vhost_user_config cfg = {
		.ops = &echo_ops, .dev = e, .features = e->offered, .max_pairs = PAIRS
	};
	eventfd_t n;

	if (p[1].revents) {
		drop_session(e);
		assert_int_equal(vhost_user_session_new(&e->session, &cfg,
							accept(e->listener, NULL, NULL)),
				 0);
	}
	if (p[2].revents) {
		eventfd_read(e->hang_up_fd, &n);
		drop_session(e);
	}
	if (e->session && vhost_user_session_dispatch(e->session) != VHOST_USER_GO_ON)
		drop_session(e);
	for (unsigned i = 0; i < PAIRS; i++)
		echo_pair(e, i);
}

static void *echo_main(void *arg)
{
	struct echo *e = arg;
	eventfd_t n;

	for (;;) {
		struct pollfd p[4 + 2 * PAIRS] = {
			{ .fd = e->stop_fd, .events = POLLIN },
			{ .fd = e->listener, .events = POLLIN },
			{ .fd = e->hang_up_fd, .events = POLLIN },
			{ .fd = e->session ? vhost_user_session_fd(e->session) : -1,
			  .events = POLLIN },
		};

		for (unsigned i = 0; i < 2 * PAIRS; i++)
			p[4 + i] = (struct pollfd){ .fd = e->started[i] ? e->kick_fd[i] : -1,
						    .events = POLLIN };
		poll(p, array_size(p), 100);
		if (p[0].revents)
			break;
		for (unsigned i = 0; i < 2 * PAIRS; i++) {
			if (p[4 + i].revents)
				eventfd_read(p[4 + i].fd, &n);
		}
		serve(e, p);
	}
	drop_session(e);
	return NULL;
}

static struct echo *echo_start(uint64_t offered)
{
	struct echo *e = aligned_alloc(CACHE_LINE, (sizeof(*e) + 63) / 64 * 64);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	assert_non_null(e);
	memset(e, 0, sizeof(*e));
	strcpy(e->dir, "/tmp/driver_net.XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	snprintf(e->path, sizeof(e->path), "%s/sock", e->dir);
	strcpy(addr.sun_path, e->path);
	e->offered = offered;
	e->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(e->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(e->listener, 4), 0);
	e->stop_fd = eventfd(0, EFD_CLOEXEC);
	e->hang_up_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(pthread_create(&e->thread, NULL, echo_main, e), 0);
	return e;
}

static void echo_stop(struct echo *e)
{
	eventfd_write(e->stop_fd, 1);
	pthread_join(e->thread, NULL);
	close(e->listener);
	close(e->stop_fd);
	close(e->hang_up_fd);
	unlink(e->path);
	rmdir(e->dir);
	free(e);
}

static struct driver_net_config config(const struct echo *e)
{
	return (struct driver_net_config){ .path = e->path,
					   .features = DRIVER_NET_FEATURES | PACKED,
					   .protocol = DRIVER_NET_PROTOCOL,
					   .n_pairs = 1,
					   .ring_size = 256,
					   .table_len = 80 };
}

static void make_frame(uint8_t *frame, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

/* There and back, every byte. */
static void round_trip(struct driver_net *net, unsigned pair, size_t len, unsigned flags)
{
	static uint8_t frame[MAX_LEN], back[MAX_LEN];
	struct virtio_net_hdr_v1 hdr = { .csum_start = 0x1234 }, hdr_back;
	static unsigned seed;
	int n;

	make_frame(frame, len, seed++);
	assert_int_equal(driver_net_send(net, pair, &hdr, frame, len, flags), 0);
	if (flags & DRIVER_NET_MORE)
		driver_net_flush(net, pair);
	n = driver_net_wait(net, 2 * pair, 5000);
	assert_true(n > 0);
	memset(back, 0, len);
	assert_int_equal(driver_net_receive(net, pair, &hdr_back, back, MAX_LEN), len);
	assert_memory_equal(frame, back, len);
	assert_int_equal(hdr_back.csum_start, 0x1234);
	assert_int_equal(driver_net_receive(net, pair, NULL, back, MAX_LEN), -EAGAIN);
	assert_int_equal(driver_net_wait(net, 2 * pair + 1, 5000), 1);
	assert_int_equal(driver_net_reap(net, pair), 1);
}

static void all_lengths(struct driver_net *net, unsigned pair, size_t max)
{
	const size_t lens[] = { 1, 14, 60, 500, 501, 1514, 2036, 2037, 4096, 9000, 65535, MAX_LEN };

	for (unsigned flags = 0; flags < 8; flags++) {
		for (unsigned i = 0; i < array_size(lens) && lens[i] <= max; i++)
			round_trip(net, pair, lens[i], flags);
	}
}

/* All lengths, shapes and kinds of rx buffer; the features decide what a buffer must hold. */
static void test_round_trips(void **state)
{
	const uint64_t all = DRIVER_NET_FEATURES;
	const uint64_t legacy = FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	const struct {
		uint64_t offered;
		unsigned rx_buf_len, rx_parts, tx_buf_len;
		uint16_t base;
		size_t max;
	} cases[] = {
		{ all, 0, 1, 2048, 65000, MAX_LEN },
		{ all, 1200, 3, 1000, 0, MAX_LEN },
		{ all & ~FEATURE(VIRTIO_NET_F_MRG_RXBUF), 0, 17, 2048, 0, MAX_LEN },
		{ all & ~FEATURE(VIRTIO_RING_F_EVENT_IDX), 0, 1, 2048, 65000, MAX_LEN },
		{ all | PACKED, 0, 1, 2048, 65000, MAX_LEN },
		{ all | PACKED, 1200, 3, 1000, 0, MAX_LEN },
		{ (all & ~FEATURE(VIRTIO_F_IN_ORDER)) | PACKED, 1200, 3, 1000, 5, MAX_LEN },
		{ (all & ~FEATURE(VIRTIO_RING_F_EVENT_IDX)) | PACKED, 0, 1, 2048, 255, MAX_LEN },
		{ legacy, 0, 1, 700, 0, 2038 },
		{ legacy, 0, 2, 12, 0, 60 },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct echo *e =
			echo_start(cases[i].offered & ~FEATURE(VHOST_USER_F_PROTOCOL_FEATURES));
		struct driver_net_config cfg = config(e);
		struct driver_net *net;

		cfg.rx_buf_len = cases[i].rx_buf_len;
		cfg.rx_parts = cases[i].rx_parts;
		cfg.tx_buf_len = cases[i].tx_buf_len;
		cfg.base = cases[i].base;
		assert_int_equal(driver_net_new(&net, &cfg), 0);
		assert_int_equal(net->features & ~FEATURE(VHOST_USER_F_PROTOCOL_FEATURES),
				 e->offered);
		assert_int_equal(net->hdr_len, cases[i].offered == legacy ? 10 : 12);
		all_lengths(net, 0, cases[i].max);
		driver_net_free(net);
		echo_stop(e);
	}
}

/* More than the rings hold, held back in bursts: sent all, back all, in order; pairs do not mix. */
static void test_stream(void **state)
{
	struct echo *e = echo_start(DRIVER_NET_FEATURES | *(const uint64_t *)*state);
	struct driver_net_config cfg = config(e);
	struct driver_net *net;
	uint32_t sent[PAIRS] = { 0 }, back[PAIRS] = { 0 }, frame[25];

	cfg.n_pairs = PAIRS;
	cfg.ring_size = 32;
	assert_int_equal(driver_net_new(&net, &cfg), 0);
	while (back[0] < 20000 || back[1] < 20000) {
		for (unsigned pair = 0; pair < PAIRS; pair++) {
			for (unsigned i = 0; i < 48; i++) {
				frame[0] = sent[pair] * PAIRS + pair;
				if (driver_net_send(net, pair, NULL, frame, sizeof(frame),
						    DRIVER_NET_MORE))
					break;
				sent[pair]++;
			}
			driver_net_flush(net, pair);
		}
		for (unsigned pair = 0; pair < PAIRS; pair++) {
			assert_true(driver_net_wait(net, 2 * pair, 5000) > 0);
			while (driver_net_receive(net, pair, NULL, frame, sizeof(frame)) > 0)
				assert_int_equal(frame[0], back[pair]++ * PAIRS + pair);
			assert_true(driver_net_reap(net, pair) >= 0);
		}
	}
	assert_true(net->pairs[0].forced_kicks > 0);
	driver_net_free(net);
	echo_stop(e);
}

/* Stopped and started, rebooted, and left by its back-end: the card goes on where it was. */
static void test_life(void **state)
{
	struct echo *e = echo_start(DRIVER_NET_FEATURES | *(const uint64_t *)*state);
	struct driver_net_config cfg = config(e);
	struct driver_net *net;
	uint8_t frame[60] = { 0 };

	cfg.base = 65530;
	cfg.mtu = 1500;
	assert_int_equal(driver_net_new(&net, &cfg), 0);
	for (unsigned round = 0; round < 10; round++) {
		round_trip(net, 0, 60 + round, 0);
		assert_int_equal(driver_net_stop(net), 0);
		/* What is sent meanwhile waits. */
		assert_int_equal(driver_net_send(net, 0, NULL, frame, sizeof(frame), 0), 0);
		assert_int_equal(driver_net_start(net), 0);
		assert_true(driver_net_wait(net, 0, 5000) > 0);
		assert_int_equal(driver_net_receive(net, 0, NULL, frame, sizeof(frame)), 60);
		assert_int_equal(driver_net_wait(net, 1, 5000), 1);
		assert_int_equal(driver_net_reap(net, 0), 1);
	}
	/* One ring after the other, emptied alone. */
	for (unsigned ring = 0; ring < 4; ring++) {
		assert_int_equal(driver_net_ring_stop(net, ring % 2), 0);
		assert_int_equal(driver_net_ring_restart(net, ring % 2), 0);
		round_trip(net, 0, 60 + ring, 0);
	}
	assert_int_equal(driver_net_reset(net), 0);
	round_trip(net, 0, 1514, 0);
	assert_int_equal(frontend_send_rarp(&net->frontend, (uint8_t[]){ 2, 3, 5, 7, 11, 13 }), 0);
	assert_memory_equal(e->rarp, ((uint8_t[]){ 2, 3, 5, 7, 11, 13 }), sizeof(e->rarp));
	eventfd_write(e->hang_up_fd, 1);
	assert_int_equal(frontend_wait_closed(&net->frontend), 0);
	assert_int_equal(driver_net_stop(net), -ECONNRESET);
	assert_int_equal(driver_net_send(net, 0, NULL, frame, sizeof(frame), 0), 0);
	assert_int_equal(driver_net_reconnect(net), 0);
	assert_true(driver_net_wait(net, 0, 5000) > 0);
	assert_int_equal(driver_net_receive(net, 0, NULL, frame, sizeof(frame)), 60);
	assert_int_equal(driver_net_wait(net, 1, 5000), 1);
	assert_int_equal(driver_net_reap(net, 0), 1);
	round_trip(net, 0, 60, 0);
	driver_net_free(net);
	echo_stop(e);
}

/* What cannot be sent says why; what does not fit the reader's buffer is lost alone. */
static void test_limits(void **state)
{
	struct echo *e = echo_start(DRIVER_NET_FEATURES & ~FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	struct driver_net_config cfg = config(e);
	static uint8_t frame[MAX_LEN];
	struct driver_net *net;

	(void)state;
	cfg.n_pairs = PAIRS + 1;
	assert_int_equal(driver_net_new(&net, &cfg), -ENOTSUP);
	cfg.n_pairs = 0;
	assert_int_equal(driver_net_new(&net, &cfg), -EINVAL);
	cfg.n_pairs = 1;
	cfg.ring_size = 3;
	assert_int_equal(driver_net_new(&net, &cfg), -EINVAL);
	cfg.ring_size = 16;
	cfg.mtu = 67;
	assert_int_equal(driver_net_new(&net, &cfg), -EREMOTEIO);
	cfg.mtu = 0;
	cfg.timeout_ms = 50;
	assert_int_equal(driver_net_new(&net, &cfg), 0);
	assert_int_equal(driver_net_wait(net, 0, 20), -ETIMEDOUT);
	assert_int_equal(driver_net_send(net, 0, NULL, frame, 16 * 2048, 0), -EMSGSIZE);
	assert_int_equal(driver_net_send(net, 0, NULL, frame, 60, DRIVER_NET_INDIRECT), -EINVAL);
	assert_int_equal(driver_net_send(net, 0, NULL, frame, 61, 0), 0);
	assert_true(driver_net_wait(net, 0, 5000) > 0);
	assert_int_equal(driver_net_receive(net, 0, NULL, frame, 60), -EMSGSIZE);
	assert_int_equal(driver_net_wait(net, 1, 5000), 1);
	assert_int_equal(driver_net_reap(net, 0), 1);
	round_trip(net, 0, 60, 0);
	/* No answer at all. */
	assert_int_equal(frontend_ring_enable(&net->frontend, 1, false), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(driver_net_send(net, 0, NULL, frame, 60, 0), 0);
	assert_int_equal(driver_net_send(net, 0, NULL, frame, 60, 0), -EAGAIN);
	assert_int_equal(net->pairs[0].forced_kicks, 1);
	driver_net_free(net);
	echo_stop(e);
}

/* A back-end that breaks a ring or a header is found out. */
static void test_bad_device(void **state)
{
	struct echo *e = echo_start(DRIVER_NET_FEATURES);
	struct driver_net_config cfg = config(e);
	struct driver_net *net;
	uint8_t frame[60];

	(void)state;
	assert_int_equal(driver_net_new(&net, &cfg), 0);
	assert_int_equal(driver_net_stop(net), 0);
	/* The frame should be in 3 buffers; there is one. */
	((struct virtio_net_hdr_v1 *)(void *)net->pairs[0].rx_bufs)->num_buffers = 3;
	net->pairs[0].rx.areas.used->ring[0] = (struct vring_used_elem){ 0, 72 };
	store_release(&net->pairs[0].rx.areas.used->idx, 1);
	assert_int_equal(driver_net_receive(net, 0, NULL, frame, sizeof(frame)), -EPROTO);
	net->pairs[0].tx.areas.used->ring[0] = (struct vring_used_elem){ 5, 0 };
	store_release(&net->pairs[0].tx.areas.used->idx, 1);
	assert_int_equal(driver_net_reap(net, 0), -EPROTO);
	assert_int_equal(net->pairs[0].tx.fault, RING_FAULT_USED_IDX);
	driver_net_free(net);
	echo_stop(e);
}

/* The front-end alone: a back-end that is silent, gone, absent, or answers to something else. */
static void test_frontend_errors(void **state)
{
	struct vhost_user_header hdr = { VHOST_USER_GET_PROTOCOL_FEATURES,
					 VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY, 8 };
	struct frontend f;
	int pair[2];

	(void)state;
	assert_int_equal(frontend_init(&f, 0), -EINVAL);
	assert_int_equal(frontend_init(&f, FRONTEND_MAX_RINGS + 1), -EINVAL);
	assert_int_equal(frontend_init(&f, 2), 0);
	f.timeout_ms = 20;
	assert_int_equal(frontend_connect(&f, "/tmp/driver_net.absent/sock"), -ENOENT);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	frontend_adopt(&f, pair[0]);
	assert_int_equal(frontend_negotiate(&f, 0, 0), -ETIMEDOUT);
	assert_int_equal(frontend_wait_closed(&f), -ETIMEDOUT);
	assert_int_equal(send(pair[1], &hdr, sizeof(hdr), 0), sizeof(hdr));
	assert_int_equal(send(pair[1], &hdr, 8, 0), 8);
	assert_int_equal(frontend_negotiate(&f, 0, 0), -EPROTO);
	close(pair[1]);
	assert_int_equal(frontend_set_mtu(&f, 1500), -ECONNRESET);
	assert_int_equal(frontend_wait_closed(&f), 0);
	frontend_deinit(&f);
	frontend_deinit(&f);
}

/* --client back-ends: the front-end listens. */
static void *connect_later(void *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	while (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		usleep(1000);
	close(sock);
	return NULL;
}

static void test_accept(void **state)
{
	char dir[] = "/tmp/driver_net.XXXXXX", path[64];
	pthread_t thread;
	struct frontend f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	assert_int_equal(frontend_init(&f, 2), 0);
	f.timeout_ms = 20;
	assert_int_equal(frontend_accept(&f, path), -ETIMEDOUT);
	f.timeout_ms = FRONTEND_TIMEOUT_MS;
	assert_int_equal(pthread_create(&thread, NULL, connect_later, path), 0);
	assert_int_equal(frontend_accept(&f, path), 0);
	assert_int_equal(frontend_wait_closed(&f), 0);
	pthread_join(thread, NULL);
	frontend_deinit(&f);
	assert_int_equal(rmdir(dir), 0);
}

#define BOTH(test) \
	{ "split " #test, test, NULL, NULL, (void *)&split }, \
	{ \
		"packed " #test, test, NULL, NULL, (void *)&packed \
	}

int main(void)
{
	static const uint64_t split, packed = PACKED;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		BOTH(test_stream),
		BOTH(test_life),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bad_device),
		cmocka_unit_test(test_frontend_errors),
		cmocka_unit_test(test_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
