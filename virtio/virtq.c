/* SPDX-License-Identifier: MIT */
/*
 * Set-up, failure and the long way through a chain: what the inline verbs of virtq.h leave to the
 * cold side.
 */
#include "virtio/virtq.h"

#include <errno.h>

#include "virtio/features.h"

static const char *const fault_names[VIRTQ_FAULTS] = {
	[VIRTQ_OK] = "none",
	[VIRTQ_FAULT_AVAIL_IDX] = "more available than the ring has entries",
	[VIRTQ_FAULT_HEAD] = "descriptor index beyond the table",
	[VIRTQ_FAULT_LOOP] = "chain longer than its table",
	[VIRTQ_FAULT_INDIRECT] = "bad indirect table",
	[VIRTQ_FAULT_ADDRESS] = "address outside guest memory",
	[VIRTQ_FAULT_EMPTY] = "descriptor of length 0",
	[VIRTQ_FAULT_ORDER] = "readable descriptor after a writable one",
	[VIRTQ_FAULT_TOO_LONG] = "chain of more than 1024 pieces or 4 GiB",
	[VIRTQ_FAULT_DIRECTION] = "readable descriptor in a receive buffer",
	[VIRTQ_FAULT_NO_HEADER] = "chain without room for the virtio-net header",
};

const char *virtq_fault_name(enum virtq_fault fault)
{
	return fault < VIRTQ_FAULTS ? fault_names[fault] : "unknown";
}

int virtq_resolve_packed(struct virtq_rings *rings, const struct gmem *mem, unsigned size,
			 uint64_t desc_uva, uint64_t driver_uva, uint64_t device_uva)
{
	if (!size || size > VRING_MAX_SIZE)
		return -EINVAL;
	rings->packed = gmem_at_uva(mem, desc_uva, vring_desc_len(size));
	rings->driver_event = gmem_at_uva(mem, driver_uva, sizeof(*rings->driver_event));
	rings->device_event = gmem_at_uva(mem, device_uva, sizeof(*rings->device_event));
	if (!rings->packed || !rings->driver_event || !rings->device_event)
		return -EFAULT;
	if ((uintptr_t)rings->packed % VRING_DESC_ALIGN ||
	    (uintptr_t)rings->driver_event % VRING_EVENT_ALIGN ||
	    (uintptr_t)rings->device_event % VRING_EVENT_ALIGN)
		return -EINVAL;
	return 0;
}

int virtq_resolve(struct virtq_rings *rings, const struct gmem *mem, unsigned size,
		  uint64_t desc_uva, uint64_t avail_uva, uint64_t used_uva)
{
	if (!size || size > VRING_MAX_SIZE || (size & (size - 1)))
		return -EINVAL;
	rings->desc = gmem_at_uva(mem, desc_uva, vring_desc_len(size));
	rings->avail = gmem_at_uva(mem, avail_uva, vring_avail_len(size));
	rings->used = gmem_at_uva(mem, used_uva, vring_used_len(size));
	if (!rings->desc || !rings->avail || !rings->used)
		return -EFAULT;
	/* Judged where we touch them: an odd region offset must not make a misaligned atomic. */
	if ((uintptr_t)rings->desc % VRING_DESC_ALIGN ||
	    (uintptr_t)rings->avail % VRING_AVAIL_ALIGN ||
	    (uintptr_t)rings->used % VRING_USED_ALIGN)
		return -EINVAL;
	return 0;
}

void virtq_start(struct virtq *vq, const struct virtq_config *cfg)
{
	*vq = (struct virtq){
		.rings = cfg->rings,
		.mem = cfg->mem,
		.size = cfg->size,
		.packed = feature_has(cfg->features, VIRTIO_F_RING_PACKED),
		.event_idx = feature_has(cfg->features, VIRTIO_RING_F_EVENT_IDX),
		.indirect = feature_has(cfg->features, VIRTIO_RING_F_INDIRECT_DESC),
		.call = cfg->call,
		.err = cfg->err,
	};
	vq->used_idx = vq->packed ? vring_packed_base(cfg->base)
				  : load_relaxed(&cfg->rings.used->idx);
	vq->published_idx = vq->used_idx;
	/*
	 * Chains are completed in order, so the next one is the first that is not used, whatever
	 * the front-end remembers: one that lost its back-end (DPDK as a server) says base 0.
	 */
	vq->last_avail = vq->avail_idx = vq->used_idx;
	vq->signalled_used = vq->used_idx;
}

uint32_t virtq_base(const struct virtq *vq)
{
	return vq->packed ? vq->last_avail | (uint32_t)vq->used_idx << 16 : vq->last_avail;
}

void virtq_move(struct virtq *vq, const struct virtq_rings *rings)
{
	vq->rings = *rings;
	vq->mem_hint = 0;
}

void virtq_call_now(struct virtq *vq)
{
	notifier_send(&vq->call);
}

void virtq_break(struct virtq *vq, enum virtq_fault fault)
{
	if (vq->fault)
		return;
	vq->fault = fault;
	vq->fault_idx = vq->packed ? (uint16_t)vring_packed_slot(vq->last_avail) : vq->last_avail;
	notifier_send(&vq->err);
}

/*
 * The table behind an indirect descriptor: whole, in one piece, and its number of entries, which
 * are of one size in both layouts.
 */
static void *indirect_table(struct virtq *vq, uint64_t addr, uint32_t bytes, uint16_t flags,
			    unsigned *n)
{
	uint64_t len = bytes;
	void *host;

	if (!vq->indirect || (flags & VRING_DESC_F_NEXT) || !len || len % sizeof(struct vring_desc))
		return NULL;
	host = gmem_at(vq->mem, addr, &len, &vq->mem_hint);
	/* The specification asks for no alignment of the table, our loads for 8 bytes. */
	if (!host || len != bytes || (uintptr_t)host % sizeof(uint64_t))
		return NULL;
	*n = bytes / (unsigned)sizeof(struct vring_desc);
	return host;
}

enum virtq_fault virtq_split_walk(struct virtq *vq, struct vring_desc d, struct chain *c,
				  struct iov_pool *pool)
{
	const struct vring_desc *table = vq->rings.desc;
	unsigned n_table = vq->size, n = 1;
	enum virtq_fault fault;
	bool nested = false;

	if (d.flags & VRING_DESC_F_INDIRECT) {
		table = indirect_table(vq, d.addr, d.len, d.flags, &n_table);
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
			table = indirect_table(vq, d.addr, d.len, d.flags, &n_table);
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

/* 2.8.7: the entries stand in a row, and no flag but WRITE counts. */
static enum virtq_fault packed_walk_table(struct virtq *vq, struct vring_packed_desc d,
					  struct chain *c, struct iov_pool *pool)
{
	enum virtq_fault fault = VIRTQ_OK;
	struct vring_packed_desc *table;
	unsigned n, i;

	table = indirect_table(vq, d.addr, d.len, d.flags, &n);
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
