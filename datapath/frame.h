/* SPDX-License-Identifier: MIT */
/*
 * What travels between a ring and a backend: an Ethernet frame, as iovecs into guest memory, and
 * its virtio_net_hdr.
 *
 * A frame borrows the memory of its descriptor chains. On the way out (tx) the chains are the
 * guest's until the backend has completed the frame; on the way in (rx) the iovecs are room, and
 * the backend says how much of it it filled.
 */
#ifndef DATAPATH_FRAME_H
#define DATAPATH_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "virtio/net_hdr.h"

/*
 * tx: the header lies apart, private and checked: no guest can change what was judged, and a field
 * that means nothing is 0. Where in_place is set, the guest's own header lies right before iov[0]
 * in memory and said the same when it was judged (num_buffers aside). A tap may then send both in
 * one piece, as the kernel judges its own copy; a backend that goes by the header itself must not.
 *
 * rx: the header's room comes first in iov and counts in len; the other fields mean nothing.
 */
struct frame {
	struct virtio_net_hdr_v1 hdr;
	const struct iovec *iov; /* cut anywhere */
	uint16_t n_iov;          /* 1 or more */
	uint16_t n_chains;       /* chains of the ring that it stands for, 1 or more */
	uint32_t len; /* tx: NET_FRAME_MIN to NET_FRAME_MAX; rx: the room, then what came */
	bool in_place;
	const struct frame *parts; /* tx: the n_chains frames that were merged into it, or NULL */
};

/*
 * What of a queue's frames may move in one turn of its iothread, whatever its burst: the turn ends
 * when either is used up. The other way of the same pair, and every other queue, waits for so much.
 */
#define TURN_FRAMES 64
#define TURN_BYTES  (512U << 10)

/* What is left of a queue's turn. */
struct turn {
	unsigned frames;
	uint64_t bytes;
};

#define TURN_WHOLE ((struct turn){ TURN_FRAMES, TURN_BYTES })

/* n frames of so many bytes together have moved; the last of them may exceed what was left. */
static inline void turn_take(struct turn *turn, unsigned n, uint64_t bytes)
{
	turn->frames -= n;
	turn->bytes -= bytes < turn->bytes ? bytes : turn->bytes;
}

static inline bool turn_over(const struct turn *turn)
{
	return !turn->frames || !turn->bytes;
}

/*
 * Where the end of a received frame goes that its room could not hold: private memory, so that no
 * frame is ever cut. The backend sets used; 0 when the frame fitted. A frame that spilled has
 * filled its room: its len is that.
 */
struct spill {
	uint8_t *buf; /* SPILL_SIZE bytes */
	uint32_t used;
};

#define SPILL_SIZE (NET_FRAME_MAX + NET_HDR_LEN_MAX)

/* Where a backend copies a received frame: its room, then the spill buffer. */
struct frame_cursor {
	const struct iovec *iov;
	size_t at;     /* in the first of iov */
	uint32_t room; /* left in iov */
	struct spill *spill;
};

/* The bytes may lie in guest memory, and so in the room itself. */
static inline void frame_copy(struct frame_cursor *to, const uint8_t *from, size_t len)
{
	size_t part;

	for (; len && to->room; len -= part, from += part) {
		part = to->iov->iov_len - to->at;
		part = len < part ? len : part;
		part = to->room < part ? to->room : part;
		memmove((uint8_t *)to->iov->iov_base + to->at, from, part);
		to->room -= (uint32_t)part;
		to->at += part;
		if (to->at == to->iov->iov_len) {
			to->iov++;
			to->at = 0;
		}
	}
	if (!len)
		return;
	memcpy(to->spill->buf + to->spill->used, from, len);
	to->spill->used += (uint32_t)len;
}

/*
 * Write the header of a received frame to the first piece of its room, which must have space for
 * all of it. If the same bytes are there already, as they mostly are, nothing is written: the cache
 * line, which the driver reads, stays with both processors. num_buffers is left to the rx queue.
 */
static inline void frame_put_header(uint8_t *to, const struct virtio_net_hdr_v1 *hdr)
{
	if (memcmp(to, hdr, NET_HDR_LEN_LEGACY))
		memcpy(to, hdr, NET_HDR_LEN_LEGACY);
}

#endif
