/* SPDX-License-Identifier: MIT */
/*
 * The driver's half of a split virtqueue (virtio 1.2 section 2.7). The contracts are in ring.h; the
 * barriers carry the letters of the drawing in virtio/virtq_split.h, of which this is the left
 * column.
 *
 * Free descriptors are a queue: taken at its head, given back at its tail. So chains that come back
 * in order lie in ring order for ever, which IN_ORDER demands (2.7.9), and no second allocator is
 * needed.
 */
#ifndef VIRTIO_DRIVER_RING_SPLIT_H
#define VIRTIO_DRIVER_RING_SPLIT_H

#include "virtio/driver/ring_state.h"

static inline void ring_split_write_desc(struct vring_desc *desc, struct chain_part p,
					 uint16_t flags, uint16_t next)
{
	flags |= p.in ? VRING_DESC_F_WRITE : 0;
	store_relaxed(&desc->addr, p.addr);
	store_relaxed((vring_u64 *)(void *)&desc->len,
		      p.len | (uint64_t)flags << 32 | (uint64_t)next << 48);
}

static inline uint16_t ring_split_take(struct ring *r)
{
	uint16_t id = r->free_head;

	r->free_head = r->next[id];
	r->n_free--;
	return id;
}

static inline void ring_split_offer(struct ring *r, uint16_t head)
{
	store_relaxed(&r->areas.avail->ring[r->avail_idx & (r->size - 1)], head);
	r->avail_idx++;
}

static inline void ring_split_fill(struct ring *r, struct chain_part part, uint64_t token)
{
	uint16_t id = ring_split_take(r);

	r->slots[id] = (struct ring_slot){ token, part.in ? part.len : 0, 1, id };
	ring_split_write_desc(&r->areas.desc[id], part, 0, 0);
	ring_split_offer(r, id);
}

static inline void ring_split_fill_chain(struct ring *r, const struct chain_part *parts, unsigned n,
					 uint64_t token)
{
	uint16_t head = r->free_head, id = head;
	uint32_t in_len = 0;

	for (unsigned i = 0; i < n; i++) {
		id = ring_split_take(r);
		in_len += parts[i].in ? parts[i].len : 0;
		ring_split_write_desc(&r->areas.desc[id], parts[i],
				      i + 1 < n ? VRING_DESC_F_NEXT : 0, r->next[id]);
	}
	r->slots[head] = (struct ring_slot){ token, in_len, (uint16_t)n, id };
	ring_split_offer(r, head);
}

static inline void ring_split_fill_indirect(struct ring *r, const struct chain_part *parts,
					    unsigned n, uint64_t token)
{
	uint16_t id = ring_split_take(r);
	size_t at = (size_t)id * r->cfg.table_len;
	struct chain_part table = { .addr = r->cfg.tables_gpa + at * sizeof(struct vring_desc),
				    .len = n * (uint32_t)sizeof(struct vring_desc) };
	uint32_t in_len = 0;

	for (unsigned i = 0; i < n; i++) {
		in_len += parts[i].in ? parts[i].len : 0;
		ring_split_write_desc(&r->cfg.tables[at + i], parts[i],
				      i + 1 < n ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	}
	r->slots[id] = (struct ring_slot){ token, in_len, 1, id };
	ring_split_write_desc(&r->areas.desc[id], table, VRING_DESC_F_INDIRECT, 0);
	ring_split_offer(r, id);
}

static inline void ring_split_submit(struct ring *r)
{
	r->submitted_idx = r->avail_idx;
	store_release(&r->areas.avail->idx, r->avail_idx); /* A */
}

static inline bool ring_split_kick_wanted(struct ring *r)
{
	uint16_t old = r->kicked_idx, now = r->submitted_idx;
	uint16_t event;

	if (old == now)
		return false;
	r->kicked_idx = now;
	full_fence(); /* B */
	if (!r->event_idx)
		return !(load_relaxed(&r->areas.used->flags) & VRING_USED_F_NO_NOTIFY);
	event = load_relaxed(vring_used_avail_event(r->areas.used, r->size));
	return vring_need_event(event, now, old);
}

static inline unsigned ring_split_peek(struct ring *r)
{
	r->used_idx = load_acquire(&r->areas.used->idx); /* C */
	return (uint16_t)(r->used_idx - r->last_used);
}

static inline enum ring_outcome ring_split_use(struct ring *r, struct ring_used *u)
{
	const struct vring_used_elem *e = &r->areas.used->ring[r->last_used & (r->size - 1)];
	uint16_t waiting = (uint16_t)(r->used_idx - r->last_used);
	struct ring_slot *slot;
	uint32_t id, len;

	if (!waiting)
		return RING_EMPTY;
	if (r->fault)
		return RING_BROKEN;
	if (waiting > (uint16_t)(r->submitted_idx - r->last_used))
		return ring_break(r, RING_FAULT_USED_IDX);
	id = load_relaxed(&e->id);
	len = load_relaxed(&e->len);
	if (r->in_order && (r->skip || id != r->oldest) && !ring_skip(r, waiting, &id, &len))
		return RING_BROKEN;
	if (id >= r->size)
		return ring_break(r, RING_FAULT_ID);
	slot = &r->slots[id];
	if (!slot->n)
		return ring_break(r, RING_FAULT_IDLE);
	if (len > slot->in_len)
		return ring_break(r, RING_FAULT_LEN);
	*u = (struct ring_used){ slot->token, len };
	if (r->n_free)
		r->next[r->free_tail] = (uint16_t)id;
	else
		r->free_head = (uint16_t)id;
	r->free_tail = slot->last;
	r->n_free += slot->n;
	r->oldest = (uint16_t)((slot->last + 1) & (r->size - 1));
	slot->n = 0;
	r->last_used++;
	return RING_USED;
}

/* With EVENT_IDX there is nothing to write: used_event stays behind. */
static inline void ring_split_disarm_call(struct ring *r)
{
	if (!r->event_idx)
		store_relaxed(&r->areas.avail->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

static inline bool ring_split_arm_call(struct ring *r, uint16_t after)
{
	if (r->event_idx)
		store_relaxed(vring_avail_used_event(r->areas.avail, r->size),
			      (uint16_t)(r->last_used + after));
	else
		store_relaxed(&r->areas.avail->flags, 0);
	full_fence(); /* D */
	return ring_split_peek(r) > after;
}

#endif
