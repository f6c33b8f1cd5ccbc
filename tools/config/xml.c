/* SPDX-License-Identifier: MIT */
/*
 * The door to libxml2, which parses and judges; see xml.h. Its SAX events become our own nodes, and
 * nothing of its own is kept. No handler loads anything: entities beyond XML's five are unknown, a
 * DTD ends the parser at its first word, and XInclude's elements are elements like others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "tools/config/xml_node.h"

/* A domain has some hundreds. It bounds what 10 MB of "<a/>" take. */
#define MAX_NODES 100000

struct builder {
	struct xml_doc *doc;
	xmlParserCtxt *parser;
	struct xml_node *open; /* the element that we are in, or the top */
	struct xml_node *last; /* in the text's order */
	unsigned depth, n_nodes;
	int error; /* the first */
	char *err; /* with its line */
};

/* Of libxml2's strings. */
static char *copy(const xmlChar *s, size_t len)
{
	return strndup(s ? (const char *)s : "", s ? len : 0);
}

static char *copy_all(const xmlChar *s)
{
	return copy(s, s ? strlen((const char *)s) : 0);
}

static void stop(struct builder *b, int error)
{
	if (!b->error)
		b->error = error;
	xmlStopParser(b->parser);
}

static unsigned line_now(const struct builder *b)
{
	int line = xmlSAX2GetLineNumber(b->parser);

	return line > 0 ? (unsigned)line : 0;
}

/* The node just begun, in the element that is open; NULL: the parser has been stopped. */
static struct xml_node *add_node(struct builder *b, const xmlChar *ns, const xmlChar *name)
{
	struct xml_node *node;

	if (b->n_nodes++ == MAX_NODES) {
		stop(b, xml_refuse(b->err, b->doc->path, line_now(b),
				   "more than %d elements and instructions", MAX_NODES));
		return NULL;
	}
	node = calloc(1, sizeof(*node));
	if (!node) {
		stop(b, -ENOMEM);
		return NULL;
	}
	xml_node_append(b->open, node, &b->last);
	node->ns = copy_all(ns);
	node->name = copy_all(name);
	if (!node->ns || !node->name) {
		stop(b, -ENOMEM);
		return NULL;
	}
	return node;
}

/* libxml2 hands over five pointers for each: name, prefix, namespace, the value's begin and end. */
static int add_attrs(struct xml_node *node, int n, const xmlChar **five)
{
	if (n <= 0)
		return 0;
	node->attrs = calloc((size_t)n, sizeof(*node->attrs));
	if (!node->attrs)
		return -ENOMEM;
	for (int i = 0; i < n; i++, five += 5) {
		struct xml_attr *attr = &node->attrs[node->n_attrs++];

		attr->name = copy_all(five[0]);
		attr->ns = copy_all(five[2]);
		attr->value = copy(five[3], (size_t)(five[4] - five[3]));
		if (!attr->name || !attr->ns || !attr->value)
			return -ENOMEM;
	}
	return 0;
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns,
		     int n_ns, const xmlChar **nss, int n_attrs, int n_defaults,
		     const xmlChar **attrs)
{
	struct builder *b = ctx;
	struct xml_node *node;

	(void)prefix, (void)n_ns, (void)nss, (void)n_defaults;
	if (b->error)
		return;
	if (b->depth++ == XML_MAX_DEPTH) {
		stop(b,
		     xml_refuse(b->err, b->doc->path, line_now(b),
				"elements stand in each other over %d levels deep", XML_MAX_DEPTH));
		return;
	}
	node = add_node(b, ns, name);
	if (!node)
		return;
	b->open = node;
	if (add_attrs(node, n_attrs, attrs))
		stop(b, -ENOMEM);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *ns)
{
	struct builder *b = ctx;

	(void)name, (void)prefix, (void)ns;
	if (b->error || !b->open->parent)
		return;
	b->open = b->open->parent;
	b->depth--;
}

/* Also for what libxml2 hands over in pieces; behind a piece there is always room for a zero. */
static void append(struct builder *b, struct xml_node *node, const xmlChar *text, size_t len)
{
	size_t size = node->content_size;

	if (node->content_len + len >= size) {
		char *larger;

		size = 2 * (node->content_len + len + 1);
		larger = realloc(node->content, size);
		if (!larger) {
			stop(b, -ENOMEM);
			return;
		}
		node->content = larger;
		node->content_size = size;
	}
	memcpy(node->content + node->content_len, text, len);
	node->content_len += len;
	node->content[node->content_len] = '\0';
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
	struct builder *b = ctx;

	if (!b->error && len > 0)
		append(b, b->open, text, (size_t)len);
}

static void on_instruction(void *ctx, const xmlChar *target, const xmlChar *data)
{
	struct builder *b = ctx;
	struct xml_node *node = b->error ? NULL : add_node(b, NULL, target);

	if (!node)
		return;
	node->instruction = true;
	if (data)
		append(b, node, data, strlen((const char *)data));
}

static void on_dtd(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	struct builder *b = ctx;

	(void)external, (void)system;
	if (!b->error)
		stop(b, xml_refuse(b->err, b->doc->path, line_now(b),
				   "<!DOCTYPE %.64s>: document types and entities are refused; "
				   "write what they stand for",
				   name ? (const char *)name : ""));
}

/* The first that is more than a warning is told, and ends it. */
static void on_error(void *ctx, const xmlError *e)
{
	struct builder *b = ctx;

	if (b->error || e->level < XML_ERR_ERROR)
		return;
	if (e->code == XML_ERR_NO_MEMORY)
		stop(b, -ENOMEM);
	else
		stop(b, xml_refuse(b->err, b->doc->path, e->line > 0 ? (unsigned)e->line : 0,
				   "not well-formed XML: %s", e->message ? e->message : ""));
}

static void set_handlers(xmlSAXHandler *sax)
{
	memset(sax, 0, sizeof(*sax));
	sax->initialized = XML_SAX2_MAGIC;
	sax->startElementNs = on_start;
	sax->endElementNs = on_end;
	sax->characters = sax->cdataBlock = sax->ignorableWhitespace = on_text;
	sax->processingInstruction = on_instruction;
	sax->internalSubset = on_dtd;
	/* Versions before 2.12 have no const there. */
	sax->serror = (xmlStructuredErrorFunc)on_error;
}

int xml_build(struct xml_doc *doc, char err[XML_ERR_LEN])
{
	struct builder b = { .doc = doc, .open = &doc->top, .last = &doc->top, .err = err };

	if (!doc->len)
		return xml_refuse(err, doc->path, 0, "empty");
	b.parser = xmlCreateMemoryParserCtxt(doc->text, (int)doc->len);
	if (!b.parser)
		b.error = -ENOMEM;
	if (!b.error) {
		set_handlers(b.parser->sax);
		b.parser->userData = &b;
		/*
		 * UTF-8 whatever is declared, which has been looked at. NOENT: hand over what an
		 * entity stands for, of which there are XML's five only; else an attribute has
		 * "&#38;" where "&amp;" is meant.
		 */
		xmlCtxtUseOptions(b.parser,
				  XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT);
		xmlParseDocument(b.parser);
		if (!b.error && !b.parser->wellFormed)
			b.error = xml_refuse(err, doc->path, 0, "not well-formed XML");
		xmlFreeParserCtxt(b.parser);
	}
	if (b.error == -ENOMEM)
		xml_refuse(err, doc->path, 0, "out of memory");
	return b.error;
}
