/* SPDX-License-Identifier: MIT */
/*
 * The split ring, device half against driver half in one process: what well-behaved drivers and
 * devices do in every shape, and every rule that a hostile driver or device can break. Two threads
 * are in tests/race/split_race_test.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/driver/ring.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"
#include "virtio/virtq.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define IN_ORDER  FEATURE(VIRTIO_F_IN_ORDER)

/*
 * Region 1 follows region 0 in guest addresses, and nothing follows it; region 2 ends the address
 * space.
 */
#define GPA    0x40000000ULL
#define REGION (1ULL << 20)
#define DATA   (GPA + REGION / 2)
#define TOP    (UINT64_MAX - 2 * 4096 + 1)

#define POOL      4096
#define TABLE_LEN 8

struct world {
	struct arena arena;
	struct gmem mem;
	struct ring ring;
	struct virtq vq;
	struct virtq_config cfg;
	struct iovec iov[POOL];
	struct iov_pool pool;
};

/* The device maps the arena a second time, at other addresses than the driver's. */
static void map_arena(struct world *w)
{
	unsigned i;

	assert_int_equal(gmem_init(&w->mem), 0);
	for (i = 0; i < w->arena.n; i++) {
		const struct arena_region *r = &w->arena.regions[i];

		assert_int_equal(gmem_add(&w->mem, r->gpa, r->size, (uintptr_t)r->host, w->arena.fd,
					  r->offset),
				 0);
	}
}

static struct world *world_new(uint64_t features, unsigned size, uint16_t base)
{
	const struct arena_span spans[] = { { GPA, 2 * REGION },
					    { GPA + 2 * REGION, REGION },
					    { TOP, 4096 } };
	struct world *w = aligned_alloc(CACHE_LINE, sizeof(*w));
	struct ring_config cfg = { .features = features, .size = size, .base = base };

	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	assert_int_equal(arena_init(&w->arena, spans, 3, false), 0);
	map_arena(w);
	cfg.kick_fd = eventfd(0, EFD_NONBLOCK);
	cfg.table_len = size <= 1024 ? TABLE_LEN : 0;
	assert_int_equal(ring_place(&cfg, &w->arena, 0), 0);
	assert_int_equal(ring_init(&w->ring, &cfg), 0);
	w->cfg = (struct virtq_config){ .mem = &w->mem,
					.features = features,
					.size = (uint16_t)size,
					.base = base,
					.call_fd = eventfd(0, EFD_NONBLOCK),
					.err_fd = eventfd(0, EFD_NONBLOCK) };
	assert_int_equal(virtq_resolve(&w->cfg.rings, &w->mem, size, (uintptr_t)cfg.areas.desc,
				       (uintptr_t)cfg.areas.avail, (uintptr_t)cfg.areas.used),
			 0);
	virtq_start(&w->vq, &w->cfg);
	w->pool = (struct iov_pool){ .iov = w->iov, .cap = POOL };
	return w;
}

static void world_free(struct world *w)
{
	close(w->ring.cfg.kick_fd);
	close(w->cfg.call_fd);
	close(w->cfg.err_fd);
	ring_deinit(&w->ring);
	gmem_deinit(&w->mem);
	arena_deinit(&w->arena);
	free(w);
}

/* How often an eventfd was signalled since the last look. */
static unsigned signals(int fd)
{
	eventfd_t n = 0;

	return eventfd_read(fd, &n) < 0 ? 0 : (unsigned)n;
}

static unsigned pop(struct world *w, struct chain *chains, unsigned n)
{
	w->pool.n = 0;
	return virtq_pop(&w->vq, chains, n, &w->pool);
}

static struct chain_part out_part(uint64_t addr, uint32_t len)
{
	return (struct chain_part){ addr, len, false };
}

static struct chain_part in_part(uint64_t addr, uint32_t len)
{
	return (struct chain_part){ addr, len, true };
}

/* Pop one chain that must be there and give it back, visible. */
static void bounce(struct world *w)
{
	struct chain c;

	assert_int_equal(pop(w, &c, 1), 1);
	virtq_push(&w->vq, c.elem, 0);
	virtq_publish(&w->vq);
}

static void take_back(struct world *w, uint64_t token, uint32_t len)
{
	struct ring_used used;

	ring_peek(&w->ring);
	assert_int_equal(ring_use(&w->ring, &used), RING_USED);
	assert_int_equal(used.token, token);
	assert_int_equal(used.len, len);
}

