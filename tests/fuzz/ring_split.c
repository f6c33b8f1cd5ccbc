/* SPDX-License-Identifier: MIT */
/* Fuzz target: the split ring's device half. */
#include "tests/fuzz/ring.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ring_fuzz(0, data, size);
	return 0;
}
