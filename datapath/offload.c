/* SPDX-License-Identifier: MIT */
/*
 * Checksums and segmentation; contracts in offload.h.
 *
 * Checksum: RFC 1071. A sum is kept in memory order; a number that is added to it goes through
 * htons() or htonl(). Segmentation: as tcp_gso_segment(), __udp_gso_segment(), inet_gso_segment()
 * and ipv6_gso_segment() of Linux, by whose output tests/net/offload_gso_test.c judges it.
 *
 * Frames lie in memory that a guest may be changing: the headers of one that is to be segmented are
 * copied out once and read from the copy only; its payload is read once, as it is copied.
 *
 * A long file, since segments need both what is above them: headers found, sums inlined.
 */
#include "datapath/offload.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

/* Sums. */

/* 16 bytes: what every machine adds in one register. */
typedef uint64_t sum_lanes __attribute__((vector_size(16)));

static uint16_t fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* What a sum is taken of: the next bytes, which go to `to` as well if they are copied. */
struct sum_walk {
	uint8_t *to;
	const uint8_t *from;
	bool copy;
};

/* n bytes, 8 at most, padded with zeros. */
static inline uint64_t sum_word(struct sum_walk *w, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, w->from, n);
	w->from += n;
	if (w->copy) {
		memcpy(w->to, &word, n);
		w->to += n;
	}
	return (word & UINT32_MAX) + (word >> 32);
}

static inline sum_lanes sum_16(struct sum_walk *w)
{
	sum_lanes v;

	memcpy(&v, w->from, sizeof(v));
	w->from += sizeof(v);
	if (w->copy) {
		memcpy(w->to, &v, sizeof(v));
		w->to += sizeof(v);
	}
	return (v & UINT32_MAX) + (v >> 32);
}

/*
 * Sums len bytes, and copies them where that is asked for: they are in registers anyway. Halves of
 * 64 bits are added, so that no carry is lost, nor has to be caught. Inlined: copy is a constant.
 */
static inline __attribute__((always_inline)) uint16_t sum_up(struct sum_walk w, size_t len)
{
	sum_lanes a = { 0 }, b = { 0 };
	uint64_t sum;

	for (; len >= 2 * sizeof(a); len -= 2 * sizeof(a)) {
		a += sum_16(&w);
		b += sum_16(&w);
	}
	a += b;
	sum = (uint64_t)fold(a[0]) + fold(a[1]);
	for (; len >= 8; len -= 8)
		sum += sum_word(&w, 8);
	if (len & 4)
		sum += sum_word(&w, 4);
	if (len & 2)
		sum += sum_word(&w, 2);
	if (len & 1)
		sum += sum_word(&w, 1);
	return fold(sum);
}

uint16_t offload_sum(const void *bytes, size_t len)
{
	return sum_up((struct sum_walk){ .from = bytes }, len);
}

/* What goes into a checksum field for a sum: to a UDP receiver 0 would say "none". */
static uint16_t finish(uint16_t sum, bool udp)
{
	uint16_t csum = (uint16_t)~sum;

	return csum || !udp ? csum : UINT16_MAX;
}

void offload_csum(void *frame, uint32_t len, const struct virtio_net_hdr_v1 *h)
{
	uint8_t *start = (uint8_t *)frame + h->csum_start;
	uint16_t csum =
		finish(offload_sum(start, len - h->csum_start), h->csum_offset == UDP_CSUM_AT);

	memcpy(start + h->csum_offset, &csum, sizeof(csum));
}

/* Headers. */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* In memory order, as sums are. */
static uint16_t get_sum(const uint8_t *at)
{
	uint16_t sum;

	memcpy(&sum, at, sizeof(sum));
	return sum;
}

/* Where the headers of a frame begin. */
struct layers {
	uint32_t l3, l4;
	uint8_t proto; /* of l4 */
	bool v6;
};

static bool find_ipv4(struct layers *at, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + at->l3;
	uint32_t ip_len;

	if (len - at->l3 < IPV4_MIN || ip[0] >> 4 != 4)
		return false;
	ip_len = (ip[0] & 0xf) * 4U;
	if (ip_len < IPV4_MIN || len - at->l3 < ip_len || get16(ip + IPV4_FRAG_AT) & IPV4_FRAG)
		return false;
	at->l4 = at->l3 + ip_len;
	at->proto = ip[IPV4_PROTO_AT];
	return true;
}

static bool is_passed_over(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS;
}

/* Through the extension headers that Linux' GSO knows; a fragment's is none of them. */
static bool find_ipv6(struct layers *at, const uint8_t *frame, uint32_t len)
{
	if (len - at->l3 < IPV6_LEN || frame[at->l3] >> 4 != 6)
		return false;
	at->v6 = true;
	at->proto = frame[at->l3 + IPV6_NEXT_AT];
	at->l4 = at->l3 + IPV6_LEN;
	while (is_passed_over(at->proto)) {
		if (len - at->l4 < IPV6_EXT_UNIT)
			return false;
		at->proto = frame[at->l4];
		at->l4 += (frame[at->l4 + 1] + 1U) * IPV6_EXT_UNIT;
		if (at->l4 > len)
			return false;
	}
	return true;
}

