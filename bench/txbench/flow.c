/* SPDX-License-Identifier: MIT */
/* Contracts in flow.h. */
#include "bench/txbench/flow.h"

#include <arpa/inet.h>
#include <string.h>

#include "datapath/offload.h"

#define IP_AT FLOW_ETH
#define L4_AT (FLOW_ETH + IPV4_MIN)

#define ADDRESS 0xc6120001 /* 198.18.0.1: of benchmarks, RFC 2544 */
#define PORT    9          /* discard */

void flow_start(struct flow *f, bool udp, unsigned len, const uint8_t *addresses)
{
	const struct layers at = { .l3 = IP_AT, .l4 = L4_AT, .proto = udp ? 17 : 6 };
	uint8_t *ip = f->hdr + IP_AT, *l4 = f->hdr + L4_AT;

	*f = (struct flow){ .hdr_len = L4_AT + (udp ? UDP_LEN : TCP_MIN), .udp = udp };
	f->payload = len - f->hdr_len;
	memcpy(f->hdr, addresses, ETHERTYPE_AT);
	put16(f->hdr + ETHERTYPE_AT, ETHERTYPE_IPV4);
	ip[0] = 0x45;
	put16(ip + IPV4_LEN_AT, len - IP_AT);
	put16(ip + IPV4_FRAG_AT, 0x4000); /* not to be fragmented: so the id means nothing */
	ip[8] = 64;
	ip[IPV4_PROTO_AT] = at.proto;
	put32(ip + IPV4_ADDR_AT, ADDRESS);
	put32(ip + IPV4_ADDR_AT + 4, ADDRESS + 1);
	put_sum(ip + IPV4_CSUM_AT, (uint16_t)~offload_sum(ip, IPV4_MIN));
	put16(l4, PORT);
	put16(l4 + 2, PORT);
	if (udp) {
		put16(l4 + UDP_LEN_AT, len - L4_AT);
	} else {
		l4[TCP_DOFF_AT] = 0x50;
		l4[TCP_FLAGS_AT + 1] = 0x10; /* ACK */
	}
	f->sum = sum_fold((uint64_t)layers_pseudo_sum(&at, f->hdr, len - L4_AT) +
			  offload_sum(l4, f->hdr_len - L4_AT));
}

void flow_next(struct flow *f, uint8_t *frame)
{
	uint8_t *l4 = f->hdr + L4_AT;
	uint32_t seq = htonl(f->seq);
	uint16_t sum = sum_fold((uint64_t)f->sum + seq);

	if (f->udp) {
		put_sum(l4 + UDP_CSUM_AT, sum_finish(f->sum, true));
	} else {
		put32(l4 + TCP_SEQ_AT, f->seq);
		put_sum(l4 + TCP_CSUM_AT, sum_finish(sum, false));
		f->seq += f->payload;
	}
	memcpy(frame, f->hdr, f->hdr_len);
}

uint64_t flow_count(const struct flow *f, uint64_t bytes, uint64_t packets)
{
	return (bytes - packets * f->hdr_len) / f->payload;
}
