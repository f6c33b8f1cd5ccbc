/* SPDX-License-Identifier: MIT */
/*
 * Split and packed ring, device half against driver half in one process: what well-behaved drivers
 * and devices do in every shape. Each test runs over both layouts. What each layout can be broken
 * by is in virtq_split_test.c and virtq_packed_test.c, two threads are in
 * tests/race/ring_race_test.c.
 */
#include "tests/unit/ring_world.h"
#include "virtio/net_hdr.h"

/* The feature that makes the layout under test, or none. */
static uint64_t layout(void **state)
{
	return *(const uint64_t *)*state;
}

/* One descriptor there and back: what was written is read, length and token return. */
static void test_direct(void **state)
{
	struct world *w = world_new(layout(state), 4, 0);
	struct chain c[4];

	strcpy(arena_at(&w->arena, DATA, 6), "hello");
	assert_int_equal(virtq_peek(&w->vq), 0);
	ring_fill(&w->ring, out_part(DATA, 6), 77);
	ring_fill(&w->ring, in_part(DATA + 64, 100), 78);
	assert_int_equal(virtq_peek(&w->vq), 0);
	ring_submit(&w->ring);
	assert_int_equal(virtq_peek(&w->vq), shown(w, 2));
	assert_int_equal(pop(w, c, 4), 2);
	assert_int_equal(c[0].n_out, 1);
	assert_int_equal(c[0].n_in, 0);
	assert_int_equal(c[0].out_len, 6);
	assert_int_equal(c[0].in_len, 0);
	assert_string_equal(c[0].iov[0].iov_base, "hello");
	assert_int_equal(c[1].n_out, 0);
	assert_int_equal(c[1].n_in, 1);
	assert_int_equal(c[1].in_len, 100);
	strcpy(c[1].iov[0].iov_base, "world");
	virtq_push(&w->vq, c[0].elem, 0);
	virtq_push(&w->vq, c[1].elem, 6);
	assert_int_equal(ring_peek(&w->ring), 0);
	virtq_publish(&w->vq);
	assert_int_equal(ring_peek(&w->ring), shown(w, 2));
	take_back(w, 77, 0);
	take_back(w, 78, 6);
	assert_string_equal(arena_at(&w->arena, DATA + 64, 6), "world");
	assert_int_equal(ring_reserve(&w->ring, 9), 4);
	world_free(w);
}

/* The parts of a chain arrive in order and apart by direction, direct or in a table. */
static void test_chained(void **state)
{
	const struct chain_part parts[] = { out_part(DATA, 12), out_part(DATA + 100, 60),
					    in_part(DATA + 200, 7), in_part(DATA + 300, 1) };
	struct world *w = world_new(INDIRECT | layout(state), 8, 0);
	struct chain c;

	for (unsigned indirect = 0; indirect < 2; indirect++) {
		if (indirect)
			ring_fill_indirect(&w->ring, parts, 4, 5);
		else
			ring_fill_chain(&w->ring, parts, 4, 5);
		assert_int_equal(ring_reserve(&w->ring, 8), indirect ? 7 : 4);
		ring_submit(&w->ring);
		assert_int_equal(pop(w, &c, 1), 1);
		assert_int_equal(c.n_out, 2);
		assert_int_equal(c.n_in, 2);
		assert_int_equal(c.out_len, 72);
		assert_int_equal(c.in_len, 8);
		for (unsigned i = 0; i < 4; i++) {
			uint64_t len = parts[i].len;
			unsigned hint = 0;

			assert_ptr_equal(c.iov[i].iov_base,
					 gmem_at(&w->mem, parts[i].addr, &len, &hint));
			assert_int_equal(c.iov[i].iov_len, parts[i].len);
		}
		virtq_push(&w->vq, c.elem, 8);
		virtq_publish(&w->vq);
		take_back(w, 5, 8);
		assert_int_equal(ring_reserve(&w->ring, 8), 8);
	}
	world_free(w);
}

