/* SPDX-License-Identifier: MIT */
/*
 * Merging; contract in coalesce.h.
 *
 * The inverse of what tcp_gso_segment(), __udp_gso_segment(), inet_gso_segment() and
 * ipv6_gso_segment() of Linux do: each rule below is one of those functions' writes, read
 * backwards.
 *
 * A guest may change its memory meanwhile. So a header is copied out once, the copy is judged, and
 * the first one's copy becomes the merged frame's header. Payload is not copied: a sum that was
 * right when it was checked is all that is asked of it.
 */
#include "datapath/tx/coalesce.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "datapath/layers.h"
#include "datapath/offload.h"
#include "virtio/base.h"

#define ADDRESSES_AT  26 /* of IPv4 without a tag: both addresses, both ports */
#define ADDRESSES_LEN 12

#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_URG 0x20
/* Flags of a frame that is no ordinary piece of a stream. */
#define TCP_ODD (TCP_SYN | TCP_RST | TCP_URG | TCP_CWR)
/* Flags that only the last segment has. */
#define TCP_LAST (TCP_FIN | TCP_PSH)

#define IPV4_DF 0x4000

/* A frame's headers, of which hdr is a copy. */
struct parsed {
	struct layers at;
	uint32_t hdr_len; /* up to the payload */
	uint32_t payload;
	uint16_t csum_offset;
	bool udp;
	uint8_t *hdr;
};

/* A frame that may grow. What it takes of the struct coalesce is its own once it has grown. */
struct growing {
	struct frame *frame; /* the first, which becomes the merged one; NULL: there is none */
	struct parsed first;
	unsigned n;     /* frames in it */
	unsigned n_iov; /* pieces, without the header */
	uint32_t payload;
	uint8_t tcp_last; /* flags of the last one; TCP_LAST */
	bool full;        /* nothing follows the last one */
};

static uint64_t type_of(const struct parsed *p)
{
	if (p->udp)
		return FEATURE(VIRTIO_NET_F_HOST_USO);
	return p->at.v6 ? FEATURE(VIRTIO_NET_F_HOST_TSO6) : FEATURE(VIRTIO_NET_F_HOST_TSO4);
}

/* The first len bytes of a frame, which has them. */
static void copy_header(uint8_t *to, const struct frame *f, uint32_t len)
{
	const struct iovec *iov = f->iov;

	for (size_t part; len; iov++, to += part, len -= (uint32_t)part) {
		part = iov->iov_len < len ? iov->iov_len : len;
		memcpy(to, iov->iov_base, part);
	}
}

/* The pieces of a frame behind its first skip bytes; returns how many, 0 if there is no room. */
static unsigned payload_iov(struct iovec *to, unsigned room, const struct frame *f, uint32_t skip)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n_iov; i++) {
		const struct iovec *iov = &f->iov[i];

		if (skip >= iov->iov_len) {
			skip -= (uint32_t)iov->iov_len;
			continue;
		}
		if (n == room)
			return 0;
		to[n++] = (struct iovec){ (uint8_t *)iov->iov_base + skip, iov->iov_len - skip };
		skip = 0;
	}
	return n;
}

/* Of pieces one behind the other, as one sum. */
static uint16_t sum_of(const struct iovec *iov, unsigned n)
{
	uint64_t total = 0;
	bool odd = false;

	for (; n; n--, iov++) {
		uint16_t sum = offload_sum(iov->iov_base, iov->iov_len);

		total += odd ? __builtin_bswap16(sum) : sum;
		odd ^= iov->iov_len & 1;
	}
	return sum_fold(total);
}

/*
 * Reads the headers of f into hdr: TCP or UDP with payload, nothing behind it, no extension
 * headers. False: it is no such frame.
 */
static bool parse(struct parsed *p, const struct frame *f, uint8_t hdr[COALESCE_HDR_MAX])
{
	uint32_t got = f->len < COALESCE_HDR_MAX ? f->len : COALESCE_HDR_MAX, l4_len;

	copy_header(hdr, f, got);
	if (!layers_find(&p->at, hdr, got) || layers_end(&p->at, hdr, f->len) != f->len)
		return false;
	if (p->at.v6 && p->at.l4 - p->at.l3 != IPV6_LEN)
		return false;
	l4_len = layers_l4_header(p->at.proto, hdr + p->at.l4, got - p->at.l4, &p->csum_offset);
	if (!l4_len)
		return false;
	p->udp = p->at.proto == IPPROTO_UDP;
	p->hdr_len = p->at.l4 + l4_len;
	p->payload = f->len - p->hdr_len;
	p->hdr = hdr;
	if (p->udp && get16(hdr + p->at.l4 + UDP_LEN_AT) != f->len - p->at.l4)
		return false;
	if (!p->udp && get16(hdr + p->at.l4 + TCP_FLAGS_AT) & TCP_ODD)
		return false;
	return p->payload;
}