/* One descriptor there and back: what was written is read, length and token return. */
static void test_direct(void **state)
{
	struct world *w = world_new(0, 4, 0);
	struct chain c[4];

	(void)state;
	strcpy(arena_at(&w->arena, DATA, 6), "hello");
	assert_int_equal(virtq_peek(&w->vq), 0);
	ring_fill(&w->ring, out_part(DATA, 6), 77);
	ring_fill(&w->ring, in_part(DATA + 64, 100), 78);
	assert_int_equal(virtq_peek(&w->vq), 0);
	ring_submit(&w->ring);
	assert_int_equal(virtq_peek(&w->vq), 2);
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
	assert_int_equal(ring_peek(&w->ring), 2);
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
	struct world *w = world_new(INDIRECT, 8, 0);
	struct chain c;

	(void)state;
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
 * indices. The driver's promise under IN_ORDER is checked too: descriptors lie in ring order.
 */
static void run_mixed(uint64_t features, unsigned size, uint16_t base)
{
	static struct shape shapes[VRING_MAX_SIZE];
	struct world *w = world_new(features, size, base);
	uint64_t offered = 0, popped = 0, back = 0;
	bool may_indirect = features & INDIRECT && w->ring.cfg.table_len;
	uint16_t next_head = 0;
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

			check_shape(w, s, &c[i]);
			if (features & IN_ORDER) {
				assert_int_equal(c[i].elem.id, next_head);
				next_head =
					(uint16_t)((next_head + (s->indirect ? 1 : s->n)) % size);
			}
			virtq_push(&w->vq, c[i].elem, c[i].in_len);
		}
		virtq_publish(&w->vq);
		ring_peek(&w->ring);
		for (struct ring_used u; ring_use(&w->ring, &u) == RING_USED; back++)
			assert_int_equal(u.token, back);
		assert_int_equal(w->ring.fault, RING_OK);
		assert_int_equal(back, popped);
	}
	assert_true(offered >= back);
	world_free(w);
}

static void test_mixed(void **state)
{
	(void)state;
	run_mixed(0, 8, 0);
	run_mixed(INDIRECT, 256, 65500);
	run_mixed(INDIRECT | EVENT_IDX, 64, 1);
	run_mixed(INDIRECT | IN_ORDER, 16, 65535);
	run_mixed(IN_ORDER, 1024, 0);
	run_mixed(0, 32768, 40000);
}

