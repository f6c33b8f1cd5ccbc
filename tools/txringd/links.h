/* SPDX-License-Identifier: MIT */
/*
 * When to look at the host's interfaces: the kernel tells of any of our network namespace that
 * comes, goes or changes, and something that was lost is looked for from time to time. Which one it
 * was is not asked: to look costs little. It has no loop: poll links_fd() for at most
 * links_timeout_ms(), then links_serve(). Times are of CLOCK_MONOTONIC.
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_TXRINGD_LINKS_H
#define TOOLS_TXRINGD_LINKS_H

#include <stdbool.h>
#include <stdint.h>

/* What comes in a burst is looked at once, so long after its first piece. */
#define LINKS_QUIET_MS 50
/* How long links_retry() waits. */
#define LINKS_RETRY_MS 1000

struct links {
	int fd;         /* -1: the kernel would not tell; links_retry() works */
	int64_t due_ms; /* when to look; -1: not before something happens */
};

/* 0 or a negative errno; links_deinit() may follow in either case. */
int links_init(struct links *links);
void links_deinit(struct links *links);

/* To be polled for POLLIN; -1: none. */
int links_fd(const struct links *links);
/* When to call links_serve() even if nothing is readable; -1: never. */
int links_timeout_ms(const struct links *links, int64_t now_ms);
/* Something is readable, or the time has come. True: look now. Does not wait. */
bool links_serve(struct links *links, bool readable, int64_t now_ms);
/* Something is lost: look again after LINKS_RETRY_MS, whatever happens until then. */
void links_retry(struct links *links, int64_t now_ms);

#endif
