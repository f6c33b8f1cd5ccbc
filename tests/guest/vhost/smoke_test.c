/* SPDX-License-Identifier: MIT */
/*
 * virtio/vhost_net.c before the real thing: a guest's card of one queue pair in this process, the
 * kernel's vhost-net behind it, a tap behind that. Runs in tests/guest/vm, in a network namespace
 * of its own (tests/net/run.sh). No txringd here, and no hand-over.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "virtio/base.h"
#include "virtio/driver/arena.h"
#include "virtio/driver/ring.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"
#include "virtio/vhost_net.h"

#define TAP    "vhost0"
#define FRAMES 2000
#define SIZE   256
#define BUF    2048
#define BASE   65000 /* so that the index runs over early */
#define WINDOW 128   /* frames under way in one direction */

/* What a present guest negotiates of what concerns rings, and more that does not. */
#define FEATURES_USUAL \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) | \
	 FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
	 FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VHOST_USER_F_PROTOCOL_FEATURES))

/* The card: rings in one region of guest memory, buffers in the other. */
struct card {
	uint64_t features;
	unsigned hdr_len;
	struct arena arena;
	struct gmem mem; /* mapped once more, as a back-end does */
	struct ring ring[VHOST_NET_RINGS];
	int kick_fd[VHOST_NET_RINGS];
	int call_fd[VHOST_NET_RINGS];
	uint8_t *bufs[VHOST_NET_RINGS]; /* SIZE each, BUF apart */
	unsigned tx_free[SIZE];
	unsigned n_tx_free;

	int tap;
	struct peer peer;
	struct vhost_net v;
	struct vhost_net_config cfg;
	struct stream out, in;
	char why[VHOST_NET_WHY_LEN];
};

static int event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int tap_open(unsigned hdr_len)
{
	struct ifreq ifr = { .ifr_name = TAP, .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), len = (int)hdr_len;

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETVNETHDRSZ, &len), 0);
	return fd;
}

static void *host_of(const struct card *card, const void *ptr)
{
	uint64_t len = 1;
	unsigned hint = 0;

	return gmem_at(&card->mem, arena_gpa(&card->arena, ptr), &len, &hint);
}

/* The same areas in the back-end's mapping. */
static struct virtq_rings rings_of(const struct card *card, const struct ring *r)
{
	return (struct virtq_rings){
		.desc = host_of(card, r->cfg.areas.desc),
		.avail = host_of(card, r->cfg.areas.avail),
		.used = host_of(card, r->cfg.areas.used),
	};
}

static void memory_setup(struct card *card)
{
	static const struct arena_span spans[] = { { 0, 1 << 20 }, { 1ULL << 32, 2 << 20 } };
	unsigned i;

	assert_int_equal(arena_init(&card->arena, spans, array_size(spans), false), 0);
	assert_int_equal(gmem_init(&card->mem), 0);
	for (i = 0; i < card->arena.n; i++) {
		const struct arena_region *r = &card->arena.regions[i];

		assert_int_equal(gmem_add(&card->mem, r->gpa, r->size, (uintptr_t)r->host,
					  card->arena.fd, r->offset),
				 0);
	}
}

static void ring_setup(struct card *card, unsigned ring)
{
	struct ring_config cfg = { .features = card->features, .size = SIZE, .base = BASE };
	struct vhost_net_vring *r = &card->cfg.rings[ring];

	card->kick_fd[ring] = cfg.kick_fd = event();
	card->call_fd[ring] = event();
	card->bufs[ring] = arena_alloc(&card->arena, 1, SIZE * BUF, CACHE_LINE);
	assert_non_null(card->bufs[ring]);
	assert_int_equal(ring_place(&cfg, &card->arena, 0), 0);
	assert_int_equal(ring_init(&card->ring[ring], &cfg), 0);
	*r = (struct vhost_net_vring){
		.rings = rings_of(card, &card->ring[ring]),
		.size = SIZE,
		.base = BASE,
		.kick_fd = card->kick_fd[ring],
		.call_fd = card->call_fd[ring],
		.err_fd = -1,
	};
}