/* A ring of one entry is a ring. */
static void test_size_one(void **state)
{
	struct world *w = world_new(EVENT_IDX, 1, 65535);

	(void)state;
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
	struct world *w = world_new(0, 32, 65530);
	struct virtq_elem flight[32];
	unsigned n_flight = 0;
	bool in_flight[32] = { false };
	uint32_t rank[32];
	struct chain c[32];
	struct ring_used u;

	(void)state;
	srand(1);
	for (uint64_t round = 0; round < 5000; round++) {
		struct chain_part parts[3] = { out_part(DATA, 10), out_part(DATA + 10, 10),
					       in_part(DATA + 20, 31) };
		unsigned len = 1 + (unsigned)rand() % 3;

		while (ring_reserve(&w->ring, len) == len) {
			ring_fill_chain(&w->ring, parts + 3 - len, len, w->ring.free_head);
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
	struct world *w = world_new(0, 8, 65534);
	struct chain c[8], again[8];

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		ring_fill(&w->ring, out_part(DATA + i, 1 + i), i);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, 6), 6);
	virtq_rewind(&w->vq, c + 2, 4);
	virtq_push(&w->vq, c[0].elem, 0);
	virtq_push(&w->vq, c[1].elem, 0);
	virtq_publish(&w->vq);
	assert_int_equal(virtq_peek(&w->vq), 4);
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
	struct world *w = world_new(IN_ORDER, 8, 0);
	struct virtio_net_hdr_v1 *h;
	struct chain c[8];

	(void)state;
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
	assert_int_equal(ring_peek(&w->ring), 3);
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
	struct world *w = world_new(0, 4, 0);
	struct chain c[4];

	(void)state;
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

/*
 * EVENT_IDX: a kick exactly when the available index passes the event, whatever the step, past the
 * wrap.
 */
static void test_event_idx_kick(void **state)
{
	struct world *w = world_new(EVENT_IDX, 64, 65000);
	uint16_t armed = 65000;
	unsigned kicks = 0;
	struct chain c[64];

	(void)state;
	srand(2);
	assert_false(virtq_arm_notify(&w->vq));
	for (unsigned round = 0; round < 3000; round++) {
		unsigned step = (unsigned)rand() % 9;
		bool passes = (uint16_t)(armed - w->ring.submitted_idx) < step;

		for (unsigned i = 0; i < step; i++)
			ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_submit(&w->ring);
		assert_int_equal(ring_kick(&w->ring), passes);
		assert_int_equal(signals(w->ring.cfg.kick_fd), passes);
		kicks += passes;
		if (rand() % 3 && (uint16_t)(w->ring.submitted_idx - w->ring.last_used) < 48)
			continue;
		for (unsigned i = 0, n = pop(w, c, 64); i < n; i++)
			virtq_push(&w->vq, c[i].elem, 0);
		virtq_publish(&w->vq);
		ring_peek(&w->ring);
		for (struct ring_used u; ring_use(&w->ring, &u) == RING_USED;)
			;
		virtq_disarm_notify(&w->vq);
		if (rand() % 2) {
			assert_false(virtq_arm_notify(&w->vq));
			armed = w->ring.submitted_idx;
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
	struct world *w = world_new(EVENT_IDX, 64, 65000);
	uint16_t armed = 0;
	unsigned calls = 0;
	struct chain c[8];

	(void)state;
	srand(3);
	ring_fill(&w->ring, out_part(DATA, 60), 0);
	ring_submit(&w->ring);
	bounce(w);
	assert_true(virtq_call(&w->vq));
	assert_false(virtq_call(&w->vq));
	assert_int_equal(signals(w->cfg.call_fd), 1);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned step = (unsigned)rand() % 9;
		bool passes = (uint16_t)(armed - w->vq.used_idx) < step;

		for (unsigned i = 0; i < step; i++)
			ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_submit(&w->ring);
		assert_int_equal(pop(w, c, step), step);
		for (unsigned i = 0; i < step; i++)
			virtq_push(&w->vq, c[i].elem, 0);
		virtq_publish(&w->vq);
		assert_int_equal(virtq_call(&w->vq), passes);
		assert_int_equal(signals(w->cfg.call_fd), passes);
		calls += passes;
		if (rand() % 3 && (uint16_t)(w->ring.submitted_idx - w->ring.last_used) < 48)
			continue;
		ring_peek(&w->ring);
		for (struct ring_used u; ring_use(&w->ring, &u) == RING_USED;)
			;
		if (rand() % 2) {
			uint16_t after = (uint16_t)rand() % 20;

			assert_false(ring_arm_call(&w->ring, after));
			armed = (uint16_t)(w->vq.used_idx + after);
		}
	}
	assert_true(calls > 100);
	world_free(w);
}

/* Without EVENT_IDX a flag each way says whether to notify. */
static void test_flags(void **state)
{
	struct world *w = world_new(0, 8, 0);

	(void)state;
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
	assert_int_equal(signals(w->cfg.call_fd), 2);
	world_free(w);
}

/*
 * What came between the last look and arming is found by arming, on both sides and in both modes.
 */
static void test_arm_looks_again(void **state)
{
	const uint64_t modes[] = { 0, EVENT_IDX };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world_new(modes[i], 8, 65535);

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
 */
static void test_arm_for_more(void **state)
{
	const uint64_t modes[] = { 0, EVENT_IDX };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world_new(modes[i], 8, 65534);

		virtq_disarm_notify(&w->vq);
		ring_fill(&w->ring, out_part(DATA, 60), 0);
		ring_fill(&w->ring, out_part(DATA, 60), 1);
		ring_submit(&w->ring);
		ring_kick_wanted(&w->ring);
		assert_int_equal(virtq_peek(&w->vq), 2);
		assert_false(virtq_arm_notify_more(&w->vq));
		ring_fill(&w->ring, out_part(DATA, 60), 2);
		ring_submit(&w->ring);
		assert_true(ring_kick_wanted(&w->ring));
		assert_true(virtq_arm_notify_more(&w->vq));
		assert_false(virtq_arm_notify_more(&w->vq));
		assert_true(virtq_arm_notify(&w->vq));
		world_free(w);
	}
}

/* Without a call fd the driver polls: a wish for a call harms nobody. */
static void test_no_call_fd(void **state)
{
	struct world *w = world_new(0, 8, 0);

	(void)state;
	w->vq.call_fd = -1;
	w->vq.err_fd = -1;
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
	struct world *w = world_new(0, 8, 65534);
	struct gmem old = w->mem;
	struct chain c[8];

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		ring_fill(&w->ring, out_part(DATA, 60 + i), i);
	ring_submit(&w->ring);
	bounce(w);
	bounce(w);
	map_arena(w);
	gmem_deinit(&old);
	assert_int_equal(virtq_resolve(&w->cfg.rings, &w->mem, 8, (uintptr_t)w->ring.areas.desc,
				       (uintptr_t)w->ring.areas.avail,
				       (uintptr_t)w->ring.areas.used),
			 0);
	virtq_move(&w->vq, &w->cfg.rings);
	bounce(w);
	w->cfg.base = w->vq.last_avail;
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
	struct world *w = world_new(0, 8, 0);
	struct chain c[2];
	char *text = arena_at(&w->arena, edge - 3, 3);

	(void)state;
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

/* What a hostile driver wrote: raw descriptors from 0 on, a table at DATA, an available entry. */
struct attack {
	const char *what;
	enum virtq_fault fault;
	uint64_t features;
	uint16_t head;
	uint16_t jump; /* of the available index beyond the one new entry */
	struct vring_desc desc[3];
	struct vring_desc table[2];
};

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define IS_TABLE VRING_DESC_F_INDIRECT
#define BUF      (DATA + 4096)
#define ENTRY    16
#define EDGE     (GPA + 3 * REGION)
#define SIZE     8

#define GOOD       BUF, 60, 0, 0
#define TABLE(len) DATA, len, IS_TABLE, 0

/* clang-format off */
static const struct attack attacks[] = {
	{ "index jump", VIRTQ_FAULT_AVAIL_IDX, .jump = SIZE, .desc = { { GOOD } } },
	{ "index back", VIRTQ_FAULT_AVAIL_IDX, .jump = 65534, .desc = { { GOOD } } },

	{ "head", VIRTQ_FAULT_HEAD, .head = SIZE, .desc = { { GOOD } } },
	{ "wild head", VIRTQ_FAULT_HEAD, .head = 65535, .desc = { { GOOD } } },
	{ "next", VIRTQ_FAULT_HEAD, .desc = { { BUF, 60, NEXT, SIZE } } },
	{ "next in table", VIRTQ_FAULT_HEAD, INDIRECT,
	  .desc = { { TABLE(ENTRY) } }, .table = { { BUF, 60, NEXT, 1 } } },

	{ "loop to itself", VIRTQ_FAULT_LOOP, .desc = { { BUF, 60, NEXT, 0 } } },
	{ "loop of three", VIRTQ_FAULT_LOOP,
	  .desc = { { BUF, 60, NEXT, 1 }, { BUF, 60, NEXT, 2 }, { BUF, 60, NEXT, 0 } } },
	{ "loop in table", VIRTQ_FAULT_LOOP, INDIRECT,
	  .desc = { { TABLE(2 * ENTRY) } },
	  .table = { { BUF, 60, NEXT, 1 }, { BUF, 60, NEXT, 0 } } },

	{ "table not negotiated", VIRTQ_FAULT_INDIRECT,
	  .desc = { { TABLE(ENTRY) } }, .table = { { GOOD } } },
	{ "table and next", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { DATA, ENTRY, IS_TABLE | NEXT, 1 }, { GOOD } }, .table = { { GOOD } } },
	{ "table in table", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { TABLE(ENTRY) } }, .table = { { TABLE(ENTRY) } } },
	{ "table of no entry", VIRTQ_FAULT_INDIRECT, INDIRECT, .desc = { { TABLE(0) } } },
	{ "table and a half", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { TABLE(ENTRY + 8) } }, .table = { { GOOD } } },
	{ "table in no memory", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { 0, ENTRY, IS_TABLE, 0 } } },
	{ "table over an edge", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { EDGE - ENTRY, 2 * ENTRY, IS_TABLE, 0 } } },
	{ "table at an odd address", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { DATA + 1, ENTRY, IS_TABLE, 0 } } },

	{ "no memory", VIRTQ_FAULT_ADDRESS, .desc = { { GPA - 1, 1, 0, 0 } } },
	{ "into memory", VIRTQ_FAULT_ADDRESS, .desc = { { GPA - 1, 2, 0, 0 } } },
	{ "out of memory", VIRTQ_FAULT_ADDRESS, .desc = { { EDGE - 1, 2, 0, 0 } } },
	{ "longer than memory", VIRTQ_FAULT_ADDRESS, .desc = { { GPA, UINT32_MAX, 0, 0 } } },
	{ "last address", VIRTQ_FAULT_ADDRESS, .desc = { { UINT64_MAX, 1, 0, 0 } } },
	{ "round the end", VIRTQ_FAULT_ADDRESS, .desc = { { UINT64_MAX, 60, 0, 0 } } },
	{ "round the end from memory", VIRTQ_FAULT_ADDRESS,
	  .desc = { { TOP, 2 * 4096 + 1, 0, 0 } } },
	{ "no memory behind", VIRTQ_FAULT_ADDRESS,
	  .desc = { { BUF, 60, NEXT, 1 }, { 0, 60, 0, 0 } } },

	{ "length 0", VIRTQ_FAULT_EMPTY, .desc = { { BUF, 0, 0, 0 } } },
	{ "length 0 behind", VIRTQ_FAULT_EMPTY,
	  .desc = { { BUF, 60, NEXT, 1 }, { BUF, 0, WRITE, 0 } } },
	{ "length 0 in table", VIRTQ_FAULT_EMPTY, INDIRECT,
	  .desc = { { TABLE(ENTRY) } }, .table = { { BUF, 0, 0, 0 } } },

	{ "in before out", VIRTQ_FAULT_ORDER,
	  .desc = { { BUF, 60, NEXT | WRITE, 1 }, { GOOD } } },
	{ "in before out in table", VIRTQ_FAULT_ORDER, INDIRECT,
	  .desc = { { TABLE(2 * ENTRY) } },
	  .table = { { BUF, 60, NEXT | WRITE, 1 }, { GOOD } } },
};
/* clang-format on */

