/* SPDX-License-Identifier: MIT */
/*
 * What every fuzz target uses: its input as a stream of small numbers, and a check that stops it.
 * A target is a file with LLVMFuzzerTestOneInput; libFuzzer calls it, or replay.c for each file of
 * the corpus.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
	const uint8_t *at;
	const uint8_t *end;
};

/* Little-endian, n bytes; what lies past the end is 0. */
static inline uint64_t fuzz_take(struct fuzz_input *in, unsigned n)
{
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < n && in->at < in->end; i++)
		value |= (uint64_t)*in->at++ << (8 * i);
	return value;
}

static inline bool fuzz_more(const struct fuzz_input *in)
{
	return in->at < in->end;
}

/* 0 .. n - 1 from as many bytes as that needs; n is at most 65536 and not 0. */
static inline unsigned fuzz_below(struct fuzz_input *in, unsigned n)
{
	return (unsigned)fuzz_take(in, n > 256 ? 2 : 1) % n;
}

__attribute__((noreturn)) static inline void fuzz_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* Not assert(): it must stay in a build with NDEBUG. */
#define fuzz_require(cond) \
	do { \
		if (!(cond)) \
			fuzz_fail(#cond, __FILE__, __LINE__); \
	} while (0)

#endif
