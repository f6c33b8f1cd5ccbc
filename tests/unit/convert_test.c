/* SPDX-License-Identifier: MIT */
/*
 * Conversions of whole documents: what comes out of odd ones is read again, says what it must, and
 * goes back byte for byte. What would be lost is refused, all of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/config/xml.h"
#include "tools/txringctl/convert.h"
#include "virtio/base.h"

#define MAC     "<mac address='52:54:00:12:34:56'/>"
#define OTHER   "<mac address='52:54:00:12:34:57'/>"
#define VIRTIO  "<model type='virtio'/>"
#define BRIDGED "<interface type='bridge'>" MAC "<source bridge='br0'/>" VIRTIO "</interface>"

static struct xml_doc *read_text(const char *text)
{
	char err[XML_ERR_LEN];
	struct xml_doc *doc;
	int error = xml_parse(&doc, "in.xml", text, strlen(text), err);

	if (error)
		print_error("%s\n%s\n", err, text);
	assert_int_equal(error, 0);
	return doc;
}

/* Convert text, or a part of it; to be freed. NULL: n lines said why not. notes may be NULL. */
static char *converted(const char *text, const struct iface_selector *sel, unsigned *n,
		       char **notes)
{
	struct xml_doc *doc = read_text(text);
	struct convert_edits e;
	struct convert c;
	char *said = NULL, *out = NULL;
	size_t len;
	FILE *file = open_memstream(notes ? notes : &said, &len);

	assert_non_null(file);
	convert_edits_init(&e, text, strlen(text));
	if (convert_plan_read(&c, doc, sel, false, file))
		convert_plan_make(&c, NULL);
	for (unsigned i = 0; !c.refused && i < c.n_nics; i++)
		convert_nic_edit(&c, &c.nics[i], &e);
	if (!c.refused && c.domain)
		convert_domain_edit(&c, &e);
	if (!c.refused)
		out = convert_edits_apply(&e, &len);
	*n = c.refused;
	convert_plan_deinit(&c);
	convert_edits_deinit(&e);
	xml_free(doc);
	fclose(file);
	free(said);
	return out;
}

/* NULL: it cannot be. */
static char *back(const char *text)
{
	struct xml_doc *doc = read_text(text);
	struct convert_edits e;
	char *out = NULL;
	size_t len;

	convert_edits_init(&e, text, strlen(text));
	if (convert_back(doc, &e))
		out = convert_edits_apply(&e, &len);
	convert_edits_deinit(&e);
	xml_free(doc);
	return out;
}

static char *convert_ok(const char *text)
{
	unsigned n;
	char *out = converted(text, NULL, &n, NULL);

	assert_int_equal(n, 0);
	assert_non_null(out);
	return out;
}

static void has(const char *text, const char *what)
{
	if (!strstr(text, what))
		print_error("there is no %s in\n%s\n", what, text);
	assert_non_null(strstr(text, what));
}

static void has_not(const char *text, const char *what)
{
	if (strstr(text, what))
		print_error("there is %s in\n%s\n", what, text);
	assert_null(strstr(text, what));
}

