/* SPDX-License-Identifier: MIT */
/*
 * The driver's half of a packed virtqueue (virtio 1.2 section 2.8). The contracts are in ring.h;
 * the barriers carry the letters of the drawing in virtio/virtq_packed.h, of which this is the left
 * column.
 *
 * Descriptors need no allocator: they are taken and given back in ring order. Buffer ids are a
 * queue, r->next, so that chains which come back in order have ids in order, by which IN_ORDER
 * finds the chains of a batch.
 */
#ifndef VIRTIO_DRIVER_RING_PACKED_H
#define VIRTIO_DRIVER_RING_PACKED_H

#include "virtio/driver/ring_state.h"

static inline uint16_t ring_packed_take_id(struct ring *r)
{
	uint16_t id = r->next[r->free_head];

	r->free_head = ring_inc(r, r->free_head);
	return id;
}

/* The first descriptor since the last submit keeps the others hidden. */
static inline void ring_packed_offer(struct ring *r, struct chain_part p, uint16_t id,
				     uint16_t flags)
{
	uint16_t at = r->avail_idx;
	struct vring_packed_desc *desc = &r->areas.packed[vring_packed_slot(at)];
	uint64_t word;

	flags |= vring_packed_avail_flags(at) | (p.in ? VRING_DESC_F_WRITE : 0);
	word = vring_packed_join(p.len, id, flags);
	store_relaxed(&desc->addr, p.addr);
	if (at == r->submitted_idx)
		r->first_avail = word;
	else
		store_relaxed(vring_packed_word(desc), word);
	r->avail_idx = vring_packed_forward(at, 1, r->size);
	r->n_free--;
}

static inline void ring_packed_fill(struct ring *r, struct chain_part part, uint64_t token)
{
	uint16_t id = ring_packed_take_id(r);

	r->slots[id] = (struct ring_slot){ token, part.in ? part.len : 0, 1, id };
	ring_packed_offer(r, part, id, 0);
}

static inline void ring_packed_fill_chain(struct ring *r, const struct chain_part *parts,
					  unsigned n, uint64_t token)
{
	uint16_t id = ring_packed_take_id(r);
	uint32_t in_len = 0;

	for (unsigned i = 0; i < n; i++) {
		in_len += parts[i].in ? parts[i].len : 0;
		ring_packed_offer(r, parts[i], id, i + 1 < n ? VRING_DESC_F_NEXT : 0);
	}
	r->slots[id] = (struct ring_slot){ token, in_len, (uint16_t)n, id };
}

static inline void ring_packed_fill_indirect(struct ring *r, const struct chain_part *parts,
					     unsigned n, uint64_t token)
{
	uint16_t id = ring_packed_take_id(r);
	size_t at = (size_t)id * r->cfg.table_len;
	struct vring_packed_desc *desc = (void *)&r->cfg.tables[at];
	struct chain_part table = { .addr = r->cfg.tables_gpa + at * sizeof(*desc),
				    .len = n * (uint32_t)sizeof(*desc) };
	uint32_t in_len = 0;

	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = parts[i].in ? VRING_DESC_F_WRITE : 0;

		in_len += parts[i].in ? parts[i].len : 0;
		store_relaxed(&desc[i].addr, parts[i].addr);
		store_relaxed(vring_packed_word(&desc[i]),
			      vring_packed_join(parts[i].len, 0, flags));
	}
	r->slots[id] = (struct ring_slot){ token, in_len, 1, id };
	ring_packed_offer(r, table, id, VRING_DESC_F_INDIRECT);
}

static inline void ring_packed_submit(struct ring *r)
{
	unsigned slot = vring_packed_slot(r->submitted_idx);

	if (r->submitted_idx == r->avail_idx)
		return;
	store_release(vring_packed_word(&r->areas.packed[slot]), r->first_avail); /* A */
	r->submitted_idx = r->avail_idx;
}

static inline bool ring_packed_kick_wanted(struct ring *r)
{
	uint16_t old = r->kicked_idx, now = r->submitted_idx;
	uint32_t event;

	if (old == now)
		return false;
	r->kicked_idx = now;
	full_fence(); /* B */
	event = load_relaxed(vring_packed_event(r->areas.device_event));
	return vring_packed_event_wanted(event, r->event_idx, now, old, r->size);
}

/* What the device wrote at this place, if it is a used descriptor of its lap. */
static inline bool ring_packed_read_used(const struct ring *r, uint16_t at, uint64_t *word)
{
	*word = load_acquire(vring_packed_word(&r->areas.packed[vring_packed_slot(at)])); /* C */
	return vring_packed_is_used((uint16_t)(*word >> 48), at);
}

static inline unsigned ring_packed_peek(struct ring *r)
{
	uint64_t word;

	return r->skip || ring_packed_read_used(r, r->last_used, &word);
}

static inline enum ring_outcome ring_packed_use(struct ring *r, struct ring_used *u)
{
	struct ring_slot *slot;
	uint64_t word = 0;
	uint32_t id, len;

	if (!r->skip && !ring_packed_read_used(r, r->last_used, &word))
		return RING_EMPTY;
	if (r->fault)
		return RING_BROKEN;
	id = (uint16_t)(word >> 32);
	len = (uint32_t)word;
	if (r->in_order && (r->skip || id != r->oldest) && !ring_skip(r, r->size, &id, &len))
		return RING_BROKEN;
	if (id >= r->size)
		return ring_break(r, RING_FAULT_ID);
	slot = &r->slots[id];
	if (!slot->n)
		return ring_break(r, RING_FAULT_IDLE);
	if (slot->n > vring_packed_distance(r->last_used, r->submitted_idx, r->size))
		return ring_break(r, RING_FAULT_USED_IDX);
	/* 2.8.4: no length without WRITE. QEMU never sets that, and Linux does not look at it. */
	if (!slot->in_len && !(word >> 48 & VRING_DESC_F_WRITE))
		len = 0;
	if (len > slot->in_len)
		return ring_break(r, RING_FAULT_LEN);
	*u = (struct ring_used){ slot->token, len };
	r->next[r->free_tail] = (uint16_t)id;
	r->free_tail = ring_inc(r, r->free_tail);
	r->oldest = ring_inc(r, (uint16_t)id);
	r->n_free += slot->n;
	r->last_used = vring_packed_forward(r->last_used, slot->n, r->size);
	slot->n = 0;
	return RING_USED;
}

static inline void ring_packed_disarm_call(struct ring *r)
{
	store_relaxed(vring_packed_event(r->areas.driver_event),
		      vring_packed_event_flag(VRING_PACKED_EVENT_FLAG_DISABLE));
}

static inline bool ring_packed_arm_call(struct ring *r, uint16_t after)
{
	uint32_t event = vring_packed_event_flag(VRING_PACKED_EVENT_FLAG_ENABLE);

	if (r->event_idx)
		event = vring_packed_event_at(vring_packed_forward(r->last_used, after, r->size));
	store_relaxed(vring_packed_event(r->areas.driver_event), event);
	full_fence(); /* D */
	return ring_packed_peek(r);
}

#endif
