/* SPDX-License-Identifier: MIT */
/*
 * A packed ring that lost its device, or that a driver was stopped in the midst of filling: both
 * halves run, die at each of their stores, and the place that is found in the ring must be the one
 * that the device had, with nothing of its last batch lost or used twice.
 */
#include "virtio/virtq_recover.h"

#include "tests/unit/ring_world.h"

#define RING_MAX  13
#define BATCH_MAX 4
#define SLOTS_MAX 3
#define FOREVER   (1UL << 60)

static jmp_buf death;
static unsigned long stores_left = FOREVER;

void dying_store(void)
{
	if (!stores_left--)
		longjmp(death, 1);
}

/* What an operation does to a world; drawn before, so that it can be done again. */
struct op {
	void (*run)(struct world *w, const struct op *op);
	unsigned n;                /* chains */
	unsigned slots[BATCH_MAX]; /* of each */
	bool in[BATCH_MAX];
};

/* All that an operation changes. */
struct snapshot {
	struct ring ring;
	struct virtq vq;
	struct vring_packed_desc desc[RING_MAX];
	struct ring_slot slots[RING_MAX];
	uint16_t next[RING_MAX];
};

static void save(struct snapshot *s, const struct world *w)
{
	s->ring = w->ring;
	s->vq = w->vq;
	memcpy(s->desc, w->ring.areas.packed, w->ring.size * sizeof(s->desc[0]));
	memcpy(s->slots, w->ring.slots, w->ring.size * sizeof(s->slots[0]));
	memcpy(s->next, w->ring.next, w->ring.size * sizeof(s->next[0]));
}

static void restore_driver(struct world *w, const struct snapshot *s)
{
	w->ring = s->ring;
	memcpy(w->ring.slots, s->slots, w->ring.size * sizeof(s->slots[0]));
	memcpy(w->ring.next, s->next, w->ring.size * sizeof(s->next[0]));
}

static void restore(struct world *w, const struct snapshot *s)
{
	restore_driver(w, s);
	w->vq = s->vq;
	memcpy(w->ring.areas.packed, s->desc, w->ring.size * sizeof(s->desc[0]));
}

static uint32_t random_state;

