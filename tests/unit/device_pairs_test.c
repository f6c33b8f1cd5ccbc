/* SPDX-License-Identifier: MIT */
/*
 * A device of 128 queue pairs on two real iothreads, with a fake kernel and a backend whose slow
 * operations are slow: what a front-end that starts, changes and stops a driver costs, and whom. No
 * frame moves here; the test plays the session, and the time of device_hand_over() is its own.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/device.h"
#include "tests/unit/guest.h"
#include "tests/unit/test_backend.h"
#include "tests/unit/vhost_net_fake.h"

#define PAIRS    128
#define RINGS    (2 * PAIRS)
#define THREADS  2
#define SIZE     4
#define MEMORY   (1U << 20)
#define GPA      0x40000000
#define MS       1000000ULL
#define LATE_MS  100
#define FEATURES (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF))

static const struct vhost_user_ops *const ops = &device_vhost_user_ops;

static struct rig {
	struct arena arena;
	struct gmem mem;
	struct iothread *threads[THREADS];
	struct backend *backend;
	struct backend_ops backend_ops; /* test_backend's, and those below */
	struct device *device;
	struct vhost_net nets[PAIRS];
	struct ring rings[RINGS];
	struct virtq_config vqs[RINGS];
	int kick_fds[RINGS];
	int call_fd;
	uint64_t now_ns;
	char log[16384];

	/* What the backend was asked. */
	pthread_t control;
	unsigned slow_ms; /* set_queue and reopen take so long */
	unsigned n_attach, n_detach, n_up, n_down, n_reopen;
	unsigned n_elsewhere; /* calls that were not on the control thread */
	bool attached[PAIRS];
	bool fails;
	int late_fd;
	unsigned n_held; /* by a late backend */
	unsigned n_kept; /* when tx_cancel() was asked for them */
	enum backend_health health;
} rig;

static void log_append(void *ctx, enum device_level level, const char *line)
{
	size_t len = strlen(rig.log);

	(void)ctx;
	if (level == DEVICE_DEBUG)
		return;
	snprintf(rig.log + len, sizeof(rig.log) - len, "%s\n", line);
}

static unsigned logged(const char *text)
{
	unsigned n = 0;

	for (const char *at = rig.log; (at = strstr(at, text)); at++)
		n++;
	return n;
}

static void note_slow_call(void)
{
	rig.n_elsewhere += !pthread_equal(pthread_self(), rig.control);
	if (rig.slow_ms)
		poll(NULL, 0, (int)rig.slow_ms);
}

static int set_queue(struct backend *backend, unsigned q, bool used)
{
	(void)backend;
	note_slow_call();
	assert_int_not_equal(rig.attached[q], used);
	rig.attached[q] = used;
	rig.n_attach += used;
	rig.n_detach += !used;
	return 0;
}

static void set_link(struct backend *backend, bool up)
{
	(void)backend;
	note_slow_call();
	rig.n_up += up;
	rig.n_down += !up;
}

static enum backend_health check(struct backend *backend, char why[BACKEND_ERR_LEN])
{
	(void)backend;
	if (rig.health != BACKEND_HEALTHY)
		snprintf(why, BACKEND_ERR_LEN, "it was taken away");
	return rig.health;
}

/* The queues have new fds for what they wait for, and all are attached. */
static int reopen(struct backend *backend, char err[BACKEND_ERR_LEN])
{
	note_slow_call();
	if (rig.fails) {
		snprintf(err, BACKEND_ERR_LEN, "not yet");
		return -ENODEV;
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		close(backend->queues[i]->frames.fd);
		backend->queues[i]->frames.fd = backend->queues[i]->vhost_fd = fd;
		rig.attached[i] = true;
	}
	rig.n_reopen++;
	rig.health = BACKEND_HEALTHY;
	return 0;
}

/* A network card that has frames of queue 0 for LATE_MS, whatever we would like. */

static unsigned late_tx(struct backend_queue *bq, const struct frame *frames, unsigned n,
			struct tx_stats *stats)
{
	struct itimerspec at = { .it_value.tv_nsec = LATE_MS * MS };

	(void)frames;
	(void)stats;
	rig.n_held += n;
	assert_int_equal(timerfd_settime(bq->done.fd, 0, &at, NULL), 0);
	return n;
}

