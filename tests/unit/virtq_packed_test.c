/* SPDX-License-Identifier: MIT */
/*
 * The packed ring's own: how places are counted, what stands in the ring, and every rule of the
 * layout that a hostile driver or device can break. What both layouts do alike is in virtq_test.c.
 */
#include <sys/mman.h>

#include "tests/unit/ring_world.h"

#define AVAIL    VRING_PACKED_AVAIL
#define USED     VRING_PACKED_USED
#define WRAP     VRING_PACKED_WRAP
#define IS_DESC  VRING_PACKED_EVENT_FLAG_DESC
#define DISABLED VRING_PACKED_EVENT_FLAG_DISABLE

static struct vring_packed_desc *slot(struct world *w, unsigned i)
{
	return &w->ring.areas.packed[i];
}

/* Step number n, which runs free, as a place. */
static uint16_t place(unsigned n, unsigned size)
{
	return (uint16_t)(n % size | (n / size % 2 ? 0 : WRAP));
}

/* Places against free-running numbers, all of two laps; small rings and the largest. */
static void test_places(void **state)
{
	const unsigned sizes[] = { 1, 2, 3, 4, 5, 7, 8, 13 };

	(void)state;
	for (unsigned s = 0; s < array_size(sizes); s++) {
		unsigned size = sizes[s], i = size;

		for (unsigned a = 0; a < 2 * size; a++) {
			for (unsigned n = 0; n <= size; n++) {
				assert_int_equal(vring_packed_forward(place(a, size), n, size),
						 place(a + n, size));
				assert_int_equal(vring_packed_back(place(a + n, size), n, size),
						 place(a, size));
			}
			for (unsigned n = 0; n < 2 * size; n++)
				assert_int_equal(vring_packed_distance(place(a, size),
								       place(a + n, size), size),
						 n);
			/* From old = a + i: passed if event is in [old, now). */
			for (unsigned e = a; e < a + 2 * size; e++)
				for (unsigned n = 0; n <= size; n++)
					assert_int_equal(vring_packed_passed(place(e, size),
									     place(a + i + n, size),
									     place(a + i, size),
									     size),
							 e >= a + i && e < a + i + n);
		}
	}
	assert_int_equal(vring_packed_forward(32767 | WRAP, 1, 32768), 0);
	assert_int_equal(vring_packed_forward(5, 32768, 32768), 5 | WRAP);
	assert_int_equal(vring_packed_back(WRAP, 1, 32768), 32767);
	assert_int_equal(vring_packed_distance(1, 0, 32768), 65535);
}

/* What a hostile driver wrote: raw descriptors from slot 2 on, a table at DATA. */
struct attack {
	const char *what;
	enum virtq_fault fault;
	uint64_t features;
	struct vring_packed_desc desc[3];
	struct vring_packed_desc table[2];
};

#define GOOD       BUF, 60, 0, AVAIL
#define TABLE(len) DATA, len, 0, AVAIL | IS_TABLE

