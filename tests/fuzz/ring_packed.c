/* SPDX-License-Identifier: MIT */
/* Fuzz target: the packed ring's device half. */
#include "tests/fuzz/ring.h"

#include "tests/fuzz/fuzz.h"
#include "virtio/features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ring_fuzz(FEATURE(VIRTIO_F_RING_PACKED), data, size);
	return 0;
}
