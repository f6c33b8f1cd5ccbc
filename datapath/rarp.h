/* SPDX-License-Identifier: MIT */
/* Reverse ARP requests (RFC 903): whoever hears one learns where its sender is. */
#ifndef DATAPATH_RARP_H
#define DATAPATH_RARP_H

#include <stdint.h>

#include "datapath/backend.h"
#include "datapath/iothread.h"

/*
 * Send one through the backend, on the iothread of its queue 0, from mac, asking all for mac's own
 * address. Control thread, which waits for it. 0, or the backend's negative errno: it is lost.
 */
int rarp_send(struct backend *backend, struct iothread *thread, const uint8_t mac[6]);

#endif
