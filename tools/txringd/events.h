/* SPDX-License-Identifier: MIT */
/*
 * What has happened to the cards since the last look, as events for clients that watch
 * (docs/control.md). It compares: what came and went again between two looks is not told, but for
 * front-ends, which are counted.
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_TXRINGD_EVENTS_H
#define TOOLS_TXRINGD_EVENTS_H

#include <jansson.h>

#include "tools/txringd/status.h"

/* How often to look while there are watchers: an iothread wakes nobody when a ring breaks. */
#define EVENTS_LOOK_MS 100

/*
 * Tell of what differs between was and now, two looks at one card: an event at a time, which is
 * tell's. NULL: a card that was not there, or is not there any more.
 */
void events_compare(const struct status *was, const struct status *now,
		    void (*tell)(void *ctx, const char *event, json_t *data), void *ctx);

/* The cards as of the last look; all zero: there was none. */
struct events {
	struct status *seen; /* n_seen; owned, and of their strings only id is looked at */
	unsigned n_seen;
};

/* now are n looks, an array that is taken over. first: there is nothing to compare them with. */
void events_look(struct events *e, struct status *now, unsigned n, bool first,
		 void (*tell)(void *ctx, const char *event, json_t *data), void *ctx);
void events_deinit(struct events *e);

#endif
