/* SPDX-License-Identifier: MIT */
/*
 * A device of two queue pairs between the user datapath and a kernel with vhost-net, which is
 * vhost_net_fake and the functions kernel_* here: they move frames between the rings and the
 * backend as its worker would. No thread and no clock; the driver's half of the rings plays the
 * guest, and sleeps until it is called. The test plays the session by itself.
 *
 * Whoever moves them, frames arrive once, whole and in order, and the rig checks that with each; no
 * one but the owner moves one. One long file because the tests share that rig.
 */
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
static enum device_driver quiet(struct device *device)
{
	static uint64_t now_ns = 1000000000;

	device_hand_over(device, now_ns);
	now_ns += 1000000000;
	return device_hand_over(device, now_ns);
}

static void log_append(void *ctx, const char *line)
{
	struct rig *r = ctx;
	size_t len = strlen(r->log);

	snprintf(r->log + len, sizeof(r->log) - len, "%s\n", line);
}

static unsigned logged(const struct rig *r, const char *text)
{
	const char *at = r->log;
	unsigned n = 0;

	for (; (at = strstr(at, text)); at++)
		n++;
	return n;
}

/* Header and frame number seq of a pair's direction. */
static uint32_t make_frame(uint8_t *to, unsigned ring, uint64_t seq)
{
	uint64_t random = seq * RINGS + ring;
	uint32_t len = NET_HDR_LEN + 60 + test_random_below(&random, 1400), i;

	memset(to, 0, NET_HDR_LEN);
	for (i = NET_HDR_LEN; i < len; i++)
		to[i] = (uint8_t)test_random(&random);
	return len;
}

/* Without header. */
static void check_frame(const uint8_t *bytes, uint32_t len, unsigned ring, uint64_t seq)
{
	uint8_t want[BUF_LEN];

	assert_int_equal(len, make_frame(want, ring, seq) - NET_HDR_LEN);
	assert_memory_equal(bytes, want + NET_HDR_LEN, len);
}

static void on_sent(void *ctx, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
		    const uint8_t *bytes, uint32_t len, bool arrived)
{
	struct rig *r = ctx;

	assert_true(arrived && net_hdr_is_plain(hdr));
	assert_int_equal(r->kernel_moves, device_pair_in_kernel(r->device, queue));
	check_frame(bytes, len, 2 * queue + 1, r->n_sent[queue]++);
}

/* The kernel's worker. */

static struct vhost_net_fake_device *kernel_of(unsigned pair)
{
	return &vhost_net_fake.devices[pair];
}

/* Neither rings nor eventfds nor the tap; a device that was closed has nothing any more. */
static bool kernel_has_nothing(unsigned pair)
{
	return kernel_of(pair)->fd < 0 || vhost_net_fake_idle(kernel_of(pair));
}

/* The buffer of the next chain, which has one descriptor; NULL: none waits. */
static void *kernel_next(struct rig *r, unsigned pair, enum vhost_net_ring ring, uint32_t *len)
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

static bool kernel_sends(struct rig *r, unsigned pair)
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

static bool kernel_receives(struct rig *r, unsigned pair)
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

static void post_buffer(struct rig *r, struct half *h, unsigned slot)
{
	uint8_t *buf = h->bufs + (size_t)slot * BUF_LEN;

	memset(buf, 0xdd, BUF_LEN);
	ring_fill(&h->ring, (struct chain_part){ arena_gpa(&r->arena, buf), BUF_LEN, true }, slot);
	h->n_added++;
	ring_submit(&h->ring);
	ring_kick(&h->ring);
}

static void driver_sends(struct rig *r, unsigned pair, unsigned n)
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

static unsigned take_used(struct rig *r, unsigned ring)
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
static unsigned driver_takes(struct rig *r, unsigned ring)
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