static void post(struct card *card, uint64_t buf)
{
	struct chain_part part = {
		.addr = arena_gpa(&card->arena, card->bufs[VHOST_NET_RX] + buf * BUF),
		.len = BUF,
		.in = true,
	};

	ring_fill(&card->ring[VHOST_NET_RX], part, buf);
}

/* A card with these features, and vhost-net that has not started. */
static struct card *card_open(void **state, uint64_t features, unsigned poll_us)
{
	struct card *card = calloc(1, sizeof(*card));
	unsigned i;

	assert_non_null(card);
	*state = card;
	*card = (struct card){ .features = features, .hdr_len = net_hdr_len(features) };
	card->out = (struct stream){ .flow = 0, .to_host = true, .max_len = PEER_MTU_LEN };
	card->in = (struct stream){ .flow = 0, .max_len = PEER_MTU_LEN };
	memory_setup(card);
	for (i = 0; i < VHOST_NET_RINGS; i++)
		ring_setup(card, i);
	for (i = 0; i < SIZE; i++) {
		post(card, i);
		card->tx_free[card->n_tx_free++] = i;
	}
	ring_submit(&card->ring[VHOST_NET_RX]);
	card->tap = tap_open(card->hdr_len);
	peer_open(&card->peer, TAP);
	card->cfg.features = features;
	card->cfg.mem = &card->mem;
	card->cfg.backend_fd = card->tap;
	if (vhost_net_open(&card->v, &vhost_net_linux, VHOST_NET_DEVICE, -1, poll_us, card->why))
		fail_msg("%s", card->why);
	return card;
}

/* After a failed test, too. */
static int card_close(void **state)
{
	struct card *card = *state;
	unsigned i;

	vhost_net_close(&card->v);
	peer_close(&card->peer);
	close(card->tap);
	for (i = 0; i < VHOST_NET_RINGS; i++) {
		close(card->kick_fd[i]);
		close(card->call_fd[i]);
		ring_deinit(&card->ring[i]);
	}
	gmem_deinit(&card->mem);
	arena_deinit(&card->arena);
	free(card);
	return 0;
}

static int try_start(struct card *card)
{
	int code = vhost_net_prepare(&card->v, &card->cfg, card->why);

	return code ? code : vhost_net_start(&card->v, &card->cfg, card->why);
}

static void vhost_start(struct card *card)
{
	if (try_start(card))
		fail_msg("%s", card->why);
}

/* The kernel says that it took what it used, no more: so the user datapath can go on there. */
static void vhost_stop(struct card *card)
{
	uint16_t base[VHOST_NET_RINGS];
	unsigned i;

	if (vhost_net_stop(&card->v, base, card->why))
		fail_msg("%s", card->why);
	for (i = 0; i < VHOST_NET_RINGS; i++) {
		assert_int_equal(base[i], card->cfg.rings[i].rings.used->idx);
		card->cfg.rings[i].base = base[i];
	}
}

/* The guest sends one frame; false: no buffer, or enough under way. */
static bool send_one(struct card *card)
{
	struct ring *tx = &card->ring[VHOST_NET_TX];
	struct virtio_net_hdr_v1 hdr;
	struct chain_part part;
	unsigned buf;
	uint8_t *p;

	if (!card->n_tx_free || card->out.sent - card->out.seen >= WINDOW)
		return false;
	buf = card->tx_free[--card->n_tx_free];
	p = card->bufs[VHOST_NET_TX] + (size_t)buf * BUF;
	part = (struct chain_part){ .addr = arena_gpa(&card->arena, p), .len = card->hdr_len };
	part.len += (uint32_t)stream_make(&card->out, &hdr, p + card->hdr_len);
	memcpy(p, &hdr, card->hdr_len);
	ring_fill(tx, part, buf);
	ring_submit(tx);
	card->out.sent++;
	return true;
}

static void reap(struct card *card)
{
	struct ring *tx = &card->ring[VHOST_NET_TX];
	struct ring_used used;

	while (ring_peek(tx) && ring_use(tx, &used) == RING_USED)
		card->tx_free[card->n_tx_free++] = (unsigned)used.token;
	assert_int_equal(tx->fault, RING_OK);
}

static void take_at_host(struct card *card)
{
	static uint8_t frame[BUF];
	struct virtio_net_hdr_v1 hdr;
	ssize_t len;

	while ((len = peer_receive(&card->peer, &hdr, frame, sizeof(frame))) >= 0)
		stream_take(&card->out, 1, &hdr, frame, (size_t)len);
	assert_int_equal(len, -EAGAIN);
}