/* A chain that the model remembers: token i has these parts. */
struct shape {
	unsigned n;
	bool indirect;
	struct chain_part parts[TABLE_LEN];
};

static struct shape random_shape(uint64_t token, bool may_indirect)
{
	struct shape s = { .n = 1 + (unsigned)rand() % TABLE_LEN };
	unsigned n_out = (unsigned)rand() % (s.n + 1);

	s.indirect = may_indirect && rand() % 2;
	for (unsigned i = 0; i < s.n; i++) {
		uint64_t addr = DATA + (token * 131 + i * 17) % (REGION / 2);

		s.parts[i] = (struct chain_part){ addr, 1 + (uint32_t)rand() % 1500, i >= n_out };
	}
	return s;
}

static void offer_shape(struct world *w, const struct shape *s, uint64_t token)
{
	if (s->indirect)
		ring_fill_indirect(&w->ring, s->parts, s->n, token);
	else if (s->n == 1)
		ring_fill(&w->ring, s->parts[0], token);
	else
		ring_fill_chain(&w->ring, s->parts, s->n, token);
}

static uint32_t in_len(const struct shape *s)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < s->n; i++)
		len += s->parts[i].in ? s->parts[i].len : 0;
	return len;
}

static void check_shape(struct world *w, const struct shape *s, const struct chain *c)
{
	unsigned hint = 0;

	assert_int_equal(c->n_out + c->n_in, s->n);
	for (unsigned i = 0; i < s->n; i++) {
		uint64_t len = s->parts[i].len;

		assert_int_equal(c->iov[i].iov_len, len);
		assert_ptr_equal(c->iov[i].iov_base,
				 gmem_at(&w->mem, s->parts[i].addr, &len, &hint));
		assert_int_equal(i >= c->n_out, s->parts[i].in);
	}
}

/*
 * Chains of all shapes, offered, rewound and used in bursts of random size, past the wrap of all
 * indices. The driver's promise under IN_ORDER is checked too: split, descriptors lie in ring
 * order; packed, ids come in turn.
 */
static void run_mixed(uint64_t features, unsigned size, uint16_t base)
{
	static struct shape shapes[VRING_MAX_SIZE];
	struct world *w = world_new(features, size, base);
	uint64_t offered = 0, popped = 0, back = 0;
	bool may_indirect = features & INDIRECT && w->ring.cfg.table_len;
	unsigned head = 0;
	struct chain c[32];

	srand(size);
	while (back < 70001) {
		for (unsigned burst = (unsigned)rand() % 40; burst > 0; burst--) {
			struct shape s = random_shape(offered, may_indirect);
			unsigned need = s.indirect ? 1 : s.n;

			if (ring_reserve(&w->ring, need) < need)
				break;
			shapes[offered % size] = s;
			offer_shape(w, &s, offered++);
		}
		ring_submit(&w->ring);
		unsigned n = pop(w, c, 1 + (unsigned)rand() % 32), undo = (unsigned)rand() % 4;

		assert_int_equal(w->vq.fault, VIRTQ_OK);
		undo = undo < n ? undo : 0;
		virtq_rewind(&w->vq, c + n - undo, undo);
		for (unsigned i = 0; i < n - undo; i++) {
			const struct shape *s = &shapes[popped++ % size];
			unsigned descs = s->indirect ? 1 : s->n;

			check_shape(w, s, &c[i]);
			assert_int_equal(c[i].elem.slots, w->ring.packed ? descs : 1);
			if (features & IN_ORDER) {
				assert_int_equal(c[i].elem.id, head);
				head = (head + (w->ring.packed ? 1 : descs)) % size;
			}
			virtq_push(&w->vq, c[i].elem, c[i].in_len);
		}
		virtq_publish(&w->vq);
		ring_peek(&w->ring);
		for (struct ring_used u; ring_use(&w->ring, &u) == RING_USED; back++) {
			assert_int_equal(u.token, back);
			assert_int_equal(u.len, in_len(&shapes[back % size]));
		}
		assert_int_equal(w->ring.fault, RING_OK);
		assert_int_equal(back, popped);
	}
	assert_true(offered >= back);
	world_free(w);
}

