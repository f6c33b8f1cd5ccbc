/* SPDX-License-Identifier: MIT */
/*
 * Neighbours of one flow leave as one: of frames on their way out, those that follow one another in
 * the queue and continue each other (TCP by sequence number, UDP datagrams of one length) become
 * one frame that the kernel segments again, late or never. It saves what a system call costs.
 *
 * What comes out of that segmentation is what the guest sent, byte for byte: frames are left alone
 * where it would not be. The one exception is the IPv4 identification of a datagram that must not
 * be fragmented, which means nothing (RFC 6864). Nothing waits: only what is in one batch is
 * merged, and the order within the queue stays.
 *
 * Pure: frames in, frames out. On the iothread of the queue.
 */
#ifndef DATAPATH_TX_COALESCE_H
#define DATAPATH_TX_COALESCE_H

#include <stdint.h>

#include "datapath/frame.h"
#include "datapath/stats.h"

/* Ethernet with two VLAN tags, IPv4 or IPv6, TCP with all its options. */
#define COALESCE_HDR_MAX 144

/* Frames of one call, and pieces that all merged frames of it have together. */
#define COALESCE_FRAMES 64
#define COALESCE_IOV    256

/* What merged frames consist of: there until the backend's tx() returns. Nobody initialises it. */
struct coalesce {
	unsigned n_hdrs, n_iov, n_parts;
	struct iovec iov[COALESCE_IOV];
	struct frame parts[COALESCE_FRAMES];
	uint8_t hdrs[COALESCE_FRAMES / 2][COALESCE_HDR_MAX];
};

/*
 * Merge what can be merged of n frames of one chain each, COALESCE_FRAMES at most, in place;
 * returns how many are left. types: VIRTIO_NET_F_HOST_TSO4, _TSO6 and _USO as feature bits: what
 * the backend takes. A merged frame has its parts in frame.parts, and stands for the chains of all
 * of them. stats counts why a frame did not join the one before it; what was merged is counted when
 * the backend has taken it (tx_batch_settle).
 */
unsigned coalesce(struct coalesce *c, struct frame *frames, unsigned n, uint64_t types,
		  struct tx_stats *stats);

#endif
