/* SPDX-License-Identifier: MIT */
/*
 * Frames of one TCP or UDP flow over IPv4, as a bulk sender without segmentation offload has them:
 * each continues the one before it, and its checksums are complete. A device may make one of
 * several. The payload is zero.
 *
 * Owner: the thread that drives.
 */
#ifndef BENCH_TXBENCH_FLOW_H
#define BENCH_TXBENCH_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/layers.h"

#define FLOW_ETH     14
#define FLOW_HDR_MAX (FLOW_ETH + IPV4_MIN + TCP_MIN)

struct flow {
	uint8_t hdr[FLOW_HDR_MAX]; /* of the next frame */
	unsigned hdr_len;
	unsigned payload; /* bytes of each frame */
	bool udp;
	uint32_t seq;
	uint16_t sum; /* of all but seq, as layers.h keeps sums */
};

/* Frames of len bytes, whose Ethernet addresses are those 12 bytes. */
void flow_start(struct flow *f, bool udp, unsigned len, const uint8_t *addresses);

/* The next frame's headers, f->hdr_len bytes, to frame; all behind them is zero. */
void flow_next(struct flow *f, uint8_t *frame);

/* How many frames an interface has seen that counted so many bytes and, merged or not, packets. */
uint64_t flow_count(const struct flow *f, uint64_t bytes, uint64_t packets);

#endif
