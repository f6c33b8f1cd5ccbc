/* SPDX-License-Identifier: MIT */
/* The cold half of virtq_inflight.h: lay a region out, and read it back. */
#include "virtio/virtq_inflight.h"

#define REGION_ALIGN 64

/* DescStateSplit and DescStatePacked; of both only next, the list of free ones, is written. */
struct state_split {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct state_packed {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

/* The states of a split ring's region begin here. */
#define SPLIT_HEAD offsetof(struct virtq_inflight, place)

size_t virtq_inflight_len(bool packed, unsigned size)
{
	size_t len = packed ? sizeof(struct virtq_inflight) + size * sizeof(struct state_packed)
			    : SPLIT_HEAD + size * sizeof(struct state_split);

	return (len + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

/* A back-end that tracks single descriptors expects the list of free ones to be there (DPDK). */
void virtq_inflight_init(struct virtq_inflight *region, bool packed, unsigned size)
{
	struct state_packed *states = (void *)(region + 1);
	unsigned i;

	store_relaxed(&region->desc_num, (uint16_t)size);
	if (!packed)
		return;
	for (i = 0; i < size; i++)
		store_relaxed(&states[i].next, (uint16_t)(i + 1));
	virtq_inflight_end(region, VRING_PACKED_START);
}

bool virtq_inflight_find(const struct virtq_inflight *region, struct vring_packed_desc *ring,
			 unsigned size, uint16_t *at)
{
	uint64_t word = load_acquire(&region->place);
	unsigned slot = (uint16_t)word, old_slot = (uint16_t)(word >> 16);
	unsigned wrap = (uint8_t)(word >> 32), old_wrap = (uint8_t)(word >> 40);
	uint16_t version = load_relaxed(&region->version), n = load_relaxed(&region->desc_num);
	uint16_t old = (uint16_t)(old_slot | old_wrap << 15), flags;

	if (version != VIRTQ_INFLIGHT_VERSION || n != size)
		return false;
	if (slot >= size || old_slot >= size || wrap > 1 || old_wrap > 1)
		return false;
	*at = (uint16_t)(slot | wrap << 15);
	if (*at == old)
		return true;
	/* Available still: the batch was never visible. Else the driver has seen it, or will. */
	flags = (uint16_t)(load_acquire(vring_packed_word(&ring[old_slot])) >> 48);
	if (vring_packed_is_avail(flags, old))
		*at = old;
	return true;
}

void virtq_inflight_start(struct virtq_inflight *region, bool packed, unsigned size, uint16_t at)
{
	store_relaxed(&region->features, 0);
	store_relaxed(&region->desc_num, (uint16_t)size);
	if (packed)
		virtq_inflight_end(region, at);
	else
		store_relaxed(&region->split.used_idx, at);
	store_release(&region->version, VIRTQ_INFLIGHT_VERSION);
}
