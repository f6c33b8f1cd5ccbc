/* SPDX-License-Identifier: MIT */
/* A reverse ARP request (RFC 903): whoever hears one learns where its sender is. */
#ifndef DATAPATH_RARP_H
#define DATAPATH_RARP_H

#include <stdint.h>

#include <netinet/if_ether.h>

/* As long as Ethernet wants a frame. */
struct rarp_frame {
	struct ether_header eth;
	struct ether_arp arp;
	uint8_t padding[ETHER_MIN_LEN - ETHER_CRC_LEN - sizeof(struct ether_header) -
			sizeof(struct ether_arp)];
};

/* From mac, asking for its own address, to all. */
void rarp_fill(struct rarp_frame *f, const uint8_t mac[ETH_ALEN]);

#endif
