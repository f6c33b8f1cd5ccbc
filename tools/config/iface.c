/* SPDX-License-Identifier: MIT */
/* Reading an <interface> by the table. See iface.h. */
#include "tools/config/iface.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/iface_parts.h"
#include "tools/config/values.h"
#include "virtio/base.h"

/* Of an element's path in <interface>: "source/reconnect". */
#define PATH_LEN 64

static const struct {
	const char *name;
	enum iface_type type;
} types[] = {
	{ "network", IFACE_NETWORK },     { "bridge", IFACE_BRIDGE },
	{ "ethernet", IFACE_ETHERNET },   { "direct", IFACE_DIRECT },
	{ "vhostuser", IFACE_VHOSTUSER }, { "", IFACE_OTHER },
};

int iface_refuse(char err[IFACE_ERR_LEN], const struct xml_doc *doc, const struct xml_node *node,
		 const char *attribute, const char *value, const char *fmt, ...)
{
	int n = snprintf(err, IFACE_ERR_LEN, "%.160s:%u: ", xml_path(doc), xml_line(node));
	const char *name = xml_name(node);
	va_list args;

	if (xml_is_instruction(node))
		n += snprintf(err + n, 160, "<?%.40s %.100s?>: ", name, xml_content(node));
	else if (!attribute)
		n += snprintf(err + n, 160, "<%.40s>: ", name);
	else if (!*attribute)
		n += snprintf(err + n, 200, "<%.40s>%.80s</%.40s>: ", name, value, name);
	else
		n += snprintf(err + n, 200, "<%.40s %.40s='%.80s'>: ", name, attribute, value);
	va_start(args, fmt);
	vsnprintf(err + n, IFACE_ERR_LEN - (size_t)n, fmt, args);
	va_end(args);
	/* A value may have what would make two lines of one. */
	for (char *c = err; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	}
	return -EINVAL;
}

static bool is_of(const struct iface_key *key, enum iface_type type)
{
	return !key->types || key->types & (1u << type);
}

/* The row of this setting, also one that an interface of this type has not; NULL: none. */
static const struct iface_key *find_key(const char *path, const char *attribute,
					enum iface_type type)
{
	const struct iface_key *other = NULL;

	for (const struct iface_key *key = iface_keys; key->element; key++) {
		if (strcmp(key->element, path) != 0 || strcmp(key->attribute, attribute) != 0)
			continue;
		if (is_of(key, type))
			return key;
		other = key;
	}
	return other;
}

/* Has an interface of this type an element of this path, or one in it? */
static bool is_known(const char *path, enum iface_type type)
{
	size_t len = strlen(path);

	for (const struct iface_key *key = iface_keys; key->element; key++) {
		if (is_of(key, type) && !strncmp(key->element, path, len) &&
		    (!key->element[len] || key->element[len] == '/'))
			return true;
	}
	return false;
}

/* Append " NAME" for each attribute of the element to a message. */
static void list_attributes(char err[IFACE_ERR_LEN], const char *path, enum iface_type type)
{
	for (const struct iface_key *key = iface_keys; key->element; key++) {
		size_t len = strlen(err);

		if (!strcmp(key->element, path) && *key->attribute && is_of(key, type))
			snprintf(err + len, IFACE_ERR_LEN - len, " %s", key->attribute);
	}
}

static void say_types(const struct iface_key *key, char text[80])
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < array_size(types); i++) {
		if (is_of(key, types[i].type) && *types[i].name)
			len += (size_t)snprintf(text + len, 80 - len, " %s", types[i].name);
	}
}

static int add(struct iface *iface, const struct iface_key *key, const struct xml_node *node,
	       const char *text, char err[IFACE_ERR_LEN])
{
	struct iface_value *larger =
		realloc(iface->values, (iface->n_values + 1) * sizeof(*larger));

	if (!larger) {
		iface_refuse(err, iface->doc, node, NULL, NULL, "out of memory");
		return -ENOMEM;
	}
	iface->values = larger;
	larger[iface->n_values++] = (struct iface_value){ key, node, text };
	return 0;
}

static int read_value(struct iface *iface, const struct xml_node *node, const char *path,
		      const char *attribute, const char *text, char err[IFACE_ERR_LEN])
{
	const struct iface_key *key = find_key(path, attribute, iface->type);
	char why[IFACE_ERR_LEN], of[80];

	if (!key) {
		iface_refuse(err, iface->doc, node, attribute, text,
			     "%s is not known here; those of <%.40s> are:",
			     *attribute ? "this attribute" : "text", xml_name(node));
		list_attributes(err, path, iface->type);
		return -EINVAL;
	}
	if (!is_of(key, iface->type)) {
		say_types(key, of);
		return iface_refuse(err, iface->doc, node, attribute, text,
				    "is of an <interface> of another type:%s", of);
	}
	if (!iface_form_check(key, text, why))
		return iface_refuse(err, iface->doc, node, attribute, text, "%s", why);
	return add(iface, key, node, text, err);
}

static int read_attributes(struct iface *iface, const struct xml_node *node, const char *path,
			   char err[IFACE_ERR_LEN])
{
	const char *ns, *value, *name;
	int error = 0;

	for (unsigned i = 0; !error && (name = xml_attr_at(node, i, &ns, &value)); i++) {
		if (*ns)
			return iface_refuse(err, iface->doc, node, name, value,
					    "of namespace '%.100s': libvirt lets none in here", ns);
		error = read_value(iface, node, path, name, value, err);
	}
	return error;
}

static int read_text(struct iface *iface, const struct xml_node *node, const char *path,
		     char err[IFACE_ERR_LEN])
{
	const struct iface_key *key = find_key(path, "", iface->type);
	const char *text = xml_content(node);

	if (!text[strspn(text, " \t\r\n")] && (!key || !is_of(key, iface->type)))
		return 0;
	return read_value(iface, node, path, "", text, err);
}

