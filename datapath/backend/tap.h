/* SPDX-License-Identifier: MIT */
/*
 * A Linux tap or macvtap: frames go to the host's network stack. The kernel does checksums and
 * segmentation.
 *
 * The interface's addresses, and whether it is up, stay with the administrator, as with QEMU's
 * script=no: while it is down, frames out are dropped; a tap says so and they are counted, a
 * macvtap does not. A tap made here disappears with the backend; one that existed before stays.
 */
#ifndef DATAPATH_BACKEND_TAP_H
#define DATAPATH_BACKEND_TAP_H

#include "datapath/backend.h"

/* As many as the kernel gives one tap. */
#define TAP_MAX_QUEUES 256

/*
 * Open the tap or macvtap of this name in our network namespace; where there is none, a tap is
 * made. More than one queue needs a tap made with multi_queue; so is one made here then. A macvtap
 * is opened by its device node, /dev/tapINDEX. 0, or a negative errno and err. On failure nothing
 * that was made stays.
 */
int tap_backend_new(struct backend **backend, const char *name, unsigned n_queues,
		    char err[BACKEND_ERR_LEN]);

/*
 * Use n open queues of one tap or macvtap, of whatever network namespace, which must have
 * IFF_VNET_HDR and IFF_NO_PI. The fds are the backend's from here on; on failure they stay the
 * caller's. Nobody else may change what they are set to (header length, offloads, attached or not):
 * that would not be noticed.
 */
int tap_backend_from_fds(struct backend **backend, const int *fds, unsigned n,
			 char err[BACKEND_ERR_LEN]);

#endif
