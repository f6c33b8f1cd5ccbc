/* SPDX-License-Identifier: MIT */
/*
 * The network interface behind AF_XDP sockets: what it is, whether it is still there and up.
 *
 * Owner: the control thread.
 */
#ifndef DATAPATH_BACKEND_XDP_LINK_H
#define DATAPATH_BACKEND_XDP_LINK_H

#include <net/if.h>

#include "datapath/backend.h"

/* An Ethernet header and a VLAN tag, which an interface takes beside its MTU. */
#define XDP_LINK_HEADERS 18

struct xdp_link {
	int sock;    /* to ask by; belongs to the network namespace that the interface is in */
	int promisc; /* a socket that keeps it promiscuous; -1: none */
	char name[IFNAMSIZ];
	unsigned ifindex;
	unsigned n_queues; /* rx queues; 0: it does not tell */
	bool local; /* no device behind it: what comes was sent by this host, or by its guests */
	bool meta;  /* its driver carries out what the kernel is asked for in front of a frame */
};

enum xdp_link_state {
	XDP_LINK_UP,
	XDP_LINK_NO_CARRIER,
	XDP_LINK_DOWN, /* by its administrator */
	XDP_LINK_GONE,
};

int xdp_link_init(struct xdp_link *l, const char *name, char err[BACKEND_ERR_LEN]);
void xdp_link_deinit(struct xdp_link *l);

/*
 * Find the interface of the name and ask what it is, anew after it was made again. 0, or a negative
 * errno with the reason in err: -ENODEV, there is none.
 */
int xdp_link_find(struct xdp_link *l, char err[BACKEND_ERR_LEN]);
/* No wait. */
enum xdp_link_state xdp_link_state(const struct xdp_link *l);
/* Bytes behind the Ethernet header, or a negative errno. No wait. */
int xdp_link_mtu(const struct xdp_link *l);
/* Raise it to mtu if it is less. 0 or a negative errno. */
int xdp_link_raise_mtu(const struct xdp_link *l, unsigned mtu);
/*
 * Frames for MAC addresses that are not the interface's come too, until xdp_link_deinit() or the
 * end of the process. 0 or a negative errno.
 */
int xdp_link_promisc(struct xdp_link *l);

#endif