static unsigned late_tx_done(struct backend_queue *bq)
{
	unsigned n = rig.n_held;
	uint64_t times;

	if (read(bq->done.fd, &times, sizeof(times)) < 0)
		return 0;
	rig.n_held = 0;
	return n;
}

static bool late_tx_cancel(struct backend_queue *bq, struct tx_stats *stats)
{
	(void)bq;
	(void)stats;
	rig.n_kept += rig.n_held;
	return !rig.n_held;
}

static void be_late(void)
{
	rig.backend_ops.tx = late_tx;
	rig.backend_ops.tx_done = late_tx_done;
	rig.backend_ops.tx_cancel = late_tx_cancel;
	rig.late_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	assert_true(rig.late_fd >= 0);
	rig.backend->queues[0]->ops = &rig.backend_ops;
	rig.backend->queues[0]->done = (struct backend_wait){ .fd = rig.late_fd, .events = POLLIN };
}

static void half_init(unsigned i)
{
	struct ring_config cfg = { .features = FEATURES, .size = SIZE, .kick_fd = -1 };
	struct ring *ring = &rig.rings[i];
	struct virtq_config *vq = &rig.vqs[i];

	assert_int_equal(ring_place(&cfg, &rig.arena, 0), 0);
	assert_int_equal(ring_init(ring, &cfg), 0);
	*vq = (struct virtq_config){
		.mem = &rig.mem,
		.features = FEATURES,
		.size = SIZE,
		.call = notifier_eventfd(rig.call_fd),
		.err = notifier_none(),
	};
	assert_int_equal(virtq_resolve(&vq->rings, &rig.mem, SIZE, (uintptr_t)ring->areas.desc,
				       (uintptr_t)ring->areas.avail, (uintptr_t)ring->areas.used),
			 0);
	rig.kick_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(rig.kick_fds[i] >= 0);
}

static void memory_init(void)
{
	struct arena_span span = { GPA, MEMORY };

	assert_int_equal(arena_init(&rig.arena, &span, 1, false), 0);
	assert_int_equal(gmem_init(&rig.mem), 0);
	assert_int_equal(gmem_add(&rig.mem, GPA, MEMORY, (uintptr_t)rig.arena.regions[0].host,
				  rig.arena.fd, 0),
			 0);
}

static void backend_init(void)
{
	struct test_backend_config cfg = { .n_queues = PAIRS, .fds = true };

	rig.backend = test_backend_new(&cfg);
	rig.backend_ops = *rig.backend->ops;
	rig.backend_ops.set_queue = set_queue;
	rig.backend_ops.set_link = set_link;
	rig.backend_ops.check = check;
	rig.backend_ops.reopen = reopen;
	rig.backend->ops = &rig.backend_ops;
	for (unsigned i = 0; i < PAIRS; i++) {
		rig.attached[i] = true;
		rig.backend->queues[i]->vhost_fd = rig.backend->queues[i]->frames.fd;
	}
}

static int set_up(void **state)
{
	struct tx_mode mode = { .engine = &bh_tx_engine, .values = { 8 } };
	struct device_config cfg = {
		.threads = rig.threads, .n_threads = THREADS, .mode = &mode, .log = log_append
	};
	char why[VHOST_NET_WHY_LEN];

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.now_ns = 1000 * MS;
	rig.control = pthread_self();
	vhost_net_fake_begin();
	memory_init();
	rig.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned i = 0; i < RINGS; i++)
		half_init(i);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(iothread_new(&rig.threads[i], "pairs"), 0);
	backend_init();
	cfg.backend = rig.backend;
	assert_int_equal(device_new(&rig.device, &cfg), 0);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(vhost_net_open(&rig.nets[i], &vhost_net_fake_sys, VHOST_NET_DEVICE,
						-1, 0, why),
				 0);
	device_set_kernel(rig.device, rig.nets, NULL);
	vhost_net_fake.n_calls = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	/* Of a test that has failed, too, so that it can be said. */
	device_set_kernel(rig.device, NULL, "the test is over");
	device_free(rig.device);
	for (unsigned i = 0; i < THREADS; i++)
		iothread_free(rig.threads[i]);
	backend_free(rig.backend);
	for (unsigned i = 0; i < PAIRS; i++)
		vhost_net_close(&rig.nets[i]);
	vhost_net_fake_end();
	for (unsigned i = 0; i < RINGS; i++) {
		ring_deinit(&rig.rings[i]);
		close(rig.kick_fds[i]);
	}
	close(rig.call_fd);
	gmem_deinit(&rig.mem);
	arena_deinit(&rig.arena);
	assert_int_equal(rig.n_elsewhere, 0);
	return 0;
}

