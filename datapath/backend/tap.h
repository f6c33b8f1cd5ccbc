/* SPDX-License-Identifier: MIT */
/*
 * A Linux tap: frames go to the host's network stack. The kernel does checksums and segmentation.
 *
 * The interface's addresses, and whether it is up, stay with the administrator, as with QEMU's
 * script=no: while it is down, frames out are dropped and counted. A tap made here disappears with
 * the backend; one that existed before stays.
 */
#ifndef DATAPATH_BACKEND_TAP_H
#define DATAPATH_BACKEND_TAP_H

#include "datapath/backend.h"

/* As many as the kernel gives one tap. */
#define TAP_MAX_QUEUES 256

/*
 * Open the tap of this name in our network namespace, or make it. More than one queue needs one
 * made with multi_queue; so is one made here then. 0, or a negative errno and err. On failure
 * nothing that was made stays.
 */
int tap_backend_new(struct backend **backend, const char *name, unsigned n_queues,
		    char err[BACKEND_ERR_LEN]);

/*
 * Use n open queues of one tap (or macvtap), which must have IFF_VNET_HDR and IFF_NO_PI (the kernel
 * does not tell whether the latter is so). The fds are the backend's from here on; on failure they
 * stay the caller's.
 */
int tap_backend_from_fds(struct backend **backend, const int *fds, unsigned n,
			 char err[BACKEND_ERR_LEN]);

#endif
