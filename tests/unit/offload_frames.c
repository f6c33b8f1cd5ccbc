/* SPDX-License-Identifier: MIT */
/* Contracts in offload_frames.h. */
#include "tests/unit/offload_frames.h"

#include <string.h>

#include "virtio/base.h"

#define IPV6_HOP  0
#define IPV6_ROUT 43
#define IPV6_DEST 60
#define TCP       6
#define UDP       17

static const struct shape shapes[] = {
	{ 0, 0, 0, false, false },  { 0, 0, 12, false, false }, { 1, 0, 40, false, false },
	{ 2, 0, 12, false, false }, { 0, 4, 12, false, false }, { 2, 40, 40, false, false },
	{ 0, 0, 0, false, true },   { 1, 0, 0, false, true },   { 2, 8, 0, false, true },
	{ 0, 40, 0, false, true },  { 0, 0, 0, true, false },   { 0, 0, 12, true, false },
	{ 1, 8, 12, true, false },  { 2, 24, 40, true, false }, { 0, 80, 12, true, false },
	{ 0, 0, 0, true, true },    { 1, 8, 0, true, true },    { 2, 88, 0, true, true },
};

const struct shape *frames_shape(unsigned i)
{
	return i < array_size(shapes) ? &shapes[i] : NULL;
}

uint32_t frames_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 16);
}

