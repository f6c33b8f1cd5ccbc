/* SPDX-License-Identifier: MIT */
/*
 * A guest for the queues' unit tests: one region of memory, the driver's half of one ring, its eventfds, and the device's
 * own mapping of it all. Well-behaved; a test that wants otherwise writes into guest.ring.areas. Failures abort.
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

static inline void guest_init(struct guest *g, unsigned size, uint64_t features, uint16_t base)
{
	struct arena_span span = { GUEST_GPA, GUEST_MEMORY };
	struct ring_config cfg = { .features = features, .size = size, .base = base };
	int err;

	cfg.table_len = feature_has(features, VIRTIO_RING_F_INDIRECT_DESC) ? GUEST_TABLE : 0;
	g->features = features;
	g->kick_fd = cfg.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(g->kick_fd >= 0 && g->call_fd >= 0 && g->err_fd >= 0);
	err = arena_init(&g->arena, &span, 1, false);
	assert(!err);
	err = gmem_init(&g->mem);
	assert(!err);
	err = gmem_add(&g->mem, GUEST_GPA, GUEST_MEMORY, (uintptr_t)g->arena.regions[0].host,
		       g->arena.fd, 0);
	assert(!err);
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
static inline struct virtq_config guest_vq(const struct guest *g, uint16_t base)
{
	struct virtq_config cfg = { .mem = &g->mem,
				    .features = g->features,
				    .size = g->ring.size,
				    .base = base,
				    .call_fd = g->call_fd,
				    .err_fd = g->err_fd };
	int err = virtq_resolve(&cfg.rings, &g->mem, g->ring.size, (uintptr_t)g->ring.areas.desc,
				(uintptr_t)g->ring.areas.avail, (uintptr_t)g->ring.areas.used);

	assert(!err);
	(void)err;
	return cfg;
}

/* Whether the driver, with the next chain that it adds, would see that the device wants a kick. */
static inline bool guest_kick_armed(const struct guest *g)
{
	const struct ring *r = &g->ring;

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
