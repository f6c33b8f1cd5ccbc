/* SPDX-License-Identifier: MIT */
/* Frames go to and from a network interface, by AF_XDP sockets; see docs/af-xdp.md. */
#ifndef DATAPATH_BACKEND_XDP_H
#define DATAPATH_BACKEND_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"

#define XDP_MAX_QUEUES 64

enum xdp_mode {
	XDP_MODE_AUTO,   /* native where the driver has it, else generic */
	XDP_MODE_NATIVE, /* the driver runs the program */
	XDP_MODE_SKB,    /* generic: the kernel does, late; any interface */
};

enum xdp_copy {
	XDP_COPY_AUTO,     /* zero-copy where the driver has it */
	XDP_COPY_ZEROCOPY, /* or fail */
	XDP_COPY_FORCE,    /* never zero-copy */
};

struct xdp_config {
	const char *ifname;
	unsigned start_queue; /* pair i has the interface's queue start_queue + i */
	enum xdp_mode mode;
	enum xdp_copy copy;
	unsigned busy_poll_us; /* 0: none */
	/*
	 * Others use the interface, too: join their program, and take only what is for mac, or for
	 * all.
	 */
	bool share;
	bool has_mac;
	uint8_t mac[6]; /* the guest's */
	/*
	 * Sockets that were made by somebody else, one for each queue, not bound yet: the program
	 * and its map are theirs, too. NULL: make them.
	 */
	const int *fds;
};

/*
 * One socket for each of the n_queues pairs. fds are owned by the backend from here on, also on
 * failure. 0 or a negative errno with the reason in err.
 */
int xdp_backend_new(struct backend **backend, const struct xdp_config *cfg, unsigned n_queues,
		    char err[BACKEND_ERR_LEN]);

#endif