static void host_sends(struct rig *r, unsigned pair, unsigned n)
{
	uint8_t frame[BUF_LEN];
	uint32_t len;

	while (n--) {
		len = make_frame(frame, 2 * pair, r->n_given[pair]++);
		test_backend_give(r->backend, pair, frame, len);
	}
}

/* All that is owed happens: nobody is kicked or called who did not ask for it. */
static void settle_down(struct rig *r)
{
	unsigned idle = 0, n, i;

	for (unsigned round = 0; idle < 3; round++) {
		assert_true(round < TURNS);
		assert_true(fake_iothread_run_until_idle(r->thread, TURNS));
		n = 0;
		for (i = 0; i < PAIRS; i++)
			n += kernel_sends(r, i) + kernel_receives(r, i);
		for (i = 0; i < RINGS; i++)
			n += driver_takes(r, i);
		if (fake_iothread_next_timer(r->thread) != FAKE_IOTHREAD_NO_TIMER)
			fake_iothread_advance(r->thread, 2 * DELAY);
		idle = n ? 0 : idle + 1;
	}
}

static void check_all_arrived(struct rig *r)
{
	settle_down(r);
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_int_equal(r->n_sent[i], r->halves[2 * i + 1].n_added);
		assert_int_equal(r->halves[2 * i + 1].n_back, r->n_sent[i]);
		assert_int_equal(r->halves[2 * i].n_back, r->n_given[i]);
	}
}

/* Frames on all rings, more than fit at a time, with a little of everything in between. */
static void traffic(struct rig *r, unsigned rounds)
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
			break;
		}
	}
}

/* The rig. */

static void half_init(struct rig *r, struct half *h, bool tx)
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

static void memory_init(struct rig *r)
{
	struct arena_span span = { GPA, MEMORY };

	assert_int_equal(arena_init(&r->arena, &span, 1, false), 0);
	assert_int_equal(gmem_init(&r->mem), 0);
	assert_int_equal(gmem_add(&r->mem, GPA, MEMORY, (uintptr_t)r->arena.regions[0].host,
				  r->arena.fd, 0),
			 0);
}

static void device_init(struct rig *r, const struct tx_engine *engine, bool tap)
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
	r->backend = test_backend_new(&backend);
	assert_non_null(r->backend);
	for (unsigned i = 0; i < PAIRS; i++)
		r->backend->queues[i]->vhost_fd = tap ? r->backend->queues[i]->frames.fd : -1;
	cfg.backend = r->backend;
	assert_int_equal(device_new(&r->device, &cfg), 0);
}

static void kernel_init(struct rig *r)
{
	char why[VHOST_NET_WHY_LEN];

	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(vhost_net_open(&r->nets[i], &vhost_net_fake_sys, VHOST_NET_DEVICE,
						-1, 0, why),
				 0);
	device_set_kernel(r->device, r->nets, NULL);
}

static struct rig *rig_new(const struct tx_engine *engine, uint64_t features, bool tap)
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
static void start_rings(struct rig *r, unsigned n)
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

static void stop_rings(struct rig *r)
{
	for (unsigned i = 0; i < r->n_started; i++) {
		ops->ring_stop(r->device, i);
		ops->ring_enable(r->device, i, false);
	}
	r->n_started = 0;
}

static struct rig *rig_start(const struct tx_engine *engine, uint64_t features)
{
	struct rig *r = rig_new(engine, features, true);

	start_rings(r, RINGS);
	return r;
}

/* The session ends: whoever had the rings, the kernel has nothing when the backend goes. */
static void rig_free(struct rig *r)
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
	free(r);
}

static enum device_driver want(struct rig *r, bool kernel)
{
	device_want_kernel(r->device, kernel);
	return quiet(r->device);
}

static void assert_why(const struct rig *r, enum device_driver driver, const char *text)
{
	struct device_driver_status s = device_driver_status(r->device);

	assert_int_equal(s.driver, driver);
	if (!s.why || !strstr(s.why, text))
		fail_msg("the reason '%s' has no '%s'", s.why ? s.why : "", text);
}