/* Documents as people write them. */
static const char *const odd[] = {
	"<interface type='bridge'>" MAC "<source bridge='br0'/>" VIRTIO "</interface>",
	"<?xml version='1.0'?>\n<!-- a > b -->\n<interface\n\ttype = \"network\" >\n\t" MAC
	"\n\t<source network='n' bridge='virbr0'></source>\n\t" VIRTIO "\n</interface>\n\n",
	"<interface type='ethernet'>\r\n  " MAC
	"\r\n  <target dev=\"t&#48;\" managed=\"no\" />\r\n  " VIRTIO
	"\r\n  <!-- &lt; -->\r\n</interface>\r\n",
	"<interface type='direct'>\n" MAC "<source dev='eth0' mode='bridge'/>" VIRTIO
	"\n<?txring txmode poll,spin=20us?>\n</interface>",
	"<domain type='kvm'><name>a</name><devices>" BRIDGED "</devices></domain>",
	"<domain type='kvm'>\n <name>a</name>\n <metadata/>\n <devices>\n  " BRIDGED
	"\n </devices>\n</domain>\n",
	"<domain type='kvm'>\n <name>a</name>\n <metadata></metadata><memoryBacking/>\n "
	"<devices>\n  " BRIDGED "\n </devices>\n</domain>\n",
	"<domain "
	"type='kvm'>\n\t<name>a</name>\n\t<metadata>\n\t</"
	"metadata>\n\t<memoryBacking>\n\t\t<locked/>"
	"\n\t</memoryBacking>\n\t<devices>\n\t\t" BRIDGED "\n\t</devices>\n</domain>\n",
	"<domain type='kvm'>\r\n  <name>a</name>\r\n  <metadata>\r\n    <x:y "
	"xmlns:x='urn:x'>z</x:y>\r\n"
	"  </metadata>\r\n  <memory>1</memory>\r\n  <devices>\r\n    <interface type='bridge'>\r\n "
	"     " MAC "\r\n      <source bridge='br0'/>\r\n      " VIRTIO
	"\r\n    </interface>\r\n  </devices>\r\n</domain>\r\n",
	"<domain type='qemu'>\n  <metadata>\n    <t:nics xmlns:t='urn:txring:1'>\n      <t:nic "
	"mac='52:54:00:12:34:56'>\n"
	"        <t:set key='txmode' value='poll'/>\n      </t:nic>\n    </t:nics>\n  "
	"</metadata>\n  <name>a</name>\n"
	"  <memoryBacking>\n    <source type='anonymous'/>\n    <access mode='private'/>\n  "
	"</memoryBacking>\n"
	"  <devices>\n    " BRIDGED "\n  </devices>\n</domain>",
	"<domain type='qemu' xmlns:q='" CONVERT_NS_QEMU "'>\n  <name>a</name>\n  <metadata><t:nics "
	"xmlns:t='urn:txring:1'><t:nic mac='52:54:00:12:34:56'/></t:nics></metadata>\n  "
	"<devices>" BRIDGED "<interface type='user'>" OTHER VIRTIO "</interface></devices>\n"
	"  <q:override>\n    <q:device alias='ua-a'/>\n  </q:override>\n</domain>",
	"<domain type='kvm'>\n  <name>a</name>\n  <memoryBacking>\n    <hugepages/>\n  "
	"</memoryBacking>\n"
	"  <cpu mode='host-model'>\n    <numa>\n      <cell id='0' memory='1' "
	"memAccess='private'/>\n    </numa>\n"
	"  </cpu>\n  <os><type machine='pc-q35-7.2'>hvm</type></os>\n  <devices>\n"
	"    <controller type='pci' index='0' model='pcie-root'/>\n"
	"    <controller type='pci' index='1' model='pcie-root-port'/>\n    " BRIDGED "\n"
	"    <interface type='ethernet'>\n      " OTHER "\n      <target dev='tap1'/>" VIRTIO
	"\n    </interface>\n  </devices>\n</domain>\n",
};

/* Forth and back leaves no byte changed. */
static void round_trips(void **state)
{
	char *there, *again;

	(void)state;
	for (unsigned i = 0; i < array_size(odd); i++) {
		there = convert_ok(odd[i]);
		has(there, "vhostuser");
		xml_free(read_text(there));
		again = back(there);
		assert_non_null(again);
		assert_string_equal(again, odd[i]);
		free(again);
		free(there);
	}
}

/* What the interface must have, and must have no more. */
static void interface(void **state)
{
	char *out = convert_ok("<interface type='ethernet'>" MAC
			       "<target dev='tap0' managed='no'/><mtu size='1400'/>" VIRTIO
			       "<driver name='vhost' txmode='timer' queues='4'/></interface>");

	(void)state;
	has(out, "<source type='unix' path='/run/txring/52-54-00-12-34-56.sock' mode='client'>"
		 "<reconnect enabled='yes' timeout='1'/></source>");
	has(out, "<target dev='tap0'/>");
	has(out, "<driver name='vhost' txmode='timer' queues='4'/>");
	has(out, "<mtu size='1400'/>");
	free(out);
	/* A name that libvirt would drop, and no name at all. */
	out = convert_ok("<interface type='bridge'>" MAC
			 "<source bridge='br0'/><target dev='vnet7'/>" VIRTIO "</interface>");
	has(out, "<target dev='tx525400123456'/>");
	has(out, "<?txring bridge br0?>");
	free(out);
	out = convert_ok(BRIDGED);
	has(out, "<target dev='tx525400123456'/>");
	has_not(out, "alias");
	free(out);
	/* With a backend of our own, no tap and no bridge. */
	out = convert_ok("<interface type='bridge'>" MAC "<source bridge='br0'/>" VIRTIO
			 "<?txring backend null?></interface>");
	has_not(out, "<target");
	has_not(out, "<?txring bridge");
	free(out);
}

