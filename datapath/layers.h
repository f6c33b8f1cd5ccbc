/* SPDX-License-Identifier: MIT */
/*
 * Where the headers of an Ethernet frame are: through VLAN tags, IPv4 with options, IPv6 with
 * extension headers, to TCP or UDP. Frames are foreign: what their headers say is believed nowhere
 * beyond their length.
 *
 * Pure. A ones' complement sum (RFC 1071) is kept in memory order: a number that is added to it
 * goes through htons() or htonl().
 */
#ifndef DATAPATH_LAYERS_H
#define DATAPATH_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ETHERTYPE_AT   12
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define VLAN_LEN       4
#define VLAN_MAX       2

#define IPV4_MIN      20
#define IPV4_LEN_AT   2
#define IPV4_ID_AT    4
#define IPV4_FRAG_AT  6
#define IPV4_FRAG     0x3fff /* more fragments, or an offset */
#define IPV4_PROTO_AT 9
#define IPV4_CSUM_AT  10
#define IPV4_ADDR_AT  12

#define IPV6_LEN        40
#define IPV6_PAYLOAD_AT 4
#define IPV6_NEXT_AT    6
#define IPV6_ADDR_AT    8
#define IPV6_EXT_UNIT   8

#define TCP_MIN      20
#define TCP_SEQ_AT   4
#define TCP_DOFF_AT  12
#define TCP_FLAGS_AT 12 /* the word, with doff */
#define TCP_CSUM_AT  16
#define TCP_FIN      0x01
#define TCP_PSH      0x08
#define TCP_CWR      0x80

#define UDP_LEN     8
#define UDP_LEN_AT  4
#define UDP_CSUM_AT 6

/* Where the headers of a frame begin. */
struct layers {
	uint32_t l3, l4;
	uint8_t proto; /* of l4 */
	bool v6;
};

/* In the first len bytes of a frame. True: all before l4 is there; l4 itself need not be. */
bool layers_find(struct layers *at, const uint8_t *frame, uint32_t len);

/* Length of a TCP or UDP header, and where its checksum is; 0: len bytes do not hold it. */
uint32_t layers_l4_header(uint8_t proto, const uint8_t *l4, uint32_t len, uint16_t *csum_offset);

/* Where IP says that the frame ends; 0: beyond len, or before l4. */
uint32_t layers_end(const struct layers *at, const uint8_t *frame, uint32_t len);

/* The sum of the pseudo-header for l4_len bytes of TCP or UDP, folded, not inverted. */
uint16_t layers_pseudo_sum(const struct layers *at, const uint8_t *frame, uint32_t l4_len);

/* A sum of sums, to 16 bits; 0 only if all are 0. */
static inline uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* What goes into a checksum field for a sum: to a UDP receiver 0 would say "none". */
static inline uint16_t sum_finish(uint16_t sum, bool udp)
{
	uint16_t csum = (uint16_t)~sum;

	return csum || !udp ? csum : UINT16_MAX;
}

/* Numbers in headers, big-endian. */

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

/* In memory order, as sums are. */
static inline uint16_t get_sum(const uint8_t *at)
{
	uint16_t sum;

	memcpy(&sum, at, sizeof(sum));
	return sum;
}

static inline void put_sum(uint8_t *at, uint16_t sum)
{
	memcpy(at, &sum, sizeof(sum));
}

#endif
