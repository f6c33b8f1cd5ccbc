/* SPDX-License-Identifier: MIT */
/* What walks of both layouts share: the table behind an indirect descriptor. */
#include "virtio/virtq_state.h"

void *virtq_state_table(struct virtq *vq, uint64_t addr, uint32_t bytes, uint16_t flags,
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
