/* SPDX-License-Identifier: MIT */
/*
 * Frames that came to an AF_XDP socket: copied from chunks of its UMEM into guest memory, with a
 * virtio_net_hdr made for them; the chunks go back into the fill ring at once.
 *
 * Owner: the iothread of the queue; the control thread while the queue stands still.
 */
#ifndef DATAPATH_BACKEND_XDP_RX_H
#define DATAPATH_BACKEND_XDP_RX_H

#include "datapath/backend.h"
#include "datapath/backend/xdp_sock.h"

struct xdp_rx {
	struct xdp_sock *sock;
	/* set by the control thread while the queue stands still */
	unsigned hdr_len;
	bool guest_csum; /* the driver completes checksums */
	bool local;      /* senders of this host leave checksums partial */
	bool busy_poll;
	int group_fd; /* xdp_group.h: frames to groups, on a shared interface; -1: none */

	uint64_t flushed; /* frames thrown away by xdp_rx_flush(), yet to be counted */
	uint64_t dropped; /* by the kernel, as its own counters said last */
	unsigned n_looks; /* ends of xdp_rx_receive() since those were asked */
	uint8_t *whole;   /* NET_FRAME_MAX bytes: a frame that is put together first */
};

/* As struct backend_ops' rx. */
unsigned xdp_rx_receive(struct xdp_rx *r, struct frame *frames, unsigned n, struct spill *spill,
			struct rx_stats *stats);
/* Throw away what has come. */
void xdp_rx_flush(struct xdp_rx *r);

#endif
