/* SPDX-License-Identifier: MIT */
/*
 * The XDP program as one of several on an interface, by libxdp's dispatcher. Control thread; used
 * by xdp_prog.c only.
 */
#ifndef DATAPATH_BACKEND_XDP_DISPATCH_H
#define DATAPATH_BACKEND_XDP_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend/xdp_load.h"

struct xdp_dispatch;

/* Where libxdp keeps its state; how to get it where it is missing. */
#define XDP_DISPATCH_BPFFS  "/sys/fs/bpf"
#define XDP_DISPATCH_REMEDY "mount -t bpf bpf " XDP_DISPATCH_BPFFS

/* Is there a bpffs? Without one, nothing below may be called. */
bool xdp_dispatch_is_possible(void);

/* Take the programs of killed processes off the interface. */
void xdp_dispatch_clean(unsigned ifindex);

/* Does the interface run a dispatcher of which libxdp knows all? */
bool xdp_dispatch_is_there(unsigned ifindex);

/*
 * Load an opened program and join, in one mode. 0, or a negative errno: then xdp_log.h has
 * libxdp's words, and load is of no more use. -EOPNOTSUPP: the kernel has no dispatchers, or the
 * driver not this mode.
 */
int xdp_dispatch_join(struct xdp_dispatch **dispatch, const struct xdp_load *load, unsigned ifindex,
		      bool skb);
/* The interface runs the program of this id: are we still in it? */
bool xdp_dispatch_is_joined(struct xdp_dispatch *dispatch, uint32_t id);
/* To be taken for alive through an exec. 0 or a negative errno. */
int xdp_dispatch_keep(struct xdp_dispatch *dispatch);
/* Take it off the interface and free; NULL is fine. Before xdp_load_deinit(). */
void xdp_dispatch_leave(struct xdp_dispatch *dispatch);

#endif
