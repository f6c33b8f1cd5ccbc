/* SPDX-License-Identifier: MIT */
/* Settings of our own: instructions in an <interface>, elements in a domain's <metadata>. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/iface_parts.h"

/* How namespaces of ours begin, of which only IFACE_NS is known. */
#define IFACE_FAMILY "urn:txring:"

static const struct config_key *find_key(const char *name, size_t len)
{
	const struct config_key *key = nic_config_keys;

	while (key->name && (strlen(key->name) != len || memcmp(key->name, name, len) != 0))
		key++;
	return key->name ? key : NULL;
}

static int add(struct iface *iface, const struct xml_node *node, const char *name, size_t len,
	       const char *value, char err[IFACE_ERR_LEN])
{
	const struct config_key *key = find_key(name, len);
	struct iface_own *larger;

	if (!key)
		return iface_refuse(err, iface->doc, node, "key", name,
				    "no setting of this name; they are those of txringd --help");
	if (!key->arg != !value)
		return iface_refuse(err, iface->doc, node, "key", name, "%s",
				    key->arg ? "needs a value" : "takes no value");
	larger = realloc(iface->own, (iface->n_own + 1) * sizeof(*larger));
	if (!larger) {
		iface_refuse(err, iface->doc, node, NULL, NULL, "out of memory");
		return -ENOMEM;
	}
	iface->own = larger;
	larger[iface->n_own++] = (struct iface_own){ node, key->name, value };
	return 0;
}

/* <?txring KEY?> or <?txring KEY VALUE?> */
static int read_instruction(struct iface *iface, const struct xml_node *node,
			    char err[IFACE_ERR_LEN])
{
	const char *text = xml_content(node);
	size_t len = strcspn(text, " ");

	return add(iface, node, text, len, text[len] ? text + len + 1 : NULL, err);
}

static bool is_ours(const struct xml_node *node)
{
	return xml_is_instruction(node) && !strcmp(xml_name(node), IFACE_INSTRUCTION);
}

/* One that stands beside the interfaces, and says of none of them that it is its. */
static int check_beside(const struct iface *iface, const struct xml_node *parent,
			char err[IFACE_ERR_LEN])
{
	const struct xml_node *node = NULL;

	while (parent && parent != iface->node && (node = xml_next(parent, node))) {
		if (is_ours(node))
			return iface_refuse(err, iface->doc, node, NULL, NULL,
					    "must stand in <interface>");
	}
	return 0;
}

static int read_instructions(struct iface *iface, char err[IFACE_ERR_LEN])
{
	const struct xml_node *root = xml_root(iface->doc), *node = NULL;
	int error = check_beside(iface, xml_top(iface->doc), err);

	error = error ? error : check_beside(iface, root, err);
	error = error ? error : check_beside(iface, xml_child(root, "", "devices"), err);
	while (!error && (node = xml_next(iface->node, node))) {
		if (is_ours(node))
			error = read_instruction(iface, node, err);
	}
	return error;
}

/* The first attribute that is not one of two; NULL: none. */
static const char *stray_attr(const struct xml_node *node, const char *one, const char *other,
			      const char **value)
{
	const char *ns, *name;

	for (unsigned i = 0; (name = xml_attr_at(node, i, &ns, value)); i++) {
		if (*ns || (strcmp(name, one) != 0 && strcmp(name, other) != 0))
			return name;
	}
	return NULL;
}

static int read_set(struct iface *iface, const struct xml_node *set, char err[IFACE_ERR_LEN])
{
	const char *value, *stray = stray_attr(set, "key", "value", &value);
	const char *key = xml_attr(set, "key");

	if (stray)
		return iface_refuse(err, iface->doc, set, stray, value,
				    "it has key and value only");
	if (!key)
		return iface_refuse(err, iface->doc, set, NULL, NULL, "key is missing");
	return add(iface, set, key, strlen(key), xml_attr(set, "value"), err);
}

/* What convert keeps for --back, and instructions of others, are not read here. */
static bool is_passed_over(const struct xml_node *node)
{
	return xml_is_instruction(node) ||
	       (!strcmp(xml_ns(node), IFACE_NS) && !strcmp(xml_name(node), "was"));
}

static bool is_own(const struct xml_node *node, const char *name)
{
	return !strcmp(xml_ns(node), IFACE_NS) && !strcmp(xml_name(node), name);
}

/* A <nic> of <nics>: checked whatever its MAC, read if it is iface's. */
static int read_nic(struct iface *iface, const struct xml_node *nic, char err[IFACE_ERR_LEN])
{
	const char *value, *stray = stray_attr(nic, "mac", "mac", &value);
	const char *mac = xml_attr(nic, "mac");
	const struct xml_node *set = NULL;
	int error = 0;

	if (stray)
		return iface_refuse(err, iface->doc, nic, stray, value, "it has a mac only");
	if (!mac || !iface_same_mac(mac, mac))
		return iface_refuse(err, iface->doc, nic, mac ? "mac" : NULL, mac,
				    "mac must be that of an <interface>");
	if (!iface_same_mac(mac, iface_mac_text(iface->node)))
		return 0;
	while (!error && (set = xml_next(nic, set))) {
		if (is_own(set, "set"))
			error = read_set(iface, set, err);
		else if (!is_passed_over(set))
			return iface_refuse(err, iface->doc, set, NULL, NULL,
					    "only <set> of %s stands here", IFACE_NS);
	}
	return error;
}

/* No card may be described twice: one of both would say what the other does not. */
static int check_twice(const struct iface *iface, const struct xml_node *nics,
		       char err[IFACE_ERR_LEN])
{
	const struct xml_node *nic = NULL, *first = NULL;

	while ((nic = xml_next(nics, nic))) {
		const char *mac = xml_attr(nic, "mac");

		if (!iface_same_mac(mac, iface_mac_text(iface->node)))
			continue;
		if (first)
			return iface_refuse(err, iface->doc, nic, "mac", mac,
					    "line %u says what this card is, too", xml_line(first));
		first = nic;
	}
	return 0;
}

static int read_nics(struct iface *iface, const struct xml_node *nics, char err[IFACE_ERR_LEN])
{
	const struct xml_node *nic = NULL;
	int error = check_twice(iface, nics, err);

	while (!error && (nic = xml_next(nics, nic))) {
		if (is_own(nic, "nic"))
			error = read_nic(iface, nic, err);
		else if (!is_passed_over(nic))
			return iface_refuse(err, iface->doc, nic, NULL, NULL,
					    "only <nic> of %s stands here", IFACE_NS);
	}
	return error;
}

int iface_own_read(struct iface *iface, char err[IFACE_ERR_LEN])
{
	const struct xml_node *root = xml_root(iface->doc), *metadata, *node = NULL;
	int error = read_instructions(iface, err);

	if (error || root == iface->node)
		return error;
	metadata = xml_child(root, "", "metadata");
	while (metadata && !error && (node = xml_next(metadata, node))) {
		if (is_own(node, "nics"))
			error = read_nics(iface, node, err);
		else if (!strncmp(xml_ns(node), IFACE_FAMILY, strlen(IFACE_FAMILY)))
			return iface_refuse(err, iface->doc, node, NULL, NULL,
					    "only <nics> of %s stands here", IFACE_NS);
	}
	return error;
}
