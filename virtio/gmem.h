/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: the regions that a front-end shares with us, and the only way from a guest address
 * to a host address.
 *
 * Owner: the vhost-user session. Regions change only while no ring uses them (the device is
 * paused); lookups are read-only and may run on any thread in between. Dirty log and IOTLB will
 * live here, behind the same lookups.
 */
#ifndef VIRTIO_GMEM_H
#define VIRTIO_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/foreign.h"

#define GMEM_MAX_REGIONS 256

struct gmem_region {
	uint64_t gpa;  /* guest physical address of the first byte */
	uint64_t size; /* bytes */
	uint64_t uva;  /* the same byte in the front-end's address space */
	uint8_t *host; /* the same byte in ours */
	void *map;     /* for munmap; wider than the region if the offset was not aligned */
	uint64_t map_len;
	uint64_t dev, ino, offset; /* of the file behind it */
	unsigned refs;             /* times it was added and not removed */
};

/* The watcher hears of each mapping, right after it was made and right before it goes. */
struct gmem_watcher {
	/* 0, or a negative errno: the mapping must not be used. */
	int (*mapped)(struct gmem_watcher *watcher, void *map, uint64_t len);
	void (*unmapping)(struct gmem_watcher *watcher, void *map);
};

struct gmem {
	struct gmem_watcher *watcher;  /* borrowed; NULL: nobody watches */
	const struct foreign *foreign; /* borrowed; how mappings are given up */
	unsigned n;
	struct gmem_region *regions; /* sorted by gpa, n of GMEM_MAX_REGIONS */
};

/* An empty map that nobody watches, whose mappings go at once. 0 or -ENOMEM. */
int gmem_init(struct gmem *mem);
/* Unmaps everything; may run twice. */
void gmem_deinit(struct gmem *mem);
/* Unmaps all regions, keeps the map usable. */
void gmem_clear(struct gmem *mem);

/*
 * Map size bytes of fd from offset as [gpa, gpa + size). fd stays the caller's and may be closed
 * afterwards. The same region of the same file may be added again, and must be removed as often:
 * QEMU before 8.0 adds and removes each region once for every queue pair. -EINVAL: size 0, an
 * address range that wraps, or one that overlaps a region (gpa or uva); -ENOSPC: GMEM_MAX_REGIONS
 * reached; -ENXIO: the file is shorter than offset + size; else mmap's, statx's or the watcher's
 * errno.
 */
int gmem_add(struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva, int fd, uint64_t offset);

/*
 * True: the region is there and was added once more. False: it is not, and nothing changed. Other
 * threads may look regions up meanwhile.
 */
bool gmem_add_again(struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva, int fd,
		    uint64_t offset);

/* How often the region with exactly these bounds was added and not removed. */
unsigned gmem_refs(const struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva);

/* Undo one gmem_add of the region with exactly these bounds; -ENOENT if there is none. */
int gmem_remove(struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva);

/*
 * [uva, uva + len) of the front-end's address space, wholly inside one region; NULL if it is not.
 * For ring set-up.
 */
void *gmem_at_uva(const struct gmem *mem, uint64_t uva, uint64_t len);

/* The region that holds gpa, or -1. Binary search: the cold half of gmem_at(). */
int gmem_find(const struct gmem *mem, uint64_t gpa);

/*
 * The host address of guest address gpa; *len is cut to what lies in the same region. NULL if gpa
 * is nowhere. *hint is the caller's, any value: the region that served last time.
 */
static inline void *gmem_at(const struct gmem *mem, uint64_t gpa, uint64_t *len, unsigned *hint)
{
	const struct gmem_region *r;
	uint64_t off;
	int i;

	if (*hint >= mem->n || gpa - mem->regions[*hint].gpa >= mem->regions[*hint].size) {
		i = gmem_find(mem, gpa);
		if (i < 0)
			return NULL;
		*hint = (unsigned)i;
	}
	r = &mem->regions[*hint];
	off = gpa - r->gpa;
	if (*len > r->size - off)
		*len = r->size - off;
	return r->host + off;
}

/* A copy of one region's bounds, to look at while the regions cannot change: gmem_at() in short. */
struct gmem_window {
	uint64_t gpa;
	uint64_t size;
	uint8_t *host;
};

/* The region that served last time; one that holds nothing if that is none. */
static inline struct gmem_window gmem_window(const struct gmem *mem, unsigned hint)
{
	const struct gmem_region *r = &mem->regions[hint];

	if (hint >= mem->n)
		return (struct gmem_window){ 0 };
	return (struct gmem_window){ .gpa = r->gpa, .size = r->size, .host = r->host };
}

/* The host address of [gpa, gpa + len), or NULL: len is 0, or it is not all in the window. */
static inline void *gmem_window_at(const struct gmem_window *w, uint64_t gpa, uint32_t len)
{
	uint64_t off = gpa - w->gpa;

	if (off >= w->size || (uint64_t)len - 1 >= w->size - off)
		return NULL;
	return w->host + off;
}

#endif