static const struct tx_engine *const engines[] = { &bh_tx_engine, &timer_tx_engine };
static const uint64_t layouts[] = { 0, FEATURE(VIRTIO_RING_F_EVENT_IDX) };

#define for_each_kind(e, f) \
	for (unsigned e = 0; e < array_size(engines); e++) \
		for (unsigned f = 0; f < array_size(layouts); f++)

/* Rings that start go to the kernel as soon as each pair in use has both, not before. */
static void start_is_a_handover(void **state)
{
	(void)state;
	rig = rig_new(&bh_tx_engine, 0, true);
	assert_int_equal(quiet(rig->device), DEVICE_WAITS);
	assert_why(rig, DEVICE_WAITS, "no driver");
	start_rings(rig, 1);
	assert_why(rig, DEVICE_WAITS, "tx ring of queue pair 0 is not started");
	stop_rings(rig);
	start_rings(rig, 2);
	assert_why(rig, DEVICE_KERNEL, "");
	assert_true(device_pair_in_kernel(rig->device, 0));
	/* Nobody uses it. */
	assert_false(device_pair_in_kernel(rig->device, 1));
	assert_int_equal(logged(rig, "driver kernel, blackout"), 1);
	assert_int_equal(logged(rig, "driver user"), 0);
	rig_free(rig);
}

/* What a device is told of a ring is what it is told after the user datapath ran it. */
static void kernel_gets_what_the_session_said(void **state)
{
	const struct vhost_net_fake_device *k;

	(void)state;
	rig = rig_start(&bh_tx_engine, 0);
	check_all_arrived(rig);
	want(rig, false);
	driver_sends(rig, 1, 5);
	check_all_arrived(rig);
	assert_int_equal(want(rig, true), DEVICE_KERNEL);
	k = kernel_of(1);
	assert_int_equal(k->rings[VHOST_NET_TX].base, 5);
	assert_int_equal(k->rings[VHOST_NET_TX].num, SIZE);
	assert_int_equal(k->rings[VHOST_NET_TX].kick_fd, rig->halves[3].kick_fd);
	assert_int_equal(k->rings[VHOST_NET_RX].call_fd, rig->halves[2].vq.call.fd);
	assert_int_equal(k->rings[VHOST_NET_RX].err_fd, rig->halves[2].vq.err.fd);
	assert_int_equal(k->rings[VHOST_NET_RX].backend_fd, rig->backend->queues[1]->frames.fd);
	assert_ptr_equal((void *)(uintptr_t)k->rings[VHOST_NET_TX].addr.used_user_addr,
			 rig->halves[3].vq.rings.used);
	assert_int_equal(k->n_regions, 1);
	rig_free(rig);
}

/* What the session may ask for in mid-traffic, none of which may cost a frame. */
static void session_asks(struct rig *r)
{
	unsigned ring = test_random_below(&r->random, RINGS);
	struct half *h = &r->halves[ring];

	switch (test_random_below(&r->random, 5)) {
	case 0:
		ops->ring_fds(r->device, ring, h->vq.call, h->vq.err);
		break;
	case 1:
		ops->quiesce(r->device);
		ops->ring_moved(r->device, ring, &h->vq.rings);
		ops->resume(r->device);
		break;
	case 2:
		ops->ring_stop(r->device, ring);
		ops->ring_start(r->device, ring, &h->vq, h->kick_fd);
		break;
	case 3:
		ops->ring_enable(r->device, ring - ring % 2, false);
		traffic(r, test_random_below(&r->random, 4));
		ops->ring_enable(r->device, ring - ring % 2, true);
		break;
	case 4:
		assert_int_equal(ops->set_mtu(r->device, 1500), 0);
		break;
	}
	quiet(r->device);
}

