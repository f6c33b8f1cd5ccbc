/* SPDX-License-Identifier: MIT */
/*
 * What an administrator changes while a device runs: the tx mode, coalescing, a pair's iothread. In
 * each of the states in which that could go wrong: the kernel has the device, a hand-over is under
 * way or fails, the backend is full, the guest has broken a ring. See handover_rig.h.
 */
#include "tests/unit/handover_rig.h"

static const struct tx_mode modes[] = {
	{ .engine = &bh_tx_engine, .values = { 8 } },
	{ .engine = &timer_tx_engine, .values = { DELAY, 8 } },
};

/* What show tells of a pair. */
static void assert_mode(const struct rig *r, unsigned pair, unsigned mode, bool waits)
{
	bool told;

	assert_ptr_equal(device_pair_mode(r->device, pair, &told)->engine, modes[mode].engine);
	assert_int_equal(told, waits);
}

/* One frame that finds its pair idle: by timer it waits, else it leaves at once. */
static void assert_runs_by(struct rig *r, unsigned pair, unsigned mode)
{
	uint64_t before;

	check_all_arrived(r);
	before = r->n_sent[pair];
	driver_sends(r, pair, 1);
	run_until_idle(r);
	assert_int_equal(r->n_sent[pair] - before, modes[mode].engine == &bh_tx_engine);
	check_all_arrived(r);
}

/* The kernel is not disturbed; each pair begins by its mode when it comes back, and keeps it. */
static void kernel_has_it(void **state)
{
	(void)state;
	for_each_kind(e, f)
	{
		unsigned calls, next = !e;

		rig = rig_start(engines[e], layouts[f]);
		driver_sends(rig, 0, 5);
		driver_sends(rig, 1, 5);
		calls = vhost_net_fake.n_calls;
		device_set_mode(rig->device, 1, &modes[next]);
		device_set_coalesce(rig->device, e);
		assert_mode(rig, 0, e, false);
		assert_mode(rig, 1, next, true);
		assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
		assert_int_equal(vhost_net_fake.n_calls, calls);
		check_all_arrived(rig);
		driver_sends(rig, 1, 5);
		want(rig, false);
		assert_mode(rig, 1, next, false);
		assert_runs_by(rig, 0, e);
		assert_runs_by(rig, 1, next);
		assert_int_equal(want(rig, true), DEVICE_KERNEL);
		device_set_mode(rig->device, DEVICE_ALL_PAIRS, &modes[e]);
		device_set_mode(rig->device, DEVICE_ALL_PAIRS, &modes[next]);
		assert_mode(rig, 0, next, true);
		stop_rings(rig);
		quiet(rig->device);
		device_want_kernel(rig->device, false);
		start_rings(rig, RINGS);
		assert_mode(rig, 0, next, false);
		assert_runs_by(rig, 0, next);
		rig_free(rig);
	}
}

/* The pair comes back for that, and goes again; no frame is lost on the way. */
static void moved_from_the_kernel(void **state)
{
	(void)state;
	for_each_kind(e, f)
	{
		rig = rig_start(engines[e], layouts[f]);
		driver_sends(rig, 1, 5);
		host_sends(rig, 1, 5);
		assert_int_equal(device_move_pair(rig->device, 1, rig->other), DEVICE_MOVED);
		assert_ptr_equal(device_pair_thread(rig->device, 1), rig->other);
		assert_true(kernel_has_nothing(1));
		driver_sends(rig, 1, 5);
		assert_int_equal(quiet(rig->device), DEVICE_KERNEL);
		check_all_arrived(rig);
		want(rig, false);
		driver_sends(rig, 1, 5);
		host_sends(rig, 1, 3);
		/* The one that it was moved from has nothing to do with it. */
		assert_true(fake_iothread_run_until_idle(rig->thread, TURNS));
		assert_int_equal(rig->n_sent[1], 10);
		assert_int_equal(test_backend_waiting(rig->backend, 1), 3);
		check_all_arrived(rig);
		rig_free(rig);
	}
}

