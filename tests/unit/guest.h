/* SPDX-License-Identifier: MIT */
/*
 * A guest for the queues' unit tests: one region of memory, the driver's half of one ring, its
 * eventfds, and the device's own mapping of it all. Well-behaved; a test that wants otherwise
 * writes into guest.ring.areas. Failures abort.
 */
#ifndef TESTS_UNIT_GUEST_H
#define TESTS_UNIT_GUEST_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio/driver/ring.h"
#include "virtio/features.h"
#include "virtio/gmem.h"
#include "virtio/virtq.h"

#define GUEST_MEMORY (1U << 20)
#define GUEST_GPA    0x40000000
#define GUEST_TABLE  4 /* descriptors of an indirect table */

struct guest {
	struct arena arena;
	struct gmem mem; /* the device's view */
	struct ring ring;
	uint64_t features;
	int kick_fd;
	int call_fd;
	int err_fd;
};

/* What all tests of a group run over, RING_PACKED or nothing; what sets up such a group. */
static uint64_t guest_layout;

static inline int guest_split(void **state)
{
	(void)state;
	guest_layout = 0;
	return 0;
}

static inline int guest_packed(void **state)
{
	(void)state;
	guest_layout = FEATURE(VIRTIO_F_RING_PACKED);
	return 0;
}

/* The device's view of a driver's memory. */
static inline void guest_map(struct gmem *mem, const struct arena *arena)
{
	int err = gmem_init(mem);

	assert(!err);
	err = gmem_add(mem, GUEST_GPA, GUEST_MEMORY, (uintptr_t)arena->regions[0].host, arena->fd,
		       0);
	assert(!err);
}

static inline void guest_memory(struct arena *arena, struct gmem *mem)
{
	struct arena_span span = { GUEST_GPA, GUEST_MEMORY };
	int err = arena_init(arena, &span, 1, false);

	assert(!err);
	guest_map(mem, arena);
}

/* A driver's ring as the device finds it in its own view. */
static inline struct virtq_rings guest_rings(const struct gmem *mem, const struct ring *r)
{
	const struct virtq_rings *at = &r->areas;
	struct virtq_rings rings;
	int err = (r->packed ? virtq_resolve_packed
			     : virtq_resolve)(&rings, mem, r->size, (uintptr_t)at->desc,
					      (uintptr_t)at->avail, (uintptr_t)at->used);

	assert(!err);
	return rings;
}

static inline void guest_init(struct guest *g, unsigned size, uint64_t features, uint16_t base)
{
	struct ring_config cfg = { .features = features, .size = size, .base = base };
	int err;

	cfg.table_len = feature_has(features, VIRTIO_RING_F_INDIRECT_DESC) ? GUEST_TABLE : 0;
	g->features = features;
	g->kick_fd = cfg.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(g->kick_fd >= 0 && g->call_fd >= 0 && g->err_fd >= 0);
	guest_memory(&g->arena, &g->mem);
	err = ring_place(&cfg, &g->arena, 0);
	assert(!err);
	err = ring_init(&g->ring, &cfg);
	assert(!err);
}

static inline void guest_deinit(struct guest *g)
{
	ring_deinit(&g->ring);
	gmem_deinit(&g->mem);
	arena_deinit(&g->arena);
	close(g->kick_fd);
	close(g->call_fd);
	close(g->err_fd);
}

static inline void *guest_alloc(struct guest *g, size_t size)
{
	void *p = arena_alloc(&g->arena, 0, size, 64);

	assert(p);
	return p;
}

static inline struct chain_part guest_part(const struct guest *g, const void *p, uint32_t len,
					   bool in)
{
	return (struct chain_part){ .addr = arena_gpa(&g->arena, p), .len = len, .in = in };
}

/* What a front-end would tell the device about the ring. */
static inline struct virtq_config guest_vq(const struct guest *g, uint32_t base)
{
	return (struct virtq_config){ .mem = &g->mem,
				      .rings = guest_rings(&g->mem, &g->ring),
				      .features = g->features,
				      .size = g->ring.size,
				      .base = base,
				      .call = notifier_eventfd(g->call_fd),
				      .err = notifier_eventfd(g->err_fd) };
}

/*
 * A hostile driver's tool: the chain that was filled last, of one descriptor, now says that it is a
 * table of n entries at table.
 */
static inline void guest_make_table(struct guest *g, const void *table, unsigned n)
{
	uint64_t addr = arena_gpa(&g->arena, table);
	uint32_t len = n * (uint32_t)sizeof(struct vring_desc);
	struct ring *r = &g->ring;
	uint16_t at, id;
	uint64_t word;

	if (!r->packed) {
		id = r->areas.avail->ring[(uint16_t)(r->avail_idx - 1) & (r->size - 1)];
		r->areas.desc[id] = (struct vring_desc){ addr, len, VRING_DESC_F_INDIRECT, 0 };
		return;
	}
	at = vring_packed_back(r->avail_idx, 1, r->size);
	id = r->next[r->free_head ? r->free_head - 1 : r->size - 1];
	word = vring_packed_join(len, id, vring_packed_avail_flags(at) | VRING_DESC_F_INDIRECT);
	r->areas.packed[vring_packed_slot(at)].addr = addr;
	if (at == r->submitted_idx)
		r->first_avail = word;
	else
		*vring_packed_word(&r->areas.packed[vring_packed_slot(at)]) = word;
}

/* Likewise: n descriptors that the device has not used yet are available again. */
static inline void guest_offer_again(struct guest *g, unsigned n)
{
	struct vring_avail *avail = g->ring.areas.avail;
	struct ring *r = &g->ring;
	uint16_t at = r->avail_idx;
	unsigned i;

	for (i = 0; i < n && r->packed; i++, at = vring_packed_forward(at, 1, r->size))
		r->areas.packed[vring_packed_slot(at)].flags = vring_packed_avail_flags(at);
	if (r->packed)
		return;
	for (i = 0; i < n; i++)
		avail->ring[(avail->idx + i) & (r->size - 1U)] =
			avail->ring[(avail->idx - n + i) & (r->size - 1U)];
	store_release(&avail->idx, (uint16_t)(avail->idx + n));
}

/* Whether the driver, with the next chain that it adds, would see that the device wants a kick. */
static inline bool guest_kick_armed(const struct guest *g)
{
	const struct ring *r = &g->ring;
	uint32_t event;

	if (r->packed) {
		event = load_relaxed(vring_packed_event(r->areas.device_event));
		return event == (r->event_idx ? vring_packed_event_at(r->submitted_idx) : 0);
	}
	if (r->event_idx)
		return load_relaxed(vring_used_avail_event(r->areas.used, r->size)) ==
		       r->submitted_idx;
	return !(load_relaxed(&r->areas.used->flags) & VRING_USED_F_NO_NOTIFY);
}

/* How often fd was signalled since the last look. */
static inline uint64_t guest_signals(int fd)
{
	eventfd_t n = 0;

	(void)!eventfd_read(fd, &n);
	return n;
}

#endif
