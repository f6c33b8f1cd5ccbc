/* SPDX-License-Identifier: MIT */
/*
 * For tests of a device of two queue pairs between the user datapath and a kernel with vhost-net,
 * which is vhost_net_fake and the functions kernel_* here: they move frames between the rings and
 * the backend as its worker would. No thread and no clock; the driver's half of the rings plays the
 * guest, and sleeps until it is called. The test plays the session by itself.
 *
 * Whoever moves them, frames arrive once, whole and in order, and the rig checks that with each; no
 * one but the owner moves one.
 */
#ifndef TESTS_UNIT_HANDOVER_RIG_H
#define TESTS_UNIT_HANDOVER_RIG_H

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/device.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/guest.h"
#include "tests/unit/test_backend.h"
#include "tests/unit/vhost_net_fake.h"
#include "virtio/net_hdr.h"

#define PAIRS   2
#define RINGS   (2 * PAIRS)
#define SIZE    16 /* ring entries */
#define BUF_LEN 2048
#define DELAY   150000
#define MEMORY  (1U << 20)
#define GPA     0x40000000
#define TURNS   1000
#define WITHOUT (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF))

static const struct vhost_user_ops *const ops = &device_vhost_user_ops;

/* The driver's half of one ring. */
struct half {
	struct ring ring;
	struct virtq_config vq;
	int kick_fd;
	uint8_t *bufs;    /* SIZE of BUF_LEN */
	uint64_t n_added; /* chains, ever; tx: the next frame's number */
	uint64_t n_back;  /* rx: the next frame's number */
	bool asleep;      /* until it is called */
};

struct rig {
	uint64_t features;
	uint64_t random;
	struct arena arena;
	struct gmem mem;
	struct iothread *thread;
	struct iothread *other; /* that a pair may be moved to; all begin on thread */
	struct backend *backend;
	struct device *device;
	struct vhost_net nets[PAIRS];
	struct half halves[RINGS];
	uint64_t n_sent[PAIRS];  /* frames that reached the backend */
	uint64_t n_given[PAIRS]; /* frames from the backend */
	bool kernel_moves;
	unsigned n_started;
	char log[16384];
};

static struct rig *rig;

/* The front-end says nothing for a second: what waits for that is done. */
static inline enum device_driver quiet(struct device *device)
{
	static uint64_t now_ns = 1000000000;

	device_hand_over(device, now_ns);
	now_ns += 1000000000;
	return device_hand_over(device, now_ns);
}

static inline void log_append(void *ctx, enum device_level level, const char *line)
{
	struct rig *r = ctx;
	size_t len = strlen(r->log);

	if (level == DEVICE_DEBUG)
		return;
	snprintf(r->log + len, sizeof(r->log) - len, "%s\n", line);
}

static inline unsigned logged(const struct rig *r, const char *text)
{
	const char *at = r->log;
	unsigned n = 0;

	for (; (at = strstr(at, text)); at++)
		n++;
	return n;
}

/* Header and frame number seq of a pair's direction. */
static inline uint32_t make_frame(uint8_t *to, unsigned ring, uint64_t seq)
{
	uint64_t random = seq * RINGS + ring;
	uint32_t len = NET_HDR_LEN + 60 + test_random_below(&random, 1400), i;

	memset(to, 0, NET_HDR_LEN);
	for (i = NET_HDR_LEN; i < len; i++)
		to[i] = (uint8_t)test_random(&random);
	return len;
}

/* Without header. */
static inline void check_frame(const uint8_t *bytes, uint32_t len, unsigned ring, uint64_t seq)
{
	uint8_t want[BUF_LEN];

	assert_int_equal(len, make_frame(want, ring, seq) - NET_HDR_LEN);
	assert_memory_equal(bytes, want + NET_HDR_LEN, len);
}

static inline void on_sent(void *ctx, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
			   const uint8_t *bytes, uint32_t len, bool arrived)
{
	struct rig *r = ctx;

	assert_true(arrived && net_hdr_is_plain(hdr));
	assert_int_equal(r->kernel_moves, device_pair_in_kernel(r->device, queue));
	check_frame(bytes, len, 2 * queue + 1, r->n_sent[queue]++);
}

/* The kernel's worker. */

static inline struct vhost_net_fake_device *kernel_of(unsigned pair)
{
	return &vhost_net_fake.devices[pair];
}

/* Neither rings nor eventfds nor the tap; a device that was closed has nothing any more. */
static inline bool kernel_has_nothing(unsigned pair)
{
	return kernel_of(pair)->fd < 0 || vhost_net_fake_idle(kernel_of(pair));
}

