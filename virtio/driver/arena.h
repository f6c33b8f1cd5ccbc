/* SPDX-License-Identifier: MIT */
/*
 * The guest memory of a driver in this process: one memfd, mapped once per region and faulted in,
 * with guest addresses of the caller's choice. Memory is handed out upwards and never taken back.
 *
 * A region's address in the front-end's space (vhost-user's userspace address) is its host pointer
 * here.
 */
#ifndef VIRTIO_DRIVER_ARENA_H
#define VIRTIO_DRIVER_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_MAX_REGIONS 256

struct arena_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t offset; /* in the memfd */
	uint8_t *host;
	uint64_t used; /* bytes handed out */
};

struct arena {
	int fd;
	unsigned n;
	struct arena_region regions[ARENA_MAX_REGIONS];
};

/* One region as the caller wants it. */
struct arena_span {
	uint64_t gpa;
	uint64_t size;
};

/*
 * Sizes are multiples of the page size (2 MiB with hugetlb). -EINVAL: they are not, or no or too
 * many spans; -ENOMEM: not that much memory, or no huge pages reserved; else memfd_create's errno.
 */
int arena_init(struct arena *arena, const struct arena_span *spans, unsigned n, bool hugetlb);
/* May run twice. */
void arena_deinit(struct arena *arena);

/* Zeroed memory of one region; align is a power of two. NULL: the region is full. */
void *arena_alloc(struct arena *arena, unsigned region, size_t size, size_t align);

/* The guest address of a pointer into the arena; UINT64_MAX if it is not one. */
uint64_t arena_gpa(const struct arena *arena, const void *ptr);

/* [gpa, gpa + len), wholly inside one region; NULL if it is not. */
void *arena_at(const struct arena *arena, uint64_t gpa, uint64_t len);

#endif
