/* SPDX-License-Identifier: MIT */
/*
 * Reading an <interface>: which of a domain, what of it is read, and that what is wrong or unknown
 * is refused with its place. The documents are ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/config/iface.h"
#include "tools/config/values.h"
#include "virtio/base.h"

#define NICS(inside) "<txring:nics xmlns:txring='urn:txring:1'>" inside "</txring:nics>"
#define DOMAIN(metadata, interfaces) \
	"<domain type='qemu'>\n<metadata>" metadata "</metadata>\n<devices>\n" interfaces \
	"</devices></domain>"
#define NIC(mac, inside) \
	"<interface type='ethernet'><mac address='52:54:00:00:00:" mac "'/>" inside "</" \
	"interface>\n"

static struct xml_doc *parse(const char *text)
{
	struct xml_doc *doc = NULL;
	char err[XML_ERR_LEN];

	if (xml_parse(&doc, "a.xml", text, strlen(text), err))
		fail_msg("%s", err);
	return doc;
}

static int read_it(struct iface *iface, const struct xml_doc *doc, const char *selector,
		   char err[IFACE_ERR_LEN])
{
	struct iface_selector sel;
	char spec[128];

	snprintf(spec, sizeof(spec), "a.xml%s", selector);
	if (iface_selector_parse(spec, &sel, err))
		return -1;
	assert_string_equal(spec, "a.xml");
	return iface_read(iface, doc, &sel, err);
}

static void assert_refused(const char *text, const char *selector, const char *says)
{
	struct xml_doc *doc = parse(text);
	char err[IFACE_ERR_LEN] = "";
	struct iface iface;

	if (!read_it(&iface, doc, selector, err))
		fail_msg("taken, but it should say: %s", says);
	if (!strstr(err, says))
		fail_msg("'%s' does not say: %s", err, says);
	assert_null(strpbrk(err, "\n\t\r"));
	xml_free(doc);
}

/* The same of an <interface> with this in it, from its second line on. */
static void assert_inside_refused(const char *inside, const char *says)
{
	char text[1024];

	snprintf(text, sizeof(text), "<interface type='ethernet'>\n%s</interface>", inside);
	assert_refused(text, "", says);
}

static void assert_line(const char *text, const char *selector, unsigned line)
{
	struct xml_doc *doc = parse(text);
	char err[IFACE_ERR_LEN] = "";
	struct iface iface;

	if (read_it(&iface, doc, selector, err))
		fail_msg("%s", err);
	assert_int_equal(xml_line(iface.node), line);
	iface_deinit(&iface);
	iface_deinit(&iface);
	xml_free(doc);
}

/* One of several is chosen by what names it, and by nothing else. */
static void choosing(void **state)
{
	static const char two[] = DOMAIN("", NIC("01", "<alias name='ua-a'/><target dev='t1'/>")
						     NIC("02", "<alias name='net1'/>"));

	(void)state;
	assert_line("<interface type='user'/>", "", 1);
	assert_line("<interface type='user'/>", ",n=1", 1);
	assert_line(two, ",mac=52:54:00:00:00:02", 5);
	assert_line(DOMAIN("", NIC("aB", "")), ",mac=52:54:00:00:00:Ab", 4);
	assert_line(two, ",alias=net1", 5);
	assert_line(two, ",dev=t1", 4);
	assert_line(two, ",n=2", 5);
	assert_refused(two, "", "a.xml:1: <domain>: 2 interfaces: choose one with ,mac=MAC");
	assert_refused(two, ",mac=52:54:00:00:00:03",
		       "none of its interfaces (2) is mac=52:54:00:00:00:03");
	assert_refused(two, ",n=3", "is n=3");
	assert_refused(two, ",alias=net", "is alias=net");
	assert_refused(two, ",dev=net1", "is dev=net1");
	assert_refused(two, ",n=0", "n '0' must be a number from 1");
	assert_refused(two, ",mac=01:00:00:00:00:01", "mac '01:00:00:00:00:01' must be a unicast");
	assert_refused("<interface type='user'/>", ",dev=t", "none of its interfaces (1)");
	assert_refused("<domain/>", "", "<domain>: there is no <interface> in it");
	assert_refused("\n<network/>", "", "a.xml:2: <network>: must be <interface> or <domain>");
	assert_refused("<interface xmlns='urn:x' type='user'/>", "", "must be <interface>");
}

