/* SPDX-License-Identifier: MIT */
/* Where a frame's headers are; contracts in layers.h. */
#include "datapath/layers.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "datapath/offload.h"

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

bool layers_find(struct layers *at, const uint8_t *frame, uint32_t len)
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

uint32_t layers_l4_header(uint8_t proto, const uint8_t *l4, uint32_t len, uint16_t *csum_offset)
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

uint32_t layers_end(const struct layers *at, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + at->l3;
	uint32_t end = at->l3 +
		       (at->v6 ? IPV6_LEN + get16(ip + IPV6_PAYLOAD_AT) : get16(ip + IPV4_LEN_AT));

	return end > len || end < at->l4 ? 0 : end;
}

uint16_t layers_pseudo_sum(const struct layers *at, const uint8_t *frame, uint32_t l4_len)
{
	const uint8_t *ip = frame + at->l3;
	uint64_t sum = at->v6 ? offload_sum(ip + IPV6_ADDR_AT, 32)
			      : offload_sum(ip + IPV4_ADDR_AT, 8);

	return sum_fold(sum + htons(at->proto) + htonl(l4_len));
}