static void test_mixed(void **state)
{
	run_mixed(layout(state), 8, 0);
	run_mixed(layout(state) | INDIRECT, 256, 65500);
	run_mixed(layout(state) | INDIRECT | EVENT_IDX, 64, 1);
	run_mixed(layout(state) | INDIRECT | IN_ORDER, 16, 65535);
	run_mixed(layout(state) | IN_ORDER, 1024, 0);
	run_mixed(layout(state), 32768, 40000);
	if (!layout(state))
		return;
	/* A packed ring's size may be any. */
	run_mixed(PACKED, 9, 4);
	run_mixed(PACKED | INDIRECT | IN_ORDER, 100, 65535);
	run_mixed(PACKED, 32767, 32766);
}

/* A ring of one entry is a ring. */
static void test_size_one(void **state)
{
	struct world *w = world_new(EVENT_IDX | layout(state), 1, 65535);

	for (unsigned i = 0; i < 5; i++) {
		ring_fill(&w->ring, out_part(DATA, 60), i);
		ring_submit(&w->ring);
		assert_int_equal(ring_reserve(&w->ring, 1), 0);
		bounce(w);
		take_back(w, i, 0);
	}
	world_free(w);
}

/* Without IN_ORDER chains may return in any order: tokens fit, no descriptor is given out twice. */
static void test_out_of_order(void **state)
{
	struct world *w = world_new(layout(state), 32, 65530);
	struct virtq_elem flight[32];
	unsigned n_flight = 0;
	bool in_flight[32] = { false };
	uint32_t rank[32];
	struct chain c[32];
	struct ring_used u;

	srand(1);
	for (uint64_t round = 0; round < 5000; round++) {
		struct chain_part parts[3] = { out_part(DATA, 10), out_part(DATA + 10, 10),
					       in_part(DATA + 20, 31) };
		unsigned len = 1 + (unsigned)rand() % 3;

		while (ring_reserve(&w->ring, len) == len) {
			ring_fill_chain(&w->ring, parts + 3 - len, len, next_id(w));
			len = 1 + (unsigned)rand() % 3;
		}
		ring_submit(&w->ring);
		for (unsigned i = 0, n = pop(w, c, 32); i < n; i++) {
			assert_false(in_flight[c[i].elem.id]);
			in_flight[c[i].elem.id] = true;
			rank[c[i].elem.id] = (uint32_t)rand() % 32;
			flight[n_flight++] = c[i].elem;
		}
		for (unsigned n = 1 + (unsigned)rand() % n_flight; n > 0; n--) {
			unsigned k = (unsigned)rand() % n_flight;

			virtq_push(&w->vq, flight[k], rank[flight[k].id]);
			flight[k] = flight[--n_flight];
		}
		virtq_publish(&w->vq);
		ring_peek(&w->ring);
		while (ring_use(&w->ring, &u) == RING_USED) {
			assert_true(in_flight[u.token]);
			assert_int_equal(u.len, rank[u.token]);
			in_flight[u.token] = false;
		}
		assert_int_equal(w->ring.fault, RING_OK);
	}
	world_free(w);
}

