/* SPDX-License-Identifier: MIT */
/* What a document of xml.h is made of, for the files that make one (xml*.c) and for no other. */
#ifndef TOOLS_CONFIG_XML_NODE_H
#define TOOLS_CONFIG_XML_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/config/xml.h"

struct xml_attr {
	char *ns;
	char *name;
	char *value;
};

struct xml_node {
	struct xml_node *parent;    /* NULL: it is the document's top */
	struct xml_node *first;     /* child */
	struct xml_node *last;      /* child */
	struct xml_node *next;      /* sibling */
	struct xml_node *following; /* in the order of the document's text */
	bool instruction;
	char *ns;
	char *name;
	char *content; /* of content_len bytes and a zero, in content_size bytes; NULL: none */
	size_t content_len, content_size;
	struct xml_attr *attrs; /* n_attrs */
	unsigned n_attrs;
	unsigned line;
	struct xml_span whole, tag;
};

struct xml_doc {
	char *path;
	char *text; /* len bytes and a zero */
	size_t len;
	struct xml_node top; /* holds the root and the instructions beside it */
};

/* Append a node to parent's children and to the document's order, of which it is the last. */
void xml_node_append(struct xml_node *parent, struct xml_node *node, struct xml_node **last);

/*
 * Judge the text and hang its nodes under top: all but where they stand. 0, or a negative errno and
 * a line in err; what was made stands under top either way.
 */
int xml_build(struct xml_doc *doc, char err[XML_ERR_LEN]);

/* Note where each node stands, in text that is well-formed and without a DTD. */
void xml_locate(struct xml_doc *doc);

/* How a message begins, and the rest, in one line. Returns -EINVAL. */
__attribute__((format(printf, 4, 5))) int xml_refuse(char err[XML_ERR_LEN], const char *path,
						     unsigned line, const char *fmt, ...);

#endif