/*
 * The raw chain behind two good ones, which must arrive; then the queue is broken, once, and stays
 * it.
 */
static void carry_out(const struct attack *a, bool peek_first)
{
	struct world *w = world_new(a->features, SIZE, 0);
	struct vring_avail *avail = w->ring.areas.avail;
	struct chain c[SIZE];

	ring_fill(&w->ring, out_part(BUF, 60), 0);
	ring_fill(&w->ring, out_part(BUF, 60), 0);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, SIZE), 2);
	memcpy(w->ring.areas.desc, a->desc, sizeof(a->desc));
	memcpy(arena_at(&w->arena, DATA, sizeof(a->table)), a->table, sizeof(a->table));
	avail->ring[2] = a->head;
	store_release(&avail->idx, (uint16_t)(3 + a->jump));
	if (peek_first)
		assert_true(virtq_arm_notify(&w->vq));
	assert_int_equal(pop(w, c, 1), 0);
	if (w->vq.fault != a->fault)
		fail_msg("%s: %s", a->what, virtq_fault_name(w->vq.fault));
	assert_int_equal(w->vq.fault_idx, 2);
	assert_int_equal(signals(w->cfg.err_fd), 1);
	/* Mended, and nevertheless nothing more comes. */
	w->ring.areas.desc[0] = (struct vring_desc){ BUF, 60, 0, 0 };
	avail->ring[2] = 0;
	store_release(&avail->idx, 3);
	assert_int_equal(pop(w, c, SIZE), 0);
	assert_int_equal(w->vq.fault, a->fault);
	assert_int_equal(signals(w->cfg.err_fd), 0);
	/* What was popped before can still be given back. */
	virtq_push(&w->vq, c[0].elem, 0);
	virtq_publish(&w->vq);
	world_free(w);
}

