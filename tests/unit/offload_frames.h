/* SPDX-License-Identifier: MIT */
/*
 * Frames of any shape, and what becomes of them: a plain second implementation that offload is
 * compared with. It never looks for a header, as it knows where it has put each.
 */
#ifndef TESTS_UNIT_OFFLOAD_FRAMES_H
#define TESTS_UNIT_OFFLOAD_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/net_hdr.h"

#define OFFLOAD_FRAME_MAX NET_FRAME_MAX

/* Of IPv4, options come in fours; of IPv6, ip_opt is extension headers, in eights. */
struct shape {
	unsigned tags;   /* VLAN: 0 to 2 */
	unsigned ip_opt; /* bytes */
	unsigned l4_opt; /* bytes of TCP options, in fours */
	bool v6;
	bool udp;
};

/* A frame with a partial checksum. */
struct made {
	struct shape shape;
	uint32_t l3, l4, payload; /* where they start */
	uint32_t len;
	uint32_t csum_at;
	uint8_t bytes[OFFLOAD_FRAME_MAX];
};

/* All shapes; NULL: no more. */
const struct shape *frames_shape(unsigned i);

/* xorshift; the state is not 0. */
uint32_t frames_random(uint64_t *state);

/* Payload and whatever a header leaves open are random. */
void frames_make(struct made *m, const struct shape *shape, uint32_t payload, uint64_t *state);

/* The header of a driver that wants it segmented. */
struct virtio_net_hdr_v1 frames_hdr(const struct made *m, uint16_t gso_size);

/*
 * Sums as numbers, folded, not inverted: of bytes; of the pseudo-header; of that and the TCP or UDP
 * header with all that follows.
 */
uint16_t frames_sum(const uint8_t *bytes, uint32_t len);
uint16_t frames_pseudo(const struct made *m, uint32_t l4_len);
uint16_t frames_l4_sum(const struct made *m, const uint8_t *frame, uint32_t len);

/* Segment i, its checksum counted anew; its length. */
uint32_t frames_segment(const struct made *m, uint32_t i, uint32_t gso_size, bool partial,
			uint8_t *to);

/*
 * The checksums of a frame of m's shape, whose addresses may be others, are right again; m takes up
 * its headers before TCP or UDP.
 */
void frames_mend(struct made *m, uint8_t *frame, uint32_t len);

/*
 * Of an IPv4 datagram with DF the id means nothing, and the header's checksum covers it: both
 * become 0, so that frames can be compared. ip is the header, of IPv4 or IPv6.
 */
void frames_forget_id(uint8_t *ip);

static inline uint16_t frames_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void frames_put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

#endif