/* A child of parent: by itself, and beside those before it. */
static int check_child(const struct iface *iface, const struct xml_node *parent,
		       const struct xml_node *node, const char *path, bool tree,
		       char err[IFACE_ERR_LEN])
{
	const struct xml_node *before = NULL;

	if (*xml_ns(node))
		return iface_refuse(err, iface->doc, node, NULL, NULL,
				    "of namespace '%.100s': libvirt lets none in here; our own "
				    "settings are <?%s KEY VALUE?>, or stand in the domain's "
				    "<metadata>",
				    xml_ns(node), IFACE_INSTRUCTION);
	if (!is_known(path, iface->type))
		return iface_refuse(err, iface->doc, node, NULL, NULL,
				    "this element of <%.40s> is not known in an <interface> of "
				    "this type, and what it asks for would be lost: take it out, "
				    "or use a newer txring",
				    xml_name(parent));
	while (!tree && (before = xml_next(parent, before)) != node) {
		if (!xml_is_instruction(before) && !strcmp(xml_name(before), xml_name(node)))
			return iface_refuse(err, iface->doc, node, NULL, NULL,
					    "line %u has one already", xml_line(before));
	}
	return 0;
}

static int read_element(struct iface *iface, const struct xml_node *node, const char *path,
			char err[IFACE_ERR_LEN]);

static int read_child(struct iface *iface, const struct xml_node *parent,
		      const struct xml_node *node, const char *parent_path, char err[IFACE_ERR_LEN])
{
	const struct iface_key *key;
	char path[PATH_LEN];
	bool tree;
	int error;

	/* What is longer than all that are known is as unknown when it is cut. */
	snprintf(path, sizeof(path), "%s%s%s", parent_path, *parent_path ? "/" : "",
		 xml_name(node));
	key = find_key(path, "", iface->type);
	tree = key && key->form == IFACE_TREE && is_of(key, iface->type);
	error = check_child(iface, parent, node, path, tree, err);
	if (error)
		return error;
	return tree ? add(iface, key, node, "", err) : read_element(iface, node, path, err);
}

/* As deep as the table knows elements. */
static int read_element(struct iface *iface, const struct xml_node *node, const char *path,
			char err[IFACE_ERR_LEN])
{
	const struct xml_node *child = NULL;
	int error = read_attributes(iface, node, path, err);

	if (!error)
		error = read_text(iface, node, path, err);
	while (!error && (child = xml_next(node, child))) {
		if (!xml_is_instruction(child))
			error = read_child(iface, node, child, path, err);
		else if (node != iface->node && !strcmp(xml_name(child), IFACE_INSTRUCTION))
			return iface_refuse(err, iface->doc, child, NULL, NULL,
					    "must stand in <interface>, not in <%.40s>",
					    xml_name(node));
	}
	return error;
}

static int read_type(struct iface *iface, char err[IFACE_ERR_LEN])
{
	const char *text = xml_attr(iface->node, "type");

	if (!text)
		return iface_refuse(err, iface->doc, iface->node, NULL, NULL, "type is missing");
	for (unsigned i = 0; i < array_size(types); i++) {
		iface->type = types[i].type;
		if (!strcmp(types[i].name, text))
			break;
	}
	return 0;
}

/* Two of one address in a domain: neither the guest nor what is said by MAC can tell them apart. */
static int check_mac(const struct iface *iface, char err[IFACE_ERR_LEN])
{
	const struct xml_node *other = NULL;
	const char *mac = iface_mac_text(iface->node);

	while ((other = iface_next(iface->doc, other))) {
		if (other != iface->node && iface_same_mac(iface_mac_text(other), mac))
			return iface_refuse(err, iface->doc, xml_child(iface->node, "", "mac"),
					    "address", mac,
					    "the <interface> of line %u has it, too: each needs "
					    "its own",
					    xml_line(other));
	}
	return 0;
}

int iface_read(struct iface *iface, const struct xml_doc *doc, const struct iface_selector *sel,
	       char err[IFACE_ERR_LEN])
{
	const char *mac;
	int error;

	*iface = (struct iface){ .doc = doc, .node = iface_choose(doc, sel, err) };
	if (!iface->node)
		return -EINVAL;
	error = read_type(iface, err);
	if (!error)
		error = read_element(iface, iface->node, "", err);
	if (!error)
		error = check_mac(iface, err);
	if (!error)
		error = iface_own_read(iface, err);
	mac = iface_get(iface, "mac", "address");
	iface->has_mac = mac && values_mac(mac, iface->mac);
	if (error)
		iface_deinit(iface);
	return error;
}

void iface_deinit(struct iface *iface)
{
	free(iface->values);
	free(iface->own);
	iface->values = NULL;
	iface->own = NULL;
	iface->n_values = iface->n_own = 0;
}

const struct iface_value *iface_find(const struct iface *iface, const char *element,
				     const char *attribute)
{
	for (unsigned i = 0; i < iface->n_values; i++) {
		const struct iface_value *value = &iface->values[i];

		if (!strcmp(value->key->element, element) &&
		    !strcmp(value->key->attribute, attribute))
			return value;
	}
	return NULL;
}

const char *iface_get(const struct iface *iface, const char *element, const char *attribute)
{
	const struct iface_value *value = iface_find(iface, element, attribute);

	return value ? value->text : NULL;
}

const struct iface_own *iface_own(const struct iface *iface, const char *key)
{
	for (unsigned i = iface->n_own; i > 0; i--) {
		if (!strcmp(iface->own[i - 1].key, key))
			return &iface->own[i - 1];
	}
	return NULL;
}