/* What was rewound comes again, also after some of the same pop was used. */
static void test_rewind(void **state)
{
	struct world *w = world_new(layout(state), 8, 65534);
	struct chain c[8], again[8];

	for (unsigned i = 0; i < 6; i++)
		ring_fill(&w->ring, out_part(DATA + i, 1 + i), i);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, 6), 6);
	virtq_rewind(&w->vq, c + 2, 4);
	virtq_push(&w->vq, c[0].elem, 0);
	virtq_push(&w->vq, c[1].elem, 0);
	virtq_publish(&w->vq);
	assert_int_equal(virtq_seen(&w->vq), shown(w, 4));
	assert_int_equal(virtq_peek(&w->vq), shown(w, 4));
	assert_int_equal(pop(w, again, 8), 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(again[i].elem.id, c[2 + i].elem.id);
		assert_int_equal(again[i].out_len, 3 + i);
	}
	world_free(w);
}

/*
 * Mergeable rx: as many chains as a frame needs, the rest goes back, the header counts them, one
 * publish.
 */
static void test_mergeable(void **state)
{
	struct world *w = world_new(IN_ORDER | layout(state), 8, 0);
	struct virtio_net_hdr_v1 *h;
	struct chain c[8];

	for (unsigned i = 0; i < 8; i++)
		ring_fill(&w->ring, in_part(DATA + i * 512, 512), i);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, 4), 4);
	for (unsigned i = 0; i < 3; i++)
		memset(c[i].iov->iov_base, 'a' + (int)i, 512);
	memset(c[0].iov->iov_base, 0, NET_HDR_LEN);
	net_hdr_set_num_buffers(c[0].iov, 3);
	virtq_rewind(&w->vq, c + 3, 1);
	for (unsigned i = 0; i < 3; i++)
		virtq_push(&w->vq, c[i].elem, i < 2 ? 512 : 100);
	virtq_publish(&w->vq);
	assert_int_equal(ring_peek(&w->ring), shown(w, 3));
	take_back(w, 0, 512);
	take_back(w, 1, 512);
	take_back(w, 2, 100);
	h = arena_at(&w->arena, DATA, sizeof(*h));
	assert_int_equal(h->num_buffers, 3);
	assert_int_equal(*(char *)arena_at(&w->arena, DATA + 1024, 1), 'c');
	assert_int_equal(pop(w, c, 8), 5);
	world_free(w);
}

/* A pool with little room: chains that do not fit wait for the next pop; none is lost or broken. */
static void test_small_pool(void **state)
{
	struct world *w = world_new(layout(state), 4, 0);
	struct chain c[4];

	for (unsigned i = 0; i < 4; i++)
		ring_fill(&w->ring, out_part(DATA, 60), i);
	ring_submit(&w->ring);
	w->pool.n = POOL - CHAIN_MAX_IOV - 1;
	assert_int_equal(virtq_pop(&w->vq, c, 4, &w->pool), 2);
	assert_int_equal(virtq_pop(&w->vq, c, 4, &w->pool), 0);
	assert_int_equal(w->vq.fault, VIRTQ_OK);
	assert_int_equal(pop(w, c, 4), 2);
	world_free(w);
}

/* Split, disarming leaves an event as it is, ahead or behind; packed, it takes it back. */
#define NEVER (UINT64_MAX / 2)

/*
 * EVENT_IDX: a kick exactly when the available index passes the event, whatever the step, past the
 * wrap.
 */
static void test_event_idx_kick(void **state)
{
	struct world *w = world_new(EVENT_IDX | layout(state), 64, 65000);
	uint64_t armed = 0, sent = 0;
	unsigned kicks = 0;
	struct chain c[64];

	srand(2);
	assert_false(virtq_arm_notify(&w->vq));
	for (unsigned round = 0; round < 3000; round++) {
		unsigned step = (unsigned)rand() % 9;
		bool passes = armed - sent < step;

		for (unsigned i = 0; i < step; i++, sent++)
			ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_submit(&w->ring);
		assert_int_equal(ring_kick(&w->ring), passes);
		assert_int_equal(signals(w->ring.cfg.kick_fd), passes);
		kicks += passes;
		if (rand() % 3 && w->ring.n_free > 16)
			continue;
		for (unsigned i = 0, n = pop(w, c, 64); i < n; i++)
			virtq_push(&w->vq, c[i].elem, 0);
		virtq_publish(&w->vq);
		ring_peek(&w->ring);
		for (struct ring_used u; ring_use(&w->ring, &u) == RING_USED;)
			;
		virtq_disarm_notify(&w->vq);
		armed = w->ring.packed ? NEVER : armed;
		if (rand() % 2) {
			assert_false(virtq_arm_notify(&w->vq));
			armed = sent;
		}
	}
	assert_true(kicks > 100);
	world_free(w);
}

