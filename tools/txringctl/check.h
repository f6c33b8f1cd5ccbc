/* SPDX-License-Identifier: MIT */
/*
 * Whether QEMU could use its vhostuser interfaces: may its user reach and open the socket, does
 * somebody answer there, is the guest's memory shared, are there queues enough. Tried, not guessed:
 * a process of QEMU's user connects. A card that no front-end has is taken for that moment.
 */
#ifndef TOOLS_TXRINGCTL_CHECK_H
#define TOOLS_TXRINGCTL_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/txringctl/convert.h"

/*
 * A line to out for each thing: yes; no, why, and what to do; or not asked. True: none says no. The
 * process must have no other thread.
 */
bool check_run(const struct convert *c, FILE *out);

#endif
