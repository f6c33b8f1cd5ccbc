/* SPDX-License-Identifier: MIT */
/*
 * What the metadata of a converted domain says: see convert.h.
 *
 * Of each interface what txringd needs beyond it, and what it was, <txring:was> in its
 * <txring:nic>; of another element <txring:was element='NAME'>, which is empty where there was
 * none.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/convert_parts.h"
#include "tools/txringctl/convert_words.h"

#define DECLARED " xmlns:txring='" IFACE_NS "'"

static void write_nic(struct convert_parts *p, const struct convert_nic *nic, const char *declared,
		      FILE *out)
{
	fprintf(out, "<txring:was%s>", declared);
	convert_parts_keep_text(p, nic->node, out);
	fputs("</txring:was>\n", out);
	if (!nic->bridge)
		return;
	fprintf(out, "<txring:set%s key='bridge' value='", declared);
	convert_words_attr(nic->bridge, out);
	fputs("'/>\n", out);
}

/* The <txring:nic> that says something of an interface already. */
static const struct xml_node *find_nic(const struct xml_node *nics, const struct convert_nic *nic)
{
	const struct xml_node *node = NULL;

	while ((node = convert_parts_next(nics, node, IFACE_NS, "nic"))) {
		if (xml_attr(node, "mac") && !strcasecmp(xml_attr(node, "mac"), nic->mac))
			return node;
	}
	return NULL;
}

/* What belongs into a <txring:nic> that there is goes there; the others are written to out. */
static void write_nics(struct convert_parts *p, const struct xml_node *nics, const char *declared,
		       FILE *out)
{
	for (unsigned i = 0; i < p->c->n_nics; i++) {
		const struct convert_nic *nic = &p->c->nics[i];
		const struct xml_node *node = find_nic(nics, nic);
		struct convert_lines l;

		if (!convert_parts_begin(p, &l))
			return;
		write_nic(p, nic, node ? declared : "", l.out);
		if (!convert_parts_end(p, &l))
			return;
		if (node) {
			convert_parts_put_into(p, node, l.text);
		} else {
			fprintf(out, "<txring:nic%s mac='%s'>\n", declared, nic->mac);
			convert_parts_deeper(l.text, out);
			fputs("</txring:nic>\n", out);
		}
		free(l.text);
	}
}

/* What is kept of other elements, a line each, in which the prefix may have to be declared. */
static void write_was(const char *was, const char *declared, FILE *out)
{
	static const char name[] = "<txring:was";

	for (size_t len; *was; was += len) {
		len = strcspn(was, "\n") + 1;
		fprintf(out, "%s%s%.*s", name, declared, (int)(len - strlen(name)),
			was + strlen(name));
	}
}

/* Lines in an element of their own; to be freed. NULL: no memory, which the edits say. */
static char *wrapped(struct convert_parts *p, const char *name, const char *declared,
		     const char *lines)
{
	struct convert_lines l;

	if (!convert_parts_begin(p, &l))
		return NULL;
	fprintf(l.out, "<%s%s>\n", name, declared);
	convert_parts_deeper(lines, l.out);
	fprintf(l.out, "</%s>\n", name);
	return convert_parts_end(p, &l) ? l.text : NULL;
}

/* A new <txring:nics>, in the <metadata> that there is, or a new one. */
static void put_nics(struct convert_parts *p, const struct xml_node *metadata, const char *lines)
{
	static const char *const before[] = {
		"name", "uuid", "genid", "title", "description", NULL
	};
	char *nics = wrapped(p, "txring:nics", DECLARED, lines), *all;

	if (nics && metadata) {
		convert_parts_put_into(p, metadata, nics);
	} else if (nics) {
		all = wrapped(p, "metadata", "", nics);
		if (all)
			convert_parts_put_behind(p, before, all);
		free(all);
	}
	free(nics);
}

void convert_metadata_edit(struct convert_parts *p)
{
	const struct xml_node *metadata = xml_child(p->c->domain, "", "metadata");
	const struct xml_node *nics = metadata ? xml_child(metadata, IFACE_NS, "nics") : NULL;
	const char *declared = nics ? DECLARED : "";
	struct convert_lines l;

	if (nics)
		convert_parts_keep(p, "nics", nics);
	else if (!metadata || !xml_next(metadata, NULL))
		convert_parts_keep(p, "metadata", metadata);
	if (!convert_parts_end(p, &p->was) || !convert_parts_begin(p, &l))
		return;
	write_was(p->was.text, declared, l.out);
	write_nics(p, nics, declared, l.out);
	if (!convert_parts_end(p, &l))
		return;
	if (nics)
		convert_parts_put_into(p, nics, l.text);
	else
		put_nics(p, metadata, l.text);
	free(l.text);
}
