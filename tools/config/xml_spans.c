/* SPDX-License-Identifier: MIT */
/*
 * Where a document's nodes stand in its text. The text is well-formed and has no DTD: libxml2 has
 * judged it. So each '<' outside of comments and CDATA sections begins a tag or an instruction, and
 * those come in the order of the nodes.
 */
#include <string.h>

#include "tools/config/xml_node.h"

/* Behind the next end in text[at..len), or len. */
static size_t behind(const struct xml_doc *doc, size_t at, const char *end)
{
	const char *found = memmem(doc->text + at, doc->len - at, end, strlen(end));

	return found ? (size_t)(found - doc->text) + strlen(end) : doc->len;
}

static bool begins(const struct xml_doc *doc, size_t at, const char *with)
{
	return doc->len - at >= strlen(with) && !memcmp(doc->text + at, with, strlen(with));
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind the '>' of the start tag at at; one in a quoted value is not its. */
static size_t tag_end(const struct xml_doc *doc, size_t at)
{
	char quote = 0;

	for (; at < doc->len; at++) {
		char c = doc->text[at];

		if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '>')
			return at + 1;
	}
	return doc->len;
}

/* What is no node and stands at at, a '<': the end of it. Else 0. */
static size_t skip_other(const struct xml_doc *doc, size_t at)
{
	if (begins(doc, at, "<!--"))
		return behind(doc, at + 4, "-->");
	if (begins(doc, at, "<![CDATA["))
		return behind(doc, at + 9, "]]>");
	/* The declaration. No instruction has this name. */
	if (begins(doc, at, "<?xml") && is_space(doc->text[at + 5]))
		return behind(doc, at, "?>");
	return 0;
}

/* The node that begins at at: its tag, and all of it unless its end is still to come. */
static void begin_node(struct xml_doc *doc, struct xml_node *node, size_t at)
{
	node->tag.begin = at;
	node->tag.end = node->instruction ? behind(doc, at, "?>") : tag_end(doc, at);
	node->whole = node->tag;
}

static bool is_open(const struct xml_doc *doc, const struct xml_node *node)
{
	return !node->instruction && doc->text[node->tag.end - 2] != '/';
}

void xml_locate(struct xml_doc *doc)
{
	struct xml_node *open = &doc->top, *next = doc->top.following;
	size_t at = 0, end, counted = 0;
	unsigned line = 1;
	const char *found;

	for (; (found = memchr(doc->text + at, '<', doc->len - at)); at = end) {
		at = (size_t)(found - doc->text);
		end = skip_other(doc, at);
		if (end)
			continue;
		if (begins(doc, at, "</")) {
			end = behind(doc, at, ">");
			open->whole.end = end;
			open = open->parent;
		} else {
			for (; counted < at; counted++)
				line += doc->text[counted] == '\n';
			begin_node(doc, next, at);
			next->line = line;
			end = next->tag.end;
			if (is_open(doc, next))
				open = next;
			next = next->following;
		}
	}
}

struct xml_span xml_attr_span(const struct xml_doc *doc, const struct xml_node *node,
			      const char *name)
{
	size_t at = node->tag.begin, end = node->tag.end, len = strlen(name);
	const char *text = doc->text;

	if (!xml_attr(node, name))
		return (struct xml_span){ 0 };
	while (at < end && !is_space(text[at])) /* the element's name */
		at++;
	while (at < end) {
		size_t begin, value;

		while (at < end && is_space(text[at]))
			at++;
		begin = at;
		while (at < end && text[at] != '"' && text[at] != '\'')
			at++;
		value = at + 1;
		at = behind(doc, value, text[at] == '"' ? "\"" : "'");
		if (!memcmp(text + begin, name, len) &&
		    (is_space(text[begin + len]) || text[begin + len] == '='))
			return (struct xml_span){ value, at - 1 };
	}
	return (struct xml_span){ 0 };
}
