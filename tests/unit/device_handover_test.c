/* SPDX-License-Identifier: MIT */
/* Hand-overs of a device between the user datapath and the kernel; see handover_rig.h. */
#include "tests/unit/handover_rig.h"

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

static unsigned n_seeds = 40;

/* Hand-overs at random moments under traffic; nothing is lost, doubled, late or left asleep. */
static void random_handovers(void **state)
{
	(void)state;
	for_each_kind(e, f)
	{
		for (unsigned seed = 1; seed <= n_seeds; seed++) {
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

int main(int argc, char **argv)
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

	if (argc > 1)
		n_seeds = (unsigned)atoi(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
