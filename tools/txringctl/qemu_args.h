/* SPDX-License-Identifier: MIT */
/* QEMU's arguments for an interface: its own datapath as libvirt has it, or vhost-user. */
#ifndef TOOLS_TXRINGCTL_QEMU_ARGS_H
#define TOOLS_TXRINGCTL_QEMU_ARGS_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/txringctl/convert.h"

/*
 * For QEMU's own datapath: what convert_plan_make() is for txringd. Refuses what libvirt does on
 * the host beside QEMU, and no argument says.
 */
void qemu_args_plan(struct convert *c);

/*
 * The arguments for all interfaces of c, an option with its value on each line, quoted for a shell.
 * Notes are what has no argument. False: out of memory.
 */
bool qemu_args_print(struct convert *c, bool vhost_user, FILE *out);

#endif
