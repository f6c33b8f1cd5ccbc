/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else (-include) where code is compiled to be explored: the ordering
 * words of virtio/base.h, and the write to an eventfd, become steps that explore.c schedules. The
 * code itself is what the daemon runs.
 */
#ifndef TESTS_EXPLORE_STEP_H
#define TESTS_EXPLORE_STEP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "virtio/base.h"

uint64_t explore_load(const void *p, size_t len, const char *func);
void explore_store(void *p, size_t len, uint64_t value, const char *func);
void explore_fence(const char *func);
int explore_signal(int fd, const char *func);

#undef load_relaxed
#undef load_acquire
#undef store_relaxed
#undef store_release
#undef full_fence

#define load_relaxed(p)     ((__typeof__(+*(p)))explore_load((p), sizeof(*(p)), __func__))
#define load_acquire(p)     load_relaxed(p)
#define store_relaxed(p, v) explore_store((p), sizeof(*(p)), (uint64_t)(v), __func__)
#define store_release(p, v) store_relaxed(p, v)
#define full_fence()        explore_fence(__func__)

#define eventfd_write(fd, n) explore_signal((fd), __func__)

#endif