/* clang-format off */
static const struct attack attacks[] = {
	{ "table not negotiated", VIRTQ_FAULT_INDIRECT,
	  .desc = { { TABLE(ENTRY) } }, .table = { { GOOD } } },
	{ "table and next", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { DATA, ENTRY, 0, AVAIL | IS_TABLE | NEXT }, { GOOD } },
	  .table = { { GOOD } } },
	{ "table behind", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { BUF, 60, 0, AVAIL | NEXT }, { TABLE(ENTRY) } }, .table = { { GOOD } } },
	{ "table of no entry", VIRTQ_FAULT_INDIRECT, INDIRECT, .desc = { { TABLE(0) } } },
	{ "table and a half", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { TABLE(ENTRY + 8) } }, .table = { { GOOD } } },
	{ "table in no memory", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { 0, ENTRY, 0, AVAIL | IS_TABLE } } },
	{ "table over an edge", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { EDGE - ENTRY, 2 * ENTRY, 0, AVAIL | IS_TABLE } } },
	{ "table at an odd address", VIRTQ_FAULT_INDIRECT, INDIRECT,
	  .desc = { { DATA + 1, ENTRY, 0, AVAIL | IS_TABLE } } },

	{ "no memory", VIRTQ_FAULT_ADDRESS, .desc = { { GPA - 1, 1, 0, AVAIL } } },
	{ "into memory", VIRTQ_FAULT_ADDRESS, .desc = { { GPA - 1, 2, 0, AVAIL } } },
	{ "out of memory", VIRTQ_FAULT_ADDRESS, .desc = { { EDGE - 1, 2, 0, AVAIL } } },
	{ "longer than memory", VIRTQ_FAULT_ADDRESS, .desc = { { GPA, UINT32_MAX, 0, AVAIL } } },
	{ "last address", VIRTQ_FAULT_ADDRESS, .desc = { { UINT64_MAX, 1, 0, AVAIL } } },
	{ "round the end from memory", VIRTQ_FAULT_ADDRESS,
	  .desc = { { TOP, 2 * 4096 + 1, 0, AVAIL } } },
	{ "no memory behind", VIRTQ_FAULT_ADDRESS,
	  .desc = { { BUF, 60, 0, AVAIL | NEXT }, { 0, 60, 0, AVAIL } } },
	{ "no memory in table", VIRTQ_FAULT_ADDRESS, INDIRECT,
	  .desc = { { TABLE(2 * ENTRY) } }, .table = { { GOOD }, { 0, 60, 0, 0 } } },

	{ "length 0", VIRTQ_FAULT_EMPTY, .desc = { { BUF, 0, 0, AVAIL } } },
	{ "length 0 behind", VIRTQ_FAULT_EMPTY,
	  .desc = { { BUF, 60, 0, AVAIL | NEXT }, { BUF, 0, 0, AVAIL | WRITE } } },
	{ "length 0 in table", VIRTQ_FAULT_EMPTY, INDIRECT,
	  .desc = { { TABLE(ENTRY) } }, .table = { { BUF, 0, 0, 0 } } },

	{ "in before out", VIRTQ_FAULT_ORDER,
	  .desc = { { BUF, 60, 0, AVAIL | NEXT | WRITE }, { GOOD } } },
	{ "in before out in table", VIRTQ_FAULT_ORDER, INDIRECT,
	  .desc = { { TABLE(2 * ENTRY) } }, .table = { { BUF, 60, 0, WRITE }, { GOOD } } },

	/* Two slots of eight are with the device still. */
	{ "chain into what is not used", VIRTQ_FAULT_LOOP,
	  .desc = { { BUF, 1, 0, AVAIL | NEXT }, { BUF, 1, 0, AVAIL | NEXT },
		    { BUF, 1, 0, AVAIL | NEXT } } },
};
/* clang-format on */

/*
 * The raw chain behind two good ones, which must arrive; then the queue is broken, once, and stays
 * it. In a lap of either wrap counter.
 */
static void carry_out(const struct attack *a, bool peek_first, uint16_t base)
{
	struct world *w = world_new(PACKED | a->features, SIZE, base);
	struct chain c[SIZE];

	ring_fill(&w->ring, out_part(BUF, 60), 0);
	ring_fill(&w->ring, out_part(BUF, 60), 0);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, SIZE), 2);
	for (unsigned i = 2; i < SIZE; i++) {
		*slot(w, i) = (struct vring_packed_desc){ BUF, 1, 0, AVAIL | NEXT };
		if (i - 2 < array_size(a->desc) && a->desc[i - 2].flags)
			*slot(w, i) = a->desc[i - 2];
		slot(w, i)->flags ^= base ? AVAIL | USED : 0;
	}
	memcpy(arena_at(&w->arena, DATA, sizeof(a->table)), a->table, sizeof(a->table));
	if (peek_first)
		assert_true(virtq_arm_notify(&w->vq));
	assert_int_equal(pop(w, c + 2, 1), 0);
	if (w->vq.fault != a->fault)
		fail_msg("%s: %s", a->what, virtq_fault_name(w->vq.fault));
	assert_int_equal(w->vq.fault_idx, 2);
	assert_int_equal(signals(w->cfg.err.fd), 1);
	/* Mended, and nevertheless nothing more comes. */
	*slot(w, 2) = (struct vring_packed_desc){ BUF, 60, 0, base ? USED : AVAIL };
	assert_int_equal(pop(w, c + 2, SIZE), 0);
	assert_int_equal(w->vq.fault, a->fault);
	assert_int_equal(signals(w->cfg.err.fd), 0);
	/* What was popped before can still be given back. */
	virtq_push(&w->vq, c[0].elem, 0);
	virtq_publish(&w->vq);
	take_back(w, 0, 0);
	world_free(w);
}