static char *domain(const char *type, const char *inner)
{
	static char text[2048];

	snprintf(text, sizeof(text),
		 "<domain type='%s'>\n<name>vm/0</name>\n%s\n<devices>" BRIDGED
		 "</devices>\n</domain>",
		 type, inner);
	return convert_ok(text);
}

static void memory(void **state)
{
	static const char shared[] = "<access mode='shared'/>";
	static const struct {
		const char *before, *has, *has_not;
	} cases[] = {
		{ "",
		  "<memoryBacking>\n  <source type='memfd'/>\n  <access mode='shared'/>\n</memory",
		  NULL },
		{ "<memoryBacking/>", "<source type='memfd'/>", NULL },
		{ "<memoryBacking><source type='file'/></memoryBacking>", "<source type='file'/>",
		  "memfd" },
		{ "<memoryBacking><source type='anonymous'/></memoryBacking>",
		  "<source type='memfd'/>", "<source type='anonymous'/>" },
		{ "<memoryBacking><hugepages/></memoryBacking>", "<hugepages/>", "memfd" },
		{ "<memoryBacking><access mode='private'/></memoryBacking>",
		  "<source type='memfd'/>", "<access mode='private'/>" },
		{ "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>",
		  "memfd", "element='memoryBacking'" },
		{ "<cpu><numa><cell memAccess='private'/></numa></cpu>", "memAccess='shared'",
		  "<cell memAccess='private'/>" },
	};
	char *out;

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		out = domain("kvm", cases[i].before);
		has(out, cases[i].has);
		has(out, shared);
		if (cases[i].has_not)
			has_not(out, cases[i].has_not);
		free(out);
	}
	out = domain("kvm", "<cpu><numa><cell memAccess='shared'/></numa></cpu>");
	has_not(out, "memoryBacking");
	free(out);
}

static void around(void **state)
{
	char *out = domain("kvm", "");

	(void)state;
	has(out, "path='/run/txring/vm-0.sock'");
	has(out, "<txring:set key='bridge' value='br0'/>");
	has_not(out, "pcie-root-port");
	has_not(out, "qemu:");
	free(out);
	/* Without KVM no MSI-X, unless that is said already. */
	out = domain("qemu", "");
	has(out, "<alias name='ua-tx525400123456'/>");
	has(out, "<qemu:device alias='ua-tx525400123456'>");
	free(out);
	out = domain("qemu", "<q:commandline xmlns:q='" CONVERT_NS_QEMU "'><q:arg "
			     "value='-global'/><q:arg value='virtio-net-pci.vectors=0'/>"
			     "</q:commandline>");
	has_not(out, "override");
	free(out);
	/* Ports: two are free, by the addresses. */
	out = domain("kvm", "<os><type machine='q35'>hvm</type></os>");
	has(out, "<alias name='ua-txring-port4'/>");
	has_not(out, "ua-txring-port5");
	free(out);
}

/* Of devices with addresses it is known which ports are free. */
static void ports(void **state)
{
	static const char text[] =
		"<domain type='kvm'><os><type machine='q35'>hvm</type></os><devices>"
		"<controller type='pci' index='0' model='pcie-root'/>"
		"<controller type='pci' index='1' model='pcie-root-port'/>"
		"<controller type='pci' index='%d' model='pcie-root-port'/>"
		"<interface type='bridge'>" MAC "<source bridge='br0'/>" VIRTIO
		"<address type='pci' bus='0x01' slot='0x00' function='0x0'/></interface>"
		"</devices></domain>";
	char all[4096], *out, *again, *used;

	(void)state;
	snprintf(all, sizeof(all), text, 2);
	out = convert_ok(all);
	has_not(out, "ua-txring-port");
	free(out);
	/* One that is named twice is one port only. */
	snprintf(all, sizeof(all), text, 1);
	out = convert_ok(all);
	has(out, "<alias name='ua-txring-port2'/>");
	/* libvirt has put a device there: the port stays when all else goes. */
	used = strstr(out, "</devices>");
	assert_non_null(used);
	snprintf(all, sizeof(all),
		 "%.*s<rng><address type='pci' bus='0x02'/></rng></devices></domain>",
		 (int)(used - out), out);
	again = back(all);
	assert_non_null(again);
	has(again, "<controller type='pci' index='2' model='pcie-root-port'></controller>");
	has_not(again, "txring");
	free(again);
	free(out);
}

