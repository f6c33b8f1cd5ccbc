/* SPDX-License-Identifier: MIT */
/* Which process has a tap: for the message when it cannot be had. Cold: it reads all of /proc. */
#ifndef DATAPATH_BACKEND_TAP_HOLDER_H
#define DATAPATH_BACKEND_TAP_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

struct tap_holder {
	pid_t pid;
	char name[16]; /* the process's, as in /proc/PID/comm; "": not known */
};

/*
 * The first process of this network namespace that has a queue of the tap of this name. False:
 * there is none whose files this user may see.
 */
bool tap_holder_find(struct tap_holder *holder, const char *tap);

#endif
