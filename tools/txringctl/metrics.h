/* SPDX-License-Identifier: MIT */
/*
 * The answers of txringds as metrics, for Prometheus and what reads the same text. A pure function
 * of JSON (docs/control.md: show, stats, latency) to text: what an answer lacks is left out, and a
 * counter of a txringd that is newer than this program is there, without a word of help.
 *
 * Times are in seconds, as Prometheus has them: nanoseconds as decimals, so nothing is rounded.
 */
#ifndef TXRING_TOOLS_TXRINGCTL_METRICS_H
#define TXRING_TOOLS_TXRINGCTL_METRICS_H

#include <jansson.h>
#include <stdio.h>

enum metrics_format {
	/* OpenMetrics 1.0: what Prometheus asks for. */
	METRICS_OPENMETRICS,
	/* Prometheus' older text, version 0.0.4: all that node_exporter's textfile collector and
	 * promtool check metrics read. The samples are the same. */
	METRICS_PROMETHEUS,
};

/* What one txringd has answered. All is borrowed. */
struct metrics_source {
	const char *daemon;    /* label "daemon" of all its samples */
	const json_t *show;    /* NULL: it does not answer; then there is txring_up 0 and no more */
	const json_t *stats;   /* NULL: none */
	const json_t *latency; /* NULL: it has none */
	const char *version;   /* NULL: not known */
};

/* Writes the metrics of all n sources to out. The caller looks at ferror(out). */
void metrics_print(FILE *out, enum metrics_format format, const struct metrics_source *sources,
		   unsigned n);

/* Its media type, for HTTP. */
const char *metrics_type(enum metrics_format format);

#endif
