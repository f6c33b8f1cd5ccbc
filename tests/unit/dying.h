/* SPDX-License-Identifier: MIT */
/*
 * Included before everything else (-include) where code is compiled to be stopped in the midst:
 * each store to shared memory counts, and the one that is told does not happen, nor what follows.
 */
#ifndef TESTS_UNIT_DYING_H
#define TESTS_UNIT_DYING_H

#include "virtio/base.h"

/* Count a store; returns or jumps away. */
void dying_store(void);

#undef store_relaxed
#undef store_release

#define store_relaxed(p, v) (dying_store(), __atomic_store_n((p), (v), __ATOMIC_RELAXED))
#define store_release(p, v) (dying_store(), __atomic_store_n((p), (v), __ATOMIC_RELEASE))

#endif