/* The buffer of the next chain, which has one descriptor; NULL: none waits. */
static inline void *kernel_next(struct rig *r, unsigned pair, enum vhost_net_ring ring,
				uint32_t *len)
{
	const struct vhost_net_fake_ring *k = &kernel_of(pair)->rings[ring];
	const struct vring_avail *avail = (void *)(uintptr_t)k->addr.avail_user_addr;
	const struct vring_desc *desc = (void *)(uintptr_t)k->addr.desc_user_addr;

	if (kernel_has_nothing(pair) || k->backend_fd < 0 || load_acquire(&avail->idx) == k->base)
		return NULL;
	desc += avail->ring[k->base & (k->num - 1)];
	*len = desc->len;
	return arena_at(&r->arena, desc->addr, desc->len);
}

static inline bool kernel_sends(struct rig *r, unsigned pair)
{
	struct backend_queue *bq = r->backend->queues[pair];
	struct tx_stats stats = { 0 };
	struct iovec iov;
	struct frame f = { .iov = &iov, .n_iov = 1, .n_chains = 1 };
	uint8_t *frame = kernel_next(r, pair, VHOST_NET_TX, &f.len);

	if (!frame)
		return false;
	f.len -= NET_HDR_LEN;
	iov = (struct iovec){ frame + NET_HDR_LEN, f.len };
	r->kernel_moves = true;
	assert_int_equal(bq->ops->tx(bq, &f, 1, &stats), 1);
	r->kernel_moves = false;
	assert_int_equal(vhost_net_fake_use(kernel_of(pair), VHOST_NET_TX, 1, 0), 1);
	return true;
}

static inline bool kernel_receives(struct rig *r, unsigned pair)
{
	struct backend_queue *bq = r->backend->queues[pair];
	struct rx_stats stats = { 0 };
	struct spill spill = { 0 };
	struct iovec iov;
	struct frame f = { .iov = &iov, .n_iov = 1 };

	if (!test_backend_waiting(r->backend, pair))
		return false;
	iov.iov_base = kernel_next(r, pair, VHOST_NET_RX, &f.len);
	if (!iov.iov_base)
		return false;
	iov.iov_len = f.len;
	spill.buf = malloc(SPILL_SIZE);
	assert_int_equal(bq->ops->rx(bq, &f, 1, &spill, &stats), 1);
	free(spill.buf);
	net_hdr_set_num_buffers(&iov, 1);
	assert_int_equal(vhost_net_fake_use(kernel_of(pair), VHOST_NET_RX, 1, f.len), 1);
	return true;
}

/* The driver. */

static inline void post_buffer(struct rig *r, struct half *h, unsigned slot)
{
	uint8_t *buf = h->bufs + (size_t)slot * BUF_LEN;

	memset(buf, 0xdd, BUF_LEN);
	ring_fill(&h->ring, (struct chain_part){ arena_gpa(&r->arena, buf), BUF_LEN, true }, slot);
	h->n_added++;
	ring_submit(&h->ring);
	ring_kick(&h->ring);
}

static inline void driver_sends(struct rig *r, unsigned pair, unsigned n)
{
	struct half *h = &r->halves[2 * pair + 1];

	for (; n && ring_reserve(&h->ring, 1); n--) {
		uint8_t *buf = h->bufs + h->n_added % SIZE * BUF_LEN;
		uint32_t len = make_frame(buf, 2 * pair + 1, h->n_added);

		ring_fill(&h->ring, (struct chain_part){ arena_gpa(&r->arena, buf), len, false },
			  h->n_added++);
	}
	ring_submit(&h->ring);
	ring_kick(&h->ring);
}

static inline unsigned take_used(struct rig *r, unsigned ring)
{
	struct half *h = &r->halves[ring];
	struct ring_used used;
	unsigned n = 0;

	ring_peek(&h->ring);
	for (; ring_use(&h->ring, &used) == RING_USED; n++) {
		if (ring % 2) {
			assert_int_equal(used.token, h->n_back);
			assert_int_equal(used.len, 0);
			/* Not before it was sent. */
			assert_true(r->n_sent[ring / 2] > h->n_back++);
			continue;
		}
		check_frame(h->bufs + used.token * BUF_LEN + NET_HDR_LEN, used.len - NET_HDR_LEN,
			    ring, h->n_back++);
		post_buffer(r, h, (unsigned)used.token);
	}
	assert_int_equal(h->ring.fault, RING_OK);
	return n;
}

