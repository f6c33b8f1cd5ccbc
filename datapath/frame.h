/* SPDX-License-Identifier: MIT */
/*
 * What travels between a ring and a backend: an Ethernet frame with its virtio_net_hdr in front, as
 * iovecs into guest memory.
 *
 * A frame borrows the memory of its descriptor chain. On the way out (tx) the chain is the guest's
 * until the backend has completed the frame; on the way in (rx) the iovecs are room, and the
 * backend says how much of it it filled.
 */
#ifndef DATAPATH_FRAME_H
#define DATAPATH_FRAME_H

#include <stdint.h>
#include <sys/uio.h>

#include "virtio/net_hdr.h"

struct frame {
	const struct iovec *iov; /* header first, then the frame; cut anywhere */
	uint16_t n_iov;
	uint16_t n_chains; /* tx: chains of the ring that it stands for, 1 or more */
	uint32_t len;      /* bytes with header; rx: the room, then what came */
};

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

#endif
