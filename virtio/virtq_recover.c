/* SPDX-License-Identifier: MIT */
/* The place of a packed ring's device, out of the ring; see virtq_recover.h. */
#include "virtio/virtq_recover.h"

#include "virtio/base.h"

/*
 * A driver that adds chains meanwhile can spoil one pass over the ring, but not many: it has room
 * for one ring of descriptors, as the device is stopped.
 */
#define LOOKS 8

/* In smaller rings a chain that is being added and a batch that died cannot be told apart. */
#define SIZE_MIN 4

struct view {
	struct vring_packed_desc *ring;
	unsigned size;
};

/* The ring in order: used up to first, an unpublished batch up to end, available up to driver. */
struct marks {
	uint16_t first;
	uint16_t end;
	uint16_t driver;
};

static struct vring_packed_desc read_slot(const struct view *v, uint16_t at)
{
	uint64_t word = load_acquire(vring_packed_word(&v->ring[vring_packed_slot(at)]));

	return (struct vring_packed_desc){
		.len = (uint32_t)word,
		.id = (uint16_t)(word >> 32),
		.flags = (uint16_t)(word >> 48),
	};
}

static bool is_avail(const struct view *v, uint16_t at)
{
	return vring_packed_is_avail(read_slot(v, at).flags, at);
}

static uint16_t next_place(const struct view *v, uint16_t at)
{
	return vring_packed_forward(at, 1, v->size);
}

/* The lap in which a slot was written last. */
static uint16_t lap_of(uint16_t flags)
{
	return flags & VRING_PACKED_AVAIL ? VRING_PACKED_WRAP : 0;
}

/* The first slot from this one on that was written last in that lap; size if there is none. */
static unsigned find_lap(const struct view *v, unsigned slot, uint16_t lap)
{
	while (slot < v->size && lap_of(read_slot(v, (uint16_t)slot).flags) != lap)
		slot++;
	return slot;
}

static bool is_used(const struct view *v, unsigned slot, uint16_t lap)
{
	return vring_packed_is_used(read_slot(v, (uint16_t)slot).flags, lap);
}

/*
 * Where the driver writes next: the slots before it are of its lap, it is not. But slots behind it
 * may be of its lap, too: of chains whose first descriptor is yet to come. They lie between slots
 * of the lap before, so three stretches of slots can be seen, or more. The driver's place is then
 * free, as a used slot is, and those behind it are not. It begins the second stretch, or the third
 * if those chains go round the end of the ring to slot 0, or it is slot 0.
 */
static uint16_t driver_place(const struct view *v)
{
	uint16_t lap = lap_of(read_slot(v, 0).flags), other = lap ^ VRING_PACKED_WRAP;
	unsigned second = find_lap(v, 1, other), third = find_lap(v, second, lap);

	if (second == v->size)
		return other;
	if (third == v->size)
		return (uint16_t)(second | lap);
	if (!is_used(v, 0, lap) && is_used(v, third, lap))
		return (uint16_t)(third | other);
	return is_used(v, second, other) ? (uint16_t)(second | lap) : other;
}

/* Every slot must be what it can be. */
static struct marks find_marks(const struct view *v)
{
	uint16_t driver = driver_place(v), end = driver, before, first;
	struct vring_packed_desc d;
	unsigned n;

	for (n = 0; n < v->size; n++) {
		before = vring_packed_back(end, 1, v->size);
		if (!is_avail(v, before))
			break;
		end = before;
	}
	for (first = vring_packed_back(driver, v->size, v->size); first != end;
	     first = next_place(v, first)) {
		d = read_slot(v, first);
		/* Or the driver has it for its next lap. */
		if (!vring_packed_is_used(d.flags, first) &&
		    !vring_packed_is_avail(d.flags, first ^ VRING_PACKED_WRAP))
			break;
	}
	return (struct marks){ first, end, driver };
}

static void use(const struct view *v, uint16_t at, uint16_t id, uint32_t len)
{
	uint16_t flags = vring_packed_used_flags(at) | (len ? VRING_DESC_F_WRITE : 0);

	store_release(vring_packed_word(&v->ring[vring_packed_slot(at)]),
		      vring_packed_join(len, id, flags));
}

