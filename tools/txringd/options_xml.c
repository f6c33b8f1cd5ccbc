/* SPDX-License-Identifier: MIT */
/* Cards that files of interface XML describe; see options_xml.h. */
#include "tools/txringd/options_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/iface.h"
#include "tools/log.h"

/*
 * The document at path, read now unless it was before, as stdin can be only once; or NULL. at is
 * where the path stands.
 */
static struct xml_doc *get_doc(struct options_xml *xml, const char *path,
			       const struct options_origin *at)
{
	struct xml_doc **larger, *doc;
	char err[XML_ERR_LEN];

	for (unsigned i = 0; i < xml->n_docs; i++) {
		if (!strcmp(xml_path(xml->docs[i]), path))
			return xml->docs[i];
	}
	if (xml_read(&doc, path, err)) {
		log_at(LOG_ERROR, "%s%s%s", at->text, *at->text ? ": " : "", err);
		return NULL;
	}
	larger = realloc(xml->docs, (xml->n_docs + 1) * sizeof(*larger));
	if (!larger) {
		log_at(LOG_ERROR, "out of memory");
		xml_free(doc);
		return NULL;
	}
	xml->docs = larger;
	larger[xml->n_docs++] = doc;
	return doc;
}

static void log_warning(void *ctx, const char *line)
{
	(void)ctx;
	log_at(LOG_ERROR, "%s", line);
}

static bool fill(struct options_xml *xml, char *spec, struct nic_config *c,
		 struct options_origin *origin)
{
	struct iface_selector sel;
	char err[IFACE_ERR_LEN];
	struct xml_doc *doc;
	struct iface iface;
	int error;

	if (iface_selector_parse(spec, &sel, err)) {
		log_at(LOG_ERROR, "%s%sinterface %s", origin->text, *origin->text ? ": " : "--",
		       err);
		return false;
	}
	doc = get_doc(xml, spec, origin);
	if (!doc)
		return false;
	error = iface_read(&iface, doc, &sel, err);
	if (!error) {
		snprintf(origin->text, sizeof(origin->text), "%.160s:%u: <interface>",
			 xml_path(doc), xml_line(iface.node));
		error = iface_to_nic(&iface, c, log_warning, NULL, err);
		iface_deinit(&iface);
	}
	if (error)
		log_at(LOG_ERROR, "%s", err);
	return !error;
}

bool options_xml_fill(struct options_xml *xml, const char *spec, struct nic_config *c,
		      struct options_origin *origin)
{
	char *copy = strdup(spec);
	bool done;

	if (!copy) {
		log_at(LOG_ERROR, "out of memory");
		return false;
	}
	done = fill(xml, copy, c, origin);
	free(copy);
	return done;
}

void options_xml_deinit(struct options_xml *xml)
{
	for (unsigned i = 0; i < xml->n_docs; i++)
		xml_free(xml->docs[i]);
	free(xml->docs);
	*xml = (struct options_xml){ 0 };
}
