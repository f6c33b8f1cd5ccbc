/* SPDX-License-Identifier: MIT */
/*
 * The split ring's own: every rule of the layout that a hostile driver or device can break. What
 * both layouts do alike is in virtq_test.c.
 */
#include <sys/mman.h>

#include "tests/unit/ring_world.h"

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
	assert_int_equal(signals(w->cfg.err.fd), 1);
	/* Mended, and nevertheless nothing more comes. */
	w->ring.areas.desc[0] = (struct vring_desc){ BUF, 60, 0, 0 };
	avail->ring[2] = 0;
	store_release(&avail->idx, 3);
	assert_int_equal(pop(w, c, SIZE), 0);
	assert_int_equal(w->vq.fault, a->fault);
	assert_int_equal(signals(w->cfg.err.fd), 0);
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
		assert_int_equal(w->pool.n, cases[k].fault ? 0 : CHAIN_MAX_IOV);
		assert_null(w->iov[CHAIN_MAX_IOV].iov_base);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attacks),    cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_4gib),       cmocka_unit_test(test_table_behind),
		cmocka_unit_test(test_resolve),    cmocka_unit_test(test_device_faults),
		cmocka_unit_test(test_used_twice), cmocka_unit_test(test_in_order_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
