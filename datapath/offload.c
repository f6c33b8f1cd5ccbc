/* SPDX-License-Identifier: MIT */
/*
 * Checksums and segmentation; contracts in offload.h. Segments are those that Linux makes in
 * tcp_gso_segment(), __udp_gso_segment(), inet_gso_segment() and ipv6_gso_segment():
 * tests/net/offload_gso_test.c compares them byte for byte with the kernel's.
 *
 * Frames lie in memory that a guest may be changing: the headers of one that is to be segmented are
 * copied out once and read from the copy only; its payload is read once, as it is copied.
 */
#include "datapath/offload.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "datapath/layers.h"

/* Sums. */

/* 16 bytes: what every machine adds in one register. */
typedef uint64_t sum_lanes __attribute__((vector_size(16)));

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
	sum = (uint64_t)sum_fold(a[0]) + sum_fold(a[1]);
	for (; len >= 8; len -= 8)
		sum += sum_word(&w, 8);
	if (len & 4)
		sum += sum_word(&w, 4);
	if (len & 2)
		sum += sum_word(&w, 2);
	if (len & 1)
		sum += sum_word(&w, 1);
	return sum_fold(sum);
}

uint16_t offload_sum(const void *bytes, size_t len)
{
	return sum_up((struct sum_walk){ .from = bytes }, len);
}

void offload_csum(void *frame, uint32_t len, const struct virtio_net_hdr_v1 *h)
{
	uint8_t *start = (uint8_t *)frame + h->csum_start;
	uint16_t csum =
		sum_finish(offload_sum(start, len - h->csum_start), h->csum_offset == UDP_CSUM_AT);

	memcpy(start + h->csum_offset, &csum, sizeof(csum));
}

bool offload_is_partial(const void *frame, uint32_t len, struct virtio_net_hdr_v1 *h)
{
	const uint8_t *bytes = frame;
	uint16_t csum_offset;
	struct layers at;
	uint32_t end;

	if (!layers_find(&at, bytes, len < OFFLOAD_HDR_MAX ? len : OFFLOAD_HDR_MAX))
		return false;
	end = layers_end(&at, bytes, len);
	if (!end || !layers_l4_header(at.proto, bytes + at.l4, end - at.l4, &csum_offset))
		return false;
	if (get_sum(bytes + at.l4 + csum_offset) != layers_pseudo_sum(&at, bytes, end - at.l4))
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
	if (!layers_find(&at, s->hdr, got) || !is_of_type(&at, h->gso_type))
		return false;
	l4_len = layers_l4_header(at.proto, s->hdr + at.l4, got - at.l4, &s->csum_offset);
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
	s->ip_sum = sum_fold((uint64_t)offload_sum(s->hdr + at.l3, at.l4 - at.l3) +
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
	return sum_fold(total);
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
	csum = (uint16_t)~sum_fold(sum);
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
	field = sum_fold(field + pseudo);
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
	csum = sum_finish(sum_fold(sum), s->udp);
	memcpy(l4 + s->csum_offset, &csum, sizeof(csum));
	return len;
}