static void test_attacks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < array_size(attacks); i++) {
		carry_out(&attacks[i], false, 0);
		carry_out(&attacks[i], true, SIZE);
	}
}

/* A ring that is full of chains in flight has none that could be available. */
static void test_more_than_size(void **state)
{
	struct world *w = world_new(PACKED, 6, 2);
	struct chain c[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		ring_fill(&w->ring, out_part(BUF, 60), i);
	ring_submit(&w->ring);
	assert_int_equal(pop(w, c, 6), 6);
	assert_int_equal(virtq_peek(&w->vq), 0);
	slot(w, 2)->flags = USED;
	assert_int_equal(virtq_peek(&w->vq), 1);
	assert_int_equal(pop(w, c, 1), 0);
	assert_int_equal(w->vq.fault, VIRTQ_FAULT_AVAIL_IDX);
	assert_int_equal(w->vq.fault_idx, 2);
	world_free(w);
}

/* A chain as long as the ring is one; a ring of NEXT flags has no end. */
static void test_longest(void **state)
{
	struct chain c;

	(void)state;
	for (unsigned loop = 0; loop < 2; loop++) {
		struct world *w = world_new(PACKED, 7, 3);

		for (unsigned i = 0; i < 7; i++)
			*slot(w, i) = (struct vring_packed_desc){ BUF, 1, (uint16_t)i,
								  NEXT | (i < 3 ? USED : AVAIL) };
		slot(w, 2)->flags ^= loop ? 0 : NEXT;
		assert_int_equal(pop(w, &c, 1), !loop);
		assert_int_equal(w->vq.fault, loop ? VIRTQ_FAULT_LOOP : VIRTQ_OK);
		if (!loop) {
			assert_int_equal(c.elem.slots, 7);
			assert_int_equal(c.elem.id, 2);
			assert_int_equal(c.out_len, 7);
		}
		world_free(w);
	}
}

/* A descriptor is available if AVAIL is the lap's wrap counter and USED is not. */
static void test_flags_of_a_lap(void **state)
{
	const unsigned words[] = { 0, AVAIL, USED, AVAIL | USED };

	(void)state;
	for (unsigned lap = 0; lap < 2; lap++) {
		struct world *w = world_new(PACKED, 4, lap ? 4 : 0);
		uint16_t at = vring_packed_base(w->cfg.base);

		for (unsigned i = 0; i < 4; i++) {
			bool avail = words[i] == (lap ? USED : AVAIL);
			struct chain c;

			*slot(w, 0) = (struct vring_packed_desc){ BUF, 60, 0, (uint16_t)words[i] };
			assert_int_equal(virtq_peek(&w->vq), avail);
			assert_int_equal(virtq_arm_notify(&w->vq), avail);
			assert_int_equal(pop(w, &c, 1), avail);
			if (avail)
				virtq_rewind(&w->vq, &c, 1);
			assert_int_equal(vring_packed_is_used((uint16_t)words[i], at),
					 words[i] == (lap ? 0 : AVAIL | USED));
		}
		assert_int_equal(w->vq.fault, VIRTQ_OK);
		world_free(w);
	}
}

/* The id is the last descriptor's; in a table only WRITE means something, ids nothing. */
static void test_ids_and_tables(void **state)
{
	struct world *w = world_new(PACKED | INDIRECT, SIZE, 0);
	struct vring_packed_desc *t = arena_at(&w->arena, DATA, 3 * ENTRY);
	struct chain c[2];

	(void)state;
	*slot(w, 0) = (struct vring_packed_desc){ BUF, 12, 111, AVAIL | NEXT };
	*slot(w, 1) = (struct vring_packed_desc){ BUF, 60, 65535, AVAIL };
	*slot(w, 2) = (struct vring_packed_desc){ DATA, 3 * ENTRY, 7, AVAIL | IS_TABLE | WRITE };
	t[0] = (struct vring_packed_desc){ BUF, 12, 9, 0 };
	t[1] = (struct vring_packed_desc){ BUF + 12, 60, 9, IS_TABLE | AVAIL };
	t[2] = (struct vring_packed_desc){ BUF + 72, 1, 9, WRITE | NEXT };
	assert_int_equal(pop(w, c, 2), 2);
	assert_int_equal(c[0].elem.id, 65535);
	assert_int_equal(c[0].elem.slots, 2);
	assert_int_equal(c[0].out_len, 72);
	assert_int_equal(c[1].elem.id, 7);
	assert_int_equal(c[1].elem.slots, 1);
	assert_int_equal(c[1].n_out, 2);
	assert_int_equal(c[1].out_len, 72);
	assert_int_equal(c[1].in_len, 1);
	world_free(w);
}

static void write_chain(struct vring_packed_desc *d, unsigned n, uint64_t addr, uint32_t len)
{
	for (unsigned i = 0; i < n; i++)
		d[i] = (struct vring_packed_desc){ addr, len, 0, AVAIL | (i + 1 < n ? NEXT : 0) };
}

/* 1024 pieces are a chain, 1025 are not; neither are 4 GiB, of few descriptors over much memory. */
static void test_too_long(void **state)
{
	const uint64_t far = 1ULL << 40;
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
		{ 15, far, 1U << 28, VIRTQ_OK },
		{ 16, far, 1U << 28, VIRTQ_FAULT_TOO_LONG },
	};

	(void)state;
	for (unsigned i = 0; i < 2 * array_size(cases); i++) {
		struct world *w = world_new(PACKED | INDIRECT, 2000, 0);
		int fd = memfd_create("sparse", MFD_CLOEXEC);
		unsigned k = i / 2, n = cases[k].n;
		struct chain c;

		assert_int_equal(ftruncate(fd, 1U << 28), 0);
		assert_int_equal(gmem_add(&w->mem, far, 1U << 28, far, fd, 0), 0);
		close(fd);
		if (i % 2) {
			write_chain(arena_at(&w->arena, GPA + REGION, 2000 * ENTRY), n,
				    cases[k].addr, cases[k].len);
			*slot(w, 0) = (struct vring_packed_desc){ GPA + REGION, n * ENTRY, 0,
								  AVAIL | IS_TABLE };
		} else {
			write_chain(slot(w, 0), n, cases[k].addr, cases[k].len);
		}
		assert_int_equal(pop(w, &c, 1), cases[k].fault == VIRTQ_OK);
		assert_int_equal(w->vq.fault, cases[k].fault);
		assert_int_equal(w->pool.n, cases[k].fault ? 0 : c.n_out);
		assert_null(w->iov[CHAIN_MAX_IOV].iov_base);
		world_free(w);
	}
}

