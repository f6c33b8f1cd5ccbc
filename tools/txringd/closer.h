/* SPDX-License-Identifier: MIT */
/*
 * Closes what came from a peer. The last close of a file may take as long as the file's owner
 * likes (a TCP socket that lingers, a FUSE file), and so may that of a socket which still holds
 * such files: so a thread of its own does it. One closer for each card, so that a front-end holds
 * up no other card's.
 *
 * The thread is made when there is something to close, and ends when there has been nothing for a
 * while. Nothing waits for it, the end of the process neither.
 */
#ifndef TOOLS_TXRINGD_CLOSER_H
#define TOOLS_TXRINGD_CLOSER_H

#include <stddef.h>

struct closer;

/* 0 or -ENOMEM. */
int closer_new(struct closer **closer);
/* What it still has is closed, or is left to the end of the process. Takes NULL. */
void closer_free(struct closer *closer);

/*
 * Close fd, unless it is -1, and unmap len bytes at map, unless it is NULL, soon. Owns both. Where
 * no thread can be made they wait for the next call. Control thread.
 */
void closer_release(struct closer *closer, int fd, void *map, size_t len);

/* How many are not done. Control thread. */
unsigned closer_pending(struct closer *closer);

#endif
