/* SPDX-License-Identifier: MIT */
/*
 * What libbpf and libxdp say: they print nothing, and their first warning since xdp_log_start() is
 * kept, as it tells more than an errno. Control thread; each thread has its own.
 */
#ifndef DATAPATH_BACKEND_XDP_LOG_H
#define DATAPATH_BACKEND_XDP_LOG_H

#include "datapath/backend.h"

/* Silence both libraries, for the whole process, and forget what they said on this thread. */
void xdp_log_start(void);
/* Their first warning since then, one line without their names; "" if there was none. */
const char *xdp_log_first(void);

/* Writes err, one line, and returns code. */
int xdp_log_failed(char err[BACKEND_ERR_LEN], int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