/* In the first len bytes of a frame. True: all before l4 is there; l4 itself need not be. */
static bool find_layers(struct layers *at, const uint8_t *frame, uint32_t len)
{
	uint32_t type_at = ETHERTYPE_AT;
	uint16_t type = 0;

	memset(at, 0, sizeof(*at));
	for (unsigned tags = 0; tags <= VLAN_MAX; tags++, type_at += VLAN_LEN) {
		if (len < type_at + 2)
			return false;
		type = get16(frame + type_at);
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
	}
	at->l3 = type_at + 2;
	if (type == ETHERTYPE_IPV4)
		return find_ipv4(at, frame, len);
	return type == ETHERTYPE_IPV6 && find_ipv6(at, frame, len);
}

/* Length of a TCP or UDP header, and where its checksum is; 0: len bytes do not hold it. */
static uint32_t l4_header(uint8_t proto, const uint8_t *l4, uint32_t len, uint16_t *csum_offset)
{
	uint32_t doff;

	if (proto == IPPROTO_UDP) {
		*csum_offset = UDP_CSUM_AT;
		return len < UDP_LEN ? 0 : UDP_LEN;
	}
	if (proto != IPPROTO_TCP || len < TCP_MIN)
		return 0;
	*csum_offset = TCP_CSUM_AT;
	doff = (l4[TCP_DOFF_AT] >> 4) * 4U;
	return doff < TCP_MIN || doff > len ? 0 : doff;
}

/* Where IP says that the frame ends; 0: beyond len, or before l4. */
static uint32_t ip_end(const struct layers *at, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + at->l3;
	uint32_t end = at->l3 +
		       (at->v6 ? IPV6_LEN + get16(ip + IPV6_PAYLOAD_AT) : get16(ip + IPV4_LEN_AT));

	return end > len || end < at->l4 ? 0 : end;
}

static uint16_t pseudo_sum(const struct layers *at, const uint8_t *frame, uint32_t l4_len)
{
	const uint8_t *ip = frame + at->l3;
	uint64_t sum = at->v6 ? offload_sum(ip + IPV6_ADDR_AT, 32)
			      : offload_sum(ip + IPV4_ADDR_AT, 8);

	return fold(sum + htons(at->proto) + htonl(l4_len));
}

bool offload_is_partial(const void *frame, uint32_t len, struct virtio_net_hdr_v1 *h)
{
	const uint8_t *bytes = frame;
	uint16_t csum_offset;
	struct layers at;
	uint32_t end;

	if (!find_layers(&at, bytes, len < OFFLOAD_HDR_MAX ? len : OFFLOAD_HDR_MAX))
		return false;
	end = ip_end(&at, bytes, len);
	if (!end || !l4_header(at.proto, bytes + at.l4, end - at.l4, &csum_offset))
		return false;
	if (get_sum(bytes + at.l4 + csum_offset) != pseudo_sum(&at, bytes, end - at.l4))
		return false;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = (uint16_t)at.l4;
	h->csum_offset = csum_offset;
	return true;
}

/* Segments. */

/* The first len bytes of an iovec array to `to`; that much is there. */
static void gather(uint8_t *to, const struct iovec *iov, uint32_t len)
{
	for (size_t part; len; iov++, to += part, len -= (uint32_t)part) {
		part = iov->iov_len < len ? iov->iov_len : len;
		memcpy(to, iov->iov_base, part);
	}
}

/* The place of byte number at. */
static void seek(struct offload_segments *s, const struct iovec *iov, size_t at)
{
	for (; at > iov->iov_len; iov++)
		at -= iov->iov_len;
	s->iov = iov;
	s->at = at;
}

static bool is_of_type(const struct layers *at, uint8_t gso_type)
{
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return at->proto == IPPROTO_TCP && !at->v6;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return at->proto == IPPROTO_TCP && at->v6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return at->proto == IPPROTO_UDP;
	default:
		return false;
	}
}

/* How many, and how long. False: longer than IP can say. */
static bool plan(struct offload_segments *s, uint32_t payload)
{
	uint32_t longest = payload < s->gso_size ? payload : s->gso_size;

	s->left = payload;
	s->n = payload ? (payload - 1) / s->gso_size + 1 : 1;
	s->max_len = s->hdr_len + longest;
	return s->max_len - s->l3 - (s->v6 ? IPV6_LEN : 0) <= UINT16_MAX;
}

