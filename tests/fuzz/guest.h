/* SPDX-License-Identifier: MIT */
/*
 * A guest of the fuzzer's making: a few regions of memory of any size, each a heap block of exactly
 * that size (so that a sanitizer sees one byte too far), a ring in them with the driver's half on
 * it, and the hand that rewrites memory when it likes, also between two loads of the device.
 *
 * The layout of the ring follows from the features; nothing here depends on it.
 */
#ifndef TESTS_FUZZ_GUEST_H
#define TESTS_FUZZ_GUEST_H

#include "tests/fuzz/fuzz.h"
#include "virtio/driver/ring.h"
#include "virtio/features.h"
#include "virtio/gmem.h"
#include "virtio/virtq.h"

#define FUZZ_REGIONS   4
#define FUZZ_FLIPS     16
#define FUZZ_TABLE_LEN 8
#define FUZZ_PARTS     24 /* most descriptors of a chain that the driver fills */

/* The guest rewrites len bytes at host when the device has made as many loads. */
struct fuzz_flip {
	unsigned after_loads;
	uint8_t *host;
	unsigned len;
	uint8_t bytes[8];
};

struct fuzz_guest {
	struct gmem mem;
	struct gmem_region regions[FUZZ_REGIONS];
	void *blocks[FUZZ_REGIONS];
	uint64_t features;
	unsigned size;
	struct ring ring;
	struct virtq_config vq;
	uint8_t *extra;
	int kick_fd;
	int call_fd;
	int err_fd;
	struct fuzz_flip flips[FUZZ_FLIPS]; /* the first n are to come, one behind the other */
	unsigned n_flips;
};

/* Sizes of the regions; region 0 also gets what the ring needs. */
struct fuzz_guest_config {
	uint64_t features;
	unsigned max_size_log2; /* of the ring */
	unsigned n_regions;     /* 1 .. FUZZ_REGIONS */
	unsigned region_max;    /* bytes, at most 65536 */
	bool honest;            /* the ring's areas lie where a driver would put them */
	unsigned extra;         /* bytes at the end of region 0 for the target's own use */
};

/*
 * From the input: memory, ring, both halves at the same base. False: the device refused the ring,
 * and there is nothing to deinit.
 */
bool fuzz_guest_init(struct fuzz_guest *g, const struct fuzz_guest_config *cfg,
		     struct fuzz_input *in);
void fuzz_guest_deinit(struct fuzz_guest *g);

/* Any base that a front-end may give. */
uint32_t fuzz_guest_base(const struct fuzz_guest *g, struct fuzz_input *in);

/* Any place in a region or an area of the ring, and how many bytes follow there. */
uint8_t *fuzz_guest_place(struct fuzz_guest *g, struct fuzz_input *in, unsigned *len);
uint64_t fuzz_guest_gpa(const struct fuzz_guest *g, const uint8_t *host);

/* Rewrite up to 8 bytes somewhere, now, or when the device has made a few more loads. */
void fuzz_guest_write(struct fuzz_guest *g, struct fuzz_input *in);
void fuzz_guest_flip(struct fuzz_guest *g, struct fuzz_input *in);

/* A chain of any shape, mostly inside memory, into the driver's half; nothing without room. */
void fuzz_guest_fill(struct fuzz_guest *g, struct fuzz_input *in);

/* The iovecs are what the chain says they are, and each lies in one region. */
void fuzz_guest_check_chain(const struct fuzz_guest *g, const struct chain *c);

/* How often fd was signalled since the last look. */
uint64_t fuzz_guest_signals(int fd);

#endif
