/* SPDX-License-Identifier: MIT */
/*
 * Edits of a text, made all at once: what no edit touches stays as it is, byte for byte. An element
 * that is put in is laid out as its neighbour is, with the line ends of the text, or on the same
 * line where the neighbour has none of its own. So removing it with its line gives the text from
 * before.
 *
 * Owner: the caller, of one thread; the text is borrowed. Being out of memory is told at the end,
 * by convert_edits_apply() or convert_edits_diff().
 */
#ifndef TOOLS_TXRINGCTL_CONVERT_EDITS_H
#define TOOLS_TXRINGCTL_CONVERT_EDITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tools/config/xml.h"

struct convert_edit {
	struct xml_span span; /* what it takes away; empty: it puts in before that byte */
	char *text;           /* what comes in its place */
	unsigned nth;         /* of two at one place the first that was made comes first */
};

struct convert_edits {
	const char *text;
	size_t len;
	struct convert_edit *list;
	unsigned n, room;
	bool failed; /* out of memory */
};

void convert_edits_init(struct convert_edits *e, const char *text, size_t len);
/* May run twice. */
void convert_edits_deinit(struct convert_edits *e);

/* Put text in the place of span. */
void convert_edits_replace(struct convert_edits *e, struct xml_span span, const char *text);

/*
 * Put block in at byte at, laid out as what begins at byte like, and so many levels deeper. A line
 * of block ends with '\n', but for the last, and may begin with tabs, one for each level; all
 * become line ends and indentation of the text, or nothing.
 */
void convert_edits_put(struct convert_edits *e, size_t at, size_t like, unsigned deeper,
		       const char *block);
/* The same in the place of span, whose own indentation stays before the first line. */
void convert_edits_swap(struct convert_edits *e, struct xml_span span, const char *block);

/* Take an element away; and its line, where it begins one. */
void convert_edits_remove(struct convert_edits *e, struct xml_span span);

/* Whether no two edits overlap. Those of a conversion never do. */
bool convert_edits_fit(struct convert_edits *e);

/*
 * The text with all edits, which must not overlap, and a zero behind it; to be freed. NULL: out of
 * memory.
 */
char *convert_edits_apply(struct convert_edits *e, size_t *len);

/*
 * What the edits change, as diff -u prints it, which patch reads; name is the file's. False: out of
 * memory.
 */
bool convert_edits_diff(struct convert_edits *e, const char *name, FILE *out);

#endif
