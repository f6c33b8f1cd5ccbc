/* SPDX-License-Identifier: MIT */
/*
 * What the edits of a domain share: how an element is put in, and what the metadata is to keep.
 * Between convert_domain.c and convert_metadata.c.
 */
#ifndef TOOLS_TXRINGCTL_CONVERT_PARTS_H
#define TOOLS_TXRINGCTL_CONVERT_PARTS_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/txringctl/convert.h"

/* Lines of a block, as convert_edits_put() takes it. */
struct convert_lines {
	FILE *out;
	char *text; /* when it has ended */
	size_t len;
};

/* The edits of one conversion, and beside them what it will keep. */
struct convert_parts {
	struct convert *c;
	struct convert_edits *e;
	struct convert_lines was; /* <txring:was element=>, a line each */
};

/* False: no memory, which e says. */
bool convert_parts_init(struct convert_parts *p, struct convert *c, struct convert_edits *e);
void convert_parts_deinit(struct convert_parts *p);

/* False: no memory, which the edits say. */
bool convert_parts_begin(struct convert_parts *p, struct convert_lines *l);
/* True: the text is to be freed. */
bool convert_parts_end(struct convert_parts *p, struct convert_lines *l);
/* Write lines a level deeper. */
void convert_parts_deeper(const char *lines, FILE *out);

/* The next child element of this name behind after; parent may be NULL. */
const struct xml_node *convert_parts_next(const struct xml_node *parent,
					  const struct xml_node *after, const char *ns,
					  const char *name);

/* Remember an element of the domain that is changed; node NULL: that there was none. */
void convert_parts_keep(struct convert_parts *p, const char *name, const struct xml_node *node);
/* Its text, as an element's content. */
void convert_parts_keep_text(struct convert_parts *p, const struct xml_node *node, FILE *out);

/* Put block into parent as its first child. */
void convert_parts_put_into(struct convert_parts *p, const struct xml_node *parent,
			    const char *block);
/* Put block behind the last of the domain's children that names has, up to NULL; or first in it. */
void convert_parts_put_behind(struct convert_parts *p, const char *const *names, const char *block);

/* The last of a domain's edits: what was, into its metadata. */
void convert_metadata_edit(struct convert_parts *p);

#endif