/*
 * What the device writes: id, length, WRITE if there is any, the lap's flags; at its own place,
 * whatever chain it is; the rest of a chain is skipped; the first of a batch comes last.
 */
static void test_used_descriptors(void **state)
{
	const struct chain_part three[] = { out_part(BUF, 12), in_part(BUF, 50),
					    in_part(BUF + 50, 9) };

	(void)state;
	for (unsigned lap = 0; lap < 2; lap++) {
		struct world *w = world_new(PACKED, SIZE, lap ? SIZE : 0);
		unsigned used = lap ? 0 : AVAIL | USED;
		struct vring_packed_desc before[SIZE];
		struct chain c[3];

		ring_fill_chain(&w->ring, three, 3, 0);
		ring_fill(&w->ring, out_part(BUF, 60), 1);
		ring_fill(&w->ring, out_part(BUF, 60), 2);
		ring_submit(&w->ring);
		assert_int_equal(pop(w, c, 3), 3);
		memcpy(before, slot(w, 0), sizeof(before));
		virtq_push(&w->vq, c[1].elem, 0);
		virtq_push(&w->vq, c[0].elem, 59);
		virtq_push(&w->vq, c[2].elem, 0);
		assert_memory_equal(slot(w, 0), before, ENTRY);
		assert_int_equal(slot(w, 1)->id, c[0].elem.id);
		assert_int_equal(slot(w, 1)->len, 59);
		assert_int_equal(slot(w, 1)->flags, used | WRITE);
		/*
		 * The driver does not read the rest of a chain: it is marked for a device after us.
		 */
		for (unsigned i = 2; i < 4; i++) {
			assert_int_equal(slot(w, i)->id, c[0].elem.id);
			assert_int_equal(slot(w, i)->flags, used | NEXT);
			assert_int_equal(slot(w, i)->addr, before[i].addr);
		}
		assert_int_equal(slot(w, 4)->id, c[2].elem.id);
		assert_int_equal(slot(w, 4)->flags, used);
		virtq_publish(&w->vq);
		assert_int_equal(slot(w, 0)->id, c[1].elem.id);
		assert_int_equal(slot(w, 0)->len, 0);
		assert_int_equal(slot(w, 0)->flags, used);
		take_back(w, 1, 0);
		take_back(w, 0, 59);
		take_back(w, 2, 0);
		world_free(w);
	}
}

