/* SPDX-License-Identifier: MIT */
/*
 * A document of XML, read strictly, and where in its text each element stands. The one door to
 * libxml2. Entities, DTDs, XInclude and network access are refused or off; a document is UTF-8, of
 * XML_MAX_LEN bytes and XML_MAX_DEPTH levels at most. Names are local, the namespace beside.
 *
 * Owner: the caller, of one thread. What the functions return is the document's, until xml_free().
 */
#ifndef TOOLS_CONFIG_XML_H
#define TOOLS_CONFIG_XML_H

#include <stddef.h>

#define XML_MAX_LEN   (10 * 1024 * 1024)
#define XML_MAX_DEPTH 256
#define XML_ERR_LEN   512

struct xml_doc;
struct xml_node; /* an element or a processing instruction */

/* Bytes of xml_text(): [begin, end). */
struct xml_span {
	size_t begin, end;
};

/*
 * Read the file at path; "-": stdin. 0, or a negative errno and a line in err that begins with
 * "PATH:LINE: ", or "PATH: " where no line can be told.
 */
int xml_read(struct xml_doc **doc, const char *path, char err[XML_ERR_LEN]);
/* The same of len bytes at text, which are copied; name stands for the path in messages. */
int xml_parse(struct xml_doc **doc, const char *name, const char *text, size_t len,
	      char err[XML_ERR_LEN]);
/* Takes NULL. */
void xml_free(struct xml_doc *doc);

/* As given to xml_read(). */
const char *xml_path(const struct xml_doc *doc);
/* The bytes that were read, and a zero behind them. */
const char *xml_text(const struct xml_doc *doc, size_t *len);

/* Holds the root and the instructions beside it. No element: it has no name and no place. */
const struct xml_node *xml_top(const struct xml_doc *doc);
const struct xml_node *xml_root(const struct xml_doc *doc);
/* The first child of parent behind after, or, after NULL, the first; NULL: there is no more. */
const struct xml_node *xml_next(const struct xml_node *parent, const struct xml_node *after);
/* NULL: it is the root. */
const struct xml_node *xml_parent(const struct xml_node *node);
/* The first child element of this name and namespace; NULL: none. */
const struct xml_node *xml_child(const struct xml_node *parent, const char *ns, const char *name);

/* A processing instruction's target, or an element's local name. */
const char *xml_name(const struct xml_node *node);
int xml_is_instruction(const struct xml_node *node);
/* "": none. */
const char *xml_ns(const struct xml_node *node);
/* Counted from 1. */
unsigned xml_line(const struct xml_node *node);

/* The n-th attribute, from 0, of which xmlns is none; NULL: there are no more. ns "": none. */
const char *xml_attr_at(const struct xml_node *node, unsigned n, const char **ns,
			const char **value);
/* The value of an attribute without a namespace; NULL: it has none. */
const char *xml_attr(const struct xml_node *node, const char *name);
/* An element's own text, or what stands behind an instruction's target. "" if there is none. */
const char *xml_content(const struct xml_node *node);

/* Where all of an element or instruction stands, its tags included. */
struct xml_span xml_span(const struct xml_doc *doc, const struct xml_node *node);
/* Where its start tag stands, or its only one. */
struct xml_span xml_start_tag(const struct xml_doc *doc, const struct xml_node *node);
/* Where the value of that attribute stands, without its quotes. Empty at 0: it has none. */
struct xml_span xml_attr_span(const struct xml_doc *doc, const struct xml_node *node,
			      const char *name);

#endif