static bool send_from_host(struct card *card)
{
	static uint8_t frame[BUF];
	struct virtio_net_hdr_v1 hdr;
	size_t len;

	if (card->in.sent - card->in.seen >= WINDOW)
		return false;
	len = stream_make(&card->in, &hdr, frame);
	if (!peer_send(&card->peer, &hdr, frame, len))
		return false;
	card->in.sent++;
	return true;
}

static void take_at_guest(struct card *card)
{
	struct ring *rx = &card->ring[VHOST_NET_RX];
	struct virtio_net_hdr_v1 hdr = { 0 };
	struct ring_used used;
	uint8_t *p;

	while (ring_peek(rx) && ring_use(rx, &used) == RING_USED) {
		p = card->bufs[VHOST_NET_RX] + used.token * BUF;
		assert_true(used.len > card->hdr_len);
		memcpy(&hdr, p, card->hdr_len);
		if (card->features & FEATURE(VIRTIO_NET_F_MRG_RXBUF))
			assert_int_equal(hdr.num_buffers, 1);
		stream_take(&card->in, 1, &hdr, p + card->hdr_len, used.len - card->hdr_len);
		memset(p, 0xa5, BUF);
		post(card, used.token);
	}
	assert_int_equal(rx->fault, RING_OK);
	ring_submit(rx);
	ring_kick(rx);
}

static void take_both(struct card *card)
{
	take_at_host(card);
	take_at_guest(card);
	reap(card);
}

/* Asleep until something came at one side: so a call that is lost is a time-out. */
static void wait_for_frames(struct card *card)
{
	struct pollfd fds[] = { { .fd = card->peer.fd, .events = POLLIN },
				{ .fd = card->call_fd[VHOST_NET_RX], .events = POLLIN },
				{ .fd = card->call_fd[VHOST_NET_TX], .events = POLLIN } };
	eventfd_t n;
	unsigned i;

	if (ring_arm_call(&card->ring[VHOST_NET_RX], 0) ||
	    ring_arm_call(&card->ring[VHOST_NET_TX], 0))
		return;
	if (poll(fds, array_size(fds), 20000) <= 0)
		fail_msg("nothing came for 20 s: out %u of %u, in %u of %u", card->out.seen,
			 card->out.sent, card->in.seen, card->in.sent);
	for (i = 0; i < VHOST_NET_RINGS; i++)
		eventfd_read(card->call_fd[i], &n);
}

/* Something is still to come: a frame at either side, or a sent buffer. */
static bool under_way(const struct card *card)
{
	return card->out.seen != card->out.sent || card->in.seen != card->in.sent ||
	       card->n_tx_free != SIZE;
}

static void settle(struct card *card)
{
	take_both(card);
	while (under_way(card)) {
		wait_for_frames(card);
		take_both(card);
	}
}

/* n frames each way, at the same time. */
static void exchange(struct card *card, uint32_t n)
{
	uint32_t out = card->out.sent + n, in = card->in.sent + n;

	while (card->out.sent != out || card->in.sent != in) {
		bool moved = false;

		if (card->out.sent != out && send_one(card)) {
			ring_kick(&card->ring[VHOST_NET_TX]);
			moved = true;
		}
		moved |= card->in.sent != in && send_from_host(card);
		if (moved && (card->out.sent + card->in.sent) % 32)
			continue;
		take_both(card);
		if (!moved && under_way(card))
			wait_for_frames(card);
	}
	settle(card);
}

/* Every byte of 2000 frames each way, for guests of each kind. */
static void traffic(void **state, uint64_t features, unsigned poll_us)
{
	struct card *card = card_open(state, features, poll_us);

	assert_int_equal(vhost_net_lacks(&card->v, features), 0);
	vhost_start(card);
	exchange(card, FRAMES);
	vhost_stop(card);
	assert_int_equal((uint16_t)(card->cfg.rings[VHOST_NET_TX].base - BASE), FRAMES);
	assert_int_equal((uint16_t)(card->cfg.rings[VHOST_NET_RX].base - BASE), FRAMES);
}

