/* SPDX-License-Identifier: MIT */
/*
 * Frames on their way out of an AF_XDP socket: copied into chunks of its UMEM, with what their
 * headers ask for done or asked of the kernel there, and complete when the completion ring has said
 * so of them and of all before them.
 *
 * Owner: the iothread of the queue; the control thread while the queue stands still.
 */
#ifndef DATAPATH_BACKEND_XDP_TX_H
#define DATAPATH_BACKEND_XDP_TX_H

#include "datapath/backend.h"
#include "datapath/backend/xdp_sock.h"

/* A chunk that is in use. The last one of a frame stands for it. */
struct xdp_slot {
	uint16_t frames; /* complete with this chunk: its own, and refused ones behind it */
	uint16_t chains; /* of the frame that it ends; 0 once it was counted as lost */
	bool last;       /* it ends a frame, or the device's own word */
	bool done;
};

struct xdp_tx {
	struct xdp_sock *sock;
	uint32_t max_len; /* longer frames the interface does not take; written by any thread */
	bool down;        /* the socket is dead: every frame is dropped; read by any thread */

	uint32_t head, tail; /* run free; chunks in use: those from head on, before tail */
	uint32_t first;      /* the descriptor that has chunk 0 */
	uint32_t taken;      /* the kernel has chunks up to this one, and maybe more */
	unsigned n_done;     /* frames that are complete, and not yet reported */
	unsigned drops;      /* chains of frames that were lost since the counters were at hand */
	bool stuck;          /* the kernel left entries in the tx ring */
	bool looked;         /* ... and has been asked once more since */
	struct xdp_slot slots[XDP_TX_CHUNKS];
	uint8_t *whole; /* NET_FRAME_MAX bytes: a frame that is put together first */
};

void xdp_tx_init(struct xdp_tx *t, struct xdp_sock *sock);

/* As struct backend_ops' tx, tx_done and tx_cancel. */
unsigned xdp_tx_send(struct xdp_tx *t, const struct frame *frames, unsigned n,
		     struct tx_stats *stats);
unsigned xdp_tx_done(struct xdp_tx *t);
/*
 * All that was taken is reported as done by the next xdp_tx_done(): the frames lie in memory of
 * ours, and the kernel sends what it has of them.
 */
void xdp_tx_cancel(struct xdp_tx *t, struct tx_stats *stats);
/* A frame that is nobody's: never reported as done. 0, -EAGAIN: no room, or -ENETDOWN. */
int xdp_tx_word(struct xdp_tx *t, const void *frame, uint32_t len);
/*
 * The socket was opened anew, or is about to be closed: what is in flight is reported as done, and
 * what the kernel has not completed is lost and counted.
 */
void xdp_tx_restart(struct xdp_tx *t);

#endif
