/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the frames of a tx queue: through pause and stop, while the ring is disabled,
 * with headers and lengths that cannot be, cut in any way, and how the driver is told; in the end
 * all of it by chance. Each test runs in all combinations of tx_queue_rig.h unless it says
 * otherwise.
 */
#include "tests/unit/tx_queue_rig.h"

/* ---- pause, resume, stop ---- */

/* Pause now; nothing may move until resume; then everything must, without a kick. */
static void pause_and_resume(struct rig *r)
{
	tx_queue_pause(&r->q);
	check(r, test_backend_held(r->backend, 0) == 0);
	check(r, fake_iothread_next_timer(r->thread) == FAKE_IOTHREAD_NO_TIMER);
	check_untouched(r);
	check(r, r->q.vq.used_idx == r->q.vq.last_avail);
	tx_queue_resume(&r->q);
	settle(r);
	check_all_out(r);
}

static void pause_resume(struct rig *r)
{
	/* Kicked and not seen. */
	add(r, 3 * BURST);
	tx_queue_kick(&r->q);
	pause_and_resume(r);
	/* Kicked, seen, not run. */
	add(r, 3 * BURST);
	ring_kick_now(&r->guest.ring);
	turn(r);
	pause_and_resume(r);
	/* Added and never kicked. */
	add(r, 1);
	pause_and_resume(r);
	/* The backend full. */
	test_backend_room(r->backend, 0, 2);
	add(r, 2 * BURST);
	ring_kick_now(&r->guest.ring);
	if (r->cfg.late)
		entry_at(r, r->n_added - 2 * BURST)->fate = FATE_EITHER;
	let_run(r);
	check(r, r->q.blocked);
	pause_and_resume(r);
}

/*
 * Work that is owed when the queue pauses (QEMU's tx_waiting when the VM stops) is done after
 * resume, with no kick.
 */
static void test_pause_resume(void **state)
{
	(void)state;
	each(pause_resume);
}

static void stop_index(struct rig *r)
{
	unsigned n, left;
	uint32_t idx;

	for (n = 0; n < 3 * BURST; n += 5) {
		test_backend_room(r->backend, 0, n / 2);
		add(r, n);
		ring_kick_now(&r->guest.ring);
		let_run(r);
		idx = tx_queue_stop(&r->q);
		reclaim(r);
		left = (unsigned)(r->n_added - r->n_used);
		check(r, guest_layout || idx == (uint16_t)(r->cfg.base + r->n_used));
		check(r, idx == ring_base(&r->guest.ring));
		check(r, left >= n - n / 2 && fake_iothread_next_timer(r->thread) == UINT64_MAX);
		check(r, !r->q.kick_watch.armed && !await_armed(&r->q.room) &&
				 !await_armed(&r->q.done));
		test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
		start(r, idx);
		settle(r);
		check_all_out(r);
	}
}

/*
 * The index that stop gives is exact, also past 65535: what it counts is used, what it does not is
 * sent after the next start.
 */
static void test_stop_index(void **state)
{
	struct rig_config cfg = { .engine = &bh_tx_engine, .burst = BURST, .base = 65530 };

	(void)state;
	each(stop_index);
	each_with(stop_index, cfg);
	cfg.engine = &timer_tx_engine;
	each_with(stop_index, cfg);
}

static void cancelled(struct rig *r)
{
	uint64_t seq;

	if (!r->cfg.late)
		return;
	check(r, send_frames(r, BURST - 1));
	for (seq = 0; seq < BURST - 1; seq++)
		entry_at(r, seq)->fate = FATE_EITHER;
	let_run(r);
	test_backend_finish(r->backend, 0, 2);
	tx_queue_stop(&r->q);
	check(r, reclaim(r) == BURST - 1);
	check(r, r->n_arrived == 2 && r->q.stats.drop_backend == BURST - 3);
	start(r, virtq_base(&r->q.vq));
	settle(r);
	check_all_out(r);
}

/* Stopped with frames in the backend: it gives them up, they come back, and are counted. */
static void test_stop_with_frames_in_flight(void **state)
{
	(void)state;
	each(cancelled);
}

/* ---- frames that are not sent ---- */

static void disabled(struct rig *r)
{
	unsigned i;

	tx_queue_enable(&r->q, false);
	settle(r);
	for (i = 0; i < 2 * BURST; i++)
		check(r, add_shape(r, (enum shape)(i % SHAPES), FATE_DROPPED));
	ring_submit(&r->guest.ring);
	check(r, ring_kick(&r->guest.ring));
	settle(r);
	check_all_out(r);
	check(r, r->q.stats.drop_disabled == 2 * BURST && r->q.stats.frames == 0);
	tx_queue_enable(&r->q, true);
	send_frames(r, 3);
	settle(r);
	check_all_out(r);
	check(r, r->n_arrived == 3);
}

