/* SPDX-License-Identifier: MIT */
/* What changes in a domain besides its interfaces and its metadata: see convert.h. */
#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/convert.h"
#include "tools/txringctl/convert_parts.h"
#include "virtio/base.h"

#define MEMFD  "<source type='memfd'/>"
#define SHARED "<access mode='shared'/>"

static const char *attr(const struct xml_node *node, const char *name)
{
	const char *value = node ? xml_attr(node, name) : NULL;

	return value ? value : "";
}

static const struct xml_node *child(const struct xml_node *node, const char *name)
{
	return node ? xml_child(node, "", name) : NULL;
}

/* Memory. */

static const struct xml_node *numa(const struct xml_node *domain)
{
	return child(child(domain, "cpu"), "numa");
}

bool convert_domain_shared(const struct xml_node *domain)
{
	const struct xml_node *backing = child(domain, "memoryBacking"), *cell = NULL;
	const char *type = attr(child(backing, "source"), "type");
	bool shared = !strcmp(attr(child(backing, "access"), "mode"), "shared");
	bool file = child(backing, "hugepages") || !strcmp(type, "memfd") || !strcmp(type, "file");
	unsigned n = 0, n_shared = 0, n_private = 0;

	while ((cell = convert_parts_next(numa(domain), cell, "", "cell"))) {
		n++;
		n_shared += !strcmp(attr(cell, "memAccess"), "shared");
		n_private += !strcmp(attr(cell, "memAccess"), "private");
	}
	return !n_private && ((n && n_shared == n) || (shared && file));
}

/* A cell that says private goes before what the domain says. */
static void share_cells(struct convert_parts *p)
{
	const struct xml_node *cell = NULL;
	bool kept = false;

	while ((cell = convert_parts_next(numa(p->c->domain), cell, "", "cell"))) {
		if (strcmp(attr(cell, "memAccess"), "private") != 0)
			continue;
		if (!kept)
			convert_parts_keep(p, "cpu", child(p->c->domain, "cpu"));
		kept = true;
		convert_edits_replace(p->e, xml_attr_span(p->c->doc, cell, "memAccess"), "shared");
	}
}

static void share_backing(struct convert_parts *p, const struct xml_node *backing)
{
	const struct xml_node *source = child(backing, "source");
	const struct xml_node *access = child(backing, "access");
	const char *type = attr(source, "type");
	bool lacks_source = !source && !child(backing, "hugepages");

	if (source && strcmp(type, "memfd") != 0 && strcmp(type, "file") != 0)
		convert_edits_swap(p->e, xml_span(p->c->doc, source), MEMFD);
	if (access && strcmp(attr(access, "mode"), "shared") != 0)
		convert_edits_swap(p->e, xml_span(p->c->doc, access), SHARED);
	if (!access && lacks_source)
		convert_parts_put_into(p, backing, MEMFD "\n" SHARED);
	else if (!access)
		convert_parts_put_into(p, backing, SHARED);
	else if (lacks_source)
		convert_parts_put_into(p, backing, MEMFD);
}

static void share_memory(struct convert_parts *p)
{
	static const char *const before[] = { "memory", "maxMemory", "currentMemory", NULL };
	const struct xml_node *backing = child(p->c->domain, "memoryBacking");

	if (convert_domain_shared(p->c->domain))
		return;
	convert_parts_keep(p, "memoryBacking", backing);
	share_cells(p);
	if (backing)
		share_backing(p, backing);
	else
		convert_parts_put_behind(
			p, before, "<memoryBacking>\n\t" MEMFD "\n\t" SHARED "\n</memoryBacking>");
}

/* Ports for hotplug. */

static bool is_pcie(const struct xml_node *domain, const struct xml_node *devices)
{
	const char *machine = attr(child(child(domain, "os"), "type"), "machine");
	const struct xml_node *node = NULL;

	while ((node = convert_parts_next(devices, node, "", "controller"))) {
		if (!strcmp(attr(node, "model"), "pcie-root"))
			return true;
	}
	return strstr(machine, "q35") || !strncmp(machine, "virt", 4);
}

/* The bus of a device's address, "0x05" or "5"; -1: it has none. */
static long bus_of(const struct xml_node *device)
{
	const struct xml_node *address = child(device, "address");

	if (strcmp(attr(address, "type"), "pci") != 0 || !attr(address, "bus")[0])
		return -1;
	return strtol(attr(address, "bus"), NULL, 0);
}

bool convert_domain_bus_taken(const struct xml_node *devices, long bus)
{
	for (const struct xml_node *node = NULL; (node = xml_next(devices, node));) {
		if (!xml_is_instruction(node) && bus_of(node) == bus)
			return true;
	}
	return false;
}

/* Whether libvirt gives a PCI slot to such a device, or may. */
static bool is_on_pci(const struct xml_node *device)
{
	static const char *const names[] = { "interface", "disk",      "controller", "hostdev",
					     "rng",       "sound",     "video",      "input",
					     "vsock",     "shmem",     "filesystem", "watchdog",
					     "crypto",    "memballoon" };

	for (unsigned i = 0; i < array_size(names); i++) {
		if (!strcmp(xml_name(device), names[i]))
			return true;
	}
	return false;
}

/*
 * How many ports are lacking, so that n stay free; last: the highest index of a PCI controller, or
 * of a bus that a device is on: libvirt makes the controller of such a bus, if there is none.
 * Where no device has an address yet, libvirt will fill the ports that there are; and it adds
 * devices of its own.
 */
