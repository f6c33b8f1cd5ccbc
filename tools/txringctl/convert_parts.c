/* SPDX-License-Identifier: MIT */
/* How elements come into a domain; see convert_parts.h. */
#include "tools/txringctl/convert_parts.h"

#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/convert_words.h"

bool convert_parts_init(struct convert_parts *p, struct convert *c, struct convert_edits *e)
{
	*p = (struct convert_parts){ .c = c, .e = e };
	return convert_parts_begin(p, &p->was);
}

void convert_parts_deinit(struct convert_parts *p)
{
	if (p->was.out)
		fclose(p->was.out);
	free(p->was.text);
}

bool convert_parts_begin(struct convert_parts *p, struct convert_lines *l)
{
	*l = (struct convert_lines){ 0 };
	l->out = open_memstream(&l->text, &l->len);
	p->e->failed |= !l->out;
	return l->out;
}

bool convert_parts_end(struct convert_parts *p, struct convert_lines *l)
{
	bool ok = !fclose(l->out);

	l->out = NULL;
	if (ok)
		return true;
	free(l->text);
	l->text = NULL;
	p->e->failed = true;
	return false;
}

void convert_parts_deeper(const char *lines, FILE *out)
{
	for (size_t len; *lines; lines += len) {
		len = strcspn(lines, "\n");
		len += lines[len] == '\n';
		fprintf(out, "\t%.*s", (int)len, lines);
	}
}

const struct xml_node *convert_parts_next(const struct xml_node *parent,
					  const struct xml_node *after, const char *ns,
					  const char *name)
{
	const struct xml_node *node = after;

	while (parent && (node = xml_next(parent, node))) {
		if (!xml_is_instruction(node) && !strcmp(xml_ns(node), ns) &&
		    !strcmp(xml_name(node), name))
			return node;
	}
	return NULL;
}

void convert_parts_keep_text(struct convert_parts *p, const struct xml_node *node, FILE *out)
{
	struct xml_span span = xml_span(p->c->doc, node);
	const char *text = xml_text(p->c->doc, &(size_t){ 0 });

	convert_words_kept(text + span.begin, span.end - span.begin, out);
}

void convert_parts_keep(struct convert_parts *p, const char *name, const struct xml_node *node)
{
	fprintf(p->was.out, "<txring:was element='%s'", name);
	if (!node) {
		fputs("/>\n", p->was.out);
		return;
	}
	fputc('>', p->was.out);
	convert_parts_keep_text(p, node, p->was.out);
	fputs("</txring:was>\n", p->was.out);
}

/* One that is closed in itself gets an end tag. */
static void open_up(struct convert_parts *p, struct xml_span all, const char *block)
{
	const char *tag = xml_text(p->c->doc, &(size_t){ 0 }) + all.begin + 1;
	size_t slash = all.end - 2;
	char *closing;

	if (asprintf(&closing, "</%.*s>", (int)strcspn(tag, " \t\r\n/"), tag) < 0) {
		p->e->failed = true;
		return;
	}
	convert_edits_replace(p->e, (struct xml_span){ slash, all.end }, ">");
	convert_edits_put(p->e, all.end, all.begin, 1, block);
	convert_edits_put(p->e, all.end, all.begin, 0, closing);
	free(closing);
}

void convert_parts_put_into(struct convert_parts *p, const struct xml_node *parent,
			    const char *block)
{
	struct xml_span all = xml_span(p->c->doc, parent), tag = xml_start_tag(p->c->doc, parent);
	const struct xml_node *first = xml_next(parent, NULL);

	if (tag.end == all.end)
		open_up(p, all, block);
	else if (first)
		convert_edits_put(p->e, tag.end, xml_span(p->c->doc, first).begin, 0, block);
	else
		convert_edits_put(p->e, tag.end, all.begin, 1, block);
}

void convert_parts_put_behind(struct convert_parts *p, const char *const *names, const char *block)
{
	const struct xml_node *after = NULL, *node;
	struct xml_span span;

	for (; *names; names++) {
		node = xml_child(p->c->domain, "", *names);
		if (!node)
			continue;
		if (!after || xml_span(p->c->doc, node).end > xml_span(p->c->doc, after).end)
			after = node;
	}
	if (!after) {
		convert_parts_put_into(p, p->c->domain, block);
		return;
	}
	span = xml_span(p->c->doc, after);
	convert_edits_put(p->e, span.end, span.begin, 0, block);
}
