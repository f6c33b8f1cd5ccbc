/* SPDX-License-Identifier: MIT */
/*
 * Frames for the tests of AF_XDP: TCP over IPv4 with a tag that says which frame a segment is of,
 * with a partial checksum, and what becomes of them on the wire.
 */
#ifndef TESTS_UNIT_XDP_FRAMES_H
#define TESTS_UNIT_XDP_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/test_backend.h"
#include "tests/unit/xdp_fake.h"

#define XDP_FRAMES_HDR  54U /* Ethernet, IPv4, TCP */
#define XDP_FRAMES_L4   34
#define XDP_FRAMES_CSUM 16

static inline void xdp_frames_put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* The sum of the pseudo-header of a frame of len bytes, not inverted. */
static inline uint16_t xdp_frames_pseudo(const uint8_t *frame, uint32_t len)
{
	uint32_t sum = 6 + len - XDP_FRAMES_L4, i;

	for (i = 26; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/*
 * A frame of len bytes, at least XDP_FAKE_TAG_AT + 8, with a partial checksum; each gso_size bytes
 * of payload have the tag.
 */
static inline void xdp_frames_make(uint8_t *to, uint32_t len, uint64_t tag, uint32_t gso_size)
{
	static const uint8_t head[XDP_FRAMES_HDR] = {
		2, 0, 0, 0, 0, 1,  2, 0, 0, 0,  0, 2, 8,    0,    0x45, 0, 0,
		0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1,    10,   0,    0, 2,
		0, 1, 0, 2, 0, 0,  0, 0, 0, 0,  0, 0, 0x50, 0x10, 1,    0,
	};
	uint64_t random = tag;
	uint32_t at;

	memcpy(to, head, sizeof(head));
	xdp_frames_put16(to + 16, len - 14);
	xdp_fake_csum(to + 14, 20, 0, 10);
	for (at = XDP_FRAMES_HDR; at < len; at++)
		to[at] = (uint8_t)test_random(&random);
	for (at = XDP_FAKE_TAG_AT; at + sizeof(tag) <= len; at += gso_size)
		memcpy(to + at, &tag, sizeof(tag));
	xdp_frames_put16(to + XDP_FRAMES_L4 + XDP_FRAMES_CSUM, xdp_frames_pseudo(to, len));
}

static inline struct virtio_net_hdr_v1 xdp_frames_hdr(uint16_t gso_size)
{
	return (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_size ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE,
		.gso_size = gso_size,
		.csum_start = XDP_FRAMES_L4,
		.csum_offset = XDP_FRAMES_CSUM,
	};
}

static inline uint32_t xdp_frames_segments(uint32_t len, uint32_t gso_size)
{
	return gso_size ? (len - XDP_FRAMES_HDR + gso_size - 1) / gso_size : 1;
}

/* What the i-th segment of a frame's payload looks like on the wire. Its length. */
static inline uint32_t xdp_frames_segment(uint8_t *to, const uint8_t *frame, uint32_t len,
					  uint32_t gso_size, uint32_t i)
{
	uint32_t left = len - XDP_FRAMES_HDR - i * gso_size;
	uint32_t part = left < gso_size ? left : gso_size;

	memcpy(to, frame, XDP_FRAMES_HDR);
	memcpy(to + XDP_FRAMES_HDR, frame + XDP_FRAMES_HDR + i * gso_size, part);
	len = XDP_FRAMES_HDR + part;
	xdp_frames_put16(to + 16, len - 14);
	xdp_frames_put16(to + 18, i);
	xdp_frames_put16(to + 24, 0);
	xdp_fake_csum(to + 14, 20, 0, 10);
	xdp_frames_put16(to + 38, i * gso_size >> 16);
	xdp_frames_put16(to + 40, i * gso_size);
	xdp_frames_put16(to + XDP_FRAMES_L4 + XDP_FRAMES_CSUM, xdp_frames_pseudo(to, len));
	xdp_fake_csum(to, len, XDP_FRAMES_L4, XDP_FRAMES_CSUM);
	return len;
}

#endif
