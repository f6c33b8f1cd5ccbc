/* SPDX-License-Identifier: MIT */
/* The device half of a ring against a guest of the fuzzer's, whatever the layout. */
#ifndef TESTS_FUZZ_RING_H
#define TESTS_FUZZ_RING_H

#include <stddef.h>
#include <stdint.h>

/* layout: feature bits that are always negotiated. */
void ring_fuzz(uint64_t layout, const uint8_t *data, size_t size);

#endif