/* Hand-overs at random moments under traffic; nothing is lost, doubled, late or left asleep. */
static void random_handovers(void **state)
{
	(void)state;
	for_each_kind(e, f)
	{
		for (unsigned seed = 1; seed <= 40; seed++) {
			struct device_driver_status s;

			rig = rig_start(engines[e], layouts[f]);
			rig->random = seed;
			for (unsigned i = 0; i < 60; i++) {
				traffic(rig, test_random_below(&rig->random, 12));
				if (!test_random_below(&rig->random, 3))
					session_asks(rig);
				want(rig, test_random_below(&rig->random, 2));
				if (!test_random_below(&rig->random, 8))
					check_all_arrived(rig);
			}
			check_all_arrived(rig);
			s = device_driver_status(rig->device);
			assert_true(s.to_kernel.n > 10 && s.to_user.n > 10);
			assert_in_range(s.to_kernel.last_us, 1, s.to_kernel.max_us);
			assert_in_range(s.to_user.last_us, 1, s.to_user.max_us);
			assert_int_equal(s.failed, 0);
			rig_free(rig);
		}
	}
}

/*
 * Frames that wait when the owner changes are found by the new one, without a kick, and what it
 * uses is told to a driver that sleeps.
 */
static void new_owner_looks_once(void **state)
{
	(void)state;
	for_each_kind(e, f)
	{
		rig = rig_start(engines[e], layouts[f]);
		check_all_arrived(rig);
		/* The kernel has been kicked, and does nothing with it. */
		driver_sends(rig, 0, 3);
		host_sends(rig, 0, 3);
		for (unsigned i = 0; i < RINGS; i++)
			guest_signals(rig->halves[i].kick_fd);
		want(rig, false);
		check_all_arrived(rig);
		/* And back, before any turn. */
		driver_sends(rig, 0, 3);
		for (unsigned i = 0; i < RINGS; i++)
			guest_signals(rig->halves[i].kick_fd);
		assert_int_equal(want(rig, true), DEVICE_KERNEL);
		check_all_arrived(rig);
		rig_free(rig);
	}
}

