/* SPDX-License-Identifier: MIT */
/* Whether a tap that shall be opened is open in another process, and in which. */
#ifndef DATAPATH_BACKEND_TAP_HOLDER_H
#define DATAPATH_BACKEND_TAP_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

struct tap_holder {
	pid_t pid;
	char name[16]; /* the process's, as in /proc/PID/comm; "": not known */
};

/*
 * How many queues of a tap that was made for several are attached or may be again: the kernel lets
 * anyone add to them, and then each gets some of the frames. 0 also of a tap for one queue, where
 * the kernel itself refuses a second one, and where there is none of this name. Costs microseconds.
 */
unsigned tap_holder_queues(const char *tap);

/*
 * For the message: the first process of this network namespace that has a queue of the tap of this
 * name, as far as this user may look into processes; false: none was seen. It reads all of /proc,
 * so it is for a command that has failed, not for what is tried again.
 */
bool tap_holder_find(struct tap_holder *holder, const char *tap);

#endif
