/* SPDX-License-Identifier: MIT */
/* What changes in an <interface> that becomes type='vhostuser': see convert.h. */
#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/convert.h"
#include "tools/txringctl/convert_words.h"

/* Where a new child goes: behind <mac>, laid out as that is. */
struct place {
	size_t at, like;
};

/* XML that goes in the place of a node, or, if there is none, to a place. */
struct block {
	FILE *out;
	char *text;
	size_t len;
};

static bool begin(struct block *b, struct convert_edits *e)
{
	*b = (struct block){ 0 };
	b->out = open_memstream(&b->text, &b->len);
	e->failed |= !b->out;
	return b->out;
}

static void end(struct block *b, const struct convert *c, const struct xml_node *node,
		struct place place, struct convert_edits *e)
{
	if (fclose(b->out))
		e->failed = true;
	else if (node)
		convert_edits_swap(e, xml_span(c->doc, node), b->text);
	else
		convert_edits_put(e, place.at, place.like, 0, b->text);
	free(b->text);
}

static void put_source(const struct convert *c, const struct convert_nic *nic, struct place place,
		       struct convert_edits *e)
{
	struct block b;

	if (!begin(&b, e))
		return;
	fputs("<source type='unix' path='", b.out);
	convert_words_attr(nic->socket, b.out);
	fputs("' mode='client'>\n\t<reconnect enabled='yes' timeout='1'/>\n</source>", b.out);
	end(&b, c, xml_child(nic->node, "", "source"), place, e);
}

/* An element of one attribute. */
static void put_element(const struct convert *c, const struct convert_nic *nic, const char *name,
			const char *attribute, const char *value, struct place place,
			struct convert_edits *e)
{
	struct block b;

	if (!begin(&b, e))
		return;
	fprintf(b.out, "<%s %s='", name, attribute);
	convert_words_attr(value, b.out);
	fputs("'/>", b.out);
	end(&b, c, xml_child(nic->node, "", name), place, e);
}

static bool has(const struct xml_node *node, const char *attribute, const char *value)
{
	const char *text = node ? xml_attr(node, attribute) : NULL;

	return text && !strcmp(text, value);
}

/* A lone one has no metadata: instructions hold what a domain has there. */
static void keep(const struct convert *c, const struct convert_nic *nic, struct place place,
		 struct convert_edits *e)
{
	struct xml_span span = xml_span(c->doc, nic->node);
	const char *text = xml_text(c->doc, &(size_t){ 0 });
	struct block b;

	if (!begin(&b, e))
		return;
	if (nic->bridge)
		fprintf(b.out, "<?" IFACE_INSTRUCTION " bridge %s?>\n", nic->bridge);
	fputs("<?" CONVERT_WAS " ", b.out);
	convert_words_kept(text + span.begin, span.end - span.begin, b.out);
	fputs("?>", b.out);
	for (const struct xml_node *n = NULL; (n = xml_next(nic->node, n));)
		place.at = xml_span(c->doc, n).end;
	end(&b, c, NULL, place, e);
}

void convert_nic_edit(const struct convert *c, const struct convert_nic *nic,
		      struct convert_edits *e)
{
	const struct xml_node *target = xml_child(nic->node, "", "target");
	const struct xml_node *alias = xml_child(nic->node, "", "alias");
	struct xml_span mac = xml_span(c->doc, xml_child(nic->node, "", "mac"));
	struct place place = { .at = mac.end, .like = mac.begin };

	convert_edits_replace(e, xml_attr_span(c->doc, nic->node, "type"), "vhostuser");
	put_source(c, nic, place, e);
	/* libvirt refuses managed='no' there; and another name may have been chosen. */
	if (nic->tap[0] && (!has(target, "dev", nic->tap) || has(target, "managed", "no")))
		put_element(c, nic, "target", "dev", nic->tap, place, e);
	if (nic->alias[0] && !has(alias, "name", nic->alias))
		put_element(c, nic, "alias", "name", nic->alias, place, e);
	if (!c->domain)
		keep(c, nic, place, e);
}
