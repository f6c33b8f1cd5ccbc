/* SPDX-License-Identifier: MIT */
/*
 * The chains that a tx queue has taken off its ring and not yet given back, in ring order, for
 * backends that complete late.
 *
 * Each chain notes how many of the backend's frames must complete before it may be pushed, once
 * those in front of it are: 1 for the first chain of a frame; 0 for the others that the frame
 * stands for, and for a chain that was dropped. So merged frames and dropped chains need no rule of
 * their own.
 *
 * Owner: the iothread; tx_flight_resize() and tx_flight_deinit() run while the queue is stopped.
 */
#ifndef DATAPATH_TX_FLIGHT_H
#define DATAPATH_TX_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/virtq.h"

struct tx_flight_chain {
	struct virtq_elem elem;
	uint16_t n_frames; /* 0 or 1 */
};

struct tx_flight {
	struct tx_flight_chain *chains; /* mask + 1, at least as many as the ring has entries */
	uint16_t mask;
	uint16_t head; /* next to push; both run free */
	uint16_t tail; /* next to fill */
};

/* Empty, with room for all chains of a ring of size entries. 0 or -ENOMEM. */
int tx_flight_resize(struct tx_flight *f, unsigned size);
void tx_flight_deinit(struct tx_flight *f);

static inline unsigned tx_flight_count(const struct tx_flight *f)
{
	return (uint16_t)(f->tail - f->head);
}

/* The caller keeps within the ring's size. */
static inline void tx_flight_add(struct tx_flight *f, struct virtq_elem elem, uint16_t n_frames)
{
	f->chains[f->tail++ & f->mask] = (struct tx_flight_chain){ elem, n_frames };
}

/*
 * done more frames of the backend's have completed: push the chains that waited for nothing else.
 * False: there was none. The caller publishes.
 */
bool tx_flight_complete(struct tx_flight *f, struct virtq *vq, unsigned done);

#endif
