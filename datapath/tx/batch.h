/* SPDX-License-Identifier: MIT */
/*
 * A batch: frames on their way from the ring to one call of the backend, and their chains on the
 * way back.
 *
 *   pop      take chains off the ring, judge them, make frames of the good ones
 *   settle   what the backend did not take goes back to the ring; the rest is counted
 *   push     done in tx(): the chains are used
 *   fly      done later: the chains wait in the flight ring (flight.h)
 *
 * A frame stands for a span of n_chains chains, in ring order; dropped chains may lie between them
 * and do not count. Between pop and settle, frames of neighbouring spans may be made into one whose
 * n_chains is the sum. The counters of stats.h count chains: the guest's frames.
 *
 * On the iothread of the queue; a batch lives on its stack.
 */
#ifndef DATAPATH_TX_BATCH_H
#define DATAPATH_TX_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/frame.h"
#include "datapath/stats.h"
#include "datapath/tx/flight.h"
#include "virtio/virtq.h"

/* Frames that go to the backend in one call, and iovecs for them. */
#define TX_BATCH 64
#define TX_IOV   (CHAIN_MAX_IOV + 1 + 2 * TX_BATCH)

/* By what chains are judged. */
struct tx_rules {
	uint64_t features; /* negotiated */
	unsigned hdr_len;
	bool enabled;    /* false: frames are taken off the ring and dropped */
	uint64_t merges; /* backend.merges, or 0: neighbours of a flow leave as they are */
};

struct tx_batch {
	struct frame frames[TX_BATCH];
	struct chain chains[TX_BATCH];
	uint64_t *drop[TX_BATCH]; /* of chain i: the counter it is dropped for, or NULL */
	unsigned n_frames;
	unsigned n_chains;
	uint64_t bytes;   /* of the chains that are not dropped, without headers */
	uint64_t refused; /* stats->drop_backend before the backend was asked */
	struct iovec iov[TX_IOV];
};

/*
 * Take up to n chains, at most TX_BATCH, and make frames of them; the frame with which their bytes
 * reach max_bytes, 1 or more, is the last. A chain that is shorter than a header is a fault like
 * those that virtq_pop() finds: when it is the first.
 */
void tx_batch_pop(struct tx_batch *b, struct virtq *vq, const struct tx_rules *rules,
		  struct tx_stats *stats, unsigned n, uint64_t max_bytes);

/*
 * The backend took the first taken frames: the chains of the others are rewound, n_frames and
 * n_chains are what left the ring.
 */
void tx_batch_settle(struct tx_batch *b, struct virtq *vq, const struct tx_rules *rules,
		     struct tx_stats *stats, unsigned taken);

/* After settle, one of the two. The caller publishes what was pushed. */
void tx_batch_push(const struct tx_batch *b, struct virtq *vq);
void tx_batch_fly(const struct tx_batch *b, struct tx_flight *flight);

#endif
