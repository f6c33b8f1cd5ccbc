/* SPDX-License-Identifier: MIT */
/* Set-up and names: what the inline verbs of virtq.h leave to the cold side. */
#include "virtio/virtq.h"

#include <errno.h>

#include "virtio/features.h"
#include "virtio/virtq_recover.h"

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

/*
 * The ring counts for more than the region, which may be older: a driver that began anew has
 * emptied the ring, not the region.
 */
static uint16_t find_place(const struct virtq_config *cfg, uint16_t base)
{
	uint16_t at;

	if (virtq_recover_place(cfg->rings.packed, cfg->size, base, &at))
		return at;
	if (cfg->inflight && virtq_inflight_find(cfg->inflight, cfg->rings.packed, cfg->size, &at))
		return at;
	return base;
}

bool virtq_find_base(struct virtq_config *cfg)
{
	bool packed = feature_has(cfg->features, VIRTIO_F_RING_PACKED), other = false;
	uint16_t at, base = vring_packed_base(cfg->base);

	if (packed) {
		at = find_place(cfg, base);
		other = at != base;
		if (other)
			cfg->base = at | (uint32_t)at << 16;
	} else {
		at = load_relaxed(&cfg->rings.used->idx);
	}
	/* The device before this one may have died between publish and call. */
	if (at != (packed ? VRING_PACKED_START : 0))
		notifier_send(&cfg->call);
	return other;
}

/* A split ring shows its place itself: its region is not touched after this. */
static void start_inflight(struct virtq *vq, struct virtq_inflight *region)
{
	if (!region)
		return;
	virtq_inflight_start(region, vq->packed, vq->size, vq->used_idx);
	vq->inflight = vq->packed ? region : NULL;
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
	start_inflight(vq, cfg->inflight);
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
