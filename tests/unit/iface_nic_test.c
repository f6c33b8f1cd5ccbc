/* SPDX-License-Identifier: MIT */
/*
 * What an <interface> makes of a card: each setting is honoured, the front-end's, warned of, or
 * refused with its place and why. The documents are ours.
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
#include "tools/config/txmode.h"
#include "virtio/base.h"
#include "virtio/features.h"

#define VIRTIO      "<model type='virtio'/>"
#define TAP(inside) "<interface type='ethernet'>\n<target dev='t0'/>" VIRTIO inside "</interface>"
#define SOCKET(inside) \
	"<interface type='vhostuser'>\n<source type='unix' path='/s' mode='client'/>" VIRTIO \
	"<target dev='t0'/>" inside "</interface>"

/* What was warned of: how often, and the last line. */
struct warnings {
	unsigned n;
	char line[IFACE_ERR_LEN];
};

static void note(void *ctx, const char *line)
{
	struct warnings *w = ctx;

	w->n++;
	snprintf(w->line, sizeof(w->line), "%s", line);
}

/* The n-th interface of text into c, which is initialised but for its backend, unless NULL. */
static int fill(struct nic_config *c, const char *text, unsigned nth, const char *backend,
		struct warnings *w, char err[IFACE_ERR_LEN])
{
	struct iface_selector sel = { .nth = nth };
	struct iface iface;
	struct xml_doc *doc;
	int error;

	nic_config_init(c, "--");
	c->backend = backend ? strdup(backend) : NULL;
	*w = (struct warnings){ 0 };
	if (xml_parse(&doc, "a.xml", text, strlen(text), err))
		fail_msg("%s", err);
	error = iface_read(&iface, doc, &sel, err);
	if (!error) {
		error = iface_to_nic(&iface, c, note, w, err);
		iface_deinit(&iface);
	}
	/* Nothing of the card is the document's. */
	xml_free(doc);
	return error;
}

static void assert_filled(struct nic_config *c, const char *text, const char *warning)
{
	char err[IFACE_ERR_LEN] = "";
	struct warnings w;

	if (fill(c, text, 1, NULL, &w, err))
		fail_msg("%s", err);
	assert_int_equal(w.n, !!warning);
	if (warning && !strstr(w.line, warning))
		fail_msg("'%s' does not say: %s", w.line, warning);
}

static void assert_refused(const char *text, const char *says)
{
	char err[IFACE_ERR_LEN] = "";
	struct nic_config c;
	struct warnings w;

	if (!fill(&c, text, 1, NULL, &w, err))
		fail_msg("taken, but it should say: %s", says);
	if (!strstr(err, says))
		fail_msg("'%s' does not say: %s", err, says);
	assert_null(strpbrk(err, "\n\t\r"));
	nic_config_deinit(&c);
}

/* The interface of 2011's request, converted: all that it says is done by the card. */
static void honoured(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	struct nic_config c;

	(void)state;
	assert_filled(&c,
		      SOCKET("<mac address='52:54:00:12:34:56' type='static'/>"
			     "<driver name='vhost' txmode='timer' queues='4' rx_queue_size='512' "
			     "ioeventfd='on' rss='off' iommu='off' ats='on'/>"
			     "<mtu size='9000'/><link state='down'/><backend vhost='/dev/v'/>"
			     "<alias name='ua-a'/><address type='pci'/><boot order='1'/>"),
		      NULL);
	assert_string_equal(c.socket_path, "/s");
	assert_false(c.client);
	assert_string_equal(c.backend, "tap:t0");
	assert_memory_equal(c.mac, mac, 6);
	assert_int_equal(c.pairs, 4);
	assert_int_equal(c.mtu, 9000);
	assert_string_equal(c.mode.engine->name, "timer");
	assert_int_equal(c.vhost.policy, VHOST_REQUIRE);
	assert_string_equal(c.vhost.device, "/dev/v");
	assert_true(c.has_mac);
	/* Address and link a guest behind libvirt has from QEMU. */
	assert_false(c.mac_told);
	assert_false(c.link_down);
	nic_config_deinit(&c);
	assert_filled(&c, TAP("<mac address='52:54:00:12:34:56'/><link state='down'/>"), NULL);
	assert_true(c.mac_told);
	assert_true(c.link_down);
	nic_config_deinit(&c);
}

/* name: omitted is the default, qemu is never the kernel; mode='server' is QEMU's. */
static void policies(void **state)
{
	struct nic_config c;

	(void)state;
	assert_filled(&c, TAP(""), NULL);
	assert_int_equal(c.vhost.policy, VHOST_DEFAULT);
	assert_false(c.vhost.given);
	assert_null(c.socket_path);
	nic_config_deinit(&c);
	assert_filled(&c, TAP("<driver name='qemu'/>"), NULL);
	assert_int_equal(c.vhost.policy, VHOST_DISABLE);
	nic_config_deinit(&c);
	assert_filled(&c,
		      "<interface type='vhostuser'><source type='unix' path='/s' mode='server'/>"
		      "<target dev='t0'/></interface>",
		      NULL);
	assert_true(c.client);
	nic_config_deinit(&c);
}