static void test_attacks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(attacks); i++) {
		carry_out(&attacks[i], false);
		/* An index that was already looked at is judged all the same. */
		carry_out(&attacks[i], true);
	}
}

/*
 * A queue may also be broken by those who read its chains; the first reason stays, and is told
 * once.
 */
static void test_break(void **state)
{
	struct world *w = world_new(0, 8, 0);
	struct chain c;

	(void)state;
	ring_fill(&w->ring, out_part(BUF, 60), 0);
	ring_submit(&w->ring);
	virtq_break(&w->vq, VIRTQ_FAULT_NO_HEADER);
	virtq_break(&w->vq, VIRTQ_FAULT_LOOP);
	assert_int_equal(w->vq.fault, VIRTQ_FAULT_NO_HEADER);
	assert_int_equal(signals(w->cfg.err_fd), 1);
	assert_int_equal(pop(w, &c, 1), 0);
	for (unsigned i = 0; i < VIRTQ_FAULTS; i++)
		assert_string_not_equal(virtq_fault_name(i), "unknown");
	assert_string_equal(virtq_fault_name(VIRTQ_FAULTS), "unknown");
	world_free(w);
}

/* Good chains before a bad one in the same burst are delivered. */
static void test_good_before_bad(void **state)
{
	struct world *w = world_new(0, 8, 0);
	struct chain c[8];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		ring_fill(&w->ring, out_part(BUF, 60), i);
	w->ring.areas.desc[2].addr = 0;
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, 8), 2);
	assert_int_equal(w->vq.fault, VIRTQ_FAULT_ADDRESS);
	assert_int_equal(w->vq.fault_idx, 2);
	world_free(w);
}

