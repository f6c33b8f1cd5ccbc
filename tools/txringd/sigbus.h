/* SPDX-License-Identifier: MIT */
/*
 * A front-end may cut the file behind its guest's memory short while we have it mapped; a thread
 * that touches the lost part then gets SIGBUS. This keeps that from ending the process with all its
 * other devices: the mapping is replaced by private zero pages, and its guard marked. SIGBUS from
 * anywhere else does what it always does.
 *
 * The one piece of global state, since a signal handler has no other.
 */
#ifndef TOOLS_TXRINGD_SIGBUS_H
#define TOOLS_TXRINGD_SIGBUS_H

#include <stdbool.h>

#include "virtio/gmem.h"

/* The mappings of one card; control thread. */
struct sigbus_guard {
	struct gmem_watcher watcher; /* for the session */
	bool lost;                   /* a mapping was replaced: sigbus_lost() */
};

/* 0 or a negative errno. */
int sigbus_init(void);
void sigbus_deinit(void);

/* Readable when some guard has lost memory. */
int sigbus_fd(void);
/* Not readable any more, until the next loss. */
void sigbus_ack(void);

void sigbus_guard_init(struct sigbus_guard *guard);
/* Whether a mapping was lost since this was last asked. */
bool sigbus_lost(struct sigbus_guard *guard);

#endif