/* Every switch of a feature: off takes it out of the offer, on wants it there. */
static void switches(void **state)
{
	char text[512], why[FEATURES_NAMES_LEN];
	struct nic_config c;
	unsigned n = 0;

	(void)state;
	for (const struct iface_key *key = iface_keys; key->element; key++) {
		const char *in = strchr(key->element, '/');
		uint64_t bit = 0;

		if (!key->feature)
			continue;
		n++;
		assert_true(features_parse(key->feature, &bit, why));
		for (unsigned on = 0; on < 2; on++) {
			snprintf(text, sizeof(text), TAP("<driver %s%s %s='%s'/>%s"),
				 in ? "><" : "", in ? in + 1 : "", key->attribute,
				 on ? "on" : "off", in ? "</driver>" : "");
			assert_filled(&c, text, NULL);
			assert_int_equal(c.offer, on ? bit : 0);
			assert_int_equal(c.no_offer, on ? 0 : bit);
			nic_config_deinit(&c);
		}
	}
	assert_int_equal(n, 14);
}

/* The keys that the table names are keys. */
static void keys(void **state)
{
	(void)state;
	for (const struct iface_key *key = iface_keys; key->element; key++) {
		const struct config_key *of = nic_config_keys;

		while (key->key && of->name && strcmp(of->name, key->key) != 0)
			of++;
		assert_non_null(of->name);
	}
}

/* A backend of ours goes before the tap; a bridge is a tap's. */
static void backends(void **state)
{
	char err[IFACE_ERR_LEN] = "";
	struct nic_config c;
	struct warnings w;

	(void)state;
	assert_filled(&c,
		      "<interface type='bridge'><source bridge='br0'/><target dev='t0'/>" VIRTIO
		      "</interface>",
		      NULL);
	assert_string_equal(c.backend, "tap:t0");
	assert_string_equal(c.bridge, "br0");
	nic_config_deinit(&c);
	assert_filled(&c,
		      "<interface type='network'><source network='default' portid='x' "
		      "bridge='virbr0'/>"
		      "<target dev='vnet0'/>" VIRTIO "</interface>",
		      NULL);
	assert_string_equal(c.bridge, "virbr0");
	nic_config_deinit(&c);
	assert_filled(&c,
		      "<interface type='bridge'><source bridge='br0'/><target dev='t0'/>" VIRTIO
		      "<?txring backend null?></interface>",
		      "<source bridge='br0'>: ignored: the backend is no tap");
	assert_string_equal(c.backend, "null");
	assert_string_equal(c.bridge, "");
	nic_config_deinit(&c);
	/* As --backend gives it, behind --interface. */
	assert_int_equal(
		fill(&c, "<interface type='direct'>" VIRTIO "</interface>", 1, "null", &w, err), 0);
	assert_string_equal(c.backend, "null");
	nic_config_deinit(&c);
	assert_refused("<interface type='ethernet'>" VIRTIO "</interface>",
		       "<interface>: no backend: name a tap, <target dev='tap0'/>, or another");
	assert_refused("<interface type='network'><source network='n'/><target dev='t'/>" VIRTIO
		       "</interface>",
		       "<source network='n'>: which bridge it has only libvirt knows");
	assert_refused("<interface type='direct'><source dev='eth0' mode='bridge'/>" VIRTIO
		       "<target dev='no-such-tap'/></interface>",
		       "<target dev='no-such-tap'>: there is no such macvtap, which txringd does "
		       "not make: ip link add link eth0 name no-such-tap type macvtap mode bridge");
	assert_refused("<interface type='direct'><source dev='eth0'/>" VIRTIO "</interface>",
		       "ip link add link eth0 name macvtap0 type macvtap mode vepa");
	assert_refused("<interface type='ethernet'><target dev='no-such-tap' managed='no'/>" VIRTIO
		       "</interface>",
		       "<target managed='no'>: there is no no-such-tap, which is not to be made "
		       "here: ip tuntap add no-such-tap mode tap vnet_hdr");
	assert_refused("<interface type='ethernet'><target dev='a234567890123456'/>" VIRTIO
		       "</interface>",
		       "<target dev='a234567890123456'>: an interface's name has 15 characters");
}

