/* SPDX-License-Identifier: MIT */
/*
 * What a network card does to a frame before it is sent, for a backend whose kernel or card does not: checksums and
 * segmentation; and what a card finds out about a frame that it received.
 *
 * Pure: bytes in, bytes out, no state. Frames are foreign, what their headers say is believed nowhere beyond their
 * length. Nothing here allocates or waits.
 */
#ifndef DATAPATH_OFFLOAD_H
#define DATAPATH_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/net_hdr.h"

/*
 * The ones' complement sum of len bytes, folded to 16 bits and not inverted, in the bytes' own order
 * (memcpy it to where it goes). Any alignment, any length.
 */
uint16_t offload_sum(const void *bytes, size_t len);

/*
 * Complete the checksum of a frame of len bytes in one piece, which has NEEDS_CSUM in h and is judged by net_hdr_check():
 * all bytes from csum_start on are summed (the field holds the pseudo-header's sum), and the inverted sum goes to
 * csum_start + csum_offset. A UDP checksum of 0 becomes 0xffff, as csum_offset 6 tells.
 */
void offload_csum(void *frame, uint32_t len, const struct virtio_net_hdr_v1 *h);

/*
 * Is the TCP or UDP checksum of a frame (through VLAN tags, IPv4 with options, IPv6 with extension headers; no
 * fragment) still partial: just the sum of the pseudo-header? Then true, and h gets flags NEEDS_CSUM, csum_start and
 * csum_offset; else false and h is left alone.
 */
bool offload_is_partial(const void *frame, uint32_t len, struct virtio_net_hdr_v1 *h);

/*
 * A frame that is to become many: TCP over IPv4 or IPv6, or UDP (USO).
 *
 * for (i = 0; i < s.n; i++) len = offload_segment(&s, to, partial);
 */
struct offload_segments {
	uint32_t n;          /* how many segments it becomes */
	uint32_t max_len;    /* of the longest one, with its headers */
	uint16_t csum_start; /* of each segment */
	uint16_t csum_offset;
	/* private; the implementation's own */
	uint32_t next;
	uint32_t hdr_len;
	uint32_t gso_size;
	uint32_t left; /* bytes of payload */
	const struct iovec *iov;
	size_t at; /* in iov */
	uint16_t l3;  /* where the IP header starts */
	uint8_t gso_type;
	bool v6;
	uint8_t hdr[256]; /* Ethernet to TCP or UDP, copied once */
};

/*
 * iov holds len bytes of Ethernet frame in n_iov pieces, cut anywhere; h is judged by net_hdr_check(), and its gso_type is
 * not NONE. False: it is not what gso_type says (other protocols, a header cut or too long, no payload...): such a
 * frame is dropped.
 */
bool offload_segments_init(struct offload_segments *s, const struct iovec *iov, unsigned n_iov, uint32_t len,
			   const struct virtio_net_hdr_v1 *h);

/*
 * Write the next segment to `to`, max_len bytes at most, and return its length. Lengths, IPv4 id and header checksum, TCP
 * sequence numbers and flags (FIN and PSH on the last, CWR on the first only) are those of a kernel's software GSO. The TCP
 * or UDP checksum is completed, or, where partial, left as the pseudo-header's sum, to be completed by
 * csum_start and csum_offset.
 */
uint32_t offload_segment(struct offload_segments *s, void *to, bool partial);

#endif