/* What each side asks for, as it stands in its event area. */
static void test_event_words(void **state)
{
	(void)state;
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		struct world *w = world_new(PACKED | (event_idx ? EVENT_IDX : 0), 5, 8);
		const struct vring_packed_desc_event *dev = w->ring.areas.device_event;
		const struct vring_packed_desc_event *drv = w->ring.areas.driver_event;

		virtq_disarm_notify(&w->vq);
		assert_int_equal(dev->flags, DISABLED);
		assert_false(virtq_arm_notify(&w->vq));
		assert_int_equal(dev->flags, event_idx ? IS_DESC : 0);
		assert_int_equal(dev->off_wrap, event_idx ? 3 : 0);
		ring_disarm_call(&w->ring);
		assert_int_equal(drv->flags, DISABLED);
		assert_false(ring_arm_call(&w->ring, event_idx ? 3 : 0));
		assert_int_equal(drv->flags, event_idx ? IS_DESC : 0);
		assert_int_equal(drv->off_wrap, event_idx ? 1 | WRAP : 0);
		world_free(w);
	}
}

/* How a side reads what the other asks for; 3 is reserved, DESC needs EVENT_IDX. */
static void test_event_flags(void **state)
{
	const struct {
		uint64_t features;
		uint16_t at, flags;
		bool wanted;
	} cases[] = {
		{ 0, 0, 0, true },
		{ 0, 0, DISABLED, false },
		{ 0, 0, IS_DESC, true },
		{ 0, 0, 3, true },
		{ EVENT_IDX, 0, 0, true },
		{ EVENT_IDX, 0, DISABLED, false },
		{ EVENT_IDX, 0, 3, true },
		/* One descriptor, at slot 4 of the first lap. */
		{ EVENT_IDX, 4 | WRAP, IS_DESC, true },
		{ EVENT_IDX, 4, IS_DESC, false },
		{ EVENT_IDX, 3 | WRAP, IS_DESC, false },
		{ EVENT_IDX, 0, IS_DESC, false },
		{ EVENT_IDX, 32767, IS_DESC, false },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct world *w = world_new(PACKED | cases[i].features, 5, 3);
		struct vring_packed_desc_event ask = { cases[i].at, cases[i].flags };

		for (unsigned k = 0; k < 2; k++) {
			/* The first call is not the one at stake. */
			*w->ring.areas.driver_event = k ? ask
							: (struct vring_packed_desc_event){ 0 };
			*w->ring.areas.device_event = *w->ring.areas.driver_event;
			ring_fill(&w->ring, out_part(BUF, 60), 0);
			ring_submit(&w->ring);
			assert_int_equal(ring_kick(&w->ring), k ? cases[i].wanted : true);
			bounce(w);
			assert_int_equal(virtq_call(&w->vq), k ? cases[i].wanted : true);
		}
		world_free(w);
	}
}

