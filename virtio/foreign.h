/* SPDX-License-Identifier: MIT */
/*
 * Giving up what a front-end sent: fds and mappings whose end may wait for as long as it likes. The
 * last close of a TCP socket with SO_LINGER waits for its unsent data, that of a FUSE file and of a
 * mapping of one for its server. So the owner of the thread says how it is done.
 */
#ifndef VIRTIO_FOREIGN_H
#define VIRTIO_FOREIGN_H

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct foreign {
	/*
	 * Close fd (-1: none) and unmap len bytes at map (NULL: none), neither of which is used any
	 * more, some time, without waiting for it. NULL: done at once.
	 */
	void (*release)(void *ctx, int fd, void *map, size_t len);
	void *ctx;
};

/* Nothing for -1. f may be NULL: at once. */
static inline void foreign_close(const struct foreign *f, int fd)
{
	if (fd < 0)
		return;
	if (f && f->release)
		f->release(f->ctx, fd, NULL, 0);
	else
		close(fd);
}

/* Nothing for NULL. f may be NULL: at once. */
static inline void foreign_unmap(const struct foreign *f, void *map, size_t len)
{
	if (!map)
		return;
	if (f && f->release)
		f->release(f->ctx, -1, map, len);
	else
		munmap(map, len);
}

#endif
