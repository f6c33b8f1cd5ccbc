/* SPDX-License-Identifier: MIT */
/* Set-up and failure of guest memory; the lookup itself is inline in gmem.h. */
#include "virtio/gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio/base.h"

int gmem_init(struct gmem *mem)
{
	mem->watcher = NULL;
	mem->foreign = NULL;
	mem->n = 0;
	mem->regions = calloc(GMEM_MAX_REGIONS, sizeof(*mem->regions));
	return mem->regions ? 0 : -ENOMEM;
}

static void unmap(const struct gmem *mem, const struct gmem_region *r)
{
	if (mem->watcher)
		mem->watcher->unmapping(mem->watcher, r->map);
	foreign_unmap(mem->foreign, r->map, r->map_len);
}

void gmem_clear(struct gmem *mem)
{
	while (mem->n > 0)
		unmap(mem, &mem->regions[--mem->n]);
}

void gmem_deinit(struct gmem *mem)
{
	gmem_clear(mem);
	free(mem->regions);
	mem->regions = NULL;
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static int check_range(const struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva)
{
	unsigned i;

	if (!size || gpa + size < gpa || uva + size < uva)
		return -EINVAL;
	for (i = 0; i < mem->n; i++) {
		if (overlap(gpa, size, mem->regions[i].gpa, mem->regions[i].size) ||
		    overlap(uva, size, mem->regions[i].uva, mem->regions[i].size))
			return -EINVAL;
	}
	return mem->n < GMEM_MAX_REGIONS ? 0 : -ENOSPC;
}

/*
 * What the kernel knows of a file already: fstat() asks the server of a FUSE or NFS file, which
 * answers when it likes.
 */
static int file_status(int fd, struct statx *stx)
{
	int code = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE | STATX_INO, stx);

	return code < 0 ? -errno : 0;
}

static uint64_t file_dev(const struct statx *stx)
{
	return (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor;
}

/* Files are mapped from a block boundary to a block boundary: hugetlbfs refuses anything else. */
static int map_file(struct gmem_region *r, int fd, uint64_t offset)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t block, start;
	struct statx stx;
	int err = file_status(fd, &stx);

	if (err)
		return err;
	/* What is past the end of its file would be SIGBUS at the first touch. */
	if (offset + r->size < offset || offset + r->size > stx.stx_size)
		return -ENXIO;
	block = max_u64(stx.stx_blksize, page);
	start = offset & ~(block - 1);
	r->map_len = (offset + r->size - start + block - 1) & ~(block - 1);
	r->map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		      (off_t)start);
	if (r->map == MAP_FAILED)
		return -errno;
	madvise(r->map, r->map_len, MADV_DONTDUMP);
	r->dev = file_dev(&stx);
	r->ino = stx.stx_ino;
	r->host = (uint8_t *)r->map + (offset - start);
	return 0;
}

/* The region that was added before as just this range of just this file, or NULL. */
static struct gmem_region *find_same(const struct gmem *mem, uint64_t gpa, uint64_t size,
				     uint64_t uva, int fd, uint64_t offset)
{
	int i = gmem_find(mem, gpa);
	struct gmem_region *r;
	struct statx stx;

	if (i < 0 || file_status(fd, &stx) < 0)
		return NULL;
	r = &mem->regions[i];
	if (r->gpa != gpa || r->size != size || r->uva != uva || r->offset != offset)
		return NULL;
	return r->dev == file_dev(&stx) && r->ino == stx.stx_ino ? r : NULL;
}

bool gmem_add_again(struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva, int fd,
		    uint64_t offset)
{
	struct gmem_region *same = find_same(mem, gpa, size, uva, fd, offset);

	if (same)
		same->refs++;
	return same;
}

int gmem_add(struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva, int fd, uint64_t offset)
{
	struct gmem_region r = {
		.gpa = gpa, .size = size, .uva = uva, .offset = offset, .refs = 1
	};
	unsigned i;
	int err;

	if (gmem_add_again(mem, gpa, size, uva, fd, offset))
		return 0;
	err = check_range(mem, gpa, size, uva);
	if (err)
		return err;
	err = map_file(&r, fd, offset);
	if (err)
		return err;
	err = mem->watcher ? mem->watcher->mapped(mem->watcher, r.map, r.map_len) : 0;
	if (err) {
		foreign_unmap(mem->foreign, r.map, r.map_len);
		return err;
	}
	for (i = mem->n; i > 0 && mem->regions[i - 1].gpa > gpa; i--)
		mem->regions[i] = mem->regions[i - 1];
	mem->regions[i] = r;
	mem->n++;
	return 0;
}

static struct gmem_region *find_bounds(const struct gmem *mem, uint64_t gpa, uint64_t size,
				       uint64_t uva)
{
	int i = gmem_find(mem, gpa);
	struct gmem_region *r = i < 0 ? NULL : &mem->regions[i];

	return r && r->gpa == gpa && r->size == size && r->uva == uva ? r : NULL;
}

unsigned gmem_refs(const struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva)
{
	const struct gmem_region *r = find_bounds(mem, gpa, size, uva);

	return r ? r->refs : 0;
}

int gmem_remove(struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva)
{
	struct gmem_region *r = find_bounds(mem, gpa, size, uva);

	if (!r)
		return -ENOENT;
	if (--r->refs)
		return 0;
	unmap(mem, r);
	mem->n--;
	memmove(r, r + 1, (size_t)(mem->regions + mem->n - r) * sizeof(*r));
	return 0;
}

int gmem_find(const struct gmem *mem, uint64_t gpa)
{
	unsigned lo = 0, hi = mem->n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (gpa < mem->regions[mid].gpa)
			hi = mid;
		else if (gpa - mem->regions[mid].gpa >= mem->regions[mid].size)
			lo = mid + 1;
		else
			return (int)mid;
	}
	return -1;
}

void *gmem_at_uva(const struct gmem *mem, uint64_t uva, uint64_t len)
{
	unsigned i;

	for (i = 0; i < mem->n; i++) {
		const struct gmem_region *r = &mem->regions[i];

		if (uva - r->uva < r->size && len <= r->size - (uva - r->uva))
			return r->host + (uva - r->uva);
	}
	return NULL;
}
