/* SPDX-License-Identifier: MIT */
/*
 * How a tap's queues are opened or taken over; what can be wrong with them, in words. Cold; used by
 * tap.c only.
 */
#ifndef DATAPATH_BACKEND_TAP_OPEN_H
#define DATAPATH_BACKEND_TAP_OPEN_H

#include "datapath/backend.h"

/*
 * Open n queues of the tap of this name, which is made if it is not there. On failure none is open.
 */
int tap_open_queues(int *fds, unsigned n, const char *name, char err[BACKEND_ERR_LEN]);

/* Make sure that the fds are queues of one tap that we can use, and non-blocking. */
int tap_open_check(const int *fds, unsigned n, char err[BACKEND_ERR_LEN]);

/* Writes err and returns code. */
int tap_open_failed(char err[BACKEND_ERR_LEN], int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
