/* SPDX-License-Identifier: MIT */
/*
 * Metrics by HTTP, on this host only: GET /metrics asks the daemons, each time. One thread, which
 * waits for the daemons while it asks them. A client that reads or sends slowly is cut off after
 * METRICS_LIFE_MS, in which such waits do not count; there are no more than METRICS_MAX_CLIENTS at
 * a time.
 */
#ifndef TXRING_TOOLS_TXRINGCTL_METRICS_SERVE_H
#define TXRING_TOOLS_TXRINGCTL_METRICS_SERVE_H

#include "tools/txringctl/metrics_collect.h"

#define METRICS_MAX_CLIENTS 32
#define METRICS_LIFE_MS     3000
#define METRICS_ERR_LEN     512

/*
 * A listening socket at "127.0.0.1:PORT", "[::1]:PORT" or "unix:PATH"; or a negative errno, and a
 * line in err. *path is then the file to unlink at the end, a part of spec; NULL: none.
 */
int metrics_listen(const char *spec, const char **path, char err[METRICS_ERR_LEN]);

/* Serves on fd, which it closes, until SIGTERM or SIGINT: 0; or a negative errno and err. */
int metrics_serve(int fd, const struct metrics_controls *controls, char err[METRICS_ERR_LEN]);

#endif
