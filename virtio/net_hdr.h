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

/* An Ethernet header. */
#define NET_FRAME_MIN 14

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

/*
 * num_buffers stands in bytes 10 and 11 of the 12-byte header, which may be cut anywhere. It is not
 * written if it is there already: the cache line, which the driver reads, too, stays with both.
 */
static inline void net_hdr_set_num_buffers(const struct iovec *iov, uint16_t n)
{
	size_t at = offsetof(struct virtio_net_hdr_v1, num_buffers);
	const char *byte = (const char *)&n;

	if (iov->iov_len >= at + sizeof(n)) {
		if (memcmp((char *)iov->iov_base + at, &n, sizeof(n)))
			memcpy((char *)iov->iov_base + at, &n, sizeof(n));
		return;
	}
	for (unsigned i = 0; i < sizeof(n); i++, at++) {
		while (at >= iov->iov_len) {
			at -= iov->iov_len;
			iov++;
		}
		((char *)iov->iov_base)[at] = byte[i];
	}
}

/* What a driver's header claims that was not negotiated, or cannot be. */
enum net_hdr_fault {
	NET_HDR_OK,
	NET_HDR_CSUM,     /* a checksum not negotiated, or beyond the frame */
	NET_HDR_GSO_TYPE, /* unknown or not negotiated */
	NET_HDR_ECN,      /* not negotiated, or not TCP */
	NET_HDR_GSO_SIZE, /* segments of no bytes */
	NET_HDR_GSO_CSUM, /* segments without NEEDS_CSUM */
	NET_HDR_FAULTS,
};

/* The feature that lets a driver send frames of this type, or -1. */
static inline int net_hdr_gso_feature(uint8_t gso_type)
{
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return VIRTIO_NET_F_HOST_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return VIRTIO_NET_F_HOST_TSO6;
	case VIRTIO_NET_HDR_GSO_UDP:
		return VIRTIO_NET_F_HOST_UFO;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return VIRTIO_NET_F_HOST_USO;
	default:
		return -1;
	}
}

static inline bool net_hdr_gso_is_tcp(uint8_t gso_type)
{
	uint8_t type = gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	return type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;
}

static inline enum net_hdr_fault net_hdr_check_gso(const struct virtio_net_hdr_v1 *h,
						   uint64_t features)
{
	int feature = net_hdr_gso_feature(h->gso_type);

	if (h->gso_type == VIRTIO_NET_HDR_GSO_ECN)
		return NET_HDR_ECN;
	if (feature < 0 || !feature_has(features, (unsigned)feature))
		return NET_HDR_GSO_TYPE;
	if ((h->gso_type & VIRTIO_NET_HDR_GSO_ECN) &&
	    (!feature_has(features, VIRTIO_NET_F_HOST_ECN) || !net_hdr_gso_is_tcp(h->gso_type)))
		return NET_HDR_ECN;
	if (!h->gso_size)
		return NET_HDR_GSO_SIZE;
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return NET_HDR_GSO_CSUM;
	return NET_HDR_OK;
}

/*
 * Whether the negotiated features let a driver send a frame of len bytes (without header) with this
 * header; if not, the first reason (5.1.6.2.1). Checks what the type and the flags claim, not the
 * frame's own protocol headers: those are the backend's. Fields without a meaning are not checked;
 * see net_hdr_mend().
 */
static inline enum net_hdr_fault net_hdr_check(const struct virtio_net_hdr_v1 *h, uint32_t len,
					       uint64_t features)
{
	if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
	    (!feature_has(features, VIRTIO_NET_F_CSUM) ||
	     (uint32_t)h->csum_start + h->csum_offset + 2 > len))
		return NET_HDR_CSUM;
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return NET_HDR_OK;
	return net_hdr_check_gso(h, features);
}

/* Nothing is claimed, no hint given; num_buffers, which means nothing on the way out, aside. */
static inline bool net_hdr_is_plain(const struct virtio_net_hdr_v1 *h)
{
	static const struct virtio_net_hdr_v1 plain;

	return !memcmp(h, &plain, NET_HDR_LEN_LEGACY);
}

/*
 * Whether the header of a frame of len bytes, which net_hdr_check() let pass, holds what a driver
 * may leave there without a meaning (5.1.6.2): unknown flags, a place for a checksum without
 * NEEDS_CSUM, a gso_size without a type. hdr_len is a hint: one that cannot be, shorter than an
 * Ethernet header or longer than the frame, counts, since the kernel's tun refuses the frame for
 * it; so do segments of 65535 bytes, which no frame is long enough for.
 */
static inline bool net_hdr_has_garbage(const struct virtio_net_hdr_v1 *h, uint32_t len)
{
	if (h->flags != VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	    (h->flags || h->csum_start || h->csum_offset))
		return true;
	if (h->hdr_len && (h->hdr_len < NET_FRAME_MIN || h->hdr_len > len))
		return true;
	return h->gso_type == VIRTIO_NET_HDR_GSO_NONE ? h->gso_size : h->gso_size == UINT16_MAX;
}

/*
 * Take that out. An hdr_len that cannot be becomes 0, "none"; segments become one byte shorter,
 * which says the same.
 */
void net_hdr_mend(struct virtio_net_hdr_v1 *h, uint32_t len);

#endif