/* A comma belongs to the file's name unless a word follows it. */
static void file_names(void **state)
{
	static const char *const names[][2] = {
		{ "a", "a" },         { "a,b", "a,b" },           { "a,mac", "a,mac" },
		{ "a,b,n=1", "a,b" }, { "a,name=x", "a,name=x" }, { "a,n=1,b", "a,n=1,b" },
		{ ",dev=x", "" },
	};
	struct iface_selector sel;
	char spec[32], err[IFACE_ERR_LEN];

	(void)state;
	for (unsigned i = 0; i < array_size(names); i++) {
		snprintf(spec, sizeof(spec), "%s", names[i][0]);
		assert_int_equal(iface_selector_parse(spec, &sel, err), 0);
		assert_string_equal(spec, names[i][1]);
	}
}

/* Every setting is there with its row, its place and its text. */
static void reading(void **state)
{
	struct xml_doc *doc =
		parse("<interface type='vhostuser'>\n"
		      "<mac address='52:54:00:12:34:56'/>\n"
		      "<source type='unix' path='/s' mode='client'>\n"
		      "<reconnect enabled='yes' timeout='1'/></source>\n"
		      "<model type='virtio'/>\n<!-- ours -->"
		      "<driver name='vhost' txmode='timer' rx_queue_size='512'>\n"
		      "<host csum='off' mrg_rxbuf='on'/></driver>\n"
		      "<tune><sndbuf>0</sndbuf></tune><vlan><tag id='1'/><x/></vlan>\n"
		      "<ip address='10.0.0.1'/><ip address='10.0.0.2'/>"
		      "<address type='pci' slot='0x03'/></interface>");
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	char err[IFACE_ERR_LEN];
	const struct iface_value *value;
	struct iface iface;

	(void)state;
	if (read_it(&iface, doc, "", err))
		fail_msg("%s", err);
	assert_int_equal(iface.type, IFACE_VHOSTUSER);
	assert_true(iface.has_mac);
	assert_memory_equal(iface.mac, mac, 6);
	assert_string_equal(iface_get(&iface, "driver", "txmode"), "timer");
	assert_string_equal(iface_get(&iface, "source/reconnect", "timeout"), "1");
	assert_string_equal(iface_get(&iface, "tune/sndbuf", ""), "0");
	assert_null(iface_get(&iface, "driver", "queues"));
	value = iface_find(&iface, "driver/host", "csum");
	assert_string_equal(value->key->qemu, "csum");
	assert_int_equal(xml_line(value->node), 7);
	assert_int_equal(iface_find(&iface, "vlan", "")->key->nic, IFACE_REFUSED);
	assert_int_equal(iface.n_values, 18);
	iface_deinit(&iface);
	xml_free(doc);
}

/* What is wrong by itself: the line, the element, the attribute, the value, and what is allowed. */
static void values(void **state)
{
	static const char *const cases[][2] = {
		{ "<driver txmode='foo'/>", "a.xml:2: <driver txmode='foo'>: must be one of: "
					    "iothread timer (txringd's other" },
		{ "<driver txmode='default'/>", "iothread timer; leave it out for the default" },
		{ "<driver txmode=''/>", "<driver txmode=''>" },
		{ "<driver name='default'/>",
		  "a.xml:2: <driver name='default'>: must be one of: qemu vhost; leave it out" },
		{ "<driver name='qem'/>", "one of: qemu vhost" },
		{ "<driver name='qemu vhost'/>", "one of: qemu vhost" },
		{ "<driver queues='-5'/>",
		  "a.xml:2: <driver queues='-5'>: must be a number from 1 to 128" },
		{ "<driver queues='0'/>", "from 1 to 128" },
		{ "<driver queues='257'/>", "from 1 to 128" },
		{ "<driver queues='+4'/>", "from 1 to 128" },
		{ "<driver queues=' 4 '/>", "from 1 to 128" },
		{ "<driver rx_queue_size='511'/>", "a.xml:2: <driver rx_queue_size='511'>: must be "
						   "a power of two from 256 to 1024" },
		{ "<driver tx_queue_size='128'/>", "power of two" },
		{ "<driver tx_queue_size='2048'/>", "power of two" },
		{ "<driver event_idx='yes'/>", "<driver event_idx='yes'>: must be on or off" },
		{ "<driver><host tso4='no'/></driver>", "<host tso4='no'>: must be on or off" },
		{ "<mac address='01:00:5e:00:00:01'/>",
		  "a.xml:2: <mac address='01:00:5e:00:00:01'>: must be a unicast address like" },
		{ "<mac address='52-54-00-ab-cd-ef'/>", "must be a unicast address" },
		{ "<mac address='52:54:00:ab:cd'/>", "must be a unicast address" },
		{ "<port isolated='on'/>", "must be yes or no" },
		{ "<mtu size='65536'/>", "must be a number from 0 to 65535" },
		{ "<backend vhost='vhost-net'/>", "must be a path that begins with /" },
		{ "<target dev=''/>", "<target dev=''>: must not be empty" },
		{ "<tune><sndbuf> 0</sndbuf></tune>", "<sndbuf> 0</sndbuf>: must be a number" },
		{ "<tune><sndbuf/></tune>", "<sndbuf></sndbuf>: must be a number" },
		{ "<link state='a&#10;b'/>", "<link state='a b'>: must be one of: up down" },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++)
		assert_inside_refused(cases[i][0], cases[i][1]);
	assert_refused("<interface/>", "", "<interface>: type is missing");
	assert_refused("<interface type='vhost-user'/>", "", "<interface type='vhost-user'>: must");
}