/*
 * EVENT_IDX: a call exactly when the used index passes what the driver asked for; the very first
 * is free.
 */
static void test_event_idx_call(void **state)
{
	struct world *w = world_new(EVENT_IDX | layout(state), 64, 65000);
	uint64_t armed = 20, used = 1;
	unsigned calls = 0;
	struct chain c[8];

	srand(3);
	ring_fill(&w->ring, out_part(DATA, 60), 0);
	ring_submit(&w->ring);
	assert_false(ring_arm_call(&w->ring, 20));
	bounce(w);
	assert_true(virtq_call(&w->vq));
	assert_false(virtq_call(&w->vq));
	assert_int_equal(signals(w->cfg.call.fd), 1);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned step = (unsigned)rand() % 9;
		bool passes = armed - used < step;

		for (unsigned i = 0; i < step; i++)
			ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_submit(&w->ring);
		assert_int_equal(pop(w, c, step), step);
		for (unsigned i = 0; i < step; i++, used++)
			virtq_push(&w->vq, c[i].elem, 0);
		virtq_publish(&w->vq);
		assert_int_equal(virtq_call(&w->vq), passes);
		assert_int_equal(signals(w->cfg.call.fd), passes);
		calls += passes;
		if (rand() % 3 && w->ring.n_free > 16)
			continue;
		ring_peek(&w->ring);
		for (struct ring_used u; ring_use(&w->ring, &u) == RING_USED;)
			;
		ring_disarm_call(&w->ring);
		armed = w->ring.packed ? NEVER : armed;
		if (rand() % 2) {
			uint16_t after = (uint16_t)rand() % 20;

			assert_false(ring_arm_call(&w->ring, after));
			armed = used + after;
		}
	}
	assert_true(calls > 100);
	world_free(w);
}

/* Without EVENT_IDX a flag each way says whether to notify. */
static void test_flags(void **state)
{
	struct world *w = world_new(layout(state), 8, 0);

	for (unsigned round = 0; round < 2; round++) {
		ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_submit(&w->ring);
		assert_true(ring_kick(&w->ring));
		assert_false(ring_kick(&w->ring));
		virtq_disarm_notify(&w->vq);
		ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_submit(&w->ring);
		assert_false(ring_kick(&w->ring));
		ring_disarm_call(&w->ring);
		bounce(w);
		assert_false(virtq_call(&w->vq));
		assert_true(ring_arm_call(&w->ring, 0));
		bounce(w);
		assert_true(virtq_call(&w->vq));
		take_back(w, 0, 0);
		take_back(w, 0, 0);
		assert_false(ring_arm_call(&w->ring, 0));
		assert_false(virtq_arm_notify(&w->vq));
	}
	assert_int_equal(signals(w->ring.cfg.kick_fd), 2);
	assert_int_equal(signals(w->cfg.call.fd), 2);
	world_free(w);
}

/*
 * What came between the last look and arming is found by arming, on both sides and in both modes.
 */
static void test_arm_looks_again(void **state)
{
	const uint64_t modes[] = { 0, EVENT_IDX };

	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world_new(modes[i] | layout(state), 8, 65535);

		virtq_disarm_notify(&w->vq);
		assert_int_equal(virtq_peek(&w->vq), 0);
		ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_submit(&w->ring);
		assert_true(virtq_arm_notify(&w->vq));
		virtq_disarm_notify(&w->vq);
		assert_int_equal(ring_peek(&w->ring), 0);
		bounce(w);
		assert_true(ring_arm_call(&w->ring, 0));
		take_back(w, 0, 0);
		assert_false(ring_arm_call(&w->ring, 0));
		assert_false(virtq_arm_notify(&w->vq));
		world_free(w);
	}
}