bool offload_segments_init(struct offload_segments *s, const struct iovec *iov, uint32_t len,
			   const struct virtio_net_hdr_v1 *h)
{
	uint32_t got = len < OFFLOAD_HDR_MAX ? len : OFFLOAD_HDR_MAX, l4_len;
	struct layers at;

	gather(s->hdr, iov, got);
	if (!find_layers(&at, s->hdr, got) || !is_of_type(&at, h->gso_type))
		return false;
	l4_len = l4_header(at.proto, s->hdr + at.l4, got - at.l4, &s->csum_offset);
	if (!l4_len || h->csum_start != at.l4 || h->csum_offset != s->csum_offset)
		return false;
	s->csum_start = h->csum_start;
	s->next = 0;
	s->hdr_len = at.l4 + l4_len;
	s->gso_size = h->gso_size;
	s->l4_len = len - at.l4;
	s->l3 = (uint16_t)at.l3;
	s->udp = at.proto == IPPROTO_UDP;
	s->v6 = at.v6;
	/* Once, here: in a segment the sum would wait for what has just been stored. */
	s->ip_sum = fold((uint64_t)offload_sum(s->hdr + at.l3, at.l4 - at.l3) +
			 (uint16_t)~get_sum(s->hdr + at.l3 + IPV4_CSUM_AT));
	s->l4_sum = offload_sum(s->hdr + at.l4, l4_len);
	seek(s, iov, s->hdr_len);
	return plan(s, len - s->hdr_len);
}

/* The next len bytes of payload to `to`. Their sum, if it is wanted. */
static uint16_t take_payload(struct offload_segments *s, uint8_t *to, uint32_t len, bool sum)
{
	uint64_t total = 0;
	bool odd = false;

	s->left -= len;
	while (len) {
		size_t room = s->iov->iov_len - s->at, part = room < len ? room : len;
		const uint8_t *from = (const uint8_t *)s->iov->iov_base + s->at;

		if (sum) {
			uint16_t of_part = sum_up((struct sum_walk){ to, from, true }, part);

			total += odd ? __builtin_bswap16(of_part) : of_part;
			odd ^= part & 1;
		} else {
			memcpy(to, from, part);
		}
		to += part;
		len -= (uint32_t)part;
		s->at += part;
		if (part == room) {
			s->iov++;
			s->at = 0;
		}
	}
	return fold(total);
}

/* Puts v into a header. What that adds to the header's sum. */
static uint64_t change16(uint8_t *at, uint32_t v)
{
	uint16_t was = get_sum(at);

	put16(at, v);
	return (uint64_t)(uint16_t)~was + get_sum(at);
}

static void mend_ip(const struct offload_segments *s, uint8_t *ip, uint32_t len, uint32_t i)
{
	uint64_t sum = s->ip_sum;
	uint16_t csum;

	if (s->v6) {
		put16(ip + IPV6_PAYLOAD_AT, len - IPV6_LEN);
		return;
	}
	sum += change16(ip + IPV4_LEN_AT, len);
	sum += change16(ip + IPV4_ID_AT, get16(ip + IPV4_ID_AT) + i);
	csum = (uint16_t)~fold(sum);
	memcpy(ip + IPV4_CSUM_AT, &csum, sizeof(csum));
}

static uint64_t mend_tcp(const struct offload_segments *s, uint8_t *tcp, uint32_t i)
{
	uint32_t seq = get32(tcp + TCP_SEQ_AT) + i * s->gso_size;
	uint16_t flags = get16(tcp + TCP_FLAGS_AT);

	if (i)
		flags &= (uint16_t)~TCP_CWR;
	if (i + 1 < s->n)
		flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
	return change16(tcp + TCP_SEQ_AT, seq >> 16) + change16(tcp + TCP_SEQ_AT + 2, seq) +
	       change16(tcp + TCP_FLAGS_AT, flags);
}

/*
 * The length in the pseudo-header's sum becomes that of the segment; a sum that was wrong stays so.
 * With UDP the guest's header says what it was, as the kernel has it; with TCP it was the frame's.
 * What the changes add to the header's sum.
 */
static uint64_t mend_l4(const struct offload_segments *s, uint8_t *l4, uint32_t len, uint32_t i)
{
	uint16_t field = get_sum(l4 + s->csum_offset);
	uint64_t change, pseudo = htons((uint16_t)len);

	if (s->udp) {
		pseudo += (uint16_t)~get_sum(l4 + UDP_LEN_AT);
		change = change16(l4 + UDP_LEN_AT, len);
	} else {
		pseudo += htonl(~s->l4_len);
		change = mend_tcp(s, l4, i);
	}
	field = fold(field + pseudo);
	memcpy(l4 + s->csum_offset, &field, sizeof(field));
	return change + pseudo;
}

uint32_t offload_segment(struct offload_segments *s, void *to, bool partial)
{
	uint32_t part = s->left < s->gso_size ? s->left : s->gso_size, len = s->hdr_len + part;
	uint8_t *frame = to, *l4 = frame + s->csum_start;
	uint32_t i = s->next++;
	uint64_t sum = s->l4_sum;
	uint16_t csum;

	memcpy(frame, s->hdr, s->hdr_len);
	sum += take_payload(s, frame + s->hdr_len, part, !partial);
	/* The kernel takes what fits into one segment for an ordinary frame: it stays as it is. */
	if (s->n > 1) {
		mend_ip(s, frame + s->l3, len - s->l3, i);
		sum += mend_l4(s, l4, len - s->csum_start, i);
	}
	if (partial)
		return len;
	csum = finish(fold(sum), s->udp);
	memcpy(l4 + s->csum_offset, &csum, sizeof(csum));
	return len;
}