/* All that would be lost, in one run; and nothing comes out. */
static void refused(void **state)
{
	static const struct {
		const char *text;
		unsigned n;
	} cases[] = {
		{ "<interface type='bridge'>" MAC "<source bridge='b'/>" VIRTIO
		  "<filterref filter='f'/><bandwidth><inbound average='1'/></bandwidth><vlan><tag "
		  "id='1'/></vlan><coalesce><rx><frames max='7'/></rx></coalesce><tune><sndbuf>1600"
		  "</sndbuf></tune><port isolated='yes'/></interface>",
		  6 },
		{ "<interface type='bridge'>" MAC "<source bridge='b'/>" VIRTIO
		  "<virtualport type='openvswitch'/></interface>",
		  1 },
		{ "<interface type='network'>" MAC "<source network='n'/>" VIRTIO "</interface>",
		  1 },
		{ "<interface type='bridge'><source bridge='b'/>" VIRTIO "</interface>", 1 },
		{ "<interface type='bridge'>" MAC
		  "<source bridge='b'/><model type='e1000'/></interface>",
		  1 },
		{ "<interface type='bridge'>" MAC "<source bridge='b'/></interface>", 1 },
		{ "<interface type='user'>" MAC VIRTIO "</interface>", 1 },
		{ "<interface type='vhostuser'>" MAC VIRTIO
		  "<source type='unix' path='/s' mode='client'/></interface>",
		  1 },
		{ "<interface type='ethernet'>" MAC "<mtu size='1400'/>" VIRTIO
		  "<?txring backend null?></interface>",
		  1 },
		{ "<interface type='bridge'>" MAC "<source bridge='b'/>" VIRTIO
		  "<driver txmode='foo'/></interface>",
		  1 },
		{ "<domain type='kvm'><devices>" BRIDGED BRIDGED "</devices></domain>", 2 },
		{ "<domain type='kvm'><devices/></domain>", 1 },
		{ "<domain type='kvm'/>", 1 },
	};
	unsigned n;
	char *out;

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		out = converted(cases[i].text, NULL, &n, NULL);
		if (out || n != cases[i].n)
			print_error("%u lines, not %u, for %s\n", n, cases[i].n, cases[i].text);
		assert_null(out);
		assert_int_equal(n, cases[i].n);
	}
}

/* One of several is converted; the others stay, and which is said. */
static void chosen(void **state)
{
	static const char text[] = "<domain type='kvm'>\n<devices>\n" BRIDGED
				   "\n<interface type='bridge'>" OTHER
				   "<source bridge='br1'/><model type='e1000'/></interface>\n"
				   "</devices>\n</domain>";
	struct iface_selector sel = { .mac = "52:54:00:12:34:57" };
	char *out, *notes;
	unsigned n;

	(void)state;
	out = converted(text, NULL, &n, &notes);
	assert_int_equal(n, 0);
	has(out, "<interface type='bridge'>" OTHER);
	has(notes, "in.xml:4: <interface> stays as it is: its <model type=> is not virtio");
	free(notes);
	/* A second time there is nothing to do, or what is kept would be lost. */
	assert_null(converted(out, NULL, &n, NULL));
	assert_int_equal(n, 1);
	free(out);
	assert_null(converted(text, &sel, &n, NULL));
	assert_int_equal(n, 1);
}

/* What libvirt or a user has made of a converted file. */
static void back_of_others(void **state)
{
	char *out = convert_ok("<domain type='kvm'>\n  <name>a</name>\n  <devices>\n    " BRIDGED
			       "\n  </devices>\n</domain>\n");
	char more[4096], *end = strstr(out, "</metadata>"), *again;

	(void)state;
	/* Something of another's has come into the metadata. */
	snprintf(more, sizeof(more), "%.*s<x:y xmlns:x='urn:x'/>%s", (int)(end - out), out, end);
	again = back(more);
	assert_non_null(again);
	has(again, "<x:y xmlns:x='urn:x'/></metadata>");
	has(again, BRIDGED);
	has_not(again, "txring");
	free(again);
	free(out);
	/* The interface has gone. */
	out = convert_ok("<domain type='kvm'><devices>" BRIDGED "</devices></domain>");
	end = strstr(out, "<interface type='vhostuser'>" MAC);
	assert_non_null(end);
	memcpy(strstr(end, "56'"), "58'", 3);
	assert_null(back(out));
	free(out);
	assert_null(back("<domain type='kvm'/>"));
	assert_null(back(BRIDGED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips), cmocka_unit_test(interface),
		cmocka_unit_test(memory),      cmocka_unit_test(around),
		cmocka_unit_test(ports),       cmocka_unit_test(refused),
		cmocka_unit_test(chosen),      cmocka_unit_test(back_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