/* A driver that was used without being told, by a kernel whose last call was lost, is called. */
static void take_back_calls(void **state)
{
	(void)state;
	rig = rig_start(&bh_tx_engine, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	check_all_arrived(rig);
	driver_sends(rig, 0, 1);
	assert_true(kernel_sends(rig, 0));
	guest_signals(rig->halves[1].vq.call.fd);
	want(rig, false);
	check_all_arrived(rig);
	rig_free(rig);
}

/* Kicks, timers and the backend's events of before are nothing to a device that the kernel has. */
static void stale_events(void **state)
{
	(void)state;
	for_each_kind(e, f)
	{
		rig = rig_new(engines[e], layouts[f], true);
		device_want_kernel(rig->device, false);
		start_rings(rig, RINGS);
		for (unsigned i = 0; i < 3; i++)
			fake_iothread_turn(rig->thread);
		/* One with a timer or a run owed, one only kicked. */
		driver_sends(rig, 0, 2);
		fake_iothread_turn(rig->thread);
		driver_sends(rig, 1, 2);
		host_sends(rig, 0, 2);
		assert_int_equal(want(rig, true), DEVICE_KERNEL);
		for (unsigned i = 0; i < RINGS; i++)
			fake_iothread_fire(rig->thread, rig->halves[i].kick_fd);
		fake_iothread_fire(rig->thread, rig->backend->queues[0]->frames.fd);
		fake_iothread_turn(rig->thread);
		fake_iothread_advance(rig->thread, 10 * DELAY);
		assert_int_equal(fake_iothread_next_timer(rig->thread), FAKE_IOTHREAD_NO_TIMER);
		check_all_arrived(rig);
		rig_free(rig);
	}
}

/* All pairs in use or none; whatever step fails, and whatever else fails then, frames go on. */
static void each_step_fails(void **state)
{
	unsigned left = 0, n, second;

	(void)state;
	for_each_kind(e, f)
	{
		for (second = 0; second < 3; second++) {
			for (n = 1, left = 0; !left; n++) {
				rig = rig_new(engines[e], layouts[f], true);
				device_want_kernel(rig->device, false);
				start_rings(rig, RINGS);
				traffic(rig, 10);
				vhost_net_fake_fail(VHOST_NET_FAKE_ANY, n, -EIO);
				if (second)
					vhost_net_fake_fail(VHOST_NET_FAKE_ANY, n + second, -EIO);
				want(rig, true);
				traffic(rig, 20);
				check_all_arrived(rig);
				assert_int_equal(device_pair_in_kernel(rig->device, 0),
						 device_pair_in_kernel(rig->device, 1));
				want(rig, false);
				traffic(rig, 20);
				check_all_arrived(rig);
				left = vhost_net_fake_unfailed();
				rig_free(rig);
			}
		}
	}
	/* More than a hand-over and a take back of two pairs are not. */
	assert_in_range(n, 40, 80);
}

/* A step that always fails: named, in the log once however often it is tried. */
static void a_reason_is_logged_once(void **state)
{
	unsigned calls;

	(void)state;
	rig = rig_new(&bh_tx_engine, 0, true);
	vhost_net_fake.max_regions = 0;
	start_rings(rig, RINGS);
	assert_why(rig, DEVICE_CANNOT, "1 memory regions");
	/* Refused before a ring stops for it: nobody is called, as after a start. */
	for (unsigned i = 0; i < RINGS; i++)
		assert_int_equal(guest_signals(rig->halves[i].vq.call.fd), 0);
	/* Nothing has changed that would make another try worth its blackout. */
	calls = vhost_net_fake.n_calls;
	for (unsigned i = 0; i < 5; i++) {
		ops->ring_fds(rig->device, 0, rig->halves[0].vq.call, rig->halves[0].vq.err);
		assert_int_equal(quiet(rig->device), DEVICE_CANNOT);
	}
	assert_int_equal(vhost_net_fake.n_calls, calls);
	assert_int_equal(logged(rig, "driver user: queue pair 0: VHOST_SET_MEM_TABLE"), 1);
	ops->quiesce(rig->device);
	ops->resume(rig->device);
	assert_int_equal(quiet(rig->device), DEVICE_CANNOT);
	assert_int_equal(logged(rig, "driver user"), 1);
	/* The next driver hears it, too. */
	stop_rings(rig);
	quiet(rig->device);
	rig->log[0] = '\0';
	start_rings(rig, RINGS);
	assert_int_equal(logged(rig, "driver user"), 1);
	traffic(rig, 100);
	check_all_arrived(rig);
	/* Until the cause is gone. */
	vhost_net_fake.max_regions = 64;
	assert_int_equal(want(rig, true), DEVICE_KERNEL);
	rig_free(rig);
}

/* A frame that waits for more buffers is not dropped: the hand-over waits, all pairs stay. */
static void a_parked_frame(void **state)
{
	struct half *h;
	uint8_t *frame = calloc(1, 2 * BUF_LEN);
	struct ring_used used;
	unsigned n = 0, calls;

	(void)state;
	rig = rig_new(&bh_tx_engine, 0, true);
	device_want_kernel(rig->device, false);
	start_rings(rig, RINGS);
	h = &rig->halves[2];
	/* All buffers but one are with the driver. */
	host_sends(rig, 1, SIZE - 1);
	assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
	test_backend_give(rig->backend, 1, frame, BUF_LEN + 1000);
	assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
	assert_int_equal(test_backend_waiting(rig->backend, 1), 0);
	calls = vhost_net_fake.n_calls;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(want(rig, true), DEVICE_RETRY);
		assert_why(rig, DEVICE_RETRY, "queue pair 1 waits for buffers");
		for (unsigned k = 0; k < PAIRS; k++)
			assert_true(kernel_has_nothing(k));
	}
	/* The other pair does not go to and fro meanwhile. */
	assert_int_equal(vhost_net_fake.n_calls, calls);
	assert_int_equal(logged(rig, "driver user: a received frame"), 1);
	/* It comes, in two buffers, and then the kernel does. */
	take_used(rig, 2);
	assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
	ring_peek(&h->ring);
	for (; ring_use(&h->ring, &used) == RING_USED; n++)
		assert_int_equal(used.len, n ? 1000 : BUF_LEN);
	assert_int_equal(n, 2);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	assert_int_equal(device_rx_stats(rig->device, 1)->drop_stopped, 0);
	free(frame);
	rig_free(rig);
}