/* A chain of n raw descriptors, direct from 0 on or in the table at DATA. */
static void write_long_chain(struct vring_desc *d, unsigned n, uint64_t addr, uint32_t len)
{
	for (unsigned i = 0; i < n; i++)
		d[i] = (struct vring_desc){ addr, len, i + 1 < n ? NEXT : 0, (uint16_t)(i + 1) };
}

/* 1024 pieces are a chain, 1025 are not; neither are 4 GiB, of few descriptors over much memory. */
static void test_too_long(void **state)
{
	const struct {
		unsigned n;
		uint64_t addr;
		uint32_t len;
		enum virtq_fault fault;
	} cases[] = {
		{ 1024, BUF, 1, VIRTQ_OK },
		{ 1025, BUF, 1, VIRTQ_FAULT_TOO_LONG },
		/* Each of these is two pieces. */
		{ 512, GPA + 2 * REGION - 1, 2, VIRTQ_OK },
		{ 513, GPA + 2 * REGION - 1, 2, VIRTQ_FAULT_TOO_LONG },
	};

	(void)state;
	for (unsigned i = 0; i < 2 * array_size(cases); i++) {
		struct world *w = world_new(INDIRECT, 2048, 0);
		unsigned k = i / 2, n = cases[k].n;
		struct chain c;

		if (i % 2) {
			struct vring_desc *t = arena_at(&w->arena, GPA + REGION, 2048 * ENTRY);

			write_long_chain(t, n, cases[k].addr, cases[k].len);
			w->ring.areas.desc[0] =
				(struct vring_desc){ GPA + REGION, n * ENTRY, IS_TABLE, 0 };
		} else {
			write_long_chain(w->ring.areas.desc, n, cases[k].addr, cases[k].len);
		}
		w->ring.areas.avail->ring[0] = 0;
		store_release(&w->ring.areas.avail->idx, 1);
		assert_int_equal(pop(w, &c, 1), cases[k].fault == VIRTQ_OK);
		assert_int_equal(w->vq.fault, cases[k].fault);
		assert_in_range(w->pool.n, 1, CHAIN_MAX_IOV);
		world_free(w);
	}
}

/* 4 GiB - 1 is a length, 4 GiB is not: 16 parts of 256 MiB of a file that takes no memory. */
static void test_4gib(void **state)
{
	const uint64_t far = 1ULL << 40;
	const uint32_t part = 1U << 28;

	(void)state;
	for (uint32_t less = 0; less < 2; less++) {
		struct world *w = world_new(0, 16, 0);
		int fd = memfd_create("sparse", MFD_CLOEXEC);
		struct chain c;

		assert_int_equal(ftruncate(fd, part), 0);
		assert_int_equal(gmem_add(&w->mem, far, part, far, fd, 0), 0);
		close(fd);
		write_long_chain(w->ring.areas.desc, 16, far, part);
		w->ring.areas.desc[15].len -= less;
		store_release(&w->ring.areas.avail->idx, 1);
		assert_int_equal(pop(w, &c, 1), less);
		assert_int_equal(w->vq.fault, less ? VIRTQ_OK : VIRTQ_FAULT_TOO_LONG);
		if (less)
			assert_int_equal(c.out_len, UINT32_MAX);
		world_free(w);
	}
}