static void test_usual(void **state)
{
	traffic(state, FEATURES_USUAL, 0);
}

static void test_plain(void **state)
{
	traffic(state, FEATURE(VIRTIO_F_VERSION_1), 0);
}

/* A header of 10 bytes; and ANY_LAYOUT must not make the kernel add another. */
static void test_legacy(void **state)
{
	traffic(state, FEATURE(VIRTIO_F_ANY_LAYOUT) | FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY), 0);
}

static void test_poll(void **state)
{
	traffic(state, FEATURES_USUAL, 50);
}

/* Stopped: the kernel touches nothing. Started: it finds what was kicked for meanwhile. */
static void test_stopped(void **state)
{
	struct card *card = card_open(state, FEATURES_USUAL, 0);
	struct virtq_rings *tx, *rx;
	uint16_t tx_used, rx_used;

	tx = &card->cfg.rings[VHOST_NET_TX].rings;
	rx = &card->cfg.rings[VHOST_NET_RX].rings;
	vhost_start(card);
	exchange(card, 100);
	vhost_stop(card);

	tx_used = tx->used->idx;
	rx_used = rx->used->idx;
	while (card->out.sent < 150 && send_one(card))
		ring_kick_now(&card->ring[VHOST_NET_TX]);
	while (card->in.sent < 150)
		assert_true(send_from_host(card));
	usleep(200000);
	assert_int_equal(tx->used->idx, tx_used);
	assert_int_equal(rx->used->idx, rx_used);
	take_at_host(card);
	assert_int_equal(card->out.seen, 100);

	vhost_start(card);
	settle(card);
	assert_int_equal(card->out.seen, 150);
	assert_int_equal(card->in.seen, 150);
}

/* The kernel's worker has its turn after each step. */
static int slow_ioctl(int fd, unsigned long request, void *arg)
{
	int code = vhost_net_linux.ioctl(fd, request, arg);

	usleep(5000);
	return code;
}