/* While the kernel is told of the rings they still run: here, until a frame waits for buffers. */
static int frame_comes_meanwhile(int fd, unsigned long request, void *arg)
{
	static const uint8_t frame[BUF_LEN + 1000];

	if (request == VHOST_SET_MEM_TABLE) {
		test_backend_give(rig->backend, 1, frame, sizeof(frame));
		assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
	}
	return vhost_net_fake_sys.ioctl(fd, request, arg);
}

/* The pair that was asked and would have gone does not: the kernel has none, and forgets it. */
static void a_frame_parks_meanwhile(void **state)
{
	struct vhost_net_sys sys = vhost_net_fake_sys;

	(void)state;
	rig = rig_new(&bh_tx_engine, 0, true);
	device_want_kernel(rig->device, false);
	start_rings(rig, RINGS);
	host_sends(rig, 1, SIZE - 1);
	assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
	sys.ioctl = frame_comes_meanwhile;
	rig->nets[1].sys = &sys;
	assert_int_equal(want(rig, true), DEVICE_RETRY);
	assert_why(rig, DEVICE_RETRY, "queue pair 1 waits for buffers");
	rig->nets[1].sys = &vhost_net_fake_sys;
	for (unsigned k = 0; k < PAIRS; k++)
		assert_true(kernel_has_nothing(k));
	assert_int_equal(device_rx_stats(rig->device, 1)->drop_stopped, 0);
	rig_free(rig);
}

/* New call and err fds reach the kernel without a take back, and the call fd is signalled. */
static void fds_while_the_kernel_has_it(void **state)
{
	struct vhost_net_fake_ring *k = &kernel_of(0)->rings[VHOST_NET_TX];
	struct half *h;
	uint64_t n;
	int fd;

	(void)state;
	rig = rig_start(&bh_tx_engine, 0);
	h = &rig->halves[1];
	n = device_driver_status(rig->device).to_user.n;
	fd = h->vq.call.fd;
	h->vq.call = notifier_eventfd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	ops->ring_fds(rig->device, 1, h->vq.call, h->vq.err);
	close(fd);
	assert_int_equal(k->call_fd, h->vq.call.fd);
	assert_int_equal(guest_signals(h->vq.call.fd), 1);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	assert_int_equal(device_driver_status(rig->device).to_user.n, n);
	/* One that the kernel does not take: the user datapath has it, and tries again. */
	vhost_net_fake_fail(VHOST_SET_VRING_CALL, 1, -EINVAL);
	fd = h->vq.call.fd;
	h->vq.call = notifier_eventfd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	ops->ring_fds(rig->device, 1, h->vq.call, h->vq.err);
	close(fd);
	assert_false(device_pair_in_kernel(rig->device, 0));
	assert_true(guest_signals(h->vq.call.fd) > 0);
	assert_int_equal(logged(rig, "ring 1: the kernel does not take its new fds"), 1);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	assert_int_equal(k->call_fd, h->vq.call.fd);
	/* One that it cannot take: the user datapath keeps the pair and says why. */
	ops->ring_fds(rig->device, 1, (struct notifier){ h->vq.err.fd, NOTIFIER_SOCKET },
		      h->vq.err);
	assert_false(device_pair_in_kernel(rig->device, 0));
	assert_int_equal(quiet(rig->device), DEVICE_CANNOT);
	assert_why(rig, DEVICE_CANNOT,
		   "the call fd of the tx ring of queue pair 0 is a socket, not an eventfd");
	ops->ring_fds(rig->device, 1, h->vq.call, h->vq.err);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	/* None at all. */
	ops->ring_fds(rig->device, 1, notifier_none(), notifier_none());
	assert_int_equal(k->call_fd, -1);
	ops->ring_fds(rig->device, 1, h->vq.call, h->vq.err);
	traffic(rig, 50);
	check_all_arrived(rig);
	rig_free(rig);
}

