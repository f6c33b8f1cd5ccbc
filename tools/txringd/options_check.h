/* SPDX-License-Identifier: MIT */
/* What all options together must be, each of which is right by itself. */
#ifndef TOOLS_TXRINGD_OPTIONS_CHECK_H
#define TOOLS_TXRINGD_OPTIONS_CHECK_H

#include <stdbool.h>

#include "tools/txringd/options.h"

/*
 * True; or false, after a line in the log. again: sockets of systemd are not taken, as they have
 * been.
 */
bool options_check(struct options *o, bool again);

#endif