/* The loop comes by after so many ms. */
static enum device_driver after_ms(uint64_t ms)
{
	rig.now_ns += ms * MS;
	return device_hand_over(rig.device, rig.now_ns);
}

static void start_ring(unsigned i)
{
	assert_int_equal(ops->ring_start(rig.device, i, &rig.vqs[i], rig.kick_fds[i]), 0);
	after_ms(1);
}

static void enable_pair(unsigned pair, bool enabled)
{
	for (unsigned i = 0; i < 2; i++) {
		ops->ring_enable(rig.device, 2 * pair + i, enabled);
		after_ms(1);
	}
}

/* As QEMU does: a message at a time, the loop comes by after each. */
static void start_pairs(unsigned n)
{
	assert_int_equal(ops->set_features(rig.device, FEATURES), 0);
	for (unsigned i = 0; i < 2 * n; i++)
		start_ring(i);
	for (unsigned i = 0; i < n; i++)
		enable_pair(i, true);
}

static void stop_pairs(unsigned n)
{
	for (unsigned i = 0; i < 2 * n; i++) {
		ops->ring_stop(rig.device, i);
		after_ms(1);
	}
	for (unsigned i = 0; i < n; i++)
		enable_pair(i, false);
	after_ms(1000);
}

static unsigned n_in_kernel(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAIRS; i++)
		n += device_pair_in_kernel(rig.device, i);
	return n;
}

static void assert_why(enum device_driver driver, const char *text)
{
	struct device_driver_status s = device_driver_status(rig.device);

	assert_int_equal(s.driver, driver);
	if (!strstr(s.why, text))
		fail_msg("the reason '%s' has no '%s'", s.why, text);
}

/* Starting and stopping a driver is one hand-over, and so many system calls for each pair. */
static void start_and_stop_are_linear(void **state)
{
	struct device_driver_status s;
	unsigned n;

	(void)state;
	start_pairs(PAIRS);
	assert_int_equal(vhost_net_fake.n_calls, 0);
	assert_why(DEVICE_WAITS, "just changed");
	assert_in_range(device_due_ns(rig.device), rig.now_ns, rig.now_ns + DEVICE_QUIET_NS);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	assert_int_equal(n_in_kernel(), PAIRS);
	assert_int_equal(device_due_ns(rig.device), DEVICE_NEVER);
	n = vhost_net_fake.n_calls;
	assert_in_range(n, PAIRS, 16 * PAIRS);
	assert_int_equal(device_driver_status(rig.device).to_kernel.n, 1);
	stop_pairs(PAIRS);
	assert_in_range(vhost_net_fake.n_calls - n, PAIRS, 12 * PAIRS);
	assert_int_equal(n_in_kernel(), 0);
	assert_why(DEVICE_WAITS, "no driver uses it");
	s = device_driver_status(rig.device);
	assert_int_equal(s.to_kernel.n, 1);
	/* Its pairs went one by one. */
	assert_int_equal(s.to_user.n, PAIRS);
	assert_int_equal(s.failed, 0);
	print_message("128 pairs: %u system calls to start, %u to stop\n", n,
		      vhost_net_fake.n_calls - n);
}