/*
 * "Kick me for more than I have seen": what waits already is no reason, what comes on top is one.
 * It was seen by a pop that came back short.
 */
static void test_arm_for_more(void **state)
{
	const struct chain_part two[] = { out_part(DATA, 12), out_part(DATA + 12, 60) };
	const uint64_t modes[] = { 0, EVENT_IDX };
	struct chain c[8];

	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world_new(layout(state) | modes[i], 8, 65534);

		virtq_disarm_notify(&w->vq);
		ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_fill_chain(&w->ring, two, 2, 1);
		ring_submit(&w->ring);
		ring_kick_wanted(&w->ring);
		assert_int_equal(pop(w, c, 8), 2);
		virtq_rewind(&w->vq, c, 2);
		assert_false(virtq_arm_notify_more(&w->vq));
		ring_fill(&w->ring, out_part(DATA, 60), 2);
		ring_submit(&w->ring);
		assert_true(ring_kick_wanted(&w->ring));
		assert_true(virtq_arm_notify_more(&w->vq));
		assert_false(virtq_arm_notify_more(&w->vq));
		assert_true(virtq_arm_notify(&w->vq));
		assert_int_equal(pop(w, c, 8), 3);
		world_free(w);
	}
}

/* Without a call fd the driver polls: a wish for a call harms nobody. */
static void test_no_call(void **state)
{
	struct world *w = world_new(layout(state), 8, 0);

	w->vq.call = notifier_none();
	w->vq.err = notifier_none();
	ring_fill(&w->ring, out_part(DATA, 60), 0);
	ring_submit(&w->ring);
	bounce(w);
	assert_true(virtq_call(&w->vq));
	virtq_break(&w->vq, VIRTQ_FAULT_HEAD);
	assert_int_equal(w->vq.fault, VIRTQ_FAULT_HEAD);
	world_free(w);
}

/*
 * Stopped and started again at the index where it stopped, with rings elsewhere: nothing lost or
 * twice.
 */
static void test_restart(void **state)
{
	struct world *w = world_new(layout(state), 8, 65534);
	struct gmem old = w->mem;
	struct chain c[8];

	for (unsigned i = 0; i < 5; i++)
		ring_fill(&w->ring, out_part(DATA, 60 + i), i);
	ring_submit(&w->ring);
	bounce(w);
	bounce(w);
	map_arena(w);
	gmem_deinit(&old);
	world_resolve(w);
	virtq_move(&w->vq, &w->cfg.rings);
	bounce(w);
	w->cfg.base = virtq_base(&w->vq);
	assert_int_equal(w->cfg.base, ring_base(&w->ring));
	virtq_break(&w->vq, VIRTQ_FAULT_LOOP);
	virtq_start(&w->vq, &w->cfg);
	assert_int_equal(w->vq.fault, VIRTQ_OK);
	assert_int_equal(pop(w, c, 8), 2);
	assert_int_equal(c[0].out_len, 63);
	virtq_push(&w->vq, c[0].elem, 0);
	virtq_publish(&w->vq);
	for (unsigned i = 0; i < 4; i++)
		take_back(w, i, 0);
	world_free(w);
}

/*
 * Buffers that go on in the next region come as two iovecs; one that goes on into nothing is a
 * fault.
 */