/*
 * A table may stand behind plain descriptors (virtio 1.2 section 2.7.5.3), and its WRITE flag
 * means nothing.
 */
static void test_table_behind(void **state)
{
	struct world *w = world_new(INDIRECT, 8, 0);
	struct vring_desc *t = arena_at(&w->arena, DATA, 64);
	struct chain c;

	(void)state;
	w->ring.areas.desc[3] = (struct vring_desc){ BUF, 12, NEXT, 5 };
	w->ring.areas.desc[5] = (struct vring_desc){ DATA, 2 * ENTRY, IS_TABLE | WRITE, 9999 };
	t[0] = (struct vring_desc){ BUF + 12, 60, NEXT, 1 };
	t[1] = (struct vring_desc){ BUF + 72, 1, WRITE, 0 };
	w->ring.areas.avail->ring[0] = 3;
	store_release(&w->ring.areas.avail->idx, 1);
	assert_int_equal(pop(w, &c, 1), 1);
	assert_int_equal(c.elem.id, 3);
	assert_int_equal(c.n_out, 2);
	assert_int_equal(c.out_len, 72);
	assert_int_equal(c.in_len, 1);
	world_free(w);
}

/* The rings must lie in memory, whole and aligned; a driver's size must be one. */
static void test_resolve(void **state)
{
	struct world *w = world_new(0, 8, 0);
	uint64_t uva = (uintptr_t)w->arena.regions[1].host, end = uva + REGION;
	struct virtq_rings r;

	(void)state;
	assert_int_equal(virtq_resolve(&r, &w->mem, 0, uva, uva + 4096, uva + 8192), -EINVAL);
	assert_int_equal(virtq_resolve(&r, &w->mem, 3, uva, uva + 4096, uva + 8192), -EINVAL);
	assert_int_equal(virtq_resolve(&r, &w->mem, 65536, uva, uva + 4096, uva + 8192), -EINVAL);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, uva + 8, uva + 4096, uva + 8192), -EINVAL);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, uva, uva + 4097, uva + 8192), -EINVAL);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, uva, uva + 4096, uva + 8194), -EINVAL);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, 0, uva + 4096, uva + 8192), -EFAULT);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, end - 112, uva, uva + 8192), -EFAULT);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, end - 128, uva, uva + 8192), 0);
	/* The event words at the ends are part of the areas. */
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, uva, end - 20, uva + 8192), -EFAULT);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, uva, end - 22, uva + 8192), 0);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, uva, uva + 4096, end - 68), -EFAULT);
	assert_int_equal(virtq_resolve(&r, &w->mem, 8, uva, uva + 4096, end - 72), 0);
	world_free(w);
}

/* A device that lies about what it used is found out, and nothing more is taken from it. */
static void test_device_faults(void **state)
{
	const struct {
		uint64_t features;
		uint32_t id, len;
		uint16_t idx;
		enum ring_fault fault;
	} cases[] = {
		{ 0, 0, 0, 4, RING_FAULT_USED_IDX },     { 0, 0, 0, 65535, RING_FAULT_USED_IDX },
		{ 0, 8, 0, 1, RING_FAULT_ID },           { 0, UINT32_MAX, 0, 1, RING_FAULT_ID },
		{ 0, 5, 0, 1, RING_FAULT_IDLE },         { 0, 0, 1, 1, RING_FAULT_LEN },
		{ 0, 1, 101, 1, RING_FAULT_LEN },        { IN_ORDER, 1, 0, 1, RING_FAULT_ORDER },
		{ IN_ORDER, 2, 0, 2, RING_FAULT_ORDER }, { IN_ORDER, 9, 0, 1, RING_FAULT_ID },
		{ IN_ORDER, 7, 0, 1, RING_FAULT_IDLE },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct world *w = world_new(cases[i].features, 8, 0);
		struct ring_used u;

		ring_fill(&w->ring, out_part(BUF, 60), 0);
		ring_fill(&w->ring, in_part(BUF, 100), 1);
		ring_fill(&w->ring, in_part(BUF, 100), 2);
		ring_submit(&w->ring);
		/* Filled but not submitted: not the device's yet. */
		ring_fill(&w->ring, in_part(BUF, 100), 3);
		w->ring.areas.used->ring[0].id = cases[i].id;
		w->ring.areas.used->ring[0].len = cases[i].len;
		store_release(&w->ring.areas.used->idx, cases[i].idx);
		ring_peek(&w->ring);
		assert_int_equal(ring_use(&w->ring, &u), RING_BROKEN);
		if (w->ring.fault != cases[i].fault)
			fail_msg("case %u: %s", i, ring_fault_name(w->ring.fault));
		w->ring.areas.used->ring[0] = (struct vring_used_elem){ 0, 0 };
		store_release(&w->ring.areas.used->idx, 1);
		ring_peek(&w->ring);
		assert_int_equal(ring_use(&w->ring, &u), RING_BROKEN);
		world_free(w);
	}
}