/* Ours says what libvirt's two words cannot, of the same engine. */
static void ours(void **state)
{
	struct nic_config c;
	char text[TXMODE_TEXT_LEN];

	(void)state;
	assert_filled(&c,
		      TAP("<driver txmode='timer'/><?txring txmode timer,delay=80us?>"
			  "<?txring socket-path /o?><?txring no-offer EVENT_IDX?>"),
		      NULL);
	assert_non_null(strstr(txmode_text(&c.mode, text), "timer,delay=80us"));
	assert_string_equal(c.socket_path, "/o");
	assert_int_equal(c.no_offer, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	nic_config_deinit(&c);
	assert_filled(&c, SOCKET("<?txring socket-path /o?><?txring txmode poll?>"), NULL);
	assert_string_equal(c.socket_path, "/o");
	assert_string_equal(c.mode.engine->name, "poll");
	nic_config_deinit(&c);
	assert_filled(&c, SOCKET("<?txring fd 5?>"), NULL);
	assert_null(c.socket_path);
	assert_int_equal(c.fd, 5);
	nic_config_deinit(&c);
	assert_refused(TAP("\n<driver txmode='timer'/>\n<?txring txmode poll?>"),
		       "a.xml:3: <driver txmode='timer'>: line 4 says txmode poll: both must name");
	assert_filled(&c, TAP("<driver txmode='iothread'/><?txring txmode bh,burst=7?>"), NULL);
	assert_non_null(strstr(txmode_text(&c.mode, text), "burst=7"));
	nic_config_deinit(&c);
	assert_refused(TAP("<driver txmode='timer'/><?txring txmode time?>"),
		       "<?txring txmode time?>: txmode: unknown tx mode 'time'");
	assert_refused(TAP("<?txring txmode timer,delay=x?>"),
		       "a.xml:2: <?txring txmode timer,delay=x?>: txmode");
	assert_refused(TAP("<?txring mtu 9 ?>"), "<?txring mtu 9 ?>: mtu must be a number");
}

/* Of a domain's metadata; a card there that no interface is, is told, for it may be a slip. */
static void metadata(void **state)
{
	static const char text[] =
		"<domain><metadata><n:nics xmlns:n='urn:txring:1'>\n"
		"<n:nic mac='52:54:00:00:00:01'><n:set key='txmode' value='poll'/></n:nic>\n"
		"<n:nic mac='52:54:00:00:00:02'><n:set key='mtu' value='1'/></n:nic>"
		"</n:nics></metadata><devices><interface type='ethernet'>"
		"<mac address='52:54:00:00:00:01'/>" VIRTIO "<target dev='t0'/></interface>"
		"</devices></domain>";
	struct nic_config c;

	(void)state;
	assert_filled(&c, text,
		      "a.xml:3: <nic mac='52:54:00:00:00:02'>: ignored: no <interface> of the");
	assert_string_equal(c.mode.engine->name, "poll");
	nic_config_deinit(&c);
}

/* What would be lost says so; the value that asks for nothing does not. */
static void refused(void **state)
{
	static const char *const cases[][2] = {
		{ "<driver iommu='on'/>", "<driver iommu='on'>: txringd translates no addresses" },
		{ "<driver rss='on'/>", "<driver rss='on'>: " },
		{ "<driver rss_hash_report='on'/>", "<driver rss_hash_report='on'>: " },
		{ "<driver ioeventfd='off'/>", "<driver ioeventfd='off'>: " },
		{ "<filterref filter='clean-traffic'/>", "<filterref>: no filter of libvirt" },
		{ "<vlan><tag id='42'/></vlan>", "<vlan>: no tag is set here" },
		{ "<virtualport type='openvswitch'/>", "<virtualport>: no port of a switch" },
		{ "<bandwidth><inbound average='100'/></bandwidth>",
		  "<inbound average='100'>: no bandwidth is limited" },
		{ "<bandwidth><outbound burst='1'/></bandwidth>", "<outbound burst='1'>" },
		{ "<tune><sndbuf>1600</sndbuf></tune>", "<sndbuf>1600</sndbuf>: txringd's tap" },
		{ "<coalesce><rx><frames max='7'/></rx></coalesce>", "<frames max='7'>" },
		{ "<port isolated='yes'/>", "<port isolated='yes'>: " },
		{ "<teaming type='persistent'/>", "<teaming type='persistent'>: " },
		{ "<script path='/bin/x'/>", "<script path='/bin/x'>: no script is run" },
		{ "<downscript path='/bin/x'/>", "<downscript path='/bin/x'>: " },
		{ "<ip address='10.0.0.1'/>", "<ip>: libvirt gives a guest no address" },
		{ "<route address='10.0.0.0'/>", "<route>: " },
		{ "<backend tap='/dev/tun'/>", "<backend tap='/dev/tun'>: " },
		{ "<backend type='passt'/>", "<backend type='passt'>: " },
		{ "<driver><host csum='off' tso4='on'/></driver>",
		  "<host tso4='on'>: needs what is off: HOST_TSO4 without CSUM cannot be" },
		{ "<driver><guest ecn='on' tso4='off' tso6='off'/></driver>",
		  "<guest ecn='on'>: needs what is off: GUEST_ECN without GUEST_TSO4 or "
		  "GUEST_TSO6" },
		{ "<mtu size='67'/>", "<mtu size='67'>: mtu must be a number from 68 to 65535" },
	};
	char text[512];

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		snprintf(text, sizeof(text), TAP("%s"), cases[i][0]);
		assert_refused(text, cases[i][1]);
		assert_refused(text, "a.xml:2: ");
	}
}