/* What is in no row of the table, or not of this type, is refused by name. */
static void unknown(void **state)
{
	static const char *const cases[][2] = {
		{ "<hologram depth='3'/>",
		  "a.xml:2: <hologram>: this element of <interface> is not known in" },
		{ "<driver><uso on='on'/></driver>", "<uso>: this element of <driver> is not" },
		{ "<driver delay='80us'/>",
		  "<driver delay='80us'>: this attribute is not known here; those of <driver> are: "
		  "name txmode queues" },
		{ "<driver><guest mrg_rxbuf='off'/></driver>",
		  "those of <guest> are: csum tso4 tso6 ecn ufo" },
		{ "<driver>fast</driver>", "<driver>fast</driver>: text is not known here" },
		{ "<driver/>\n<driver/>", "a.xml:3: <driver>: line 2 has one already" },
		{ "<t:mode xmlns:t='urn:t' name='poll'/>", "of namespace 'urn:t'" },
		{ "<driver xmlns:t='urn:t' t:name='poll'/>", "<driver name='poll'>: of namespace" },
		{ "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/passwd'/>",
		  "<include>: of namespace 'http://www.w3.org/2001/XInclude'" },
		{ "<source path='/s'/>",
		  "<source path='/s'>: is of an <interface> of another type: vhostuser" },
		{ "<source><reconnect enabled='no'/></source>",
		  "<reconnect>: this element of <source> is not known in an <interface> of this" },
		{ "<source bridge='br0'/>", "another type: network bridge" },
		{ "<driver><?txring txmode poll?></driver>",
		  "<?txring txmode poll?>: must stand in <interface>, not in <driver>" },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++)
		assert_inside_refused(cases[i][0], cases[i][1]);
	assert_refused("<?txring txmode poll?><interface type='ethernet'/>", "",
		       "a.xml:1: <?txring txmode poll?>: must stand in <interface>");
	assert_refused(DOMAIN("", "<?txring txmode poll?>" NIC("02", "")), "",
		       "a.xml:4: <?txring txmode poll?>: must stand in <interface>");
}

/* Two of one MAC cannot be told apart, neither here nor by the guest. */
static void twins(void **state)
{
	static const char text[] = DOMAIN("", NIC("0a", "") NIC("02", "") NIC("0A", ""));

	(void)state;
	assert_refused(text, ",n=3",
		       "a.xml:6: <mac address='52:54:00:00:00:0A'>: the <interface> of line 4 has "
		       "it, too");
	assert_line(text, ",n=2", 5);
}

/* Our own: instructions of the element, and of the domain's metadata what has its MAC. */
static void ours(void **state)
{
	struct xml_doc *doc = parse(DOMAIN(
		"<other:x xmlns:other='urn:o'><nics/></other:x>" NICS(
			"<txring:was element='memoryBacking'/>"
			"<txring:nic mac='52:54:00:00:00:0A'><txring:was>&lt;x/></txring:was>"
			"<txring:set key='txmode' value='poll,spin=20us'/>"
			"<txring:set key='client'/></txring:nic>"
			"<txring:nic mac='52:54:00:00:00:0b'>"
			"<txring:set key='txmode' value='timer'/></txring:nic>"),
		NIC("0a", "<?other x?><?txring backend xdp:eth0,queue=1?>") NIC("0b", "")));
	char err[IFACE_ERR_LEN];
	struct iface iface;

	(void)state;
	if (read_it(&iface, doc, ",n=1", err))
		fail_msg("%s", err);
	assert_int_equal(iface.n_own, 3);
	assert_string_equal(iface_own(&iface, "backend")->value, "xdp:eth0,queue=1");
	assert_string_equal(iface_own(&iface, "txmode")->value, "poll,spin=20us");
	assert_null(iface_own(&iface, "client")->value);
	assert_null(iface_own(&iface, "mtu"));
	iface_deinit(&iface);
	if (read_it(&iface, doc, ",n=2", err))
		fail_msg("%s", err);
	assert_int_equal(iface.n_own, 1);
	assert_string_equal(iface_own(&iface, "txmode")->value, "timer");
	iface_deinit(&iface);
	xml_free(doc);
}

