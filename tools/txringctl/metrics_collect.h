/* SPDX-License-Identifier: MIT */
/* Asks several txringds for what metrics are made of, and makes the text. */
#ifndef TXRING_TOOLS_TXRINGCTL_METRICS_COLLECT_H
#define TXRING_TOOLS_TXRINGCTL_METRICS_COLLECT_H

#include <stdio.h>

#include "tools/txringctl/metrics.h"

#define METRICS_MAX_DAEMONS 256

/* Whom to ask. */
struct metrics_controls {
	const char *paths[METRICS_MAX_DAEMONS]; /* n, borrowed; 0: those of the usual folder */
	unsigned n;
};

struct metrics_outcome {
	unsigned n_asked, n_answered;
	char err[512]; /* why the last one did not; "": all did */
};

/*
 * Writes to out what all daemons answer, of which each gets patience_ms for an answer at most, and
 * all together no more than four times that. A daemon that does not answer gets txring_up 0.
 */
void metrics_collect(const struct metrics_controls *controls, int patience_ms,
		     enum metrics_format format, FILE *out, struct metrics_outcome *outcome);

#endif
