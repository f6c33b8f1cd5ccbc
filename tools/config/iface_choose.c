/* SPDX-License-Identifier: MIT */
/* Which <interface> of a document is meant; see iface.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/config/iface_parts.h"
#include "tools/config/values.h"

static bool is_element(const struct xml_node *node, const char *name)
{
	return !xml_is_instruction(node) && !*xml_ns(node) && !strcmp(xml_name(node), name);
}

const struct xml_node *iface_next(const struct xml_doc *doc, const struct xml_node *after)
{
	const struct xml_node *root = xml_root(doc), *devices;

	if (is_element(root, "interface"))
		return after ? NULL : root;
	devices = is_element(root, "domain") ? xml_child(root, "", "devices") : NULL;
	if (!devices)
		return NULL;
	while ((after = xml_next(devices, after)) && !is_element(after, "interface"))
		;
	return after;
}

unsigned iface_count(const struct xml_doc *doc)
{
	const struct xml_node *node = NULL;
	unsigned n = 0;

	while ((node = iface_next(doc, node)))
		n++;
	return n;
}

static const char *attr_of(const struct xml_node *interface, const char *element, const char *name)
{
	const struct xml_node *node = xml_child(interface, "", element);

	return node ? xml_attr(node, name) : NULL;
}

const char *iface_mac_text(const struct xml_node *interface)
{
	return attr_of(interface, "mac", "address");
}

bool iface_same_mac(const char *a, const char *b)
{
	uint8_t left[6], right[6];

	return a && b && values_mac(a, left) && values_mac(b, right) &&
	       !memcmp(left, right, sizeof(left));
}

/* The value behind ",WORD=" at comma; NULL: another word stands there. */
static const char *behind(const char *comma, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(comma + 1, word, len) && comma[1 + len] == '=' ? comma + len + 2 : NULL;
}

int iface_selector_parse(char *spec, struct iface_selector *sel, char err[IFACE_ERR_LEN])
{
	char *comma = strrchr(spec, ',');
	const char *nth;
	uint8_t mac[6];
	uint64_t n = 0;

	*sel = (struct iface_selector){ 0 };
	if (!comma)
		return 0;
	sel->mac = behind(comma, "mac");
	sel->alias = behind(comma, "alias");
	sel->dev = behind(comma, "dev");
	nth = behind(comma, "n");
	if (sel->mac && !values_mac(sel->mac, mac)) {
		snprintf(err, IFACE_ERR_LEN,
			 "mac '%.100s' must be a unicast address like 52:54:00:12:34:56", sel->mac);
		return -EINVAL;
	}
	if (nth && !values_number(nth, strlen(nth), 1, UINT32_MAX, &n)) {
		snprintf(err, IFACE_ERR_LEN, "n '%.100s' must be a number from 1", nth);
		return -EINVAL;
	}
	sel->nth = (unsigned)n;
	if (sel->mac || sel->alias || sel->dev || nth)
		*comma = '\0';
	return 0;
}

static bool is_like(const char *wanted, const char *text)
{
	return !wanted || (text && !strcmp(wanted, text));
}

static bool is_chosen(const struct iface_selector *sel, const struct xml_node *node, unsigned nth)
{
	return (!sel->mac || iface_same_mac(sel->mac, iface_mac_text(node))) &&
	       is_like(sel->alias, attr_of(node, "alias", "name")) &&
	       is_like(sel->dev, attr_of(node, "target", "dev")) && (!sel->nth || sel->nth == nth);
}

/* As it was given behind the file's name. Not for one that chooses nothing. */
static void say_selector(const struct iface_selector *sel, char text[80])
{
	if (sel->nth)
		snprintf(text, 80, "n=%u", sel->nth);
	else if (sel->mac)
		snprintf(text, 80, "mac=%.60s", sel->mac);
	else if (sel->alias)
		snprintf(text, 80, "alias=%.60s", sel->alias);
	else
		snprintf(text, 80, "dev=%.60s", sel->dev);
}

const struct xml_node *iface_choose(const struct xml_doc *doc, const struct iface_selector *sel,
				    char err[IFACE_ERR_LEN])
{
	const struct xml_node *node = NULL, *chosen = NULL, *root = xml_root(doc);
	unsigned nth = 0, n = 0;
	char wanted[80];

	while ((node = iface_next(doc, node))) {
		if (!is_chosen(sel, node, ++nth))
			continue;
		n++;
		chosen = node;
	}
	if (n == 1)
		return chosen;
	if (!is_element(root, "interface") && !is_element(root, "domain")) {
		iface_refuse(err, doc, root, NULL, NULL, "must be <interface> or <domain>");
	} else if (!nth) {
		iface_refuse(err, doc, root, NULL, NULL, "there is no <interface> in it");
	} else if (!n) {
		say_selector(sel, wanted);
		iface_refuse(err, doc, root, NULL, NULL, "none of its interfaces (%u) is %s", nth,
			     wanted);
	} else {
		iface_refuse(err, doc, root, NULL, NULL,
			     "%u interfaces: choose one with ,mac=MAC ,alias=NAME ,dev=NAME or "
			     ",n=N behind the file's name",
			     n);
	}
	return NULL;
}
