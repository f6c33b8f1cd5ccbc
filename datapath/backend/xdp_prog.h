/* SPDX-License-Identifier: MIT */
/*
 * The XDP program that gives an interface's frames to AF_XDP sockets: queue by queue, through a
 * map.
 *
 * Owner: the control thread.
 */
#ifndef DATAPATH_BACKEND_XDP_PROG_H
#define DATAPATH_BACKEND_XDP_PROG_H

#include "datapath/backend/xdp.h"

struct xdp_prog;

struct xdp_prog_config {
	const char *ifname;
	unsigned ifindex;
	enum xdp_mode mode;
	bool share; /* needs has_mac */
	bool has_mac;
	uint8_t mac[6];
	unsigned n_queues; /* the map's size: queues of the interface from 0 on */
};

/*
 * Load the program and attach it. *mode is what was got: native or skb; note says in one line why
 * not better, or is empty. 0 or a negative errno with the reason in err: another program is there
 * (-EBUSY, with its name and id), the driver has no such mode, no privilege, ...
 *
 * Without share all frames are the sockets'. Nothing of the program stays when the process ends,
 * however it ends.
 */
int xdp_prog_attach(struct xdp_prog **prog, const struct xdp_prog_config *cfg, enum xdp_mode *mode,
		    char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN]);
/*
 * Frames of queue go to the AF_XDP socket sock from here on; -1: to the host's stack. The socket is
 * bound to that queue. 0 or a negative errno.
 */
int xdp_prog_set_socket(struct xdp_prog *prog, unsigned queue, int sock);
/*
 * Is it still what the interface runs? False when the interface was removed, or the program
 * detached by somebody else. Takes the kernel's RTNL lock, as all questions of this kind do.
 */
bool xdp_prog_is_attached(const struct xdp_prog *prog);
/*
 * Let the program live on through an exec, until the process ends that follows; xdp_prog_free()
 * still ends it. 0 or a negative errno.
 */
int xdp_prog_keep(struct xdp_prog *prog);
/* Detach and free; NULL is fine. */
void xdp_prog_free(struct xdp_prog *prog);

#endif
