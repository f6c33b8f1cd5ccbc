/* SPDX-License-Identifier: MIT */
/*
 * One ring for the ring's unit tests: memory in three regions, the driver's half, and the device's
 * half with its own mapping of it all. The layout is the one that the features say. Hostile drivers
 * and devices write into world.ring.areas.
 */
#ifndef TESTS_UNIT_RING_WORLD_H
#define TESTS_UNIT_RING_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/driver/ring.h"
#include "virtio/features.h"
#include "virtio/virtq.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define IN_ORDER  FEATURE(VIRTIO_F_IN_ORDER)
#define PACKED    FEATURE(VIRTIO_F_RING_PACKED)

/*
 * Region 1 follows region 0 in guest addresses, and nothing follows it; region 2 ends the address
 * space.
 */
#define GPA    0x40000000ULL
#define REGION (1ULL << 20)
#define DATA   (GPA + REGION / 2)
#define TOP    (UINT64_MAX - 2 * 4096 + 1)

/* For raw descriptors. */
#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define IS_TABLE VRING_DESC_F_INDIRECT
#define BUF      (DATA + 4096)
#define ENTRY    16
#define EDGE     (GPA + 3 * REGION)
#define SIZE     8

#define POOL      4096
#define TABLE_LEN 8

struct world {
	struct arena arena;
	struct gmem mem;
	struct ring ring;
	struct virtq vq;
	struct virtq_config cfg;
	struct iovec iov[POOL];
	struct iov_pool pool;
};

/* The device maps the arena a second time, at other addresses than the driver's. */
static inline void map_arena(struct world *w)
{
	unsigned i;

	assert_int_equal(gmem_init(&w->mem), 0);
	for (i = 0; i < w->arena.n; i++) {
		const struct arena_region *r = &w->arena.regions[i];

		assert_int_equal(gmem_add(&w->mem, r->gpa, r->size, (uintptr_t)r->host, w->arena.fd,
					  r->offset),
				 0);
	}
}

/* Find the ring in the device's mapping. */
static inline void world_resolve(struct world *w)
{
	const struct virtq_rings *a = &w->ring.areas;
	int (*resolve)(struct virtq_rings *, const struct gmem *, unsigned, uint64_t, uint64_t,
		       uint64_t) = w->ring.packed ? virtq_resolve_packed : virtq_resolve;

	assert_int_equal(resolve(&w->cfg.rings, &w->mem, w->ring.size, (uintptr_t)a->desc,
				 (uintptr_t)a->avail, (uintptr_t)a->used),
			 0);
}

static inline struct world *world_new(uint64_t features, unsigned size, uint16_t base)
{
	const struct arena_span spans[] = { { GPA, 2 * REGION },
					    { GPA + 2 * REGION, REGION },
					    { TOP, 4096 } };
	struct world *w = aligned_alloc(CACHE_LINE, sizeof(*w));
	struct ring_config cfg = { .features = features, .size = size, .base = base };

	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	assert_int_equal(arena_init(&w->arena, spans, 3, false), 0);
	map_arena(w);
	cfg.kick_fd = eventfd(0, EFD_NONBLOCK);
	cfg.table_len = size <= 1024 ? TABLE_LEN : 0;
	assert_int_equal(ring_place(&cfg, &w->arena, 0), 0);
	assert_int_equal(ring_init(&w->ring, &cfg), 0);
	w->cfg = (struct virtq_config){ .mem = &w->mem,
					.features = features,
					.size = (uint16_t)size,
					.base = ring_base(&w->ring),
					.call = notifier_eventfd(eventfd(0, EFD_NONBLOCK)),
					.err = notifier_eventfd(eventfd(0, EFD_NONBLOCK)) };
	world_resolve(w);
	virtq_start(&w->vq, &w->cfg);
	w->pool = (struct iov_pool){ .iov = w->iov, .cap = POOL };
	return w;
}

static inline void world_free(struct world *w)
{
	close(w->ring.cfg.kick_fd);
	close(w->cfg.call.fd);
	close(w->cfg.err.fd);
	ring_deinit(&w->ring);
	gmem_deinit(&w->mem);
	arena_deinit(&w->arena);
	free(w);
}

/* How often an eventfd was signalled since the last look. */
static inline unsigned signals(int fd)
{
	eventfd_t n = 0;

	return eventfd_read(fd, &n) < 0 ? 0 : (unsigned)n;
}

static inline unsigned pop(struct world *w, struct chain *chains, unsigned n)
{
	w->pool.n = 0;
	return virtq_pop(&w->vq, chains, n, &w->pool);
}

static inline struct chain_part out_part(uint64_t addr, uint32_t len)
{
	return (struct chain_part){ addr, len, false };
}

static inline struct chain_part in_part(uint64_t addr, uint32_t len)
{
	return (struct chain_part){ addr, len, true };
}

/* Pop one chain that must be there and give it back, visible. */
static inline void bounce(struct world *w)
{
	struct chain c;

	assert_int_equal(pop(w, &c, 1), 1);
	virtq_push(&w->vq, c.elem, 0);
	virtq_publish(&w->vq);
}

static inline void take_back(struct world *w, uint64_t token, uint32_t len)
{
	struct ring_used used;

	ring_peek(&w->ring);
	assert_int_equal(ring_use(&w->ring, &used), RING_USED);
	assert_int_equal(used.token, token);
	assert_int_equal(used.len, len);
}

/* What a peek says that finds n chains, in either half. */
static inline unsigned shown(const struct world *w, unsigned n)
{
	return w->ring.packed && n ? 1 : n;
}

/* The id that the driver gives to the next chain. */
static inline uint16_t next_id(const struct world *w)
{
	return w->ring.packed ? w->ring.next[w->ring.free_head] : w->ring.free_head;
}

#endif
