/* SPDX-License-Identifier: MIT */
/* The answer of "latency" as text: a table for each queue that moved frames, and its slowest. */
#ifndef TOOLS_TXRINGCTL_RENDER_LATENCY_H
#define TOOLS_TXRINGCTL_RENDER_LATENCY_H

#include <jansson.h>
#include <stdio.h>

/*
 * answer: {"nics": [{"name", "pairs": [{"tx": {...}, "rx": {...}}...]}...]}, each queue as
 * txringd/latency_json.h makes it. Pure: what is missing in it is missing in the text.
 */
void render_latency(const json_t *answer, FILE *out);

#endif