/* Whatever touches a ring is done by the user datapath: the kernel has nothing meanwhile. */
static void requests_while_the_kernel_has_it(void **state)
{
	(void)state;
	rig = rig_start(&bh_tx_engine, 0);
	driver_sends(rig, 1, 4);
	assert_true(kernel_sends(rig, 1));

	ops->quiesce(rig->device);
	assert_true(kernel_has_nothing(0) && kernel_has_nothing(1));
	ops->resume(rig->device);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);

	/* The backend's header may change its length. */
	assert_int_equal(ops->set_features(rig->device, rig->features), 0);
	assert_true(kernel_has_nothing(0) && kernel_has_nothing(1));
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);

	/* Where the kernel was, and what it took. */
	assert_int_equal(ops->ring_stop(rig->device, 3), 1);
	assert_true(!kernel_has_nothing(0) && kernel_has_nothing(1));
	assert_int_equal(quiet(rig->device), DEVICE_WAITS);
	assert_int_equal(
		ops->ring_start(rig->device, 3, &rig->halves[3].vq, rig->halves[3].kick_fd), 0);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);

	/* A pair that is disabled is not used: the other goes on in the kernel. */
	check_all_arrived(rig);
	ops->ring_enable(rig->device, 2, false);
	assert_int_equal(quiet(rig->device), DEVICE_WAITS);
	ops->ring_enable(rig->device, 3, false);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	assert_true(device_pair_in_kernel(rig->device, 0));
	assert_false(device_pair_in_kernel(rig->device, 1));
	ops->ring_enable(rig->device, 2, true);
	ops->ring_enable(rig->device, 3, true);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	assert_true(device_pair_in_kernel(rig->device, 1));
	traffic(rig, 50);
	check_all_arrived(rig);

	/* A reset; the next driver negotiates something else. */
	stop_rings(rig);
	assert_true(kernel_has_nothing(0) && kernel_has_nothing(1));
	assert_int_equal(quiet(rig->device), DEVICE_WAITS);
	assert_int_equal(ops->set_features(rig->device, rig->features), 0);
	start_rings(rig, RINGS);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	traffic(rig, 50);
	check_all_arrived(rig);
	rig_free(rig);
}

/* The same memory at another address of ours: what the kernel gets is where it is now. */
static void memory_moves(void **state)
{
	struct gmem old;

	(void)state;
	rig = rig_start(&bh_tx_engine, 0);
	traffic(rig, 50);
	ops->quiesce(rig->device);
	old = rig->mem;
	assert_int_equal(gmem_init(&rig->mem), 0);
	assert_int_equal(gmem_add(&rig->mem, GPA, MEMORY, (uintptr_t)rig->arena.regions[0].host,
				  rig->arena.fd, 0),
			 0);
	for (unsigned i = 0; i < RINGS; i++) {
		struct half *h = &rig->halves[i];

		assert_int_equal(virtq_resolve(&h->vq.rings, &rig->mem, SIZE,
					       (uintptr_t)h->ring.areas.desc,
					       (uintptr_t)h->ring.areas.avail,
					       (uintptr_t)h->ring.areas.used),
				 0);
		ops->ring_moved(rig->device, i, &h->vq.rings);
	}
	ops->resume(rig->device);
	gmem_deinit(&old);
	assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
	assert_ptr_equal((void *)(uintptr_t)kernel_of(1)->rings[0].addr.avail_user_addr,
			 rig->halves[2].vq.rings.avail);
	traffic(rig, 50);
	check_all_arrived(rig);
	want(rig, false);
	traffic(rig, 50);
	check_all_arrived(rig);
	rig_free(rig);
}