/*
 * A disabled ring discards what the driver sends, and gives it back: Windows guests wait for it
 * (QEMU 283e2c2adc).
 */
static void test_disabled(void **state)
{
	(void)state;
	each(disabled);
}

static void disabled_while_full(struct rig *r)
{
	uint64_t seq;

	test_backend_room(r->backend, 0, 2);
	check(r, send_frames(r, 3 * BURST));
	for (seq = 2; seq < 3 * BURST; seq++)
		entry_at(r, seq)->fate = FATE_DROPPED;
	let_run(r);
	check(r, r->q.blocked);
	tx_queue_enable(&r->q, false);
	settle(r);
	check_all_out(r);
	check(r, r->q.stats.drop_disabled == 3 * BURST - 2);
}

/*
 * Disabled while the backend is full: the frames that waited for it come back too, behind those in
 * flight, with no kick.
 */
static void test_disabled_while_full(void **state)
{
	(void)state;
	each(disabled_while_full);
}

/* Two good frames around each bad one. */
static void dropped_between(struct rig *r, void (*add_bad)(struct rig *r))
{
	unsigned i;

	for (i = 0; i < 3; i++) {
		add(r, 1);
		add_bad(r);
		ring_submit(&r->guest.ring);
	}
	add(r, 1);
	ring_kick_now(&r->guest.ring);
	let_run(r);
	check(r, reclaim(r) == (r->cfg.late ? 0 : 7));
	if (r->cfg.late) {
		test_backend_finish(r->backend, 0, 1);
		quiet(r);
		check(r, reclaim(r) == 2);
	}
	settle(r);
	check(r, r->n_arrived == 4 && r->q.stats.frames == 4 && !r->n_broken);
	check_all_out(r);
}

static struct virtio_net_hdr_v1 *last_header(struct rig *r)
{
	return (void *)buf_at(r, r->n_added - 1);
}

static void add_offload(struct rig *r)
{
	static const uint8_t types[] = { VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP_L4, 77,
					 VIRTIO_NET_HDR_GSO_ECN };

	check(r, add_shape(r, SHAPE_ONE, FATE_DROPPED));
	*last_header(r) = (struct virtio_net_hdr_v1){
		.gso_type = types[r->n_added % array_size(types)],
		.gso_size = 100,
	};
}

static uint64_t header_drops(const struct rig *r)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < NET_HDR_FAULTS; i++)
		sum += r->q.stats.drop_header[i];
	return sum;
}

static void offloads(struct rig *r)
{
	dropped_between(r, add_offload);
	check(r, header_drops(r) == 3 && r->q.stats.drop_header[NET_HDR_GSO_TYPE] >= 2);
}

/*
 * A header that asks for what was not negotiated costs that frame only: dropped, counted, and used
 * in its turn.
 */
static void test_offload_not_negotiated(void **state)
{
	(void)state;
	each(offloads);
}

static void add_oversize(struct rig *r)
{
	*entry_at(r, r->n_added) = (struct entry){ .fate = FATE_DROPPED };
	ring_fill(&r->guest.ring, guest_part(&r->guest, r->oversize, OVERSIZE, false), r->n_added);
	r->n_added++;
}

static void oversize(struct rig *r)
{
	dropped_between(r, add_oversize);
	check(r, r->q.stats.drop_size == 3);
}

/* So does a frame that is longer than any can be. */
static void test_oversize(void **state)
{
	(void)state;
	each(oversize);
}

static void dropped_behind_full(struct rig *r)
{
	test_backend_room(r->backend, 0, 1);
	add(r, 1);
	add_offload(r);
	add(r, 1);
	add_offload(r);
	ring_submit(&r->guest.ring);
	ring_kick_now(&r->guest.ring);
	settle(r);
	check(r, r->q.blocked && header_drops(r) == 1);
	check(r, reclaim(r) == 2);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	settle(r);
	check(r, header_drops(r) == 2);
	check_all_out(r);
}

/*
 * A bad frame behind one that the backend did not take goes back to the ring with it, and is
 * counted once.
 */
static void test_dropped_behind_full(void **state)
{
	(void)state;
	each(dropped_behind_full);
}

static void headers_cut(struct rig *r)
{
	unsigned i, n = 0;

	for (i = 0; i < 5 * SHAPES; i++)
		n += add_shape(r, (enum shape)(i % SHAPES), FATE_SENT);
	ring_submit(&r->guest.ring);
	check(r, n == 5 * SHAPES && ring_kick(&r->guest.ring));
	settle(r);
	check(r, r->n_arrived == n);
	check_all_out(r);
}