/* Takes what was used, then sleeps; a sleeper does so only when it was called. */
static inline unsigned driver_takes(struct rig *r, unsigned ring)
{
	struct half *h = &r->halves[ring];
	unsigned n = 0;

	if (h->asleep && !guest_signals(h->vq.call.fd))
		return 0;
	do
		n += take_used(r, ring);
	while (ring_arm_call(&h->ring, 0));
	h->asleep = true;
	return n;
}

static inline void host_sends(struct rig *r, unsigned pair, unsigned n)
{
	uint8_t frame[BUF_LEN];
	uint32_t len;

	while (n--) {
		len = make_frame(frame, 2 * pair, r->n_given[pair]++);
		test_backend_give(r->backend, pair, frame, len);
	}
}

static inline void run_until_idle(struct rig *r)
{
	assert_true(fake_iothread_run_until_idle(r->thread, TURNS));
	assert_true(fake_iothread_run_until_idle(r->other, TURNS));
}

static inline void advance(struct iothread *thread)
{
	if (fake_iothread_next_timer(thread) != FAKE_IOTHREAD_NO_TIMER)
		fake_iothread_advance(thread, 2 * DELAY);
}

/* All that is owed happens: nobody is kicked or called who did not ask for it. */
static inline void settle_down(struct rig *r)
{
	unsigned idle = 0, n, i;

	for (unsigned round = 0; idle < 3; round++) {
		assert_true(round < TURNS);
		run_until_idle(r);
		n = 0;
		for (i = 0; i < PAIRS; i++)
			n += kernel_sends(r, i) + kernel_receives(r, i);
		for (i = 0; i < RINGS; i++)
			n += driver_takes(r, i);
		advance(r->thread);
		advance(r->other);
		idle = n ? 0 : idle + 1;
	}
}

static inline void check_all_arrived(struct rig *r)
{
	settle_down(r);
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_int_equal(r->n_sent[i], r->halves[2 * i + 1].n_added);
		assert_int_equal(r->halves[2 * i + 1].n_back, r->n_sent[i]);
		assert_int_equal(r->halves[2 * i].n_back, r->n_given[i]);
	}
}

/* Frames on all rings, more than fit at a time, with a little of everything in between. */
static inline void traffic(struct rig *r, unsigned rounds)
{
	while (rounds--) {
		unsigned pair = test_random_below(&r->random, PAIRS);

		switch (test_random_below(&r->random, 6)) {
		case 0:
			driver_sends(r, pair, 1 + test_random_below(&r->random, SIZE));
			break;
		case 1:
			host_sends(r, pair, 1 + test_random_below(&r->random, 4));
			break;
		case 2:
			fake_iothread_turn(r->thread);
			fake_iothread_turn(r->other);
			break;
		case 3:
			kernel_sends(r, pair);
			kernel_receives(r, pair);
			break;
		case 4:
			driver_takes(r, 2 * pair);
			driver_takes(r, 2 * pair + 1);
			break;
		case 5:
			fake_iothread_advance(r->thread, DELAY / 2);
			fake_iothread_advance(r->other, DELAY / 2);
			break;
		}
	}
}

/* The rig. */

static inline void half_init(struct rig *r, struct half *h, bool tx)
{
	struct ring_config cfg = { .features = r->features, .size = SIZE };

	h->kick_fd = cfg.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(ring_place(&cfg, &r->arena, 0), 0);
	assert_int_equal(ring_init(&h->ring, &cfg), 0);
	h->bufs = arena_alloc(&r->arena, 0, SIZE * BUF_LEN, 64);
	assert_non_null(h->bufs);
	h->vq = (struct virtq_config){
		.mem = &r->mem,
		.features = r->features,
		.size = SIZE,
		.base = ring_base(&h->ring),
		.call = notifier_eventfd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
		.err = notifier_eventfd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
	};
	assert_int_equal((h->ring.packed ? virtq_resolve_packed : virtq_resolve)(
				 &h->vq.rings, &r->mem, SIZE, (uintptr_t)h->ring.areas.desc,
				 (uintptr_t)h->ring.areas.avail, (uintptr_t)h->ring.areas.used),
			 0);
	for (unsigned i = 0; i < SIZE && !tx; i++)
		post_buffer(r, h, i);
}

static inline void memory_init(struct rig *r)
{
	struct arena_span span = { GPA, MEMORY };

	assert_int_equal(arena_init(&r->arena, &span, 1, false), 0);
	assert_int_equal(gmem_init(&r->mem), 0);
	assert_int_equal(gmem_add(&r->mem, GPA, MEMORY, (uintptr_t)r->arena.regions[0].host,
				  r->arena.fd, 0),
			 0);
}

