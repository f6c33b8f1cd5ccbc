/* SPDX-License-Identifier: MIT */
/* Set-up and the rare turns of the driver's ring: what the inline verbs of ring.h leave over. */
#include "virtio/driver/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "virtio/features.h"

static const char *const fault_names[RING_FAULTS] = {
	[RING_OK] = "none",
	[RING_FAULT_USED_IDX] = "used index ahead of the available index",
	[RING_FAULT_ID] = "used id beyond the table",
	[RING_FAULT_IDLE] = "used id that was not in flight",
	[RING_FAULT_LEN] = "used length beyond the chain",
	[RING_FAULT_ORDER] = "used out of order",
};

const char *ring_fault_name(enum ring_fault fault)
{
	return fault < RING_FAULTS ? fault_names[fault] : "unknown";
}

static bool size_ok(unsigned size)
{
	return size && size <= VRING_MAX_SIZE && !(size & (size - 1));
}

int ring_place(struct ring_config *cfg, struct arena *arena, unsigned region)
{
	size_t tables_len = vring_desc_len(cfg->size) * cfg->table_len;

	if (!size_ok(cfg->size))
		return -EINVAL;
	/* The driver's and the device's area on cache lines of their own. */
	cfg->areas.desc = arena_alloc(arena, region, vring_desc_len(cfg->size), CACHE_LINE);
	cfg->areas.avail = arena_alloc(arena, region, vring_avail_len(cfg->size), CACHE_LINE);
	cfg->areas.used = arena_alloc(arena, region, vring_used_len(cfg->size), CACHE_LINE);
	if (!cfg->areas.desc || !cfg->areas.avail || !cfg->areas.used)
		return -ENOSPC;
	if (!cfg->table_len)
		return 0;
	cfg->tables = arena_alloc(arena, region, tables_len, CACHE_LINE);
	if (!cfg->tables)
		return -ENOSPC;
	cfg->tables_gpa = arena_gpa(arena, cfg->tables);
	return 0;
}

int ring_init(struct ring *r, const struct ring_config *cfg)
{
	*r = (struct ring){
		.cfg = *cfg,
		.areas = cfg->areas,
		.size = (uint16_t)cfg->size,
		.event_idx = feature_has(cfg->features, VIRTIO_RING_F_EVENT_IDX),
		.in_order = feature_has(cfg->features, VIRTIO_F_IN_ORDER),
	};
	if (!size_ok(cfg->size))
		return -EINVAL;
	r->slots = calloc(cfg->size, sizeof(*r->slots));
	r->next = calloc(cfg->size, sizeof(*r->next));
	if (!r->slots || !r->next) {
		ring_deinit(r);
		return -ENOMEM;
	}
	ring_reset(r, cfg->base);
	return 0;
}

void ring_deinit(struct ring *r)
{
	free(r->slots);
	free(r->next);
	r->slots = NULL;
	r->next = NULL;
}

void ring_reset(struct ring *r, uint16_t base)
{
	unsigned i;

	memset(r->areas.desc, 0, vring_desc_len(r->size));
	memset(r->areas.avail, 0, vring_avail_len(r->size));
	memset(r->areas.used, 0, vring_used_len(r->size));
	memset(r->slots, 0, r->size * sizeof(*r->slots));
	for (i = 0; i < r->size; i++)
		r->next[i] = (uint16_t)((i + 1) & (r->size - 1U));
	r->avail_idx = r->submitted_idx = r->kicked_idx = base;
	r->used_idx = r->last_used = base;
	r->free_head = r->oldest = 0;
	r->free_tail = (uint16_t)(r->size - 1);
	r->n_free = r->size;
	r->skip = 0;
	r->fault = RING_OK;
	store_relaxed(&r->areas.used->idx, base);
	store_release(&r->areas.avail->idx, base);
}

void ring_kick_now(struct ring *r)
{
	if (r->cfg.kick_fd >= 0)
		(void)!eventfd_write(r->cfg.kick_fd, 1);
}

/*
 * 2.7.9: a device may use a batch by writing the element of its last chain alone, in the place of
 * the first, and advance the index by the batch. The chains before the last count as used
 * completely.
 */
bool ring_split_skip(struct ring *r, uint32_t *id, uint32_t *len)
{
	uint16_t head = r->oldest, waiting = (uint16_t)(r->used_idx - r->last_used), n = 1;

	if (!r->skip) {
		if (*id >= r->size || !r->slots[*id].n) {
			ring_break(r, *id >= r->size ? RING_FAULT_ID : RING_FAULT_IDLE);
			return false;
		}
		for (; head != *id; n++) {
			if (n >= waiting) {
				ring_break(r, RING_FAULT_ORDER);
				return false;
			}
			head = (uint16_t)((r->slots[head].last + 1) & (r->size - 1));
		}
		r->skip = n;
		r->skip_len = *len;
	}
	*id = r->oldest;
	r->skip--;
	*len = r->skip ? r->slots[*id].in_len : r->skip_len;
	return true;
}
