/* SPDX-License-Identifier: MIT */
/* Whether fds are a tap's queues that can be used. Cold; used by tap's other files only. */
#ifndef DATAPATH_BACKEND_TAP_CHECK_H
#define DATAPATH_BACKEND_TAP_CHECK_H

#include "datapath/backend.h"

/*
 * Make sure that the fds are queues of one tap, or macvtap, that we can use. They become
 * non-blocking, and what was detached is attached. 0, or a negative errno and err.
 */
int tap_check_fds(const int *fds, unsigned n, char err[BACKEND_ERR_LEN]);

/* Of a queue that tap_check_fds has passed. */
bool tap_check_is_macvtap(int fd);

#endif
