/* SPDX-License-Identifier: MIT */
/* Writes the one kind of frame that is a device's own; see rarp.h. */
#include "datapath/rarp.h"

#include <arpa/inet.h>
#include <string.h>

void rarp_fill(struct rarp_frame *f, const uint8_t mac[ETH_ALEN])
{
	*f = (struct rarp_frame){
		.eth.ether_type = htons(ETHERTYPE_REVARP),
		.arp.ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				.ar_pro = htons(ETHERTYPE_IP),
				.ar_hln = ETH_ALEN,
				.ar_pln = sizeof(f->arp.arp_spa),
				.ar_op = htons(ARPOP_RREQUEST) },
	};
	memset(f->eth.ether_dhost, 0xff, ETH_ALEN);
	memcpy(f->eth.ether_shost, mac, ETH_ALEN);
	memcpy(f->arp.arp_sha, mac, ETH_ALEN);
	memcpy(f->arp.arp_tha, mac, ETH_ALEN);
}