/* A slot of a used chain behind its first. */
static bool is_rest(const struct view *v, uint16_t at, uint16_t *id)
{
	struct vring_packed_desc d = read_slot(v, at);

	*id = d.id;
	return vring_packed_is_used(d.flags, at) && (d.flags & VRING_DESC_F_NEXT);
}

/*
 * The chain at this place, which the device had used and not yet marked so: its id, and where its
 * rest that is marked begins, which is end if it has none. False: no chain is left so.
 */
static bool unmarked_chain(const struct view *v, uint16_t at, uint16_t end, uint16_t *id,
			   uint16_t *rest)
{
	struct vring_packed_desc d = read_slot(v, at);

	*id = d.id;
	*rest = next_place(v, at);
	if (!(d.flags & VRING_DESC_F_NEXT))
		return vring_packed_is_avail(d.flags, at);
	/* The last slot was marked first, so one that is comes before end. */
	for (; *rest != end && vring_packed_is_avail(d.flags, at);
	     at = *rest, *rest = next_place(v, at)) {
		if (is_rest(v, *rest, id))
			return true;
		d = read_slot(v, *rest);
		if (!(d.flags & VRING_DESC_F_NEXT))
			return false;
	}
	return false;
}

/*
 * A batch that was pushed in part or whole, and not published: mark its chains used where they are
 * not, the first one last. The length of what was received into a chain is lost: a buffer of one
 * descriptor counts as full, so that a frame of several buffers stays whole; a longer one as empty.
 * publish false: only see whether it is such a batch.
 */
static bool walk_batch(const struct view *v, const struct marks *m, bool publish)
{
	uint16_t at = m->first, id, first_id = 0, rest;
	struct vring_packed_desc d;
	uint32_t first_len = 0;

	while (at != m->end) {
		d = read_slot(v, at);
		rest = next_place(v, at);
		if (vring_packed_is_used(d.flags, at)) {
			if (at == m->first || (d.flags & VRING_DESC_F_NEXT))
				return false;
		} else if (!unmarked_chain(v, at, m->end, &id, &rest)) {
			return false;
		} else if (at == m->first) {
			first_id = id;
			if ((d.flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT |
					VRING_DESC_F_NEXT)) == VRING_DESC_F_WRITE)
				first_len = d.len;
		} else if (!(d.flags & VRING_DESC_F_NEXT)) {
			return false;
		} else if (publish) {
			use(v, at, id, 0);
		}
		for (at = rest; at != m->end && is_rest(v, at, &id);)
			at = next_place(v, at);
	}
	if (publish)
		use(v, m->first, first_id, first_len);
	return true;
}

/* Slots of the available chain at this place; at most limit. */
static unsigned chain_slots(const struct view *v, uint16_t at, unsigned limit)
{
	unsigned n = 0;

	while (n < limit && (read_slot(v, at).flags & VRING_DESC_F_NEXT)) {
		at = next_place(v, at);
		n++;
	}
	return n < limit ? n + 1 : limit;
}

/*
 * The front-end's base is the place that was found, or lies up to one chain behind it. Then it is
 * no old one, and what looks like a batch that died is what another device left of its chains.
 */
static bool base_explains(const struct view *v, const struct marks *m, uint16_t base)
{
	unsigned waits = vring_packed_distance(m->end, m->driver, v->size);

	return vring_packed_distance(m->end, base, v->size) <= chain_slots(v, m->end, waits);
}

bool virtq_recover_place(struct vring_packed_desc *ring, unsigned size, uint16_t base,
			 uint16_t *place)
{
	struct view v = { ring, size };
	unsigned i;

	for (i = 0; i < LOOKS && size >= SIZE_MIN; i++) {
		struct marks m = find_marks(&v);

		*place = m.end;
		if (m.first == m.end)
			return true;
		if (!walk_batch(&v, &m, false))
			continue;
		if (base_explains(&v, &m, base))
			return false;
		return walk_batch(&v, &m, true);
	}
	return false;
}