static void test_region_crossing(void **state)
{
	const uint64_t edge = GPA + 2 * REGION;
	struct world *w = world_new(layout(state), 8, 0);
	struct chain c[2];
	char *text = arena_at(&w->arena, edge - 3, 3);

	memcpy(text, "abc", 3);
	memcpy(arena_at(&w->arena, edge, 3), "def", 3);
	ring_fill(&w->ring, out_part(edge - 3, 6), 0);
	ring_fill(&w->ring, in_part(edge - 1, 2), 0);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, 2), 2);
	assert_int_equal(c[0].n_out, 2);
	assert_int_equal(c[0].out_len, 6);
	assert_memory_equal(c[0].iov[0].iov_base, "abc", 3);
	assert_memory_equal(c[0].iov[1].iov_base, "def", 3);
	assert_int_equal(c[1].n_in, 2);
	assert_int_equal(c[1].iov[0].iov_len, 1);
	world_free(w);
}

/*
 * A queue may also be broken by those who read its chains; the first reason stays, and is told
 * once.
 */
static void test_break(void **state)
{
	struct world *w = world_new(layout(state), 8, 0);
	struct chain c;

	ring_fill(&w->ring, out_part(BUF, 60), 0);
	ring_submit(&w->ring);
	virtq_break(&w->vq, VIRTQ_FAULT_NO_HEADER);
	virtq_break(&w->vq, VIRTQ_FAULT_LOOP);
	assert_int_equal(w->vq.fault, VIRTQ_FAULT_NO_HEADER);
	assert_int_equal(signals(w->cfg.err.fd), 1);
	assert_int_equal(pop(w, &c, 1), 0);
	for (unsigned i = 0; i < VIRTQ_FAULTS; i++)
		assert_string_not_equal(virtq_fault_name(i), "unknown");
	assert_string_equal(virtq_fault_name(VIRTQ_FAULTS), "unknown");
	world_free(w);
}

/*
 * A bad chain behind good ones breaks nothing while these are popped and rewound, and its pieces
 * are not in the pool; when they are used it does. Of one descriptor, and of several.
 */
static void test_good_before_bad(void **state)
{
	for (unsigned n = 1; n <= 3; n++) {
		struct world *w = world_new(layout(state), 8, 0);
		struct chain_part bad[] = { out_part(BUF, 1), out_part(BUF, 1), out_part(BUF, 1) };
		struct chain c[8];

		bad[n - 1].addr = 0;
		ring_fill(&w->ring, out_part(BUF, 60), 0);
		ring_fill(&w->ring, out_part(BUF, 60), 1);
		ring_fill_chain(&w->ring, bad, n, 2);
		ring_fill(&w->ring, out_part(BUF, 60), 3);
		ring_submit(&w->ring);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(pop(w, c, 8), 2);
			assert_int_equal(w->pool.n, 2);
			assert_int_equal(w->vq.fault, VIRTQ_OK);
			if (i < 2)
				virtq_rewind(&w->vq, c, 2);
		}
		assert_int_equal(signals(w->cfg.err.fd), 0);
		assert_true(virtq_arm_notify(&w->vq));
		assert_int_equal(pop(w, c, 8), 0);
		assert_int_equal(w->pool.n, 0);
		assert_int_equal(w->vq.fault, VIRTQ_FAULT_ADDRESS);
		assert_int_equal(w->vq.fault_idx, 2);
		assert_int_equal(signals(w->cfg.err.fd), 1);
		world_free(w);
	}
}

/* ring_reset() forgets what was in flight, and what the device did wrong. */
static void test_ring_reset(void **state)
{
	struct world *w = world_new(layout(state) | EVENT_IDX, 8, 7);
	struct ring_used u;
	struct chain c;

	for (unsigned i = 0; i < 8; i++)
		ring_fill(&w->ring, out_part(BUF, 60), i);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, &c, 1), 1);
	c.elem.id = 8;
	virtq_push(&w->vq, c.elem, 0);
	virtq_publish(&w->vq);
	ring_peek(&w->ring);
	assert_int_equal(ring_use(&w->ring, &u), RING_BROKEN);
	ring_reset(&w->ring, 3);
	w->cfg.base = ring_base(&w->ring);
	virtq_start(&w->vq, &w->cfg);
	assert_int_equal(virtq_peek(&w->vq), 0);
	assert_int_equal(ring_reserve(&w->ring, 9), 8);
	ring_fill(&w->ring, out_part(BUF, 60), 11);
	ring_submit(&w->ring);
	bounce(w);
	take_back(w, 11, 0);
	world_free(w);
}

