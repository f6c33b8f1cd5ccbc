/* SPDX-License-Identifier: MIT */
/* Commands of txringctl that go on: they ask a txringd again and again, or listen to it. */
#ifndef TOOLS_TXRINGCTL_WATCH_H
#define TOOLS_TXRINGCTL_WATCH_H

#include <stdbool.h>

#include "tools/txringctl/client.h"

/*
 * stats [NIC] [--watch [SECONDS]]: the table once, since the start; or again and again, of what has
 * been since the table before. False: why not in err.
 */
bool watch_stats(struct client *c, char *const *words, unsigned n, bool json, char *err,
		 size_t len);
/* watch: a line for each event, until the connection ends. */
bool watch_events(struct client *c, char *const *words, unsigned n, bool json, char *err,
		  size_t len);

/* The command of that name, if it is one of these; else NULL. */
typedef bool watch_command(struct client *c, char *const *words, unsigned n, bool json, char *err,
			   size_t len);
watch_command *watch_find(const char *name);

#endif
