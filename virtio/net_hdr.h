/* SPDX-License-Identifier: MIT */
/*
 * struct virtio_net_hdr (virtio 1.2 section 5.1.6): its length, its place in an iovec, and what a
 * frame's header may claim.
 *
 * Guest memory may change under us: a header is copied out once, and only the copy is judged.
 */
#ifndef VIRTIO_NET_HDR_H
#define VIRTIO_NET_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "virtio/features.h"

/* Legacy header without num_buffers, and the header of VERSION_1 or MRG_RXBUF. */
#define NET_HDR_LEN_LEGACY 10
#define NET_HDR_LEN        12
#define NET_HDR_LEN_MAX    NET_HDR_LEN

/*
 * A segmented frame on the wire side: IPv4's and IPv6's 16-bit length behind an Ethernet header
 * with two VLAN tags.
 */
#define NET_FRAME_MAX (65535 + 14 + 8)

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static inline unsigned net_hdr_len(uint64_t features)
{
	if (feature_has(features, VIRTIO_F_VERSION_1) ||
	    feature_has(features, VIRTIO_NET_F_MRG_RXBUF))
		return NET_HDR_LEN;
	return NET_HDR_LEN_LEGACY;
}

/* Copy the first len bytes out of iov; the iovecs hold at least that many. */
static inline void net_hdr_get(void *hdr, unsigned len, const struct iovec *iov)
{
	if (iov->iov_len >= len) {
		memcpy(hdr, iov->iov_base, len);
		return;
	}
	for (unsigned done = 0, part; done < len; done += part, iov++) {
		part = iov->iov_len < len - done ? (unsigned)iov->iov_len : len - done;
		memcpy((char *)hdr + done, iov->iov_base, part);
	}
}

/* num_buffers stands in bytes 10 and 11 of the 12-byte header, which may be cut anywhere. */
static inline void net_hdr_set_num_buffers(const struct iovec *iov, uint16_t n)
{
	size_t at = offsetof(struct virtio_net_hdr_v1, num_buffers);
	const char *byte = (const char *)&n;

	for (unsigned i = 0; i < sizeof(n); i++, at++) {
		while (at >= iov->iov_len) {
			at -= iov->iov_len;
			iov++;
		}
		((char *)iov->iov_base)[at] = byte[i];
	}
}

/*
 * Whether the negotiated features let a driver send a frame of len bytes (without header) with this
 * header. Checks what the type and the flags claim, not the frame's own protocol headers: those are
 * the backend's.
 */
static inline bool net_hdr_tx_ok(const struct virtio_net_hdr_v1 *h, uint32_t len, uint64_t features)
{
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!feature_has(features, VIRTIO_NET_F_CSUM) ||
		    (uint32_t)h->csum_start + h->csum_offset + 2 > len)
			return false;
	}
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return h->gso_type == VIRTIO_NET_HDR_GSO_NONE;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		if (!feature_has(features, VIRTIO_NET_F_HOST_TSO4))
			return false;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if (!feature_has(features, VIRTIO_NET_F_HOST_TSO6))
			return false;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		if (!feature_has(features, VIRTIO_NET_F_HOST_USO) ||
		    h->gso_type != VIRTIO_NET_HDR_GSO_UDP_L4)
			return false;
		break;
	default:
		return false;
	}
	if ((h->gso_type & VIRTIO_NET_HDR_GSO_ECN) && !feature_has(features, VIRTIO_NET_F_HOST_ECN))
		return false;
	return h->gso_size && (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

#endif
