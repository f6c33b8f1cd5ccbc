/* SPDX-License-Identifier: MIT */
/* Which interfaces are converted, what each becomes, and what cannot be: see convert.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringctl/convert.h"
#include "virtio/base.h"

void convert_plan_refuse(struct convert *c, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_line("%s", line);
	c->refused++;
}

/* The same of a place in the document, as iface_refuse() has it. */
__attribute__((format(printf, 5, 6))) static void refuse(struct convert *c,
							 const struct xml_node *node,
							 const char *attribute, const char *value,
							 const char *fmt, ...)
{
	char why[IFACE_ERR_LEN], err[IFACE_ERR_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	iface_refuse(err, c->doc, node, attribute, value, "%s", why);
	convert_plan_refuse(c, "%s", err);
}

static bool is_virtio(const struct xml_node *node)
{
	const struct xml_node *model = xml_child(node, "", "model");
	const char *type = xml_attr(node, "type");
	bool vhostuser = type && !strcmp(type, "vhostuser");

	return iface_is_virtio(vhostuser ? IFACE_VHOSTUSER : IFACE_OTHER,
			       model ? xml_attr(model, "type") : NULL);
}

/* Why it cannot be converted; NULL: it can. */
static const char *why_not(const struct xml_node *node, bool vhostuser_too)
{
	static const char *const types[] = { "bridge", "network", "ethernet", "direct" };
	const char *type = xml_attr(node, "type");

	if (!is_virtio(node))
		return "its <model type=> is not virtio";
	if (!type)
		return "it has no type";
	if (!strcmp(type, "vhostuser"))
		return vhostuser_too ? NULL : "it is of type='vhostuser' already";
	for (unsigned i = 0; i < array_size(types); i++) {
		if (!strcmp(type, types[i]))
			return NULL;
	}
	return "no interface of the host stands behind its type";
}

/* False: it is refused. */
static bool read_one(struct convert *c, const struct iface_selector *sel)
{
	struct convert_nic *nics = realloc(c->nics, (c->n_nics + 1) * sizeof(*nics)), *nic;
	char err[IFACE_ERR_LEN];
	const uint8_t *m;

	if (!nics) {
		convert_plan_refuse(c, "out of memory");
		return false;
	}
	c->nics = nics;
	nic = &nics[c->n_nics];
	*nic = (struct convert_nic){ 0 };
	if (iface_read(&nic->iface, c->doc, sel, err)) {
		convert_plan_refuse(c, "%s", err);
		return false;
	}
	c->n_nics++;
	nic->node = nic->iface.node;
	m = nic->iface.mac;
	snprintf(nic->mac, sizeof(nic->mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
		 m[3], m[4], m[5]);
	return true;
}

static void read_chosen(struct convert *c, const struct iface_selector *sel, bool vhostuser_too)
{
	const char *why;

	if (!read_one(c, sel))
		return;
	why = why_not(c->nics[0].node, vhostuser_too);
	if (why)
		refuse(c, c->nics[0].node, "type", xml_attr(c->nics[0].node, "type"), "%s", why);
}

/* All that can be converted; of the others a note. */
static void read_all(struct convert *c, const struct xml_node *devices, bool vhostuser_too)
{
	struct iface_selector sel = { 0 };
	const char *why;

	for (const struct xml_node *node = NULL; (node = xml_next(devices, node));) {
		if (xml_is_instruction(node) || xml_ns(node)[0] ||
		    strcmp(xml_name(node), "interface") != 0)
			continue;
		sel.nth++;
		why = why_not(node, vhostuser_too);
		if (why)
			fprintf(c->notes, "%s:%u: <interface> stays as it is: %s\n",
				xml_path(c->doc), xml_line(node), why);
		else
			read_one(c, &sel);
	}
}

bool convert_plan_read(struct convert *c, const struct xml_doc *doc,
		       const struct iface_selector *sel, bool vhostuser_too, FILE *notes)
{
	const struct xml_node *root = xml_root(doc), *devices;
	bool domain = !strcmp(xml_name(root), "domain");
	const char *type = xml_attr(root, "type");

	*c = (struct convert){ .doc = doc, .domain = domain ? root : NULL, .notes = notes };
	c->tcg = domain && type && !strcmp(type, "qemu");
	devices = domain ? xml_child(root, "", "devices") : NULL;
	if (sel || !domain)
		read_chosen(c, sel ? sel : &(struct iface_selector){ 0 }, vhostuser_too);
	else if (devices)
		read_all(c, devices, vhostuser_too);
	if (!c->n_nics && !c->refused)
		convert_plan_refuse(c,
				    "%s: no <interface> in it can be converted: it must have "
				    "<model type='virtio'/>, and be of type bridge, network, "
				    "ethernet or direct%s",
				    xml_path(doc), vhostuser_too ? ", or vhostuser" : "");
	return !c->refused;
}

void convert_plan_deinit(struct convert *c)
{
	for (unsigned i = 0; i < c->n_nics; i++)
		iface_deinit(&c->nics[i].iface);
	free(c->nics);
	c->nics = NULL;
	c->n_nics = 0;
}

/* What cannot go to type='vhostuser', by the table; and what libvirt does nothing with there. */
static void judge(struct convert *c, const struct iface *iface)
{
	for (unsigned i = 0; i < iface->n_values; i++) {
		const struct iface_value *v = &iface->values[i];
		const struct iface_key *k = v->key;
		const char *why = k->why ? k->why : "type='vhostuser' has no such thing";
		const char *attribute = k->form == IFACE_TREE ? NULL : k->attribute;
		char err[IFACE_ERR_LEN];

		/* The conversion takes managed= out. */
		if ((k->unless && !strcmp(v->text, k->unless)) || !strcmp(k->attribute, "managed"))
			continue;
		if (k->vhostuser == IFACE_REFUSED) {
			refuse(c, v->node, attribute, v->text, "%s", why);
		} else if (k->vhostuser == IFACE_IGNORED) {
			iface_refuse(err, c->doc, v->node, attribute, v->text, "%s", why);
			fprintf(c->notes, "%s\n", err);
		}
	}
}

/* libvirt drops such a name when it reads a domain: "vnet3". */
static bool is_reserved(const char *dev)
{
	static const char *const prefixes[] = { "vnet", "macvtap", "macvlan" };

	for (unsigned i = 0; i < array_size(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (!strncmp(dev, prefixes[i], len) && dev[len] &&
		    !dev[len + strspn(dev + len, "0123456789")])
			return true;
	}
	return false;
}

/* The tap: that of our own backend, or of the interface, or one of a new name. */
static void choose_tap(struct convert *c, struct convert_nic *nic)
{
	const struct iface_value *mtu = iface_find(&nic->iface, "mtu", "size");
	const struct iface_own *own = iface_own(&nic->iface, "backend");
	const char *dev = iface_get(&nic->iface, "target", "dev");
	const uint8_t *m = nic->iface.mac;

	if (own && !strncmp(own->value, "tap:", 4))
		dev = own->value + 4;
	if (dev && strlen(dev) >= sizeof(nic->tap))
		refuse(c, xml_child(nic->node, "", "target"), "dev", dev,
		       "must be at most %zu characters", sizeof(nic->tap) - 1);
	else if (dev && !is_reserved(dev))
		strcpy(nic->tap, dev);
	else if (!own && nic->iface.has_mac)
		snprintf(nic->tap, sizeof(nic->tap), "tx%02x%02x%02x%02x%02x%02x", m[0], m[1], m[2],
			 m[3], m[4], m[5]);
	else if (own && mtu)
		refuse(c, mtu->node, "size", mtu->text,
		       "libvirt sets it on <target dev=>, which backend '%s' has not: take it out",
		       own->value);
}

void convert_plan_taps(struct convert *c)
{
	for (unsigned i = 0; i < c->n_nics; i++)
		choose_tap(c, &c->nics[i]);
}

/* What stood behind the tap. */
static void choose_behind(struct convert *c, struct convert_nic *nic)
{
	const struct iface *iface = &nic->iface;
	const struct iface_value *network = iface_find(iface, "source", "network");

	if (iface_own(iface, "backend") || iface_own(iface, "bridge"))
		return;
	if (iface->type == IFACE_DIRECT)
		nic->parent = iface_get(iface, "source", "dev");
	else if (iface->type == IFACE_BRIDGE || iface->type == IFACE_NETWORK)
		nic->bridge = iface_get(iface, "source", "bridge");
	if (iface->type == IFACE_NETWORK && !nic->bridge && network)
		refuse(c, network->node, "network", network->text,
		       "which bridge that is only libvirt knows: write bridge='BRIDGE' beside it; "
		       "virsh net-info %s says it",
		       network->text);
}

/* Where txringd listens by settings of our own, which go before what is written for libvirt. */
static const char *own_socket(struct convert *c, const struct convert_nic *nic, const char *socket)
{
	const struct iface_own *path = iface_own(&nic->iface, "socket-path");
	const struct iface_own *client = iface_own(&nic->iface, "client");

	if (client && nic->iface.type != IFACE_VHOSTUSER)
		refuse(c, client->node, "key", "client",
		       "QEMU is made to connect, so nobody would listen: take it out");
	if (path && socket && strcmp(path->value, socket) != 0)
		refuse(c, path->node, "value", path->value,
		       "txringd would listen there, and not at --socket '%s': take one away",
		       socket);
	return path ? path->value : socket;
}

/* A card that is there already may have it. */
static void check_socket(struct convert *c, const struct convert_nic *nic)
{
	const struct xml_node *devices = c->domain ? xml_child(c->domain, "", "devices") : NULL;
	const struct xml_node *source;
	const char *path;

	for (const char *s = nic->socket; *s; s++) {
		if ((unsigned char)*s >= ' ' && *s != 127)
			continue;
		convert_plan_refuse(c, "--socket has a control character, which libvirt lets in no "
				       "path");
		return;
	}
	for (const struct xml_node *n = NULL; devices && (n = xml_next(devices, n));) {
		source = n == nic->node || xml_is_instruction(n) ? NULL
								 : xml_child(n, "", "source");
		path = source ? xml_attr(source, "path") : NULL;
		if (path && !strcmp(path, nic->socket) && !strcmp(xml_name(n), "interface"))
			refuse(c, source, "path", path,
			       "that is where the <interface> of line %u would go: choose another "
			       "for it with --socket",
			       xml_line(nic->node));
	}
}

/* "/run/txring/NAME.sock", with a number if the domain has several. */
static void choose_socket(struct convert *c, struct convert_nic *nic, const char *socket)
{
	const struct xml_node *node = c->domain ? xml_child(c->domain, "", "name") : NULL;
	char name[CONVERT_SOCKET_LEN], number[16] = ""; /* a longer name is no path */
	int len;

	snprintf(name, sizeof(name), "%s", node ? xml_content(node) : nic->mac);
	for (char *s = name; *s; s++) {
		if (strchr("/: \t\r\n", *s))
			*s = '-';
	}
	if (c->n_nics > 1)
		snprintf(number, sizeof(number), "-%u", (unsigned)(nic - c->nics));
	socket = own_socket(c, nic, socket);
	if (nic->iface.type == IFACE_VHOSTUSER && !socket)
		socket = iface_get(&nic->iface, "source", "path");
	if (socket)
		len = snprintf(nic->socket, sizeof(nic->socket), "%s", socket);
	else
		len = snprintf(nic->socket, sizeof(nic->socket), "/run/txring/%s%s.sock", name,
			       number);
	if (len >= (int)sizeof(nic->socket) || nic->socket[0] != '/')
		convert_plan_refuse(c,
				    "--socket '%s' must be an absolute path of at most %zu "
				    "characters",
				    socket ? socket : nic->socket, sizeof(nic->socket) - 1);
	else
		check_socket(c, nic);
}

/* Without KVM QEMU 7.2 dies on vhost-user with MSI-X; the override that helps names an alias. */
static void choose_alias(const struct convert *c, struct convert_nic *nic)
{
	const char *alias = iface_get(&nic->iface, "alias", "name");
	const uint8_t *m = nic->iface.mac;

	if (!c->tcg)
		return;
	if (alias && !strncmp(alias, "ua-", 3) && strlen(alias) < sizeof(nic->alias))
		strcpy(nic->alias, alias);
	else
		snprintf(nic->alias, sizeof(nic->alias), "ua-tx%02x%02x%02x%02x%02x%02x", m[0],
			 m[1], m[2], m[3], m[4], m[5]);
}

static void check_mac(struct convert *c, const struct convert_nic *nic)
{
	if (!nic->iface.has_mac)
		refuse(c, nic->node, NULL, NULL,
		       "it has no <mac address=>, by which txringd knows it: give it one");
}

/* Of a lone <interface>. */
static void check_first_lone(struct convert *c)
{
	for (const struct xml_node *n = NULL; (n = xml_next(xml_root(c->doc), n));) {
		if (xml_is_instruction(n) && !strcmp(xml_name(n), CONVERT_WAS))
			refuse(c, n, NULL, NULL, "it was converted before: convert --back first");
	}
}

/* What is kept is of one conversion: a second one would keep what the first has made. */
static void check_first(struct convert *c)
{
	const struct xml_node *metadata = c->domain ? xml_child(c->domain, "", "metadata") : NULL;
	const struct xml_node *nics = metadata ? xml_child(metadata, IFACE_NS, "nics") : NULL;

	if (!c->domain)
		check_first_lone(c);
	for (const struct xml_node *n = NULL; nics && (n = xml_next(nics, n));) {
		if (xml_is_instruction(n) || !xml_child(n, IFACE_NS, "was"))
			continue;
		refuse(c, n, "mac", xml_attr(n, "mac"),
		       "it was converted before: convert --back first, then all of them at once");
		return;
	}
}

void convert_plan_make(struct convert *c, const char *socket)
{
	if (socket && c->n_nics > 1)
		convert_plan_refuse(c,
				    "--socket '%s' is for one interface, and %u are to be "
				    "converted: choose one (FILE,mac=MAC), or leave --socket away",
				    socket, c->n_nics);
	check_first(c);
	for (unsigned i = 0; i < c->n_nics; i++) {
		struct convert_nic *nic = &c->nics[i];

		judge(c, &nic->iface);
		check_mac(c, nic);
		choose_behind(c, nic);
		choose_socket(c, nic, socket);
		choose_alias(c, nic);
	}
	convert_plan_taps(c);
}