static unsigned lacking_ports(const struct xml_node *devices, unsigned n, long *last)
{
	unsigned free_ports = 0, users = 2;
	bool addressed = false;
	long n_pci = 0;

	*last = 0;
	for (const struct xml_node *node = NULL; (node = xml_next(devices, node));) {
		long index;

		if (xml_is_instruction(node))
			continue;
		addressed |= bus_of(node) > 0;
		*last = bus_of(node) > *last ? bus_of(node) : *last;
		if (strcmp(xml_name(node), "controller") != 0 ||
		    strcmp(attr(node, "type"), "pci") != 0) {
			users += is_on_pci(node);
			continue;
		}
		/* One without an index takes the next free one. */
		index = attr(node, "index")[0] ? strtol(attr(node, "index"), NULL, 10) : n_pci;
		n_pci++;
		*last = index > *last ? index : *last;
		free_ports += !strcmp(attr(node, "model"), "pcie-root-port") &&
			      !convert_domain_bus_taken(devices, index);
	}
	n += addressed ? 0 : users;
	return n > free_ports ? n - free_ports : 0;
}

static void spare_ports(struct convert_parts *p)
{
	const struct xml_node *devices = child(p->c->domain, "devices");
	const struct xml_node *last = p->c->nics[0].node, *node = NULL;
	struct xml_span span;
	unsigned lacking;
	char port[160];
	long index;

	if (!is_pcie(p->c->domain, devices))
		return;
	while ((node = convert_parts_next(devices, node, "", "controller")))
		last = node;
	span = xml_span(p->c->doc, last);
	lacking = lacking_ports(devices, p->c->n_nics, &index);
	while (lacking--) {
		index++;
		snprintf(port, sizeof(port),
			 "<controller type='pci' index='%ld' model='pcie-root-port'>\n"
			 "\t<alias name='" CONVERT_PORT_ALIAS "%ld'/>\n"
			 "</controller>",
			 index, index);
		convert_edits_put(p->e, span.end, span.begin, 0, port);
	}
}

/* QEMU 7.2 without KVM. */

static bool has_no_vectors(const struct xml_node *domain)
{
	const struct xml_node *line = xml_child(domain, CONVERT_NS_QEMU, "commandline"),
			      *arg = NULL;

	while ((arg = convert_parts_next(line, arg, CONVERT_NS_QEMU, "arg"))) {
		if (strstr(attr(arg, "value"), "virtio-net-pci.vectors=0"))
			return true;
	}
	return false;
}

static bool is_overridden(const struct xml_node *override, const char *alias)
{
	const struct xml_node *device = NULL;

	while ((device = convert_parts_next(override, device, CONVERT_NS_QEMU, "device"))) {
		if (!strcmp(attr(device, "alias"), alias))
			return true;
	}
	return false;
}

static void write_devices(struct convert_parts *p, const struct xml_node *override,
			  const char *declared, FILE *out)
{
	for (unsigned i = 0; i < p->c->n_nics; i++) {
		const struct convert_nic *nic = &p->c->nics[i];

		if (is_overridden(override, nic->alias)) {
			fprintf(p->c->notes,
				"%s:%u: <device alias='%s'>: QEMU 7.2 without KVM needs <property "
				"name='vectors' type='unsigned' value='0'/> in it, too\n",
				xml_path(p->c->doc), xml_line(override), nic->alias);
			continue;
		}
		fprintf(out,
			"<qemu:device%s alias='%s'>\n"
			"\t<qemu:frontend>\n"
			"\t\t<qemu:property name='vectors' type='unsigned' value='0'/>\n"
			"\t</qemu:frontend>\n"
			"</qemu:device>\n",
			declared, nic->alias);
	}
}

/* Behind all else in the domain. */
static void put_override(struct convert_parts *p, const char *devices)
{
	const struct xml_node *last = NULL;
	struct convert_lines l;
	struct xml_span span;

	for (const struct xml_node *node = NULL; (node = xml_next(p->c->domain, node));)
		last = node;
	if (!convert_parts_begin(p, &l))
		return;
	fputs("<qemu:override xmlns:qemu='" CONVERT_NS_QEMU "'>\n", l.out);
	convert_parts_deeper(devices, l.out);
	fputs("</qemu:override>", l.out);
	if (!convert_parts_end(p, &l))
		return;
	span = xml_span(p->c->doc, last);
	convert_edits_put(p->e, span.end, span.begin, 0, l.text);
	free(l.text);
}

/* Without MSI-X: QEMU 7.2 without KVM dies when a guest turns it on with vhost-user. */
static void no_vectors(struct convert_parts *p)
{
	const struct xml_node *override = xml_child(p->c->domain, CONVERT_NS_QEMU, "override");
	struct convert_lines devices;

	if (!p->c->tcg || has_no_vectors(p->c->domain) || !convert_parts_begin(p, &devices))
		return;
	write_devices(p, override, override ? " xmlns:qemu='" CONVERT_NS_QEMU "'" : "",
		      devices.out);
	if (!convert_parts_end(p, &devices))
		return;
	if (devices.len)
		convert_parts_keep(p, "qemu:override", override);
	if (devices.len && override)
		convert_parts_put_into(p, override, devices.text);
	else if (devices.len)
		put_override(p, devices.text);
	free(devices.text);
}

void convert_domain_edit(struct convert *c, struct convert_edits *e)
{
	struct convert_parts p;

	if (!convert_parts_init(&p, c, e))
		return;
	share_memory(&p);
	spare_ports(&p);
	no_vectors(&p);
	convert_metadata_edit(&p);
	convert_parts_deinit(&p);
}