static unsigned below(unsigned n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

/* One submit for all of it: its first descriptor is written last. */
static void driver_adds(struct world *w, const struct op *op)
{
	struct chain_part parts[SLOTS_MAX];
	unsigned i, k;

	for (i = 0; i < op->n; i++) {
		for (k = 0; k < op->slots[i]; k++)
			parts[k] = (struct chain_part){ BUF + 64 * k, 64, op->in[i] };
		ring_fill_chain(&w->ring, parts, op->slots[i], 0);
	}
	ring_submit(&w->ring);
}

static void device_uses(struct world *w, const struct op *op)
{
	struct chain c[BATCH_MAX];
	unsigned n = pop(w, c, op->n), i;

	for (i = 0; i < n; i++)
		virtq_push(&w->vq, c[i].elem, c[i].in_len);
	virtq_publish(&w->vq);
}

static unsigned driver_takes(struct world *w, unsigned n)
{
	struct ring_used used;
	unsigned i;

	for (i = 0; i < n && ring_use(&w->ring, &used) == RING_USED; i++)
		;
	assert_int_equal(w->ring.fault, RING_OK);
	return i;
}

/* Run it until it dies before its store number n; true if it has no more than that. */
static bool run_until(struct world *w, const struct op *op, unsigned long n)
{
	volatile bool done = false;

	stores_left = n;
	if (!setjmp(death)) {
		op->run(w, op);
		done = true;
	}
	stores_left = FOREVER;
	return done;
}

/* Where the device stands that made n stores of a batch: behind the last chain that has one. */
static uint16_t place_after(const struct snapshot *s, const struct world *ran, unsigned long n)
{
	uint16_t at = s->vq.published_idx, end = at;
	unsigned long before = 0;
	struct world copy = *ran;
	struct chain c[BATCH_MAX];
	unsigned popped, i;

	copy.vq = s->vq;
	popped = pop(&copy, c, BATCH_MAX);
	for (i = 0; i < popped && at != ran->vq.last_avail; i++) {
		at = vring_packed_forward(at, c[i].elem.slots, s->ring.size);
		if (before < n)
			end = at;
		before += c[i].elem.slots - !i;
	}
	return n ? end : s->vq.published_idx;
}

/* Asked with a base that explains nothing. */
static bool recover(const struct world *w, uint16_t place)
{
	uint16_t at = 0xffff;

	if (!virtq_recover_place(w->cfg.rings.packed, w->ring.size,
				 vring_packed_back(place, 1, w->ring.size), &at))
		return false;
	assert_int_equal(at, place);
	return true;
}

/* The ring tells the place, to another look, too, and the driver finds its chains up to there. */
static void check(struct world *w, uint16_t place, bool may_be_unknown)
{
	if (!recover(w, place)) {
		assert_true(may_be_unknown);
		return;
	}
	assert_true(recover(w, place) || may_be_unknown);
	driver_takes(w, w->ring.size);
	assert_int_equal(w->ring.last_used, place);
}

static unsigned op_slots(const struct op *op)
{
	unsigned n = 0, i;

	for (i = 0; i < op->n; i++)
		n += op->slots[i];
	return n;
}

static struct op draw_add(struct world *w, unsigned slots_max)
{
	struct op op = { .run = driver_adds };
	unsigned room = ring_reserve(&w->ring, RING_MAX), n = 1 + below(BATCH_MAX);

	for (; op.n < n; op.n++) {
		unsigned slots = 1 + below(slots_max);

		if (slots > room)
			break;
		room -= slots;
		op.slots[op.n] = slots;
		op.in[op.n] = below(2);
	}
	return op;
}

/* The driver dies at each store of an operation; the device stands where it stood. */
static void driver_dies(struct world *w, const struct op *op, uint16_t place)
{
	struct snapshot before;
	bool done = false;
	unsigned long n;

	save(&before, w);
	for (n = 0; !done; n++) {
		done = run_until(w, op, n);
		if (!done)
			restore_driver(w, &before);
		/* A driver in the midst of filling the whole ring at once leaves it unclear. */
		check(w, place, !done && op_slots(op) >= w->ring.size - 1U);
		restore(w, &before);
	}
}

/* The device dies at each store of a batch, while the driver is in the midst of adding, or not. */
static void device_dies(struct world *w, const struct op *op, const struct op *adds)
{
	struct snapshot before, died;
	bool done = false;
	unsigned long n;
	uint16_t place;

	save(&before, w);
	for (n = 0; !done; n++) {
		done = run_until(w, op, n);
		save(&died, w);
		restore(w, &before);
		w->vq.last_avail = died.vq.last_avail;
		place = place_after(&before, w, n);
		restore(w, &died);
		restore_driver(w, &before);
		driver_dies(w, adds, place);
		restore(w, &before);
	}
}

static void live(unsigned size, unsigned slots_max, uint16_t base)
{
	struct world *w = world_new(PACKED, size, base);
	unsigned i;

	for (i = 0; i < 60; i++) {
		struct op op = draw_add(w, slots_max), uses = { .run = device_uses };

		switch (below(4)) {
		case 0:
			driver_takes(w, 1 + below(size));
			continue;
		case 1:
			uses.n = 1 + below(BATCH_MAX);
			device_dies(w, &uses, &op);
			uses.run(w, &uses);
			break;
		default:
			driver_dies(w, &op, w->vq.published_idx);
			op.run(w, &op);
			break;
		}
		assert_int_equal(w->vq.fault, VIRTQ_OK);
	}
	world_free(w);
}

/* All of it: rings that are no power of two, chains that go round the end, full and empty rings. */
static void test_die(void **state)
{
	static const unsigned sizes[] = { 4, 5, 8, RING_MAX };

	(void)state;
	for (unsigned s = 0; s < array_size(sizes); s++)
		for (unsigned slots_max = 1; slots_max <= SLOTS_MAX; slots_max++)
			for (unsigned i = 0; i < 60; i++)
				live(sizes[s], slots_max, (uint16_t)below(3 * sizes[s]));
}

/* A device that leaves the rest of a chain as it was, as others do. */
static void foreign_bounce(struct world *w)
{
	struct vring_packed_desc before[RING_MAX];
	uint16_t at = w->vq.used_idx;
	struct chain c;

	memcpy(before, w->ring.areas.packed, w->ring.size * sizeof(before[0]));
	assert_int_equal(pop(w, &c, 1), 1);
	virtq_push(&w->vq, c.elem, 0);
	virtq_publish(&w->vq);
	for (unsigned i = 1; i < c.elem.slots; i++) {
		unsigned slot = vring_packed_slot(vring_packed_forward(at, i, w->ring.size));

		w->ring.areas.packed[slot] = before[slot];
	}
}

/* A ring of longer chains that another device left is not believed: its base stays. */
static void test_foreign(void **state)
{
	const struct op pair = { .run = driver_adds, .n = 1, .slots = { 2 } };
	struct world *w = world_new(PACKED, 8, 0);
	uint16_t at;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		driver_adds(w, &pair);
	for (unsigned i = 0; i < 3; i++) {
		foreign_bounce(w);
		/* Of one such chain no trace is seen. */
		if (i)
			assert_false(
				virtq_recover_place(w->cfg.rings.packed, 8, w->vq.used_idx, &at));
	}
	world_free(w);
}

/*
 * A region tells the place at every moment of a publish. What the front-end wrote there and is no
 * place, or no region of this ring, is none.
 */
static void test_inflight(void **state)
{
	struct world *w = world_new(PACKED, SIZE, 0);
	size_t len = virtq_inflight_len(true, SIZE);
	struct virtq_inflight *region = aligned_alloc(64, len);
	const struct op one = { .run = driver_adds, .n = 1, .slots = { 3 } };
	struct vring_packed_desc *ring = w->cfg.rings.packed;
	uint16_t at, old;

	(void)state;
	assert_int_equal(len, 320);
	assert_int_equal(virtq_inflight_len(false, SIZE), 192);
	assert_non_null(region);
	memset(region, 0, len);
	virtq_inflight_init(region, true, SIZE);
	assert_false(virtq_inflight_find(region, ring, SIZE, &at));
	w->cfg.inflight = region;
	virtq_start(&w->vq, &w->cfg);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(virtq_inflight_find(region, ring, SIZE, &at));
		assert_int_equal(at, w->vq.used_idx);
		driver_adds(w, &one);
		old = at;
		at = vring_packed_forward(at, 3, SIZE);
		/* Died before the batch was visible; after that it was. */
		virtq_inflight_begin(region, at, old);
		assert_true(virtq_inflight_find(region, ring, SIZE, &at));
		assert_int_equal(at, old);
		bounce(w);
		virtq_inflight_begin(region, w->vq.used_idx, old);
		assert_true(virtq_inflight_find(region, ring, SIZE, &at));
		assert_int_equal(at, w->vq.used_idx);
		virtq_inflight_end(region, at);
		assert_int_equal(driver_takes(w, 2), 1);
	}
	region->place = virtq_inflight_word(SIZE, 0);
	assert_false(virtq_inflight_find(region, ring, SIZE, &at));
	region->place = 2ULL << 32;
	assert_false(virtq_inflight_find(region, ring, SIZE, &at));
	region->place = 0;
	assert_true(virtq_inflight_find(region, ring, SIZE, &at));
	assert_false(virtq_inflight_find(region, ring, SIZE - 1, &at));
	region->version = 2;
	assert_false(virtq_inflight_find(region, ring, SIZE, &at));
	free(region);
	world_free(w);
}

