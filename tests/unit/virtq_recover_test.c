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

/* The ring tells the place, the driver finds its chains up to there, and the device goes on. */
static void check(struct world *w, uint16_t place, bool may_be_unknown)
{
	unsigned size = w->ring.size;
	uint16_t at = 0xffff;

	if (!virtq_recover_place(w->cfg.rings.packed, size, vring_packed_back(place, 1, size),
				 &at)) {
		assert_true(may_be_unknown);
		return;
	}
	assert_int_equal(at, place);
	driver_takes(w, size);
	assert_int_equal(w->ring.last_used, place);
}

static unsigned op_slots(const struct op *op)
{
	unsigned n = 0, i;

	for (i = 0; i < op->n; i++)
		n += op->slots[i];
	return n;
}

static void die_everywhere(struct world *w, const struct op *op)
{
	bool device = op->run == device_uses, done = false;
	struct snapshot before;
	unsigned long n;
	uint16_t place;

	save(&before, w);
	for (n = 0; !done; n++) {
		done = run_until(w, op, n);
		place = before.vq.published_idx;
		if (device) {
			struct snapshot died;

			save(&died, w);
			restore(w, &before);
			w->vq.last_avail = died.vq.last_avail;
			place = place_after(&before, w, n);
			restore(w, &died);
			restore_driver(w, &before);
		} else if (!done) {
			restore_driver(w, &before);
		}
		/* A driver in the midst of filling the whole ring at once leaves it unclear. */
		check(w, place, !device && !done && op_slots(op) >= w->ring.size - 1U);
		restore(w, &before);
	}
	op->run(w, op);
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

static void live(unsigned size, unsigned slots_max, uint16_t base)
{
	struct world *w = world_new(PACKED, size, base);
	unsigned i;

	for (i = 0; i < 60; i++) {
		struct op op = draw_add(w, slots_max);

		switch (below(4)) {
		case 0:
			driver_takes(w, 1 + below(size));
			continue;
		case 1:
			op = (struct op){ .run = device_uses, .n = 1 + below(BATCH_MAX) };
			break;
		default:
			break;
		}
		die_everywhere(w, &op);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_die),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