/* What cannot be in the kernel is refused by its name, before any ring has been stopped for it. */
static void what_the_kernel_cannot(void **state)
{
	unsigned calls;

	(void)state;
	rig = rig_start(&bh_tx_engine, FEATURE(VIRTIO_F_RING_PACKED));
	assert_why(rig, DEVICE_CANNOT, "RING_PACKED");
	calls = vhost_net_fake.n_calls;
	want(rig, true);
	assert_int_equal(vhost_net_fake.n_calls, calls);
	assert_int_equal(device_driver_status(rig->device).failed, 0);
	driver_sends(rig, 0, 5);
	check_all_arrived(rig);
	rig_free(rig);

	rig = rig_start(&bh_tx_engine, FEATURE(VIRTIO_F_IN_ORDER));
	assert_why(rig, DEVICE_CANNOT, "IN_ORDER");
	vhost_net_fake.features |= VHOST_NET_FAKE_NEWER;
	rig_free(rig);

	rig = rig_new(&bh_tx_engine, 0, false);
	start_rings(rig, RINGS);
	assert_why(rig, DEVICE_CANNOT, "is no tap");
	rig_free(rig);

	rig = rig_new(&bh_tx_engine, 0, true);
	device_set_kernel(rig->device, NULL, "the dog ate it");
	start_rings(rig, RINGS);
	assert_why(rig, DEVICE_CANNOT, "the dog ate it");
	/* Who found that out has said so. */
	assert_int_equal(logged(rig, "driver user"), 0);
	traffic(rig, 50);
	check_all_arrived(rig);
	/* Who does not want it does not miss it. */
	assert_int_equal(want(rig, false), DEVICE_WAITS);
	assert_why(rig, DEVICE_WAITS, "the dog ate it");
	rig_free(rig);
}

/* A ring that the guest broke stays with us: to the kernel its fault would be news. */
static void a_broken_ring(void **state)
{
	(void)state;
	rig = rig_new(&bh_tx_engine, 0, true);
	device_want_kernel(rig->device, false);
	start_rings(rig, RINGS);
	rig->halves[1].ring.areas.avail->ring[0] = SIZE;
	store_release(&rig->halves[1].ring.areas.avail->idx, 1);
	ring_kick_now(&rig->halves[1].ring);
	assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
	assert_int_equal(logged(rig, "ring 1 (tx of queue pair 0) is broken"), 1);
	assert_int_equal(want(rig, true), DEVICE_WAITS);
	assert_why(rig, DEVICE_WAITS, "broken");
	assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
	assert_int_equal(device_tx_stats(rig->device, 0)->broken, 1);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_is_a_handover),
		cmocka_unit_test(kernel_gets_what_the_session_said),
		cmocka_unit_test(random_handovers),
		cmocka_unit_test(new_owner_looks_once),
		cmocka_unit_test(take_back_calls),
		cmocka_unit_test(stale_events),
		cmocka_unit_test(each_step_fails),
		cmocka_unit_test(a_reason_is_logged_once),
		cmocka_unit_test(a_parked_frame),
		cmocka_unit_test(a_frame_parks_meanwhile),
		cmocka_unit_test(fds_while_the_kernel_has_it),
		cmocka_unit_test(requests_while_the_kernel_has_it),
		cmocka_unit_test(memory_moves),
		cmocka_unit_test(what_the_kernel_cannot),
		cmocka_unit_test(a_broken_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
