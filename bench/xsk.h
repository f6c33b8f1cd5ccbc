/* SPDX-License-Identifier: MIT */
/*
 * A bare AF_XDP socket in copy mode on queue 0 of an interface: what stands beside the AF_XDP
 * backend. Its rings are the backend's (datapath/backend/xdp_ring.h), nothing else is.
 *
 * Owner: one thread at a time.
 */
#ifndef BENCH_XSK_H
#define BENCH_XSK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/backend/xdp_ring.h"

#define XSK_RING  2048 /* entries of each ring */
#define XSK_CHUNK 2048 /* bytes */

struct xsk {
	int fd;
	uint8_t *umem;
	size_t len;
	struct xdp_ring tx, fill, rx, comp;
	void *own; /* memory of its own, or NULL */
	uint64_t sent, completed;
};

/* Memory of its own, of 2 * XSK_RING chunks; the upper half is in the fill ring. */
void xsk_init(struct xsk *x, const char *interface);
/*
 * Over len bytes that are the caller's and begin with a page: frames may lie anywhere in them. The
 * fill ring is empty.
 */
void xsk_init_over(struct xsk *x, const char *interface, uint8_t *umem, size_t len);
void xsk_deinit(struct xsk *x);

/* len bytes at this place of the UMEM leave with the next xsk_kick(). */
static inline void xsk_add(struct xsk *x, uint64_t at, uint32_t len)
{
	*xdp_ring_desc(&x->tx, x->tx.idx++) = (struct xdp_desc){ .addr = at, .len = len };
	x->sent++;
}

/* The kernel sends what was added. Takes completions. False: it refused or dropped a frame. */
bool xsk_kick(struct xsk *x);

#endif
