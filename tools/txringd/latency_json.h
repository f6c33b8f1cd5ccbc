/* SPDX-License-Identifier: MIT */
/* The latency record of a queue as JSON, for the answer of "latency". Pure. */
#ifndef TOOLS_TXRINGD_LATENCY_JSON_H
#define TOOLS_TXRINGD_LATENCY_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "datapath/latency.h"

/*
 * An object of the histograms "residence", "to_sent", "to_used", "batch", "wake", "late", "run",
 * and "worst", an array. A histogram has "n" and, unless that is 0, min, max, p50, p90, p99, p999,
 * with "_ns" behind the name where it is of times, and "buckets": [[upper, count]...], four for
 * each power of two: count values below upper and not below the upper before. What is 0 is left
 * out. fine: those of "residence" are the histogram's own, 64 for each power of two.
 *
 * "worst" is of the interval that runs and the one before, the slowest first: when_ns
 * (CLOCK_MONOTONIC), ago_ns, interval (0: runs, 1: before), residence_ns, frames, cause, reason,
 * waited_ns: {part: ns} of those that are not 0.
 *
 * now_ns is CLOCK_MONOTONIC. The caller owns the answer; NULL: no memory.
 */
json_t *latency_json(const struct latency_record *record, uint64_t now_ns, bool fine);

#endif
