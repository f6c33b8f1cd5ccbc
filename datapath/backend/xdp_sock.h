/* SPDX-License-Identifier: MIT */
/*
 * One AF_XDP socket: its memory (UMEM), its four rings, and what was got when it was bound.
 *
 * The UMEM is private memory in chunks of one size: XDP_TX_CHUNKS of them for frames on their way
 * out, then XDP_RX_CHUNKS for frames that come in. An entry of a ring names a byte of a chunk by
 * its offset in the UMEM.
 *
 * Opened and closed by the control thread while the queue stands still; in between the rings are
 * the iothread's.
 */
#ifndef DATAPATH_BACKEND_XDP_SOCK_H
#define DATAPATH_BACKEND_XDP_SOCK_H

#include <stddef.h>

#include "datapath/backend/xdp.h"
#include "datapath/backend/xdp_ring.h"

/*
 * Powers of two: rings have as many entries. Together 6 MiB of small chunks, less than the 8 MiB
 * that a user may lock unless told otherwise.
 */
#define XDP_TX_CHUNKS 2048 /* a frame of 64 KiB that is segmented, down to 33 bytes each */
#define XDP_RX_CHUNKS 1024 /* as many as wait in a tap's queue */

/* In front of a frame on its way out: room for what the kernel shall do to it, see xdp_tx.c. */
#define XDP_TX_ROOM 64
/* In front of a frame that came in: the kernel's XDP_PACKET_HEADROOM. */
#define XDP_RX_ROOM 256

/* Option of a descriptor: the frame goes on in the next one (XDP_PKT_CONTD). */
#define XDP_SOCK_CONTINUES (1U << 0)

/*
 * How many pieces a frame may have: the kernel (MAX_SKB_FRAGS, 17) loses a longer one in silence.
 */
#define XDP_SOCK_PIECES 18

struct xdp_sock {
	int fd; /* -1: not open */
	uint8_t *umem;
	unsigned chunk_shift; /* chunks are 1 << chunk_shift bytes */
	bool zerocopy;
	bool meta;     /* the kernel reads metadata in front of frames on their way out */
	bool segments; /* a frame may take several chunks (XDP_USE_SG) */
	struct xdp_ring tx, fill, rx, comp;
	struct {
		void *at;
		size_t len;
	} maps[4];
};

struct xdp_sock_config {
	const char *ifname;
	unsigned ifindex;
	unsigned queue;
	int fd; /* made by somebody else; -1: make one */
	enum xdp_copy copy;
	unsigned busy_poll_us;
	uint32_t max_len; /* the longest frame that may come or go, Ethernet header included */
	bool meta;        /* want metadata, if the kernel and the mode have it */
	unsigned tries;   /* to bind a queue that is busy, 20 ms apart */
};

/*
 * Open and bind; all rx chunks are in the fill ring. note says why the socket is not zero-copy, or
 * is empty. 0, or a negative errno with the reason in err; then s->fd is -1, and cfg->fd is open
 * still.
 */
int xdp_sock_open(struct xdp_sock *s, const struct xdp_sock_config *cfg, char note[BACKEND_ERR_LEN],
		  char err[BACKEND_ERR_LEN]);
/* What is in flight is lost. May run twice. */
void xdp_sock_close(struct xdp_sock *s);

/* The longest piece of a frame that a chunk takes, on either way. */
static inline uint32_t xdp_sock_piece(const struct xdp_sock *s)
{
	return (1U << s->chunk_shift) - XDP_RX_ROOM;
}

#endif
