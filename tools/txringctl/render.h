/* SPDX-License-Identifier: MIT */
/*
 * Answers of txringd as text. Pure: what is missing in an answer, as of another version, is missing
 * in the text.
 */
#ifndef TOOLS_TXRINGCTL_RENDER_H
#define TOOLS_TXRINGCTL_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What a member is called by its name; "": it is not there. */
const char *render_text(const json_t *object, const char *name);

/* Of show: lines that begin with the card's name. */
void render_show(const json_t *answer, FILE *out);
/* Of domifstat: NIC COUNTER N, as virsh prints it. */
void render_domifstat(const json_t *answer, FILE *out);
/* Of commands that tell for each card what became of it: "NIC: said". */
void render_said(const json_t *answer, FILE *out);
/* Of log-level, and of show: the level. */
void render_log_level(const json_t *answer, FILE *out);
/* Of dumpxml: the text. */
void render_string(const json_t *answer, FILE *out);
/* What a table of counters is made of. */
struct render_stats {
	const json_t *was;         /* stats of before; NULL: since the start */
	const json_t *now;         /* stats */
	const json_t *latency_was; /* latency of before, as was; NULL: there is none */
	const json_t *latency;     /* with fine buckets; NULL: there is none */
	double seconds;            /* set by render_stats(): between the two */
};

/* Of stats: a line for each queue and iothread, per second if there are two looks. */
void render_stats(struct render_stats *s, FILE *out);
/* Of commands: what there is. */
void render_commands(const json_t *answer, FILE *out);

#endif
