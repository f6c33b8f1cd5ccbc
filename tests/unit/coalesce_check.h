/* SPDX-License-Identifier: MIT */
/* What coalesce() must keep of whatever it is given: every byte, every frame, their order. */
#ifndef TESTS_UNIT_COALESCE_CHECK_H
#define TESTS_UNIT_COALESCE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/tx/coalesce.h"

#define CHECK_TYPES \
	(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) | \
	 FEATURE(VIRTIO_NET_F_HOST_USO))

/* A frame as a guest sends it. */
struct sent {
	struct virtio_net_hdr_v1 hdr; /* NEEDS_CSUM or plain */
	uint32_t len;
	uint8_t *bytes; /* malloc'ed, so long and no longer */
};

/* A frame that stands for its n_chains of sent, merged or not, says what they do; else aborts. */
void coalesce_check_frame(const struct frame *f, const struct sent *sent);

/*
 * Merges n frames, cut into pieces by chance from the seed cuts, or, if that is 0, into as many as
 * can be; and segments what was merged again. Aborts with a word on stderr unless the same frames
 * come out. Returns how many frames were left before that, and counts in stats what was merged, as
 * a queue does.
 */
unsigned coalesce_check(const struct sent *sent, unsigned n, uint64_t types, uint64_t cuts,
			struct tx_stats *stats);

#endif