/*
 * A driver that has not taken back what was used knows where the device stands: behind the used
 * chains, whatever their length, before those that were popped only.
 */
static void test_ring_base(void **state)
{
	const struct chain_part two[] = { out_part(BUF, 12), out_part(BUF + 12, 50) };
	const uint64_t modes[] = { 0, IN_ORDER };

	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world_new(layout(state) | modes[i], 8, 3);
		struct ring_used u;
		struct chain c[4];

		for (unsigned round = 0; round < 20; round++) {
			ring_fill(&w->ring, out_part(BUF, 60), 1);
			ring_fill_chain(&w->ring, two, 2, 2);
			ring_fill_chain(&w->ring, two, 2, 3);
			ring_submit(&w->ring);
			bounce(w);
			bounce(w);
			assert_int_equal(ring_base(&w->ring), virtq_base(&w->vq));
			take_back(w, 1, 0);
			assert_int_equal(ring_base(&w->ring), virtq_base(&w->vq));
			w->cfg.base = virtq_base(&w->vq);
			assert_int_equal(pop(w, c, 4), 1);
			assert_int_equal(ring_base(&w->ring), w->cfg.base);
			virtq_start(&w->vq, &w->cfg);
			bounce(w);
			ring_peek(&w->ring);
			while (ring_use(&w->ring, &u) == RING_USED)
				;
			assert_int_equal(ring_reserve(&w->ring, 9), 8);
		}
		world_free(w);
	}
}

/* Nothing of a batch is visible before it is published, whatever its shapes; then all of it is. */
static void test_publish(void **state)
{
	const struct chain_part two[] = { out_part(BUF, 12), in_part(BUF + 12, 50) };
	struct world *w = world_new(layout(state), 8, 5);
	struct ring_used u;
	struct chain c[8];

	for (unsigned round = 0; round < 20; round++) {
		ring_fill_chain(&w->ring, two, 2, 1);
		ring_fill(&w->ring, in_part(BUF, 60), 2);
		ring_fill_chain(&w->ring, two, 2, 3);
		assert_int_equal(pop(w, c, 8), 0);
		ring_submit(&w->ring);
		assert_int_equal(pop(w, c, 8), 3);
		for (unsigned i = 0; i < 3; i++) {
			virtq_push(&w->vq, c[i].elem, i + 1);
			ring_peek(&w->ring);
			assert_int_equal(ring_use(&w->ring, &u), RING_EMPTY);
		}
		virtq_publish(&w->vq);
		virtq_publish(&w->vq);
		take_back(w, 1, 1);
		take_back(w, 2, 2);
		take_back(w, 3, 3);
		assert_int_equal(ring_use(&w->ring, &u), RING_EMPTY);
	}
	world_free(w);
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
		BOTH(test_direct),          BOTH(test_chained),      BOTH(test_mixed),
		BOTH(test_size_one),        BOTH(test_out_of_order), BOTH(test_rewind),
		BOTH(test_mergeable),       BOTH(test_small_pool),   BOTH(test_event_idx_kick),
		BOTH(test_event_idx_call),  BOTH(test_flags),        BOTH(test_arm_looks_again),
		BOTH(test_arm_for_more),    BOTH(test_no_call),      BOTH(test_restart),
		BOTH(test_region_crossing), BOTH(test_break),        BOTH(test_ring_reset),
		BOTH(test_ring_base),       BOTH(test_publish),      BOTH(test_good_before_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