static inline void device_init(struct rig *r, const struct tx_engine *engine, bool tap)
{
	struct tx_mode mode = { .engine = engine, .values = { DELAY, 8 } };
	struct test_backend_config backend = {
		.n_queues = PAIRS, .fds = true, .sent = on_sent, .ctx = r
	};
	struct device_config cfg = { .threads = &r->thread,
				     .n_threads = 1,
				     .mode = &mode,
				     .log = log_append,
				     .log_ctx = r };

	if (engine == &bh_tx_engine)
		mode.values[0] = 8;
	assert_int_equal(iothread_new(&r->thread, "fake"), 0);
	assert_int_equal(iothread_new(&r->other, "other"), 0);
	r->backend = test_backend_new(&backend);
	assert_non_null(r->backend);
	for (unsigned i = 0; i < PAIRS; i++)
		r->backend->queues[i]->vhost_fd = tap ? r->backend->queues[i]->frames.fd : -1;
	cfg.backend = r->backend;
	assert_int_equal(device_new(&r->device, &cfg), 0);
}

static inline void kernel_init(struct rig *r)
{
	char why[VHOST_NET_WHY_LEN];

	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(vhost_net_open(&r->nets[i], &vhost_net_fake_sys, VHOST_NET_DEVICE,
						-1, 0, why),
				 0);
	device_set_kernel(r->device, r->nets, NULL);
}

static inline struct rig *rig_new(const struct tx_engine *engine, uint64_t features, bool tap)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	vhost_net_fake_begin();
	r->features = WITHOUT | features;
	r->random = 1;
	memory_init(r);
	device_init(r, engine, tap);
	kernel_init(r);
	for (unsigned i = 0; i < RINGS; i++)
		half_init(r, &r->halves[i], i % 2);
	return r;
}

/* What a session does in the beginning: a message at a time, and a long while after each. */
static inline void start_rings(struct rig *r, unsigned n)
{
	assert_int_equal(ops->set_features(r->device, r->features), 0);
	quiet(r->device);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(
			ops->ring_start(r->device, i, &r->halves[i].vq, r->halves[i].kick_fd), 0);
		assert_int_not_equal(quiet(r->device), DEVICE_KERNEL);
	}
	r->n_started = n;
	for (unsigned i = 0; i < n; i++) {
		ops->ring_enable(r->device, i, true);
		quiet(r->device);
	}
}

static inline void stop_rings(struct rig *r)
{
	for (unsigned i = 0; i < r->n_started; i++) {
		ops->ring_stop(r->device, i);
		ops->ring_enable(r->device, i, false);
	}
	r->n_started = 0;
}

static inline struct rig *rig_start(const struct tx_engine *engine, uint64_t features)
{
	struct rig *r = rig_new(engine, features, true);

	start_rings(r, RINGS);
	return r;
}

/* The session ends: whoever had the rings, the kernel has nothing when the backend goes. */
static inline void rig_free(struct rig *r)
{
	stop_rings(r);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_true(kernel_has_nothing(i));
	quiet(r->device);
	device_free(r->device);
	backend_free(r->backend);
	for (unsigned i = 0; i < PAIRS; i++)
		vhost_net_close(&r->nets[i]);
	vhost_net_fake_end();
	for (unsigned i = 0; i < RINGS; i++) {
		ring_deinit(&r->halves[i].ring);
		close(r->halves[i].kick_fd);
		close(r->halves[i].vq.call.fd);
		close(r->halves[i].vq.err.fd);
	}
	gmem_deinit(&r->mem);
	arena_deinit(&r->arena);
	iothread_free(r->thread);
	iothread_free(r->other);
	free(r);
}

static inline enum device_driver want(struct rig *r, bool kernel)
{
	device_want_kernel(r->device, kernel);
	return quiet(r->device);
}

static inline void assert_why(const struct rig *r, enum device_driver driver, const char *text)
{
	struct device_driver_status s = device_driver_status(r->device);

	assert_int_equal(s.driver, driver);
	if (*text && !strstr(s.why, text))
		fail_msg("the reason '%s' has no '%s'", s.why, text);
}

static const struct tx_engine *const engines[] = { &bh_tx_engine, &timer_tx_engine };
static const uint64_t layouts[] = { 0, FEATURE(VIRTIO_RING_F_EVENT_IDX) };

#define for_each_kind(e, f) \
	for (unsigned e = 0; e < array_size(engines); e++) \
		for (unsigned f = 0; f < array_size(layouts); f++)

#endif