/* A device that begins at a base: both halves the same, the low one alone, or some in between. */
static void test_base(void **state)
{
	const struct {
		uint32_t base;
		uint16_t at;
	} cases[] = {
		{ 0x80008000, 0x8000 }, { 0x00008000, 0x8000 }, { 0x00000000, 0x0000 },
		{ 0x80038003, 0x8003 }, { 0x00030003, 0x0003 }, { 0x80028005, 0x8002 },
		{ 0x80060001, 0x8006 },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct world *w = world_new(PACKED, 7, 0);

		w->cfg.base = cases[i].base;
		virtq_start(&w->vq, &w->cfg);
		assert_int_equal(virtq_base(&w->vq), cases[i].at | (uint32_t)cases[i].at << 16);
		assert_int_equal(virtq_seen(&w->vq), 0);
		world_free(w);
	}
}

/* The areas must lie in memory, whole and aligned; the size may be any up to 32768. */
static void test_resolve(void **state)
{
	struct world *w = world_new(PACKED, 8, 0);
	uint64_t uva = (uintptr_t)w->arena.regions[1].host, end = uva + REGION;
	const struct {
		unsigned size;
		uint64_t desc, driver, device;
		int err;
	} cases[] = {
		{ 0, uva, uva + 4096, uva + 8192, -EINVAL },
		{ 32769, uva, uva + 4096, uva + 8192, -EINVAL },
		{ 32768, uva, uva + 4096, uva + 8192, 0 },
		{ 3, uva, uva + 4096, uva + 8192, 0 },
		{ 8, uva + 8, uva + 4096, uva + 8192, -EINVAL },
		{ 8, uva, uva + 4098, uva + 8192, -EINVAL },
		{ 8, uva, uva + 4096, uva + 8194, -EINVAL },
		{ 8, 0, uva + 4096, uva + 8192, -EFAULT },
		{ 8, end - 112, uva, uva + 8192, -EFAULT },
		{ 8, end - 128, uva, uva + 8192, 0 },
		{ 8, uva, end - 2, uva + 8192, -EFAULT },
		{ 8, uva, end - 4, uva + 8192, 0 },
		{ 8, uva, uva + 4096, end - 2, -EFAULT },
		{ 8, uva, uva + 4096, end - 4, 0 },
	};
	struct virtq_rings r;

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++)
		assert_int_equal(virtq_resolve_packed(&r, &w->mem, cases[i].size, cases[i].desc,
						      cases[i].driver, cases[i].device),
				 cases[i].err);
	world_free(w);
}

/* A device that lies about what it used is found out, and nothing more is taken from it. */
static void test_device_faults(void **state)
{
	const struct {
		uint64_t features;
		uint16_t id;
		uint32_t len;
		enum ring_fault fault;
	} cases[] = {
		{ 0, 7, 0, RING_FAULT_ID },           { 0, 65535, 0, RING_FAULT_ID },
		{ 0, 5, 0, RING_FAULT_IDLE },         { 0, 0, 1, RING_FAULT_LEN },
		{ 0, 1, 101, RING_FAULT_LEN },        { 0, 3, 0, RING_FAULT_USED_IDX },
		{ IN_ORDER, 9, 0, RING_FAULT_ID },    { IN_ORDER, 6, 0, RING_FAULT_IDLE },
		{ IN_ORDER, 2, 101, RING_FAULT_LEN }, { IN_ORDER, 3, 0, RING_FAULT_USED_IDX },
	};
	const struct chain_part two[] = { out_part(BUF, 12), in_part(BUF, 50) };

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		struct world *w = world_new(PACKED | cases[i].features, 7, 0);
		enum ring_outcome outcome;
		struct ring_used u;

		ring_fill(&w->ring, out_part(BUF, 60), 0);
		ring_submit(&w->ring);
		ring_fill(&w->ring, in_part(BUF, 100), 1);
		ring_fill(&w->ring, in_part(BUF, 100), 2);
		if (cases[i].fault != RING_FAULT_USED_IDX)
			ring_submit(&w->ring);
		/* Filled but not submitted: not the device's yet. */
		ring_fill_chain(&w->ring, two, 2, 3);
		*vring_packed_word(slot(w, 0)) = vring_packed_join(
			cases[i].len, cases[i].id, AVAIL | USED | (cases[i].len ? WRITE : 0));
		while ((outcome = ring_use(&w->ring, &u)) == RING_USED)
			;
		assert_int_equal(outcome, RING_BROKEN);
		if (w->ring.fault != cases[i].fault)
			fail_msg("case %u: %s", i, ring_fault_name(w->ring.fault));
		/* However well it behaves from here on. */
		*vring_packed_word(slot(w, vring_packed_slot(w->ring.last_used))) =
			vring_packed_join(0, 0, AVAIL | USED);
		assert_int_equal(ring_use(&w->ring, &u), RING_BROKEN);
		world_free(w);
	}
}