/* Only the pair that is changed leaves the kernel, and only it comes back. */
static void one_pair_changes(void **state)
{
	unsigned n;

	(void)state;
	start_pairs(PAIRS);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	n = vhost_net_fake.n_calls;
	ops->ring_stop(rig.device, 7);
	assert_int_equal(n_in_kernel(), PAIRS - 1);
	assert_false(device_pair_in_kernel(rig.device, 3));
	assert_why(DEVICE_WAITS, "queue pair 3 was taken back");
	/* The loop comes by, and status is asked for: that changes nothing. */
	assert_int_equal(after_ms(1), DEVICE_WAITS);
	assert_why(DEVICE_WAITS, "the tx ring of queue pair 3 is not started");
	assert_int_equal(n_in_kernel(), PAIRS - 1);
	start_ring(7);
	assert_int_equal(n_in_kernel(), PAIRS - 1);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	assert_int_equal(n_in_kernel(), PAIRS);
	assert_in_range(vhost_net_fake.n_calls - n, 1, 30);
	/* One that is in use no more does not concern the others. */
	enable_pair(3, false);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	assert_int_equal(n_in_kernel(), PAIRS - 1);
	enable_pair(3, true);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	assert_int_equal(n_in_kernel(), PAIRS);
	stop_pairs(PAIRS);
}

/* What stays half is not in the kernel by halves. */
static void all_or_none(void **state)
{
	(void)state;
	start_pairs(PAIRS);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	ops->ring_enable(rig.device, 7, false);
	assert_int_equal(after_ms(1), DEVICE_WAITS);
	assert_int_equal(n_in_kernel(), PAIRS - 1);
	assert_int_equal(after_ms(30), DEVICE_WAITS);
	assert_int_equal(n_in_kernel(), 0);
	assert_why(DEVICE_WAITS, "the tx ring of queue pair 3 is not enabled");
	assert_int_equal(device_due_ns(rig.device), DEVICE_NEVER);
	ops->ring_enable(rig.device, 7, true);
	after_ms(1);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	assert_int_equal(n_in_kernel(), PAIRS);
	stop_pairs(PAIRS);
}

/* A command that wants the kernel waits for no quiet; one that does not has its way at once. */
static void command_is_at_once(void **state)
{
	(void)state;
	start_pairs(2);
	assert_why(DEVICE_WAITS, "just changed");
	device_want_kernel(rig.device, true);
	assert_int_equal(after_ms(0), DEVICE_KERNEL);
	device_want_kernel(rig.device, false);
	assert_int_equal(n_in_kernel(), 0);
	assert_int_equal(after_ms(0), DEVICE_WAITS);
	device_want_kernel(rig.device, true);
	assert_int_equal(after_ms(0), DEVICE_KERNEL);
	/* Of what is so already nothing is done. */
	device_want_kernel(rig.device, true);
	assert_int_equal(after_ms(0), DEVICE_KERNEL);
	assert_int_equal(device_driver_status(rig.device).to_kernel.n, 2);
	stop_pairs(2);
}

/*
 * Queues are attached before their first frame, and detached when nobody has used them for a while.
 */
static void queues_are_attached(void **state)
{
	(void)state;
	assert_int_equal(rig.n_detach, PAIRS);
	start_pairs(2);
	assert_int_equal(rig.n_attach, 2);
	assert_true(rig.attached[0] && rig.attached[1] && !rig.attached[2]);
	enable_pair(1, false);
	assert_true(rig.attached[1]);
	enable_pair(1, true);
	after_ms(30);
	assert_int_equal(rig.n_attach, 2);
	assert_int_equal(rig.n_detach, PAIRS);
	enable_pair(1, false);
	after_ms(30);
	assert_false(rig.attached[1]);
	assert_int_equal(rig.n_detach, PAIRS + 1);
	/* A ring that is started again is a ring that is used again. */
	ops->ring_stop(rig.device, 0);
	ops->ring_stop(rig.device, 1);
	after_ms(1);
	after_ms(30);
	assert_false(rig.attached[0]);
	start_ring(1);
	assert_true(rig.attached[0]);
	stop_pairs(2);
	assert_false(rig.attached[0]);
}

/* The host sees a carrier while a guest is there; a reset on its way does not make it flap. */
static void link_follows_the_guest(void **state)
{
	(void)state;
	assert_int_equal(rig.n_down, 1);
	assert_int_equal(rig.n_up, 0);
	start_ring(0);
	assert_int_equal(rig.n_up, 0);
	ops->ring_enable(rig.device, 0, true);
	assert_int_equal(rig.n_up, 1);
	start_pairs(2);
	assert_int_equal(rig.n_up, 1);
	ops->ring_stop(rig.device, 0);
	ops->ring_stop(rig.device, 1);
	after_ms(30);
	assert_int_equal(rig.n_down, 1);
	ops->ring_stop(rig.device, 2);
	ops->ring_stop(rig.device, 3);
	after_ms(1);
	start_ring(0);
	after_ms(30);
	assert_int_equal(rig.n_down, 1);
	ops->ring_stop(rig.device, 0);
	after_ms(1);
	assert_int_equal(rig.n_down, 1);
	after_ms(30);
	assert_int_equal(rig.n_down, 2);
	assert_int_equal(rig.n_up, 1);
	stop_pairs(2);
}

