/* SPDX-License-Identifier: MIT */
/*
 * How a tap's queues are opened or taken over; what can be wrong with them, in words. Cold; used by
 * tap.c only.
 */
#ifndef DATAPATH_BACKEND_TAP_OPEN_H
#define DATAPATH_BACKEND_TAP_OPEN_H

#include "datapath/backend.h"

/*
 * Both: 0, or a negative errno and err.
 *
 * Open n queues of the interface of this name, a macvtap or a tap, which is made if it is not
 * there. Waits up to a second for one that is in use. On failure none is open, and none was made.
 */
int tap_open_queues(int *fds, unsigned n, const char *name, char err[BACKEND_ERR_LEN]);
/* The same of an interface that was lost: it is neither made nor waited for. */
int tap_open_again(int *fds, unsigned n, const char *name, char err[BACKEND_ERR_LEN]);

/* Writes err and returns code. */
int tap_open_failed(char err[BACKEND_ERR_LEN], int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