/* Whether segmentation would write the same sum into the IPv4 header. */
static bool ip_sum_is_right(const struct parsed *p)
{
	const uint8_t *ip = p->hdr + p->at.l3;
	uint16_t field = get_sum(ip + IPV4_CSUM_AT);
	uint64_t sum = (uint64_t)offload_sum(ip, p->at.l4 - p->at.l3) + (uint16_t)~field;

	return p->at.v6 || field == sum_finish(sum_fold(sum), false);
}

/*
 * Whether it would write the same checksums: TCP's or UDP's is that of the pseudo-header where it
 * is still partial; else all of it is summed. iov: the payload of f.
 */
static bool sums_are_right(const struct parsed *p, const struct frame *f, const struct iovec *iov,
			   unsigned n_iov)
{
	const uint8_t *l4 = p->hdr + p->at.l4;
	uint16_t field = get_sum(l4 + p->csum_offset);
	uint64_t sum = layers_pseudo_sum(&p->at, p->hdr, f->len - p->at.l4);

	if (!ip_sum_is_right(p))
		return false;
	if (f->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return f->hdr.csum_start == p->at.l4 && f->hdr.csum_offset == p->csum_offset &&
		       field == sum;
	/* The kernel writes 0 or 0xffff for it, as the case may be. */
	if (!field)
		return false;
	/* A header has an even length, so the payload's sum needs no turn. */
	sum += (uint64_t)offload_sum(l4, p->hdr_len - p->at.l4) + (uint16_t)~field;
	return field == sum_finish(sum_fold(sum + sum_of(iov, n_iov)), p->udp);
}

/* But for what differs from segment to segment, h says what the first header says. */
static bool is_alike(const struct parsed *h, const struct parsed *first)
{
	uint8_t copy[COALESCE_HDR_MAX], *ip = copy + h->at.l3, *l4 = copy + h->at.l4;
	const uint8_t *ip0 = first->hdr + h->at.l3, *l40 = first->hdr + h->at.l4;

	if (h->hdr_len != first->hdr_len)
		return false;
	memcpy(copy, h->hdr, h->hdr_len);
	if (h->at.v6) {
		memcpy(ip + IPV6_PAYLOAD_AT, ip0 + IPV6_PAYLOAD_AT, 2);
	} else {
		memcpy(ip + IPV4_LEN_AT, ip0 + IPV4_LEN_AT, 4); /* and the id */
		memcpy(ip + IPV4_CSUM_AT, ip0 + IPV4_CSUM_AT, 2);
	}
	if (h->udp) {
		memcpy(l4 + UDP_LEN_AT, l40 + UDP_LEN_AT, 4); /* and the checksum */
	} else {
		memcpy(l4 + TCP_SEQ_AT, l40 + TCP_SEQ_AT, 4);
		memcpy(l4 + TCP_CSUM_AT, l40 + TCP_CSUM_AT, 2);
		l4[TCP_FLAGS_AT + 1] &= (uint8_t)~TCP_LAST;
	}
	return !memcmp(copy, first->hdr, h->hdr_len);
}

/* Whether h, which is alike, comes right behind what g has. */
static bool is_next(const struct growing *g, const struct parsed *h)
{
	const struct parsed *first = &g->first;
	const uint8_t *ip = h->hdr + h->at.l3, *ip0 = first->hdr + h->at.l3;
	uint32_t l4 = h->at.l4;

	if (g->full)
		return false;
	if (!h->at.v6 && !(get16(ip0 + IPV4_FRAG_AT) & IPV4_DF) &&
	    get16(ip + IPV4_ID_AT) != (uint16_t)(get16(ip0 + IPV4_ID_AT) + g->n))
		return false;
	return h->udp ||
	       get32(h->hdr + l4 + TCP_SEQ_AT) == get32(first->hdr + l4 + TCP_SEQ_AT) + g->payload;
}

static uint8_t last_flags(const struct parsed *h)
{
	return h->udp ? 0 : h->hdr[h->at.l4 + TCP_FLAGS_AT + 1] & TCP_LAST;
}

/*
 * Whether b may be a's neighbour of the same flow: a look at what lies in guest memory, which need
 * not be there any more when it is read in earnest. It spares most other frames that.
 */
static bool may_join(const struct frame *a, const struct frame *b)
{
	const uint8_t *x = a->iov->iov_base, *y = b->iov->iov_base;

	if (b->len > a->len || a->hdr.gso_type || b->hdr.gso_type)
		return false;
	if (a->iov->iov_len < ADDRESSES_AT + ADDRESSES_LEN ||
	    b->iov->iov_len < ADDRESSES_AT + ADDRESSES_LEN)
		return true;
	if (memcmp(x, y, ETHERTYPE_AT + 2))
		return false;
	return get16(x + ETHERTYPE_AT) != ETHERTYPE_IPV4 ||
	       !memcmp(x + ADDRESSES_AT, y + ADDRESSES_AT, ADDRESSES_LEN);
}

/* f may grow, if it is what can. It is changed by end() only. */
static void begin(struct growing *g, struct coalesce *c, struct frame *f, uint64_t types)
{
	struct iovec *iov = c->iov + c->n_iov;
	struct parsed *first = &g->first;

	*g = (struct growing){ .n = 1 };
	if (c->n_hdrs == COALESCE_FRAMES / 2 || c->n_iov + 2 > COALESCE_IOV ||
	    !parse(first, f, c->hdrs[c->n_hdrs]) || !(types & type_of(first)))
		return;
	g->n_iov = payload_iov(iov + 1, COALESCE_IOV - c->n_iov - 1, f, first->hdr_len);
	if (!g->n_iov)
		return;
	g->payload = first->payload;
	g->frame = f;
	c->parts[c->n_parts] = *f;
}

/* f joins what grows, if it continues that. */
static bool join(struct growing *g, struct coalesce *c, const struct frame *f,
		 struct tx_stats *stats)
{
	struct iovec *iov = c->iov + c->n_iov + 1 + g->n_iov;
	unsigned room = COALESCE_IOV - c->n_iov - 1 - g->n_iov, n;
	uint8_t hdr[COALESCE_HDR_MAX];
	struct parsed h;

	if (!may_join(g->frame, f) || !parse(&h, f, hdr) || !is_alike(&h, &g->first))
		return false;
	if (!is_next(g, &h)) {
		count_add(&stats->unmerged_order, 1);
		return false;
	}
	n = payload_iov(iov, room, f, h.hdr_len);
	if (!n || g->first.hdr_len - g->first.at.l3 + g->payload + h.payload > UINT16_MAX) {
		count_add(&stats->unmerged_room, 1);
		return false;
	}
	/* Of the first, not before there is a second. */
	if (!sums_are_right(&h, f, iov, n) ||
	    (g->n == 1 && !sums_are_right(&g->first, g->frame, iov - g->n_iov, g->n_iov))) {
		count_add(&stats->unmerged_csum, 1);
		return false;
	}
	c->parts[c->n_parts + g->n++] = *f;
	g->n_iov += n;
	g->payload += h.payload;
	g->tcp_last = last_flags(&h);
	g->full = g->tcp_last || h.payload < g->first.payload;
	return true;
}

/* The first header becomes that of all. */
static void mend_header(const struct growing *g)
{
	const struct parsed *first = &g->first;
	uint8_t *ip = first->hdr + first->at.l3, *l4 = first->hdr + first->at.l4;
	uint32_t l4_len = first->hdr_len - first->at.l4 + g->payload;
	uint16_t csum;

	if (first->at.v6) {
		put16(ip + IPV6_PAYLOAD_AT, l4_len);
	} else {
		put16(ip + IPV4_LEN_AT, first->at.l4 - first->at.l3 + l4_len);
		put_sum(ip + IPV4_CSUM_AT, 0);
		csum = (uint16_t)~offload_sum(ip, first->at.l4 - first->at.l3);
		put_sum(ip + IPV4_CSUM_AT, csum);
	}
	if (first->udp)
		put16(l4 + UDP_LEN_AT, l4_len);
	else
		l4[TCP_FLAGS_AT + 1] |= g->tcp_last;
	put_sum(l4 + first->csum_offset, layers_pseudo_sum(&first->at, first->hdr, l4_len));
}

static uint8_t gso_type(const struct parsed *p)
{
	if (p->udp)
		return VIRTIO_NET_HDR_GSO_UDP_L4;
	return p->at.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

/* It grows no more: what has grown is one frame from here on. */
static void end(struct growing *g, struct coalesce *c)
{
	const struct parsed *first = &g->first;
	struct iovec *iov = c->iov + c->n_iov;

	if (!g->frame || g->n == 1)
		return;
	mend_header(g);
	iov[0] = (struct iovec){ first->hdr, first->hdr_len };
	*g->frame = (struct frame){
		.hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			 .gso_type = gso_type(first),
			 .hdr_len = (uint16_t)first->hdr_len,
			 .gso_size = (uint16_t)first->payload,
			 .csum_start = (uint16_t)first->at.l4,
			 .csum_offset = first->csum_offset },
		.iov = iov,
		.n_iov = (uint16_t)(1 + g->n_iov),
		.n_chains = (uint16_t)g->n,
		.len = first->hdr_len + g->payload,
		.parts = c->parts + c->n_parts,
	};
	c->n_hdrs++;
	c->n_iov += 1 + g->n_iov;
	c->n_parts += g->n;
}

unsigned coalesce(struct coalesce *c, struct frame *frames, unsigned n, uint64_t types,
		  struct tx_stats *stats)
{
	struct growing g = { 0 };
	unsigned left = 0;

	c->n_hdrs = c->n_iov = c->n_parts = 0;
	for (unsigned i = 0; i < n; i++) {
		if (g.frame && join(&g, c, &frames[i], stats))
			continue;
		end(&g, c);
		g.frame = NULL;
		frames[left] = frames[i];
		if (i + 1 < n && may_join(&frames[left], &frames[i + 1]))
			begin(&g, c, &frames[left], types);
		left++;
	}
	end(&g, c);
	return left;
}