/*
 * What virtq_find_base() makes of it: a ring that tells is believed, else the region, else the
 * base; and the driver of a ring that was used is called, as the last call may not have come.
 */
static void test_find_base(void **state)
{
	const struct op one = { .run = driver_adds, .n = 1, .slots = { 2 } };
	struct virtq_inflight region = { .version = 1, .desc_num = SIZE };
	struct world *w = world_new(PACKED, SIZE, 0);

	(void)state;
	w->cfg.base = 0;
	assert_true(virtq_find_base(&w->cfg));
	assert_int_equal(w->cfg.base, VRING_PACKED_START << 16 | VRING_PACKED_START);
	assert_false(virtq_find_base(&w->cfg));
	assert_int_equal(signals(w->cfg.call.fd), 0);
	driver_adds(w, &one);
	bounce(w);
	assert_true(virtq_find_base(&w->cfg));
	assert_int_equal(w->cfg.base >> 16, w->vq.used_idx);
	assert_int_equal(signals(w->cfg.call.fd), 1);
	/* Nonsense: no slot is what it can be. */
	for (unsigned i = 0; i < SIZE; i++)
		w->ring.areas.packed[i].flags = i % 2 ? VRING_PACKED_USED : VRING_PACKED_AVAIL;
	assert_false(virtq_find_base(&w->cfg));
	region.place = virtq_inflight_word(5, 5);
	w->cfg.inflight = &region;
	assert_true(virtq_find_base(&w->cfg));
	assert_int_equal(w->cfg.base, 0x00050005);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_die),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_inflight),
		cmocka_unit_test(test_find_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