uint16_t frames_sum(const uint8_t *bytes, uint32_t len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t add(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

uint16_t frames_pseudo(const struct made *m, uint32_t l4_len)
{
	const uint8_t *ip = m->bytes + m->l3;
	uint16_t sum = m->shape.v6 ? frames_sum(ip + 8, 32) : frames_sum(ip + 12, 8);

	sum = add(sum, m->shape.udp ? UDP : TCP);
	return add(add(sum, l4_len & 0xffff), l4_len >> 16);
}

uint16_t frames_l4_sum(const struct made *m, const uint8_t *frame, uint32_t len)
{
	return add(frames_pseudo(m, len - m->l4), frames_sum(frame + m->l4, len - m->l4));
}

static void set_ip_csum(const struct made *m, uint8_t *frame)
{
	frames_put16(frame + m->l3 + 10, 0);
	frames_put16(frame + m->l3 + 10,
		     (uint16_t)~frames_sum(frame + m->l3, 20 + m->shape.ip_opt));
}

static void make_ipv4(struct made *m, uint64_t *state)
{
	uint8_t *ip = m->bytes + m->l3;

	ip[0] = (uint8_t)(0x40 | (20 + m->shape.ip_opt) / 4);
	frames_put16(ip + 2, m->len - m->l3);
	if (frames_random(state) % 4 == 0)
		frames_put16(ip + 4, 0xfffe);
	frames_put16(ip + 6, frames_random(state) % 2 ? 0x4000 : 0);
	ip[9] = m->shape.udp ? UDP : TCP;
	set_ip_csum(m, m->bytes);
}

/* Headers of 8 bytes, the last of 16 or more where there is room. */
static void make_ipv6(struct made *m)
{
	static const uint8_t kinds[] = { IPV6_HOP, IPV6_DEST, IPV6_ROUT };
	uint8_t *ip = m->bytes + m->l3, *next = ip + 6, *at = ip + 40;
	unsigned left = m->shape.ip_opt;

	ip[0] = (uint8_t)(0x60 | (ip[0] & 0xf));
	frames_put16(ip + 4, m->len - m->l3 - 40);
	for (unsigned i = 0, len; left; i++, at += len, left -= len) {
		len = i < 2 && left > 8 ? 8 : left;
		*next = kinds[i];
		next = at;
		at[1] = (uint8_t)(len / 8 - 1);
	}
	*next = m->shape.udp ? UDP : TCP;
}

static void make_l4(struct made *m, uint64_t *state)
{
	uint8_t *l4 = m->bytes + m->l4;

	if (m->shape.udp) {
		frames_put16(l4 + 4, m->len - m->l4);
	} else {
		l4[12] = (uint8_t)((20 + m->shape.l4_opt) / 4 << 4 | (l4[12] & 0xf));
		if (frames_random(state) % 4 == 0)
			memset(l4 + 4, 0xff, 3);
	}
	frames_put16(m->bytes + m->csum_at, frames_pseudo(m, m->len - m->l4));
}

void frames_make(struct made *m, const struct shape *shape, uint32_t payload, uint64_t *state)
{
	uint32_t at = 12;

	m->shape = *shape;
	m->l3 = 14 + 4 * shape->tags;
	m->l4 = m->l3 + (shape->v6 ? 40 : 20) + shape->ip_opt;
	m->payload = m->l4 + (shape->udp ? 8 : 20 + shape->l4_opt);
	m->len = m->payload + payload;
	m->csum_at = m->l4 + (shape->udp ? 6 : 16);
	for (uint32_t i = 0; i < m->len; i++)
		m->bytes[i] = (uint8_t)frames_random(state);
	for (unsigned i = shape->tags; i; i--, at += 4)
		frames_put16(m->bytes + at, i == 2 ? 0x88a8 : 0x8100);
	frames_put16(m->bytes + at, shape->v6 ? 0x86dd : 0x0800);
	if (shape->v6)
		make_ipv6(m);
	else
		make_ipv4(m, state);
	make_l4(m, state);
}

struct virtio_net_hdr_v1 frames_hdr(const struct made *m, uint16_t gso_size)
{
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .gso_size = gso_size,
				       .hdr_len = (uint16_t)m->payload,
				       .csum_start = (uint16_t)m->l4,
				       .csum_offset = (uint16_t)(m->csum_at - m->l4) };

	if (m->shape.udp)
		h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	else
		h.gso_type = m->shape.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	return h;
}

static void renumber_tcp(uint8_t *tcp, uint32_t skipped, bool first, bool last)
{
	uint32_t seq = (uint32_t)frames_get16(tcp + 4) << 16 | frames_get16(tcp + 6);

	seq += skipped;
	frames_put16(tcp + 4, seq >> 16);
	frames_put16(tcp + 6, seq);
	if (!first)
		tcp[13] &= 0x7f;
	if (!last)
		tcp[13] &= 0xf6;
}

uint32_t frames_segment(const struct made *m, uint32_t i, uint32_t gso_size, bool partial,
			uint8_t *to)
{
	uint32_t skipped = i * gso_size, rest = m->len - m->payload - skipped;
	bool last = rest <= gso_size;
	uint32_t part = last ? rest : gso_size, len = m->payload + part;
	uint8_t *ip = to + m->l3;
	uint16_t csum;

	memcpy(to, m->bytes, m->payload);
	memcpy(to + m->payload, m->bytes + m->payload + skipped, part);
	if (m->shape.v6) {
		frames_put16(ip + 4, len - m->l3 - 40);
	} else {
		frames_put16(ip + 2, len - m->l3);
		frames_put16(ip + 4, frames_get16(ip + 4) + i);
		set_ip_csum(m, to);
	}
	if (m->shape.udp)
		frames_put16(to + m->l4 + 4, len - m->l4);
	else
		renumber_tcp(to + m->l4, skipped, i == 0, last);
	frames_put16(to + m->csum_at, 0);
	csum = partial ? frames_pseudo(m, len - m->l4) : (uint16_t)~frames_l4_sum(m, to, len);
	frames_put16(to + m->csum_at, !csum && m->shape.udp ? 0xffff : csum);
	return len;
}

void frames_mend(struct made *m, uint8_t *frame, uint32_t len)
{
	if (!m->shape.v6)
		set_ip_csum(m, frame);
	memcpy(m->bytes, frame, m->l4); /* whose addresses are summed */
	frames_put16(frame + m->csum_at, 0);
	frames_put16(frame + m->csum_at, (uint16_t)~frames_l4_sum(m, frame, len));
}

void frames_forget_id(uint8_t *ip)
{
	if (ip[0] >> 4 != 4 || !(ip[6] & 0x40))
		return;
	memset(ip + 4, 0, 2);
	memset(ip + 10, 0, 2);
}
