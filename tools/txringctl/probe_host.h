/* SPDX-License-Identifier: MIT */
/*
 * What this host lets this user do: each thing is tried, but for what would be seen outside, and
 * then by the rights that it takes.
 */
#ifndef TOOLS_TXRINGCTL_PROBE_HOST_H
#define TOOLS_TXRINGCTL_PROBE_HOST_H

#include "tools/txringctl/probe_report.h"

#define PROBE_HOST_MAX 24

/* How many lines were filled in. */
unsigned probe_host(struct probe_line lines[PROBE_HOST_MAX]);

/* The answer no: says and remedy are for the line, which has its name. */
void probe_host_no(struct probe_line *line, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Open a device, read and write, and put the answer into the line; module: what modprobe calls it.
 * The fd, or -1.
 */
int probe_host_open(struct probe_line *line, const char *path, const char *module);

#endif
