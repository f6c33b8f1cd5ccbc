/* SPDX-License-Identifier: MIT */
/*
 * The few words that every layer uses: memory ordering, cleanup, container_of, the clock.
 *
 * Shared memory (rings, guest buffers, counters that another thread reads) is touched only through
 * the five ordering words below. full_fence() is the one that orders an earlier store before a
 * later load; nothing weaker does that.
 */
#ifndef VIRTIO_BASE_H
#define VIRTIO_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define full_fence()        __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Add to a counter that one thread writes and others may read. */
#define count_add(p, n) store_relaxed((p), load_relaxed(p) + (n))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define array_size(a) (sizeof(a) / sizeof((a)[0]))

#define cleanup(fn) __attribute__((cleanup(fn)))

#define CACHE_LINE    64
#define cache_aligned __attribute__((aligned(CACHE_LINE)))

/* virtio 1.x is little-endian; legacy rings and headers are the guest's, which is ours. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "txring needs a little-endian host");

/* CLOCK_MONOTONIC, ns. */
static inline uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