/* A backend that goes away and comes back. */
static void backend_is_lost(void **state)
{
	char err[BACKEND_ERR_LEN];

	(void)state;
	start_pairs(2);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	assert_int_equal(device_check(rig.device), BACKEND_HEALTHY);
	assert_int_equal(n_in_kernel(), 2);
	rig.health = BACKEND_LOST;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(device_check(rig.device), BACKEND_LOST);
	assert_int_equal(logged("backend test: it was taken away"), 1);
	assert_int_equal(n_in_kernel(), 0);
	after_ms(1);
	assert_int_equal(after_ms(30), DEVICE_WAITS);
	assert_why(DEVICE_WAITS, "it was taken away");
	assert_int_equal(n_in_kernel(), 0);
	rig.fails = true;
	assert_int_equal(device_reopen(rig.device, err), -ENODEV);
	assert_string_equal(err, "not yet");
	assert_why(DEVICE_WAITS, "it was taken away");
	rig.fails = false;
	assert_int_equal(device_reopen(rig.device, err), 0);
	assert_int_equal(device_check(rig.device), BACKEND_HEALTHY);
	after_ms(1);
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	assert_int_equal(n_in_kernel(), 2);
	assert_int_equal(vhost_net_fake.devices[1].rings[0].backend_fd,
			 rig.backend->queues[1]->frames.fd);
	/* What nobody uses of the new one was let go of. */
	assert_true(rig.attached[0] && rig.attached[1] && !rig.attached[2]);
	stop_pairs(2);
}

/* Frames of the new backend are waited for at its new fd. */
static void reopened_queues_wait_anew(void **state)
{
	uint8_t *room = arena_alloc(&rig.arena, 0, 2048, 64);
	uint64_t runs, ms;
	char err[BACKEND_ERR_LEN];

	(void)state;
	assert_non_null(room);
	ring_fill(&rig.rings[0], (struct chain_part){ arena_gpa(&rig.arena, room), 2048, true }, 0);
	ring_submit(&rig.rings[0]);
	device_want_kernel(rig.device, false);
	start_pairs(1);
	assert_int_equal(device_reopen(rig.device, err), 0);
	runs = load_relaxed(&device_rx_stats(rig.device, 0)->runs);
	eventfd_write(rig.backend->queues[0]->frames.fd, 1);
	for (ms = 0; load_relaxed(&device_rx_stats(rig.device, 0)->runs) == runs && ms < 5000; ms++)
		poll(NULL, 0, 1);
	assert_true(ms < 5000);
	stop_pairs(1);
}

/* The driver sends n frames of zeros. */
static void send_frames(struct ring *ring, unsigned n)
{
	uint32_t len = NET_HDR_LEN + 60;
	uint8_t *buf = arena_alloc(&rig.arena, 0, len, 64);

	assert_non_null(buf);
	memset(buf, 0, len);
	for (unsigned i = 0; i < n; i++) {
		assert_true(ring_reserve(ring, 1));
		ring_fill(ring, (struct chain_part){ arena_gpa(&rig.arena, buf), len, false }, i);
	}
	ring_submit(ring);
}

/*
 * A backend that cannot recall frames gives them back before the rings go to the kernel, or memory
 * changes, and the queues stand still from when the first of them stopped.
 */