/* Whatever step of a hand-over fails: a mode waits while the kernel has the pair, not longer. */
static void a_handover_fails(void **state)
{
	unsigned left = 0, n;

	(void)state;
	for_each_kind(e, f)
	{
		for (n = 1, left = 0; !left; n++) {
			rig = rig_start(engines[e], layouts[f]);
			driver_sends(rig, 0, 5);
			device_set_mode(rig->device, DEVICE_ALL_PAIRS, &modes[!e]);
			vhost_net_fake_fail(VHOST_NET_FAKE_ANY, n, -EIO);
			want(rig, false);
			assert_mode(rig, 0, !e, false);
			driver_sends(rig, 0, 5);
			/* Asked for, and not due yet. */
			device_want_kernel(rig->device, true);
			device_set_mode(rig->device, 0, &modes[e]);
			assert_mode(rig, 0, e, false);
			quiet(rig->device);
			device_set_mode(rig->device, 0, &modes[!e]);
			assert_mode(rig, 0, !e, device_pair_in_kernel(rig->device, 0));
			left = vhost_net_fake_unfailed();
			check_all_arrived(rig);
			want(rig, false);
			assert_mode(rig, 0, !e, false);
			assert_runs_by(rig, 0, !e);
			rig_free(rig);
		}
		assert_in_range(n, 20, 80);
	}
}

/* A hand-over that waits for a frame to leave: the mode is taken meanwhile, a move is not. */
static void a_handover_waits(void **state)
{
	uint8_t *frame = calloc(1, 2 * BUF_LEN);

	(void)state;
	rig = rig_new(&bh_tx_engine, 0, true);
	device_want_kernel(rig->device, false);
	start_rings(rig, RINGS);
	host_sends(rig, 1, SIZE - 1);
	run_until_idle(rig);
	test_backend_give(rig->backend, 1, frame, BUF_LEN + 1000);
	run_until_idle(rig);
	assert_int_equal(want(rig, true), DEVICE_RETRY);
	assert_int_equal(device_move_pair(rig->device, 1, rig->other), DEVICE_MOVE_LATER);
	assert_ptr_equal(device_pair_thread(rig->device, 1), rig->thread);
	device_set_mode(rig->device, 1, &modes[1]);
	assert_mode(rig, 1, 1, false);
	driver_sends(rig, 1, 1);
	run_until_idle(rig);
	assert_int_equal(rig->n_sent[1], 0);
	fake_iothread_advance(rig->thread, 2 * DELAY);
	assert_int_equal(rig->n_sent[1], 1);
	assert_int_equal(quiet(rig->device), DEVICE_RETRY);
	free(frame);
	rig_free(rig);
}

/* Frames wait for a full backend, whatever is changed; they leave in order once it has room. */
static void backend_is_full(void **state)
{
	(void)state;
	for_each_kind(e, f)
	{
		for (unsigned kernel = 0; kernel < 2; kernel++) {
			rig = rig_new(engines[e], layouts[f], true);
			device_want_kernel(rig->device, false);
			start_rings(rig, RINGS);
			test_backend_room(rig->backend, 0, 2);
			driver_sends(rig, 0, SIZE);
			run_until_idle(rig);
			advance(rig->thread);
			device_set_mode(rig->device, 0, &modes[!e]);
			device_set_coalesce(rig->device, e);
			assert_mode(rig, 0, !e, false);
			run_until_idle(rig);
			advance(rig->thread);
			assert_true(device_pair_progress(rig->device, 0).full);
			assert_int_equal(rig->n_sent[0], 2);
			assert_int_equal(device_move_pair(rig->device, 0, rig->other),
					 DEVICE_MOVED);
			run_until_idle(rig);
			assert_int_equal(rig->n_sent[0], 2);
			if (kernel)
				assert_int_equal(want(rig, true), DEVICE_KERNEL);
			test_backend_room(rig->backend, 0, TEST_BACKEND_NO_LIMIT);
			assert_true(fake_iothread_run_until_idle(rig->other, TURNS));
			advance(rig->other);
			assert_int_equal(rig->n_sent[0], kernel ? 2 : SIZE);
			check_all_arrived(rig);
			want(rig, false);
			assert_runs_by(rig, 0, !e);
			rig_free(rig);
		}
	}
}

