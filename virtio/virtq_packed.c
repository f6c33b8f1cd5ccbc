/* SPDX-License-Identifier: MIT */
/*
 * The long way through a chain of a packed virtqueue (virtio 1.2 section 2.8); see virtq_packed.h.
 */
#include "virtio/virtq_packed.h"

/* 2.8.7: the entries stand in a row, and no flag but WRITE counts. */
static enum virtq_fault packed_walk_table(struct virtq *vq, struct vring_packed_desc d,
					  struct chain *c, struct iov_pool *pool)
{
	enum virtq_fault fault = VIRTQ_OK;
	struct vring_packed_desc *table;
	unsigned n, i;

	table = virtq_state_table(vq, d.addr, d.len, d.flags, &n);
	if (!table)
		return VIRTQ_FAULT_INDIRECT;
	for (i = 0; i < n && !fault; i++) {
		d = virtq_packed_read_desc(&table[i]);
		fault = chain_append(c, pool, vq->mem, &vq->mem_hint,
				     (struct chain_part){ d.addr, d.len,
							  d.flags & VRING_DESC_F_WRITE });
	}
	return fault;
}

enum virtq_fault virtq_packed_walk(struct virtq *vq, struct vring_packed_desc d, struct chain *c,
				   struct iov_pool *pool)
{
	uint16_t at = vq->last_avail;
	enum virtq_fault fault;
	unsigned n;

	if (d.flags & VRING_DESC_F_INDIRECT)
		return packed_walk_table(vq, d, c, pool);
	for (n = 1;; n++) {
		/* 2.8.5: a list is direct or in a table, never both. */
		if (d.flags & VRING_DESC_F_INDIRECT)
			return VIRTQ_FAULT_INDIRECT;
		fault = chain_append(c, pool, vq->mem, &vq->mem_hint,
				     (struct chain_part){ d.addr, d.len,
							  d.flags & VRING_DESC_F_WRITE });
		if (fault)
			return fault;
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		if (n == vq->size)
			return VIRTQ_FAULT_LOOP;
		at = vring_packed_forward(at, 1, vq->size);
		d = virtq_packed_read_desc(&vq->rings.packed[vring_packed_slot(at)]);
	}
	c->elem = (struct virtq_elem){ .id = d.id, .slots = (uint16_t)n };
	return VIRTQ_OK;
}

/*
 * The rest first, and that from its end: a device that dies in between leaves a chain whose last
 * slot is marked. NEXT tells such a slot from a used descriptor, in which that flag is reserved
 * (2.8.5).
 */
void virtq_packed_push_long(struct virtq *vq, struct virtq_elem elem, uint32_t len)
{
	unsigned n;

	for (n = elem.slots; n > 1; n--) {
		uint16_t at = vring_packed_forward(vq->used_idx, n - 1, vq->size);
		uint16_t flags = vring_packed_used_flags(at) | VRING_DESC_F_NEXT;

		store_relaxed(vring_packed_word(&vq->rings.packed[vring_packed_slot(at)]),
			      vring_packed_join(0, elem.id, flags));
	}
	virtq_packed_push_first(vq, elem, len);
}