static void kept_frames_are_awaited(void **state)
{
	uint64_t took_us;

	(void)state;
	be_late();
	send_frames(&rig.rings[1], SIZE);
	/* A ring that is started first drops what is there. */
	assert_int_equal(ops->set_features(rig.device, FEATURES), 0);
	enable_pair(0, true);
	start_ring(0);
	start_ring(1);
	took_us = monotonic_ns();
	assert_int_equal(after_ms(30), DEVICE_KERNEL);
	took_us = (monotonic_ns() - took_us) / 1000;
	assert_int_equal(rig.n_kept, SIZE);
	assert_int_equal(rig.n_held, 0);
	assert_int_equal(load_acquire(&rig.vqs[1].rings.used->idx), SIZE);
	assert_in_range(device_driver_status(rig.device).to_kernel.last_us, took_us / 2,
			took_us + 1);
	stop_pairs(1);
	close(rig.late_fd);
}

/* A pair whose ring the guest has broken stays where it is, until the front-end stops that ring. */
static void broken_until_stopped(void **state)
{
	unsigned ms;

	(void)state;
	start_pairs(1);
	store_release(&rig.rings[1].areas.avail->idx, 1000);
	assert_int_equal(eventfd_write(rig.kick_fds[1], 1), 0);
	for (ms = 0; !load_relaxed(&device_tx_stats(rig.device, 0)->broken) && ms < 5000; ms++)
		poll(NULL, 0, 1);
	assert_int_equal(device_move_pair(rig.device, 0, rig.threads[1]), DEVICE_MOVE_BROKEN);
	assert_ptr_equal(device_pair_thread(rig.device, 0), rig.threads[0]);
	stop_pairs(1);
	assert_int_equal(device_move_pair(rig.device, 0, rig.threads[1]), DEVICE_MOVED);
	assert_ptr_equal(device_pair_thread(rig.device, 0), rig.threads[1]);
	assert_int_equal(device_move_pair(rig.device, 0, rig.threads[0]), DEVICE_MOVED);
}

/* A neighbour on the same iothread: how late its timer is at most. */
static struct neighbour {
	struct iothread_job job;
	struct iothread_timer timer;
	struct iothread *thread;
	uint64_t worst_ns;
	bool stop;
} neighbour;

static void on_neighbour(struct iothread_timer *timer)
{
	uint64_t now_ns = monotonic_ns();

	neighbour.worst_ns = max_u64(neighbour.worst_ns, now_ns - timer->at_ns);
	iothread_timer_set(neighbour.thread, timer, now_ns + MS);
}

static void on_neighbour_job(struct iothread_job *job)
{
	neighbour.timer.fn = on_neighbour;
	if (neighbour.stop)
		iothread_timer_cancel(neighbour.thread, &neighbour.timer);
	else
		iothread_timer_set(neighbour.thread, &neighbour.timer, monotonic_ns());
	iothread_job_done(job);
}

static void run_neighbour(bool stop)
{
	struct iothread_batch batch;

	neighbour.thread = rig.threads[0];
	neighbour.job.fn = on_neighbour_job;
	neighbour.stop = stop;
	iothread_batch_init(&batch);
	iothread_post(neighbour.thread, &batch, &neighbour.job);
	iothread_batch_wait(&batch);
}

/*
 * A front-end that switches its queues off and on, slower than we wait, so that each costs 50 ms:
 * that is the control thread's time, not its neighbours'.
 */
static void toggler_has_no_victim(void **state)
{
	(void)state;
	memset(&neighbour, 0, sizeof(neighbour));
	start_pairs(4);
	rig.slow_ms = 50;
	run_neighbour(false);
	for (unsigned i = 0; i < 5; i++) {
		enable_pair(2, false);
		after_ms(30);
		enable_pair(2, true);
	}
	run_neighbour(true);
	rig.slow_ms = 0;
	assert_int_equal(rig.n_elsewhere, 0);
	assert_int_equal(rig.n_detach, PAIRS + 5);
	/* With a set_queue on the iothread it would be 50 and more on any machine. */
	print_message("a neighbour's timer was %.2f ms late at most\n",
		      (double)neighbour.worst_ns / 1e6);
	stop_pairs(4);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(start_and_stop_are_linear),
		TEST(one_pair_changes),
		TEST(all_or_none),
		TEST(command_is_at_once),
		TEST(queues_are_attached),
		TEST(link_follows_the_guest),
		TEST(backend_is_lost),
		TEST(reopened_queues_wait_anew),
		TEST(toggler_has_no_victim),
		TEST(kept_frames_are_awaited),
		TEST(broken_until_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
