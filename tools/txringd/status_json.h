/* SPDX-License-Identifier: MIT */
/* A card's status as JSON: what show and stats answer (docs/control.md). */
#ifndef TOOLS_TXRINGD_STATUS_JSON_H
#define TOOLS_TXRINGD_STATUS_JSON_H

#include <jansson.h>

#include "datapath/stats.h"
#include "tools/txringd/status.h"

/* Both: NULL: out of memory. */
json_t *status_json(const struct status *s);
/* Counters alone: {"name", "pairs": [{"tx": {...}, "rx": {...}}]}. */
json_t *status_stats_json(const struct status *s);

/* The counters of table, which are stats', by their names. */
json_t *counters_json(const struct stats_counter *table, const void *stats);

#endif