/*
 * The driver may cut a frame anywhere, in the middle of the header too, and use an indirect table;
 * the header has 10 bytes or 12.
 */
static void test_shapes(void **state)
{
	struct rig_config cfg = { .engine = &bh_tx_engine, .burst = BURST, .legacy = true };

	(void)state;
	each(headers_cut);
	each_with(headers_cut, cfg);
}

static void garbage(struct rig *r)
{
	const struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_DATA_VALID,
		.hdr_len = UINT16_MAX,
		.gso_size = 1,
		.csum_start = 2,
		.csum_offset = 3,
	};
	const struct test_backend_counts *counts = test_backend_counts(r->backend, 0);
	unsigned n = 0, shape;

	for (shape = 0; shape < SHAPES; shape++) {
		n += add_shape(r, (enum shape)shape, FATE_SENT);
		memcpy(buf_at(r, r->n_added - 1), &hdr, NET_HDR_LEN_LEGACY);
	}
	ring_submit(&r->guest.ring);
	check(r, ring_kick(&r->guest.ring));
	let_run(r);
	check(r, counts->tx_in_place == 0);
	for (shape = 0; shape < SHAPES; shape++)
		check(r, !memcmp(buf_at(r, shape), &hdr, NET_HDR_LEN_LEGACY));
	settle(r);
	check(r, n == SHAPES && r->n_arrived == n);
	check_all_out(r);
	/* In one piece with a header that means what it says, the frame may go out as it lies. */
	check(r, add_shape(r, SHAPE_ONE, FATE_SENT) && add_shape(r, SHAPE_HEADER_APART, FATE_SENT));
	ring_submit(&r->guest.ring);
	ring_kick_now(&r->guest.ring);
	settle(r);
	check(r, counts->tx_in_place == 1);
	check_all_out(r);
}

/*
 * What a driver leaves in fields that mean nothing costs no frame; the backend gets a header
 * without it, and knows that the guest's own, which nobody writes to, is another.
 */
static void test_garbage_headers(void **state)
{
	struct rig_config cfg = { .engine = &bh_tx_engine, .burst = BURST, .legacy = true };

	(void)state;
	each(garbage);
	each_with(garbage, cfg);
}

static void too_short(struct rig *r)
{
	struct chain_part part;

	check(r, ring_reserve(&r->guest.ring, 2) == 2);
	for (unsigned len = 0; len < NET_FRAME_MIN; len += NET_FRAME_MIN - 1) {
		*entry_at(r, r->n_added) = (struct entry){ .fate = FATE_DROPPED };
		part = guest_part(&r->guest, buf_at(r, r->n_added), r->hdr_len + len, false);
		ring_fill(&r->guest.ring, part, r->n_added++);
	}
	add(r, 1);
	ring_kick_now(&r->guest.ring);
	settle(r);
	check(r, r->n_arrived == 1 && r->q.stats.drop_size == 2);
	check_all_out(r);
}

/* A header with no Ethernet frame behind it is nothing that a backend could send. */
static void test_too_short(void **state)
{
	(void)state;
	each(too_short);
}

static void calls(struct rig *r)
{
	guest_signals(r->guest.call_fd);
	check(r, !ring_arm_call(&r->guest.ring, 0));
	check(r, send_frames(r, BURST - 1));
	settle(r);
	check(r, guest_signals(r->guest.call_fd) == 1);
	reclaim(r);
	ring_disarm_call(&r->guest.ring);
	check(r, send_frames(r, BURST - 1));
	settle(r);
	check(r, guest_signals(r->guest.call_fd) == 0);
	check_all_out(r);
}

/* The driver is called once for a batch, if it asked for that: not once a frame, and not never. */
static void test_calls(void **state)
{
	(void)state;
	each(calls);
}

/* ---- chance ---- */

/* Frames in the ring or in flight may be dropped from here on. */
static void may_drop(struct rig *r)
{
	uint64_t seq;

	for (seq = r->n_used; seq < r->n_added; seq++) {
		if (entry_at(r, seq)->fate == FATE_SENT && !entry_at(r, seq)->finished)
			entry_at(r, seq)->fate = FATE_EITHER;
	}
}

/* The frame just added shall be dropped: make it so. */
static void spoil(struct rig *r)
{
	entry_at(r, r->n_added - 1)->fate = FATE_DROPPED;
}
static void chance_add(struct rig *r, uint64_t *random)
{
	unsigned n = test_random_below(random, 3 * BURST), i;
	bool sure = r->q.rules.enabled;

	for (i = 0; i < n; i++) {
		enum shape shape = (enum shape)test_random_below(random, SHAPES);

		if (!test_random_below(random, 20) && ring_reserve(&r->guest.ring, 1)) {
			add_oversize(r);
			continue;
		}
		if (!add_shape(r, shape, sure ? FATE_SENT : FATE_EITHER))
			break;
		if (!test_random_below(random, 20)) {
			last_header(r)->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
			spoil(r);
		}
	}
	ring_submit(&r->guest.ring);
	if (ring_reserve(&r->guest.ring, 1) || test_random_below(random, 2))
		ring_kick(&r->guest.ring);
	else
		ring_kick_now(&r->guest.ring);
}

