/* SPDX-License-Identifier: MIT */
/*
 * The interface behind a tap: its offloads, MTU and carrier, which of its queues are in use, and
 * whether it is still there. Cold, on the control thread; used by tap.c only.
 */
#ifndef DATAPATH_BACKEND_TAP_LINK_H
#define DATAPATH_BACKEND_TAP_LINK_H

#include "datapath/backend/tap_state.h"

/* Find out what the kernel takes and how long its header is; features and describe are set. */
void tap_link_init(struct tap_backend *tap);

/* Of backend.h's operations. */
int tap_link_start(struct backend *backend, uint64_t features, unsigned hdr_len);
int tap_link_set_mtu(struct backend *backend, uint16_t mtu);
int tap_link_set_queue(struct backend *backend, unsigned i, bool used);
void tap_link_set_carrier(struct backend *backend, bool up);
enum backend_health tap_link_check(struct backend *backend, char why[BACKEND_ERR_LEN]);
int tap_link_reopen(struct backend *backend, char err[BACKEND_ERR_LEN]);

#endif
