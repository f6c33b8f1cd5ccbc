/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else (-include) where the code under test is compiled for fuzzing:
 * each load from shared memory may find that the guest has just rewritten it. See
 * fuzz_guest_flip().
 */
#ifndef TESTS_FUZZ_SHARED_H
#define TESTS_FUZZ_SHARED_H

#include "virtio/base.h"

/* Called before each load; in guest.c. */
void fuzz_guest_load(void);

#undef load_relaxed
#undef load_acquire
#define load_relaxed(p) (fuzz_guest_load(), __atomic_load_n((p), __ATOMIC_RELAXED))
#define load_acquire(p) (fuzz_guest_load(), __atomic_load_n((p), __ATOMIC_ACQUIRE))

#endif