static void chance_control(struct rig *r, uint64_t *random)
{
	struct tx_mode mode =
		mode_of(test_random_below(random, 2) ? &timer_tx_engine : &bh_tx_engine,
			1 + test_random_below(random, 2 * BURST));
	uint32_t idx;

	may_drop(r);
	switch (test_random_below(random, 5)) {
	case 0:
		tx_queue_pause(&r->q);
		fake_iothread_advance(r->thread, test_random_below(random, 2 * DELAY));
		turn(r);
		tx_queue_resume(&r->q);
		break;
	case 1:
		idx = tx_queue_stop(&r->q);
		check(r, idx == ring_base(&r->guest.ring));
		start(r, idx);
		break;
	case 2:
		tx_queue_enable(&r->q, test_random_below(random, 3));
		break;
	default:
		tx_queue_set_mode(&r->q, &mode);
		break;
	}
}

static void chance_step(struct rig *r, uint64_t *random)
{
	switch (test_random_below(random, 12)) {
	case 0:
	case 1:
	case 2:
		chance_add(r, random);
		break;
	case 3:
		reclaim(r);
		break;
	case 4:
		test_backend_room(r->backend, 0, test_random_below(random, 2 * BURST));
		break;
	case 5:
		test_backend_finish(r->backend, 0, test_random_below(random, BURST));
		break;
	case 6:
		fake_iothread_advance(r->thread, test_random_below(random, 2 * DELAY));
		break;
	case 7:
		if (!test_random_below(random, 4))
			chance_control(r, random);
		break;
	case 8:
		tx_queue_ready(&r->q, BACKEND_ROOM | BACKEND_DONE);
		break;
	default:
		turn(r);
		break;
	}
}

static void chance(struct rig *r)
{
	uint64_t random = r->seed;
	unsigned i;

	for (i = 0; i < 400; i++)
		chance_step(r, &random);
	may_drop(r);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	/* Nobody kicks any more. */
	ring_kick(&r->guest.ring);
	settle(r);
	check_all_out(r);
	check(r, !r->n_broken);
}

static uint64_t n_seeds = 800;

/*
 * Random drivers, backends, times and commands, by seed: every frame out once and in order, every
 * frame used once and in order, none stuck when all is idle.
 */
static void test_chance(void **state)
{
	struct rig_config cfg = { 0 };
	struct rig r;
	uint64_t seed, random;

	(void)state;
	for (seed = 1; seed <= n_seeds; seed++) {
		random = seed;
		test_random(&random);
		cfg.engine = random & 1 ? &timer_tx_engine : &bh_tx_engine;
		cfg.late = random & 2;
		cfg.fds = random & 4;
		cfg.event_idx = random & 8;
		cfg.legacy = random & 16;
		cfg.burst = 1 + (uint32_t)(random >> 8) % (2 * BURST);
		cfg.base = (uint16_t)(random >> 16);
		rig_up(&r, &cfg);
		r.seed = seed;
		chance(&r);
		rig_deinit(&r);
	}
}

static void odd_size(struct rig *r)
{
	for (unsigned i = 0; i < 200; i++) {
		check(r, send_frames(r, 1 + i % (SIZE - 7)));
		settle(r);
		check_all_out(r);
	}
}

/* A packed ring's size need not be a power of two. */
static void test_odd_size(void **state)
{
	struct rig_config cfg = { .engine = &bh_tx_engine, .burst = BURST, .size = SIZE - 7 };

	(void)state;
	if (guest_layout)
		each_with(odd_size, cfg);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pause_resume),
		cmocka_unit_test(test_stop_index),
		cmocka_unit_test(test_stop_with_frames_in_flight),
		cmocka_unit_test(test_disabled),
		cmocka_unit_test(test_disabled_while_full),
		cmocka_unit_test(test_offload_not_negotiated),
		cmocka_unit_test(test_oversize),
		cmocka_unit_test(test_dropped_behind_full),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_garbage_headers),
		cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_odd_size),
		cmocka_unit_test(test_chance),
	};

	if (argc > 1)
		n_seeds = strtoull(argv[1], NULL, 10);
	return cmocka_run_group_tests_name("split", tests, guest_split, NULL) |
	       cmocka_run_group_tests_name("packed", tests, guest_packed, NULL);
}
