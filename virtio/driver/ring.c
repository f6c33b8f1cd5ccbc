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

static bool packed(const struct ring_config *cfg)
{
	return feature_has(cfg->features, VIRTIO_F_RING_PACKED);
}

static bool size_ok(const struct ring_config *cfg)
{
	unsigned size = cfg->size;

	return size && size <= VRING_MAX_SIZE && (packed(cfg) || !(size & (size - 1)));
}

/* Bytes of the driver's and of the device's area. */
static size_t driver_len(const struct ring_config *cfg)
{
	return packed(cfg) ? sizeof(*cfg->areas.driver_event) : vring_avail_len(cfg->size);
}

static size_t device_len(const struct ring_config *cfg)
{
	return packed(cfg) ? sizeof(*cfg->areas.device_event) : vring_used_len(cfg->size);
}

int ring_place(struct ring_config *cfg, struct arena *arena, unsigned region)
{
	size_t tables_len = vring_desc_len(cfg->size) * cfg->table_len;

	if (!size_ok(cfg))
		return -EINVAL;
	/* The driver's and the device's area on cache lines of their own. */
	cfg->areas.desc = arena_alloc(arena, region, vring_desc_len(cfg->size), CACHE_LINE);
	cfg->areas.avail = arena_alloc(arena, region, driver_len(cfg), CACHE_LINE);
	cfg->areas.used = arena_alloc(arena, region, device_len(cfg), CACHE_LINE);
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
		.packed = packed(cfg),
		.event_idx = feature_has(cfg->features, VIRTIO_RING_F_EVENT_IDX),
		.in_order = feature_has(cfg->features, VIRTIO_F_IN_ORDER),
	};
	if (!size_ok(cfg))
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

static void split_reset(struct ring *r, uint16_t base)
{
	unsigned i;

	for (i = 0; i < r->size; i++)
		r->next[i] = (uint16_t)((i + 1) & (r->size - 1U));
	r->free_tail = (uint16_t)(r->size - 1);
	store_relaxed(&r->areas.used->idx, base);
	store_release(&r->areas.avail->idx, base);
}

/* Every descriptor as the device left it: used, in this lap or in the one before. */
static void packed_reset(struct ring *r, uint16_t base)
{
	unsigned i;

	for (i = 0; i < r->size; i++) {
		uint16_t at = vring_packed_back(base, r->size - i, r->size);
		unsigned slot = vring_packed_slot(at);

		r->next[i] = (uint16_t)i;
		store_relaxed(vring_packed_word(&r->areas.packed[slot]),
			      vring_packed_join(0, 0, vring_packed_used_flags(at)));
	}
	r->free_tail = 0;
}

/* The place in a packed ring that is n slots behind the start of a new one. */
static uint16_t packed_place(unsigned n, unsigned size)
{
	unsigned slot = n % size;

	return (uint16_t)(n / size % 2 ? slot : slot | VRING_PACKED_START);
}

void ring_reset(struct ring *r, uint16_t base)
{
	memset(r->areas.desc, 0, vring_desc_len(r->size));
	memset(r->areas.avail, 0, driver_len(&r->cfg));
	memset(r->areas.used, 0, device_len(&r->cfg));
	memset(r->slots, 0, r->size * sizeof(*r->slots));
	if (r->packed) {
		base = packed_place(base, r->size);
		packed_reset(r, base);
	} else {
		split_reset(r, base);
	}
	r->avail_idx = r->submitted_idx = r->kicked_idx = base;
	r->used_idx = r->last_used = base;
	r->free_head = r->oldest = 0;
	r->n_free = r->size;
	r->skip = 0;
	r->fault = RING_OK;
}

/* The slots of the used chains up to the one with this id, of which head is the first; 0: a lie. */
static unsigned packed_used_slots(const struct ring *r, uint16_t *head, uint16_t id)
{
	unsigned n = 0;
	uint16_t i;

	if (id >= r->size)
		return 0;
	if (!r->in_order)
		return r->slots[id].n;
	do {
		i = *head;
		if (!r->slots[i].n)
			return 0;
		n += r->slots[i].n;
		*head = ring_inc(r, i);
	} while (i != id);
	return n;
}

static uint16_t packed_used(const struct ring *r)
{
	uint16_t at = r->last_used, head = r->oldest;
	unsigned left = vring_packed_distance(at, r->submitted_idx, r->size), n, i;
	uint64_t word;

	for (i = 0; i < r->skip; i++, head = ring_inc(r, head)) {
		at = vring_packed_forward(at, r->slots[head].n, r->size);
		left -= r->slots[head].n;
	}
	while (left && ring_packed_read_used(r, at, &word)) {
		n = packed_used_slots(r, &head, (uint16_t)(word >> 32));
		if (!n || n > left)
			break;
		at = vring_packed_forward(at, n, r->size);
		left -= n;
	}
	return at;
}

uint32_t ring_base(const struct ring *r)
{
	uint16_t at;

	if (!r->packed)
		return load_acquire(&r->areas.used->idx);
	at = packed_used(r);
	return at | (uint32_t)at << 16;
}

void ring_kick_now(struct ring *r)
{
	if (r->cfg.kick_fd >= 0)
		(void)!eventfd_write(r->cfg.kick_fd, 1);
}

/*
 * 2.7.9, 2.8.8: a device may use a batch by writing the element of its last chain alone, in the
 * place of the first, and go on behind the batch. The chains before the last count as used
 * completely.
 */
bool ring_skip(struct ring *r, unsigned limit, uint32_t *id, uint32_t *len)
{
	uint16_t head = r->oldest, n = 1;

	if (!r->skip) {
		if (*id >= r->size || !r->slots[*id].n) {
			ring_break(r, *id >= r->size ? RING_FAULT_ID : RING_FAULT_IDLE);
			return false;
		}
		for (; head != *id; n++) {
			if (n >= limit || !r->slots[head].n) {
				ring_break(r, RING_FAULT_ORDER);
				return false;
			}
			head = ring_inc(r, r->slots[head].last);
		}
		r->skip = n;
		r->skip_len = *len;
	}
	*id = r->oldest;
	r->skip--;
	*len = r->skip ? r->slots[*id].in_len : r->skip_len;
	return true;
}