/* A tap that is down does not make the kernel look: what was kicked for is used even so. */
static void test_tap_down(void **state)
{
	struct card *card = card_open(state, FEATURES_USUAL, 0);
	const struct vring_used *used = card->cfg.rings[VHOST_NET_TX].rings.used;
	static struct vhost_net_sys slow; /* outlives a test that fails */
	unsigned i;

	slow = vhost_net_linux;
	slow.ioctl = slow_ioctl;
	peer_ip("link set " TAP " down");
	for (i = 0; i < 3; i++)
		assert_true(send_one(card));
	ring_kick_now(&card->ring[VHOST_NET_TX]);
	card->v.sys = &slow;
	vhost_start(card);
	card->v.sys = &vhost_net_linux;
	for (i = 0; i < 3000 && load_acquire(&used->idx) != (uint16_t)(BASE + 3); i++)
		usleep(10000);
	assert_int_equal((uint16_t)(used->idx - BASE), 3);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* One frame more: where there is no room for it, when some have come. */
static void wait_until(struct card *card, bool (*sends)(struct card *card))
{
	while (!sends(card)) {
		wait_for_frames(card);
		take_both(card);
	}
}

/* Stop and start in the middle of traffic, again and again: no frame lost, doubled or late. */
static void test_restarts(void **state)
{
	enum { TIMES = 200 };
	static uint64_t away_ns[TIMES];
	struct card *card = card_open(state, FEATURES_USUAL, 0);
	unsigned i, k;

	vhost_start(card);
	for (i = 0; i < TIMES; i++) {
		for (k = 0; k < 20; k++) {
			wait_until(card, send_one);
			ring_kick(&card->ring[VHOST_NET_TX]);
			wait_until(card, send_from_host);
		}
		away_ns[i] = now_ns();
		vhost_stop(card);
		vhost_start(card);
		away_ns[i] = now_ns() - away_ns[i];
		take_both(card);
	}
	settle(card);
	assert_true(card->out.seen == 20 * TIMES && card->in.seen == 20 * TIMES);
	qsort(away_ns, TIMES, sizeof(*away_ns), by_value);
	print_message("stop and start: p50 %llu us, max %llu us; %u frames out, %u in\n",
		      (unsigned long long)away_ns[TIMES / 2] / 1000,
		      (unsigned long long)away_ns[TIMES - 1] / 1000, card->out.seen, card->in.seen);
}

/* Another call fd while it runs: the next call comes there. */
static void test_call_fd(void **state)
{
	struct card *card = card_open(state, FEATURES_USUAL, 0);
	int other = event();

	vhost_start(card);
	exchange(card, 10);
	if (vhost_net_set_fds(&card->v, VHOST_NET_RX, other, -1, card->why))
		fail_msg("%s", card->why);
	close(card->call_fd[VHOST_NET_RX]);
	card->call_fd[VHOST_NET_RX] = other;
	exchange(card, 100);
}

static void assert_says(const char *why, const char *text)
{
	if (!strstr(why, text))
		fail_msg("\"%s\" does not say \"%s\"", why, text);
}

/* Each refusal of the real kernel, and that it takes the right thing afterwards. */
static void test_refusals(void **state)
{
	struct vhost_net other;
	struct card *card = card_open(state, FEATURES_USUAL, 0);
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	card->cfg.backend_fd = pipe_fds[0];
	assert_int_equal(try_start(card), -ENOTSOCK);
	assert_says(card->why, "is no tap that vhost-net takes");
	card->cfg.backend_fd = card->tap;
	card->cfg.rings[VHOST_NET_TX].kick_fd = pipe_fds[0];
	assert_int_equal(try_start(card), -EINVAL);
	assert_says(card->why, "VHOST_SET_VRING_KICK");
	card->cfg.rings[VHOST_NET_TX].kick_fd = card->kick_fd[VHOST_NET_TX];
	card->cfg.features |= FEATURE(VIRTIO_F_RING_PACKED);
	assert_int_equal(try_start(card), -EOPNOTSUPP);
	assert_says(card->why, "RING_PACKED");
	card->cfg.features = card->features;

	assert_int_equal(vhost_net_open(&other, &vhost_net_linux, NULL, pipe_fds[0], 0, card->why),
			 -ENOTTY);
	assert_says(card->why, "is no vhost-net device");
	assert_int_equal(vhost_net_open(&other, &vhost_net_linux, NULL, card->v.fd, 0, card->why),
			 -EBUSY);
	assert_says(card->why, "it is in use");
	assert_int_equal(vhost_net_open(&other, &vhost_net_linux, "/dev/vhost-vsock", -1, 0,
					card->why),
			 -EINVAL);
	assert_says(card->why, "/dev/vhost-vsock is a vhost device, but not vhost-net");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	vhost_start(card);
	exchange(card, 100);
}

/* One region more than the kernel takes: its limit is read and said. */
static void test_too_many_regions(void **state)
{
	enum { N = 65 };
	struct arena_span spans[N];
	struct arena arena;
	struct card *card = card_open(state, FEATURES_USUAL, 0);
	struct gmem mem;
	unsigned i;

	for (i = 0; i < N; i++)
		spans[i] = (struct arena_span){ .gpa = (uint64_t)i << 24, .size = 4096 };
	assert_int_equal(arena_init(&arena, spans, N, false), 0);
	assert_int_equal(gmem_init(&mem), 0);
	for (i = 0; i < N; i++)
		assert_int_equal(gmem_add(&mem, spans[i].gpa, 4096,
					  (uintptr_t)arena.regions[i].host, arena.fd,
					  arena.regions[i].offset),
				 0);
	card->cfg.mem = &mem;
	assert_int_equal(try_start(card), -E2BIG);
	assert_says(card->why, "65 memory regions, but the kernel takes 64");
	gmem_deinit(&mem);
	arena_deinit(&arena);
	card->cfg.mem = &card->mem;
	vhost_start(card);
	exchange(card, 100);
}

#define TEST(f) cmocka_unit_test_teardown(f, card_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_usual),    TEST(test_plain),
		TEST(test_legacy),   TEST(test_poll),
		TEST(test_tap_down), TEST(test_stopped),
		TEST(test_restarts), TEST(test_call_fd),
		TEST(test_refusals), TEST(test_too_many_regions),
	};

	if (access(VHOST_NET_DEVICE, R_OK | W_OK)) {
		printf("skipped: needs " VHOST_NET_DEVICE
		       ": modprobe vhost_net, or tests/guest/vm\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
