/* SPDX-License-Identifier: MIT */
/* The commands of the control socket. What they do is the cards' affair. */
#ifndef TOOLS_TXRINGD_COMMANDS_H
#define TOOLS_TXRINGD_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/txringd/nic.h"

struct commands {
	struct nic **nics; /* borrowed, n_nics; one that has ended is NULL */
	unsigned n_nics;
};

/* For control.h; ctx is a struct commands. */
bool commands_run(void *ctx, char *line, FILE *out);

#endif
