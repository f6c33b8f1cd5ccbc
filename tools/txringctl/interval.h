/* SPDX-License-Identifier: MIT */
/* What a histogram has counted between two looks at it. Pure. */
#ifndef TOOLS_TXRINGCTL_INTERVAL_H
#define TOOLS_TXRINGCTL_INTERVAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The smallest value that is at or above this share (0 to 1) of the values that now has and was has
 * not: the middle of a bucket, so off by less than 1 %. Both are histograms of "latency" with
 * "fine", in the same unit; was may be NULL: nothing yet. One that has fewer values than before
 * was begun anew in between. False: there is no such value.
 */
bool interval_at(const json_t *was, const json_t *now, double share, uint64_t *value);

#endif
