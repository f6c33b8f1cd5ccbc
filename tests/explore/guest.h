/* SPDX-License-Identifier: MIT */
/*
 * The shared memory that is explored, with one ring in it, and a driver on that ring: it sends a
 * few chains, in batches of any size, takes them back, and sleeps whenever that is what drivers do.
 */
#ifndef TESTS_EXPLORE_GUEST_H
#define TESTS_EXPLORE_GUEST_H

#include "tests/explore/explore.h"
#include "virtio/driver/ring.h"
#include "virtio/gmem.h"
#include "virtio/virtq.h"

#define GUEST_SIZE_MAX 4 /* ring entries */

struct guest_config {
	uint64_t features;
	unsigned size;
	unsigned n_chains;  /* that the driver sends */
	unsigned batch_max; /* in one go */
	unsigned out_len;   /* bytes of each, all in one descriptor */
};

/* The driver's private state. */
struct guest_driver {
	struct ring ring;
	struct ring_slot slots[GUEST_SIZE_MAX];
	uint16_t next[GUEST_SIZE_MAX];
	struct guest_config cfg;
	unsigned sent;
	unsigned back;
};

struct guest {
	struct explore *explore;
	struct gmem mem;
	struct gmem_region region;
	struct virtq_config vq; /* for the device */
	struct guest_driver driver;
};

/* Lays out e's memory and makes the driver's program. One at a time. */
void guest_set_up(struct guest *g, struct explore *e, const struct guest_config *cfg);

/* The number of the chain that these bytes belong to. */
unsigned guest_number(const struct iovec *iov);

#endif
