/* SPDX-License-Identifier: MIT */
/* The driver's guest memory: mapping it and finding one's way in it. */
#include "virtio/driver/arena.h"

#include <errno.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/base.h"

#define HUGE_PAGE (2ULL << 20)

static int check_spans(const struct arena_span *spans, unsigned n, uint64_t page)
{
	unsigned i;

	if (!n || n > ARENA_MAX_REGIONS)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (!spans[i].size || spans[i].size % page)
			return -EINVAL;
	}
	return 0;
}

static int map_span(struct arena *arena, const struct arena_span *span)
{
	struct arena_region *r = &arena->regions[arena->n];
	void *map;

	*r = (struct arena_region){ .gpa = span->gpa, .size = span->size };
	if (arena->n)
		r->offset = r[-1].offset + r[-1].size;
	if (ftruncate(arena->fd, (off_t)(r->offset + r->size)) < 0)
		return -errno;
	map = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, arena->fd,
		   (off_t)r->offset);
	if (map == MAP_FAILED)
		return -errno;
	r->host = map;
	arena->n++;
	return 0;
}

int arena_init(struct arena *arena, const struct arena_span *spans, unsigned n, bool hugetlb)
{
	uint64_t page = hugetlb ? HUGE_PAGE : (uint64_t)sysconf(_SC_PAGESIZE);
	int err = check_spans(spans, n, page);

	arena->n = 0;
	arena->fd = -1;
	if (err)
		return err;
	arena->fd = memfd_create("guest", MFD_CLOEXEC | (hugetlb ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	if (arena->fd < 0)
		return -errno;
	while (arena->n < n) {
		err = map_span(arena, &spans[arena->n]);
		if (err) {
			arena_deinit(arena);
			return err;
		}
	}
	return 0;
}

void arena_deinit(struct arena *arena)
{
	while (arena->n > 0) {
		arena->n--;
		munmap(arena->regions[arena->n].host, arena->regions[arena->n].size);
	}
	if (arena->fd >= 0)
		close(arena->fd);
	arena->fd = -1;
}

void *arena_alloc(struct arena *arena, unsigned region, size_t size, size_t align)
{
	struct arena_region *r;
	uint64_t at;

	if (region >= arena->n)
		return NULL;
	r = &arena->regions[region];
	at = (r->used + align - 1) & ~(uint64_t)(align - 1);
	if (at > r->size || size > r->size - at)
		return NULL;
	r->used = at + size;
	return r->host + at;
}

uint64_t arena_gpa(const struct arena *arena, const void *ptr)
{
	unsigned i;

	for (i = 0; i < arena->n; i++) {
		const struct arena_region *r = &arena->regions[i];
		uint64_t off = (uint64_t)((uintptr_t)ptr - (uintptr_t)r->host);

		if (off < r->size)
			return r->gpa + off;
	}
	return UINT64_MAX;
}

void *arena_at(const struct arena *arena, uint64_t gpa, uint64_t len)
{
	unsigned i;

	for (i = 0; i < arena->n; i++) {
		const struct arena_region *r = &arena->regions[i];

		if (gpa - r->gpa < r->size && len <= r->size - (gpa - r->gpa))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}