/* A chain comes back once. */
static void test_used_twice(void **state)
{
	struct world *w = world_new(0, 8, 0);
	struct ring_used u;

	(void)state;
	ring_fill(&w->ring, out_part(BUF, 60), 0);
	ring_fill(&w->ring, out_part(BUF, 60), 1);
	ring_submit(&w->ring);
	store_release(&w->ring.areas.used->idx, 2);
	ring_peek(&w->ring);
	assert_int_equal(ring_use(&w->ring, &u), RING_USED);
	assert_int_equal(ring_use(&w->ring, &u), RING_BROKEN);
	assert_int_equal(w->ring.fault, RING_FAULT_IDLE);
	world_free(w);
}

/*
 * IN_ORDER: one used element may end a batch; all chains before it are whole. Batches across the
 * wrap.
 */
static void test_in_order_batch(void **state)
{
	struct world *w = world_new(IN_ORDER, 8, 65533);
	struct chain_part two[] = { out_part(BUF, 12), in_part(BUF + 12, 50) };
	struct vring_used *used = w->ring.areas.used;
	uint16_t idx = 65533;

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		uint16_t last;

		ring_fill(&w->ring, in_part(BUF, 100), 1);
		ring_fill_chain(&w->ring, two, 2, 2);
		last = w->ring.free_head;
		ring_fill(&w->ring, in_part(BUF, 30), 3);
		ring_submit(&w->ring);
		memset(used->ring, 0xff, 8 * sizeof(used->ring[0]));
		used->ring[idx % 8] = (struct vring_used_elem){ last, 9 };
		idx = (uint16_t)(idx + 3);
		store_release(&used->idx, idx);
		assert_int_equal(ring_peek(&w->ring), 3);
		take_back(w, 1, 100);
		take_back(w, 2, 50);
		take_back(w, 3, 9);
		assert_int_equal(ring_reserve(&w->ring, 8), 8);
	}
	world_free(w);
}

/* ring_reset() forgets what was in flight. */
static void test_ring_reset(void **state)
{
	struct world *w = world_new(EVENT_IDX, 8, 7);
	struct ring_used u;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		ring_fill(&w->ring, out_part(BUF, 60), i);
	ring_submit(&w->ring);
	store_release(&w->ring.areas.used->idx, 1000);
	ring_peek(&w->ring);
	assert_int_equal(ring_use(&w->ring, &u), RING_BROKEN);
	ring_reset(&w->ring, 3);
	w->cfg.base = 3;
	virtq_start(&w->vq, &w->cfg);
	assert_int_equal(virtq_peek(&w->vq), 0);
	assert_int_equal(ring_reserve(&w->ring, 9), 8);
	ring_fill(&w->ring, out_part(BUF, 60), 11);
	ring_submit(&w->ring);
	bounce(w);
	take_back(w, 11, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_chained),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_size_one),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_mergeable),
		cmocka_unit_test(test_small_pool),
		cmocka_unit_test(test_event_idx_kick),
		cmocka_unit_test(test_event_idx_call),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_arm_looks_again),
		cmocka_unit_test(test_arm_for_more),
		cmocka_unit_test(test_no_call_fd),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_region_crossing),
		cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_break),
		cmocka_unit_test(test_good_before_bad),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_4gib),
		cmocka_unit_test(test_table_behind),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_device_faults),
		cmocka_unit_test(test_used_twice),
		cmocka_unit_test(test_in_order_batch),
		cmocka_unit_test(test_ring_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
