/* SPDX-License-Identifier: MIT */
/*
 * What a network card does to a frame before it is sent, for a backend whose kernel or card does
 * not: checksums and segmentation; and what a card finds out about a frame that it received.
 *
 * Pure: bytes in, bytes out, no state. Frames are foreign: what their headers say is believed
 * nowhere beyond their length. Nothing here allocates or waits.
 */
#ifndef DATAPATH_OFFLOAD_H
#define DATAPATH_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/net_hdr.h"

/* Ethernet to TCP or UDP: no header is looked for beyond. */
#define OFFLOAD_HDR_MAX 256

/*
 * The ones' complement sum of len bytes (RFC 1071), folded to 16 bits and not inverted, in the
 * bytes' own order (memcpy it to where it goes). Any alignment, any length.
 */
uint16_t offload_sum(const void *bytes, size_t len);

/*
 * Complete the checksum of a frame of len bytes in one piece. h has NEEDS_CSUM, and net_hdr_check()
 * let it pass. All bytes from csum_start on are summed (the field holds the pseudo-header's sum);
 * the inverted sum goes to csum_start + csum_offset. Where csum_offset is UDP's, 0 becomes 0xffff.
 */
void offload_csum(void *frame, uint32_t len, const struct virtio_net_hdr_v1 *h);

/*
 * Is the TCP or UDP checksum of a frame (through VLAN tags, IPv4 with options, IPv6 with extension
 * headers; no fragment) still partial: just the sum of the pseudo-header? Then true, and h gets
 * flags NEEDS_CSUM, csum_start and csum_offset; else false, and h is left alone.
 *
 * One complete checksum in 65536 looks so too. If it was right, offload_csum() gives it back as it
 * was.
 */
bool offload_is_partial(const void *frame, uint32_t len, struct virtio_net_hdr_v1 *h);

/*
 * A frame that is to become many: TCP over IPv4 or IPv6, or UDP (USO).
 *
 * for (i = 0; i < s.n; i++)
 *	len = offload_segment(&s, to, partial);
 */
struct offload_segments {
	uint32_t n; /* how many segments it becomes; 1: it goes as it is, but for its checksum */
	uint32_t max_len; /* of the longest one, with its headers */
	/* Of each segment. */
	uint16_t csum_start;
	uint16_t csum_offset;
	/* Private. */
	uint32_t next;
	uint32_t hdr_len;
	uint32_t gso_size;
	uint32_t left;   /* bytes of payload */
	uint32_t l4_len; /* of the frame, from csum_start on */
	uint16_t l3;     /* where the IP header starts */
	uint16_t ip_sum; /* of the frame's IPv4 header, without its checksum */
	uint16_t l4_sum; /* of its TCP or UDP header */
	bool v6;
	bool udp;
	const struct iovec *iov;
	size_t at; /* in iov */
	uint8_t hdr[OFFLOAD_HDR_MAX];
};

/*
 * iov holds len bytes of Ethernet frame, cut anywhere, and stays until the last segment is made.
 * Its headers are read here and never again. net_hdr_check() let h pass, and its gso_type is not
 * NONE; hdr_len is not used. False: the frame is not what gso_type says (another protocol, a
 * fragment, a header cut or too long, a checksum elsewhere), is to be fragmented (GSO_UDP), or its
 * segments were longer than IP allows. It is dropped.
 */
bool offload_segments_init(struct offload_segments *s, const struct iovec *iov, uint32_t len,
			   const struct virtio_net_hdr_v1 *h);

/*
 * Write the next segment to `to`, max_len bytes at most, and return its length. Lengths, IPv4 id
 * and header checksum, TCP sequence numbers and flags (FIN and PSH on the last, CWR on the first
 * only) are those of Linux' software GSO. The TCP or UDP checksum is completed, or, where partial,
 * left as the pseudo-header's sum, to be completed by csum_start and csum_offset.
 */
uint32_t offload_segment(struct offload_segments *s, void *to, bool partial);

#endif