/* A setting of ours that is written wrongly is not passed over. */
static void ours_refused(void **state)
{
	static const char *const instructions[][2] = {
		{ "<?txring txmod poll?>", "<?txring txmod poll?>: no setting of this name" },
		{ "<?txring?>", "no setting of this name" },
		{ "<?txring txmode?>", "<?txring txmode?>: needs a value" },
		{ "<?txring client yes?>", "<?txring client yes?>: takes no value" },
	};
	static const char *const nics[][2] = {
		{ "<txring:nic mac='52:54:00:00:00:0a'><txring:set key='a' "
		  "value='b'/></txring:nic>",
		  "<set key='a'>: no setting of this name" },
		{ "<txring:nic mac='52:54:00:00:00:0a'><txring:set value='b'/></txring:nic>",
		  "<set>: key is missing" },
		{ "<txring:nic mac='52:54:00:00:00:0a'><txring:set key='mtu' v='b'/></txring:nic>",
		  "<set v='b'>: it has key and value only" },
		{ "<txring:nic mac='52:54:00:00:00:0a'><txring:put/></txring:nic>",
		  "<put>: only <set> of urn:txring:1 stands here" },
		{ "<txring:nic mac='52:54:00:00:00:0a'><set key='mtu'/></txring:nic>",
		  "<set>: only <set> of urn:txring:1" },
		{ "<txring:nic/>", "<nic>: mac must be that of an <interface>" },
		{ "<txring:nic mac='52:54'/>", "<nic mac='52:54'>: mac must be" },
		{ "<txring:nic name='a'/>", "<nic name='a'>: it has a mac only" },
		{ "<txring:nic txring:mac='a'/>", "<nic mac='a'>: it has a mac only" },
		{ "<txring:card/>", "<card>: only <nic> of urn:txring:1 stands here" },
		{ "<txring:nic mac='52:54:00:00:00:0a'/>\n<txring:nic mac='52:54:00:00:00:0A'/>",
		  "a.xml:3: <nic mac='52:54:00:00:00:0A'>: line 2 says what this card is, too" },
	};
	char text[1024];

	(void)state;
	for (unsigned i = 0; i < array_size(instructions); i++)
		assert_inside_refused(instructions[i][0], instructions[i][1]);
	for (unsigned i = 0; i < array_size(nics); i++) {
		snprintf(text, sizeof(text), DOMAIN(NICS("%s"), NIC("0a", "")), nics[i][0]);
		assert_refused(text, "", nics[i][1]);
	}
	assert_refused(DOMAIN("<t:nics xmlns:t='urn:txring:2'/>", NIC("0a", "")), "",
		       "<nics>: only <nics> of urn:txring:1 stands here");
}

/* The table is right by itself: what is refused or ignored says why, and no row hides another. */
static void table(void **state)
{
	(void)state;
	for (const struct iface_key *key = iface_keys; key->element; key++) {
		bool told = key->nic == IFACE_IGNORED || key->nic == IFACE_REFUSED ||
			    key->vhostuser == IFACE_IGNORED || key->vhostuser == IFACE_REFUSED;

		if (told && !key->why)
			fail_msg("%s %s says not why", key->element, key->attribute);
		assert_int_equal(!key->words, key->form != IFACE_WORD);
		assert_true(key->form == IFACE_NUMBER || key->form == IFACE_POWER || !key->max);
		for (const struct iface_key *other = iface_keys; other != key; other++) {
			if (!strcmp(key->element, other->element) &&
			    !strcmp(key->attribute, other->attribute))
				assert_false(key->types & other->types || !key->types ||
					     !other->types);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choosing), cmocka_unit_test(file_names),
		cmocka_unit_test(reading),  cmocka_unit_test(values),
		cmocka_unit_test(unknown),  cmocka_unit_test(twins),
		cmocka_unit_test(ours),     cmocka_unit_test(ours_refused),
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests_name("iface", tests, NULL, NULL);
}