static void asks_nothing(void **state)
{
	struct nic_config c;

	(void)state;
	assert_filled(&c,
		      TAP("<driver iommu='off' rss='off' rss_hash_report='off' ioeventfd='on'/>"
			  "<bandwidth/><coalesce><rx><frames max='0'/></rx></coalesce>"
			  "<tune><sndbuf>0</sndbuf></tune><port isolated='no'/>"
			  "<script path=''/><backend tap='/dev/net/tun'/><mtu size='0'/>"),
		      NULL);
	assert_int_equal(c.mtu, 0);
	nic_config_deinit(&c);
	assert_filled(&c, TAP("<driver name='qemu'/><backend vhost='/dev/vhost-net'/>"),
		      "<backend vhost='/dev/vhost-net'>: ignored: libvirt does not open it");
	assert_null(c.vhost.device);
	nic_config_deinit(&c);
	assert_filled(&c, TAP("<guest dev='eth0'/>"), "<guest dev='eth0'>: ignored: libvirt names");
	nic_config_deinit(&c);
	assert_filled(&c,
		      "<interface type='ethernet' trustGuestRxFilters='yes'>"
		      "<target dev='lo' managed='no'/>" VIRTIO "</interface>",
		      "<interface trustGuestRxFilters='yes'>: ignored: ");
	nic_config_deinit(&c);
}

/* Cards that txringd cannot be. */
static void models(void **state)
{
	(void)state;
	assert_refused("<interface type='ethernet'><target dev='t'/>\n<model type='e1000'/>"
		       "<driver name='qemu' txmode='timer'/></interface>",
		       "a.xml:2: <driver name='qemu'>: is for virtio, and libvirt drops it on "
		       "<model type='e1000'/>");
	assert_refused("<interface type='ethernet'><model type='e1000'/>"
		       "<driver txmode='timer'/></interface>",
		       "<driver txmode='timer'>: is for virtio");
	assert_refused("<interface type='ethernet'><model type='rtl8139'/></interface>",
		       "<model type='rtl8139'>: txringd is a virtio card: it must be virtio,");
	assert_refused("<interface type='ethernet'><model type='virtio-net'/></interface>",
		       "<model type='virtio-net'>: txringd is a virtio card");
	assert_refused("<interface type='ethernet'/>", "<model type='virtio'/> is missing");
	assert_refused("<interface type='user'>" VIRTIO "</interface>",
		       "<interface type='user'>: txringd has nothing to be behind it");
	assert_refused("<interface type='vhostuser'/>", "<source path='SOCKET'/> is missing");
}

/* As libvirt has it. */
static void reconnect(void **state)
{
	static const char text[] = "<interface type='vhostuser'><target dev='t'/>\n"
				   "<source type='unix' path='/s' mode='%s'>"
				   "<reconnect enabled='%s'%s/></source></interface>";
	char buf[512];
	struct nic_config c;

	(void)state;
	snprintf(buf, sizeof(buf), text, "client", "yes", " timeout='1'");
	assert_filled(&c, buf, NULL);
	nic_config_deinit(&c);
	snprintf(buf, sizeof(buf), text, "server", "no", "");
	assert_filled(&c, buf, NULL);
	nic_config_deinit(&c);
	snprintf(buf, sizeof(buf), text, "server", "yes", " timeout='1'");
	assert_refused(buf, "a.xml:2: <reconnect enabled='yes'>: not with mode='server'");
	snprintf(buf, sizeof(buf), text, "client", "yes", "");
	assert_refused(buf, "<reconnect enabled='yes'>: needs a timeout");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(honoured),     cmocka_unit_test(policies),
		cmocka_unit_test(switches),     cmocka_unit_test(keys),
		cmocka_unit_test(backends),     cmocka_unit_test(ours),
		cmocka_unit_test(metadata),     cmocka_unit_test(refused),
		cmocka_unit_test(asks_nothing), cmocka_unit_test(models),
		cmocka_unit_test(reconnect),
	};

	return cmocka_run_group_tests_name("iface_nic", tests, NULL, NULL);
}
