/* SPDX-License-Identifier: MIT */
/*
 * A tap backend with no ring before it: a test plays the guest with frames, and the host at the
 * other end. Everything here fails the test that it is used in.
 */
#ifndef TESTS_NET_WORLD_H
#define TESTS_NET_WORLD_H

#include <stdint.h>

#include "datapath/backend/tap.h"
#include "tests/net/peer.h"
#include "virtio/net_hdr.h"

#define NAME     "txring0"
#define ALL      (~0ULL)
#define NO_LARGE (ALL & ~FEATURES_GUEST_LARGE)
#define ROOM     (NET_HDR_LEN + PEER_MAX_LEN + 1)

struct world {
	struct backend *backend;
	struct peer peer;
	unsigned queue; /* the guest's */
	struct spill spill;
	struct tx_stats tx_stats;
	struct rx_stats rx_stats;
	struct stream in, out; /* the guest's words */
	uint8_t frame[ROOM];
	uint8_t room[ROOM + SPILL_SIZE];
};

/* cmocka's. After a test nothing of the name is left. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* A backend for the tap NAME, started for a driver with these features, and its other end. */
void world_open_tap(struct world *w, unsigned n_queues, uint64_t features);

/* Sends frame number w->in.sent to the guest. */
void world_host_sends(struct world *w);
/* One frame of a queue, if it comes within 200 ms; how many came. */
unsigned world_rx(struct world *w, unsigned q, struct frame *f);
/* The next frame, read into room of n iovecs, is the next of the stream. */
void world_guest_takes(struct world *w, uint32_t room, unsigned n);

/* Sends frame number w->out.sent to the host, in n pieces, its header before it or apart. */
void world_guest_sends(struct world *w, unsigned n, bool in_place);
/* The next frame at the host is the next of the stream. */
void world_host_takes(struct world *w);

#endif