/* It is noted, the ring stays broken and the other pair runs by it; what starts anew does, too. */
static void ring_is_broken(void **state)
{
	struct half *h;

	(void)state;
	rig = rig_new(&bh_tx_engine, 0, true);
	h = &rig->halves[1];
	device_want_kernel(rig->device, false);
	start_rings(rig, RINGS);
	h->ring.areas.avail->ring[0] = SIZE;
	store_release(&h->ring.areas.avail->idx, 1);
	ring_kick_now(&h->ring);
	run_until_idle(rig);
	assert_int_equal(device_tx_stats(rig->device, 0)->broken, 1);
	device_set_mode(rig->device, DEVICE_ALL_PAIRS, &modes[1]);
	device_set_coalesce(rig->device, false);
	assert_int_equal(device_move_pair(rig->device, 0, rig->other), DEVICE_MOVE_BROKEN);
	assert_true(device_pair_progress(rig->device, 0).broken);
	assert_mode(rig, 0, 1, false);
	ring_kick_now(&h->ring);
	run_until_idle(rig);
	advance(rig->thread);
	assert_int_equal(device_tx_stats(rig->device, 0)->broken, 1);
	assert_int_equal(logged(rig, "is broken"), 1);
	assert_runs_by(rig, 1, 1);
	/* A driver that begins again. */
	stop_rings(rig);
	store_release(&h->ring.areas.avail->idx, 0);
	for (unsigned i = 0; i < RINGS; i++)
		rig->halves[i].vq.base = (uint32_t)rig->halves[i].n_back;
	start_rings(rig, RINGS);
	assert_int_equal(device_tx_stats(rig->device, 0)->broken, 1);
	assert_runs_by(rig, 0, 1);
	rig_free(rig);
}

static unsigned n_seeds = 100;

/* All of it at random moments, under traffic and hand-overs: nothing is lost, doubled or late. */
static void random_changes(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= n_seeds; seed++) {
		unsigned mode[PAIRS] = { seed % 2, seed % 2 };

		rig = rig_start(engines[seed % 2], layouts[seed / 2 % 2]);
		rig->random = seed;
		for (unsigned i = 0; i < 60; i++) {
			unsigned pair = test_random_below(&rig->random, PAIRS);

			traffic(rig, test_random_below(&rig->random, 12));
			mode[pair] = test_random_below(&rig->random, 2);
			device_set_mode(rig->device, pair, &modes[mode[pair]]);
			traffic(rig, test_random_below(&rig->random, 4));
			if (!test_random_below(&rig->random, 3))
				assert_int_not_equal(
					device_move_pair(rig->device, pair,
							 test_random_below(&rig->random, 2)
								 ? rig->other
								 : rig->thread),
					DEVICE_MOVE_BROKEN);
			device_set_coalesce(rig->device, test_random_below(&rig->random, 2));
			want(rig, test_random_below(&rig->random, 2));
			/* Set while the user datapath had it, it does not wait in the kernel. */
			if (!device_pair_in_kernel(rig->device, pair))
				assert_mode(rig, pair, mode[pair], false);
			if (!test_random_below(&rig->random, 8))
				check_all_arrived(rig);
		}
		want(rig, false);
		for (unsigned i = 0; i < PAIRS; i++)
			assert_runs_by(rig, i, mode[i]);
		rig_free(rig);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_has_it),    cmocka_unit_test(moved_from_the_kernel),
		cmocka_unit_test(a_handover_fails), cmocka_unit_test(a_handover_waits),
		cmocka_unit_test(backend_is_full),  cmocka_unit_test(ring_is_broken),
		cmocka_unit_test(random_changes),
	};

	if (argc > 1)
		n_seeds = (unsigned)atoi(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
