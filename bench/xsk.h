/* SPDX-License-Identifier: MIT */
/*
 * A bare AF_XDP socket in copy mode on queue 0 of an interface: what stands beside the AF_XDP
 * backend. Its rings are the backend's (datapath/backend/xdp_ring.h), nothing else is.
 *
 * Owner: one thread at a time.
 */
#ifndef BENCH_XSK_H
#define BENCH_XSK_H

#include <stdint.h>

#include "datapath/backend/xdp_ring.h"

#define XSK_RING  2048 /* entries of each ring */
#define XSK_CHUNK 2048 /* bytes */

struct xsk {
	int fd;
	uint8_t *umem; /* 2 * XSK_RING chunks; the upper half is in the fill ring at first */
	struct xdp_ring tx, fill, rx, comp;
};

void xsk_init(struct xsk *x, const char *interface);
void xsk_deinit(struct xsk *x);

/* Copy a frame into a chunk; it leaves with the next xsk_kick(). */
void xsk_add(struct xsk *x, const uint8_t *frame, uint32_t len);
/* The kernel sends what was added. Takes completions. */
void xsk_kick(struct xsk *x);

#endif
