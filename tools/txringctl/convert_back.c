/* SPDX-License-Identifier: MIT */
/*
 * What undoes a conversion: see convert.h. Metadata, or an instruction in a lone interface, keeps
 * what was; it is found in the file that convert wrote, and in what libvirt has made of it.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringctl/convert.h"
#include "tools/txringctl/convert_words.h"
#include "virtio/base.h"

struct undo {
	const struct xml_doc *doc;
	struct convert_edits *e;
	const struct xml_node *domain, *devices, *metadata,
		*nics;      /* NULL but for the first: none */
	bool metadata_done; /* as a <txring:was> says */
	bool failed;
};

static const char *attr(const struct xml_node *node, const char *name)
{
	const char *value = node ? xml_attr(node, name) : NULL;

	return value ? value : "";
}

static bool is(const struct xml_node *node, const char *ns, const char *name)
{
	return !xml_is_instruction(node) && !strcmp(xml_ns(node), ns) &&
	       !strcmp(xml_name(node), name);
}

/* What was, "" for nothing, in the place of node. */
static void restore(struct undo *u, const struct xml_node *node, const char *was)
{
	if (*was)
		convert_edits_replace(u->e, xml_span(u->doc, node), was);
	else
		convert_edits_remove(u->e, xml_span(u->doc, node));
}

static void fail(struct undo *u, const struct xml_node *node, const char *attribute,
		 const char *what)
{
	char err[IFACE_ERR_LEN];

	iface_refuse(err, u->doc, node, attribute, attr(node, attribute),
		     "it is to be restored, and there is no %s", what);
	log_line("%s", err);
	u->failed = true;
}

static void undo_interface(struct undo *u, const struct xml_node *nic, const char *was)
{
	for (const struct xml_node *n = NULL; u->devices && (n = xml_next(u->devices, n));) {
		if (!is(n, "", "interface") ||
		    strcasecmp(attr(xml_child(n, "", "mac"), "address"), attr(nic, "mac")) != 0)
			continue;
		restore(u, n, was);
		return;
	}
	fail(u, nic, "mac", "<interface> of this MAC");
}

/* The metadata goes only if nothing else has come into it. */
static void undo_metadata(struct undo *u, const char *was)
{
	const struct xml_node *first = xml_next(u->metadata, NULL);

	if (first != u->nics || xml_next(u->metadata, first))
		return;
	u->metadata_done = true;
	restore(u, u->metadata, was);
}

/* An element that a conversion changes, but for an interface. */
static bool is_changed(const char *name)
{
	static const char *const names[] = { "metadata", "nics", "memoryBacking", "cpu",
					     "qemu:override" };

	for (unsigned i = 0; i < array_size(names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

static void undo_element(struct undo *u, const struct xml_node *was)
{
	const char *name = attr(was, "element"), *text = xml_content(was);
	const struct xml_node *node;

	if (!is_changed(name)) {
		fail(u, was, "element", "conversion that changes such an element");
		return;
	}
	if (!strcmp(name, "metadata")) {
		undo_metadata(u, text);
		return;
	}
	if (!strcmp(name, "nics")) {
		u->metadata_done = true;
		restore(u, u->nics, text);
		return;
	}
	if (!strncmp(name, "qemu:", 5))
		node = xml_child(u->domain, CONVERT_NS_QEMU, name + 5);
	else
		node = xml_child(u->domain, "", name);
	if (node)
		restore(u, node, text);
	else if (*text)
		fail(u, was, "element", "such element");
}

/* A port that libvirt has given to a device stays, and loses the name that says it is spare. */
static void undo_ports(struct undo *u)
{
	const struct xml_node *alias;
	const char *name;

	for (const struct xml_node *n = NULL; u->devices && (n = xml_next(u->devices, n));) {
		alias = is(n, "", "controller") ? xml_child(n, "", "alias") : NULL;
		name = attr(alias, "name");
		if (strncmp(name, CONVERT_PORT_ALIAS, strlen(CONVERT_PORT_ALIAS)) != 0)
			continue;
		if (convert_domain_bus_taken(u->devices, strtol(attr(n, "index"), NULL, 10)))
			restore(u, alias, "");
		else
			restore(u, n, "");
	}
}

static bool undo_domain(struct undo *u)
{
	const struct xml_node *was;
	unsigned n = 0;

	u->devices = xml_child(u->domain, "", "devices");
	u->metadata = xml_child(u->domain, "", "metadata");
	u->nics = u->metadata ? xml_child(u->metadata, IFACE_NS, "nics") : NULL;
	for (const struct xml_node *node = NULL; u->nics && (node = xml_next(u->nics, node));) {
		if (is(node, IFACE_NS, "was"))
			undo_element(u, node);
		was = is(node, IFACE_NS, "nic") ? xml_child(node, IFACE_NS, "was") : NULL;
		if (!was)
			continue;
		n++;
		undo_interface(u, node, xml_content(was));
	}
	if (!n) {
		log_line("%s: its <metadata> keeps no interface (<txring:was>): none in it was "
			 "converted by txringctl convert --to vhostuser",
			 xml_path(u->doc));
		return false;
	}
	undo_ports(u);
	if (!u->metadata_done)
		restore(u, u->nics, "");
	return !u->failed;
}

static bool undo_lone(struct undo *u)
{
	const struct xml_node *root = xml_root(u->doc);
	char *was;

	for (const struct xml_node *n = NULL; (n = xml_next(root, n));) {
		if (!xml_is_instruction(n) || strcmp(xml_name(n), CONVERT_WAS) != 0)
			continue;
		was = convert_words_decoded(xml_content(n));
		if (was)
			restore(u, root, was);
		else
			u->e->failed = true;
		free(was);
		return true;
	}
	log_line("%s: it keeps no <?" CONVERT_WAS "?>: it was not converted by txringctl convert "
		 "--to vhostuser",
		 xml_path(u->doc));
	return false;
}

bool convert_back(const struct xml_doc *doc, struct convert_edits *e)
{
	const struct xml_node *root = xml_root(doc);
	struct undo u = { .doc = doc, .e = e };

	if (strcmp(xml_name(root), "domain") != 0)
		return undo_lone(&u);
	u.domain = root;
	if (!undo_domain(&u))
		return false;
	if (convert_edits_fit(e))
		return true;
	log_line("%s: two <txring:was> are of one element: it was edited after its conversion, so "
		 "take one out",
		 xml_path(doc));
	return false;
}
