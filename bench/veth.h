/* SPDX-License-Identifier: MIT */
/*
 * A veth pair in the bench's network namespace: what is measured has the one end, the bench the
 * other, its peer. XDP programs are written in instructions here, so that nothing but the kernel is
 * needed, and go when the veth goes.
 */
#ifndef BENCH_VETH_H
#define BENCH_VETH_H

#include <stdint.h>

struct veth {
	char name[12];
	char peer[16];
	int packet; /* of packet_open() on the peer */
	int link;   /* the program's; -1: none */
};

/* Both ends are up. Dies if it cannot be had. */
void veth_init(struct veth *v, const char *name);
void veth_deinit(struct veth *v);

/* One of the two programs, in native XDP: */
/* The peer drops what comes. */
void veth_drop(struct veth *v);
/* What comes to the near end goes to this AF_XDP socket of its queue 0. */
void veth_redirect(struct veth *v, int sock);

/* Frames that came to the peer so far, dropped or not. */
uint64_t veth_arrived(const struct veth *v);

#endif
