/* SPDX-License-Identifier: MIT */
/*
 * The long way through a chain of a split virtqueue (virtio 1.2 section 2.7.5); see virtq_split.h.
 */
#include "virtio/virtq_split.h"

enum virtq_fault virtq_split_walk(struct virtq *vq, struct vring_desc d, struct chain *c,
				  struct iov_pool *pool)
{
	const struct vring_desc *table = vq->rings.desc;
	unsigned n_table = vq->size, n = 1;
	enum virtq_fault fault;
	bool nested = false;

	if (d.flags & VRING_DESC_F_INDIRECT) {
		table = virtq_state_table(vq, d.addr, d.len, d.flags, &n_table);
		if (!table)
			return VIRTQ_FAULT_INDIRECT;
		d = virtq_split_read_desc(&table[0]);
		nested = true;
	}
	for (;; n++) {
		if (n > n_table)
			return VIRTQ_FAULT_LOOP;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			/*
			 * 2.7.5.3.1 forbids a table in a table; a table behind plain descriptors is
			 * allowed.
			 */
			if (nested)
				return VIRTQ_FAULT_INDIRECT;
			table = virtq_state_table(vq, d.addr, d.len, d.flags, &n_table);
			if (!table)
				return VIRTQ_FAULT_INDIRECT;
			nested = true;
			n = 0;
			d = virtq_split_read_desc(&table[0]);
			continue;
		}
		fault = chain_append(c, pool, vq->mem, &vq->mem_hint,
				     (struct chain_part){ d.addr, d.len,
							  d.flags & VRING_DESC_F_WRITE });
		if (fault)
			return fault;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return VIRTQ_OK;
		if (d.next >= n_table)
			return VIRTQ_FAULT_HEAD;
		d = virtq_split_read_desc(&table[d.next]);
	}
}
