/* SPDX-License-Identifier: MIT */
/* How a metric is written, for metrics.c: families, labels, values, and the walk over all pairs. */
#ifndef TXRING_TOOLS_TXRINGCTL_METRICS_TEXT_H
#define TXRING_TOOLS_TXRINGCTL_METRICS_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "tools/txringctl/metrics.h"

#define METRICS_NAME_LEN 128

struct metrics_text {
	FILE *out;
	enum metrics_format format;
	const struct metrics_source *sources; /* n */
	unsigned n;
	/* The family that the next sample begins. Written with it: one without samples is not. */
	char family[METRICS_NAME_LEN];
	const char *type, *help; /* borrowed; NULL: it is written */
};

/*
 * What comes next are samples of this family. name is without the "_total" or "_info" of its
 * samples. type is OpenMetrics': counter, gauge, histogram, info. type and help are borrowed until
 * the next family.
 */
void metrics_family(struct metrics_text *t, const char *name, const char *type, const char *help);

/* Begins a sample of name and suffix, with label daemon. Labels and a value must follow. */
void metrics_labels(struct metrics_text *t, const char *name, const char *suffix,
		    const struct metrics_source *s);
void metrics_label(struct metrics_text *t, const char *name, const char *value);
/* Ends the sample. */
void metrics_value(struct metrics_text *t, json_int_t value);
/* The same of a time in ns, which is written in seconds. */
void metrics_seconds(struct metrics_text *t, json_int_t ns);
/* A time in ns as decimal seconds, without zeroes at the end. Returns buf. */
const char *metrics_decimal(char buf[32], json_int_t ns);

/* A walk over all pairs of stats or latency of all daemons; all zero: at its start. */
struct metrics_walk {
	unsigned source;
	size_t nic, next_pair;
	const json_t *card, *pair; /* borrowed */
	size_t pair_idx;
};

/* The next pair; false: there is no more. */
bool metrics_next_pair(const struct metrics_text *t, struct metrics_walk *w, bool latency);
/* metrics_labels(), and labels nic and pair. */
void metrics_pair_labels(struct metrics_text *t, const char *name, const char *suffix,
			 const struct metrics_walk *w);

/* All histograms of one ring, "tx" or "rx". */
void metrics_histograms(struct metrics_text *t, const char *ring);

#endif