/* Without the WRITE flag a used length means nothing (2.8.4); a chain comes back once. */
static void test_used_length(void **state)
{
	struct world *w = world_new(PACKED, 8, 0);
	struct ring_used u;

	(void)state;
	ring_fill(&w->ring, out_part(BUF, 60), 5);
	ring_fill(&w->ring, out_part(BUF, 60), 6);
	ring_submit(&w->ring);
	*vring_packed_word(slot(w, 0)) = vring_packed_join(1234, 0, AVAIL | USED);
	*vring_packed_word(slot(w, 1)) = vring_packed_join(0, 0, AVAIL | USED);
	take_back(w, 5, 0);
	assert_int_equal(ring_use(&w->ring, &u), RING_BROKEN);
	assert_int_equal(w->ring.fault, RING_FAULT_IDLE);
	world_free(w);
}

/*
 * IN_ORDER: one used descriptor, in the place of the first and with the id of the last, may end a
 * batch; all chains before it are whole, and the next one stands behind the batch. Across the wrap.
 */
static void test_in_order_batch(void **state)
{
	struct world *w = world_new(PACKED | IN_ORDER, 7, 5);
	struct chain_part two[] = { out_part(BUF, 12), in_part(BUF + 12, 50) };
	uint16_t at = vring_packed_base(w->cfg.base);
	struct ring_used u;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		uint16_t last;

		ring_fill(&w->ring, in_part(BUF, 100), 1);
		ring_fill_chain(&w->ring, two, 2, 2);
		last = next_id(w);
		ring_fill(&w->ring, in_part(BUF, 30), 3);
		ring_submit(&w->ring);
		assert_int_equal(ring_use(&w->ring, &u), RING_EMPTY);
		*vring_packed_word(slot(w, vring_packed_slot(at))) =
			vring_packed_join(9, last, vring_packed_used_flags(at) | WRITE);
		at = vring_packed_forward(at, 4, 7);
		assert_int_equal(ring_base(&w->ring), at | (uint32_t)at << 16);
		take_back(w, 1, 100);
		assert_int_equal(ring_base(&w->ring), at | (uint32_t)at << 16);
		take_back(w, 2, 50);
		take_back(w, 3, 9);
		assert_int_equal(ring_use(&w->ring, &u), RING_EMPTY);
		assert_int_equal(ring_reserve(&w->ring, 8), 7);
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),         cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_more_than_size), cmocka_unit_test(test_longest),
		cmocka_unit_test(test_flags_of_a_lap), cmocka_unit_test(test_ids_and_tables),
		cmocka_unit_test(test_too_long),       cmocka_unit_test(test_used_descriptors),
		cmocka_unit_test(test_event_words),    cmocka_unit_test(test_event_flags),
		cmocka_unit_test(test_base),           cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_device_faults),  cmocka_unit_test(test_used_length),
		cmocka_unit_test(test_in_order_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
