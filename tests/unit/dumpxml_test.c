/* SPDX-License-Identifier: MIT */
/*
 * A card's status as XML, in virsh's words and as show prints it: each thing that may stand in a
 * name or reason keeps its meaning or is refused, and each counter is in the right line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/txringctl/render.h"
#include "tools/txringd/domifstat.h"
#include "tools/txringd/dumpxml.h"
#include "tools/txringd/status_json.h"
#include "virtio/base.h"
#include "virtio/features.h"

static const char *const shown_texts[] = {
	"nic0: backend tap tap0 ?\n  without: multi_queue\nnic0: tx mode iothread,burst=256\n",
	"nic0: link down: it was set down\nnic0: front-end connected\n",
	"nic0: features MRG_RXBUF VERSION_1\nnic0: vhost default\nnic0: driver user: why\n",
	"nic0: handovers to kernel: n=1 last_us=2 max_us=3\n",
	"nic0: handovers failed: n=4\nnic0: pair 0: driver user: why\nnic0: tx0 frames=0 ",
	"\nnic0: rx0 frames=5 bytes=0 kicks=0 ",
	"nic0: pair 1: driver kernel (its frames are not in these counters)\nnic0: pair 1: tx "
	"mode ",
	"mode iothread,burst=257: applies when the kernel gives the rings back\nnic0: tx1 "
	"frames=0 ",
	" drop_ecn=9 drop_gso_size=0 drop_gso_csum=0\n",
};

static struct nic_config cfg;
static struct status_pair pairs[2];
static struct status status;
static char err[NIC_CONFIG_ERR_LEN];

static void set(const char *name, const char *value)
{
	const struct config_key *key = nic_config_keys;

	while (key->name && strcmp(key->name, name) != 0)
		key++;
	assert_non_null(key->name);
	if (nic_config_set(&cfg, key, value, err))
		fail_msg("%s", err);
}

static int set_up(void **state)
{
	(void)state;
	nic_config_init(&cfg, "--");
	set("socket-path", "/a");
	set("backend", "null");
	memset(pairs, 0, sizeof(pairs));
	status = (struct status){ .name = "nic0",
				  .cfg = &cfg,
				  .mode = cfg.mode,
				  .coalesces = true,
				  .driver = { .driver = DEVICE_WAITS, .why = "why" },
				  .n_pairs = 1,
				  .pairs = pairs };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	nic_config_deinit(&cfg);
	return 0;
}

/* NULL: it is refused, and nothing was printed. */
static char *dump(void)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool ok = dumpxml_print(&status, out, err);

	assert_int_equal(fclose(out), 0);
	if (ok)
		return text;
	assert_int_equal(len, 0);
	free(text);
	return NULL;
}

static void assert_has(const char *want)
{
	char *text = dump();

	assert_non_null(text);
	if (!strstr(text, want))
		fail_msg("no %s in:\n%s", want, text);
	free(text);
}

/* All of it, once. */
static void whole(void **state)
{
	char *text = dump();

	(void)state;
	assert_string_equal(text, "<interface type='vhostuser'>\n"
				  "  <source type='unix' path='/a' mode='client'/>\n"
				  "  <?txring backend null?>\n"
				  "  <model type='virtio'/>\n"
				  "  <driver name='qemu' txmode='iothread'/>\n"
				  "  <?txring txmode iothread,burst=256?>\n"
				  "  <?txring vhost default?>\n"
				  "  <link state='up'/>\n"
				  "  <?txring link up?>\n"
				  "  <!-- nic0: front-end none, 0 of 1 queue pair in use -->\n"
				  "  <!-- not in the kernel: why -->\n"
				  "</interface>\n");
	free(text);
}

/* What the card does now goes before what was asked for. */
static void as_it_is(void **state)
{
	(void)state;
	status.driver.driver = DEVICE_KERNEL;
	status.connected = status.down = status.lost = true;
	status.coalesces = false;
	status.n_pairs = 2;
	pairs[1].in_use = true;
	status.tap_mtu = 1400;
	set("vhost", "require");
	set("mtu", "1500");
	assert_has("<driver name='vhost' txmode='iothread' queues='2'/>");
	assert_has("<?txring vhost require?>");
	assert_has("<?txring coalesce off?>");
	assert_has("<link state='down'/>");
	assert_has("<mtu size='1500'/>");
	assert_has("front-end connected, 1 of 2 queue pairs in use -->");
	assert_has("<!-- the MTU of its tap is 1400 -->");
	assert_has("<!-- no link: the interface was removed -->");
	set("mtu", "1400");
	status.driver = (struct device_driver_status){ .driver = DEVICE_CANNOT,
						       .why = "a--b---c\xff\n-->" };
	assert_has("<!-- not in the kernel: a- -b- - -c?\n- -> -->");
}

/* A path in an attribute, escaped; in an instruction, as it is; in neither. */
static void paths(void **state)
{
	static const struct {
		const char *path, *want; /* NULL: refused */
	} cases[] = {
		{ "/a&b<c>'\"\td", "path='/a&amp;b&lt;c&gt;&apos;\"&#9;d' mode" },
		{ "/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "path='/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'" },
		{ "/a?>b", "path='/a?&gt;b'" },
		{ "a&b<c>'", "<interface type='ethernet'>\n  <?txring socket-path a&b<c>'?>" },
		{ "a?>b", NULL },
		{ " a", NULL },
		{ "/a\nb", NULL },
		{ "/a\x01", NULL },
		{ "/a\x7f", "path='/a\x7f'" },
		{ "/\xc3", NULL },
		{ "/\x80", NULL },
		{ "/\xc0\xaf", NULL },     /* overlong */
		{ "/\xe0\x80\xaf", NULL }, /* the same */
		{ "/\xed\xa0\x80", NULL }, /* a surrogate */
		{ "/\xef\xbf\xbf", NULL },
		{ "/\xf4\x90\x80\x80", NULL },
		{ "/\xff", NULL },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		set("socket-path", cases[i].path);
		if (cases[i].want) {
			assert_has(cases[i].want);
			continue;
		}
		if (dump())
			fail_msg("case %u is taken", i);
		assert_string_equal(err, "its socket-path has characters that cannot be written in "
					 "XML");
	}
}

/* A tap is the target, unless the schema has no such name; then it is ours to name. */
static void backends(void **state)
{
	(void)state;
	set("backend", "tap:t-0._x");
	assert_has("<target dev='t-0._x'/>");
	set("backend", "tap:a'b&");
	assert_has("<?txring backend tap:a'b&?>");
	set("backend", "tap-fd:3,4");
	assert_has("<?txring backend tap-fd:3,4?>");
	set("backend", "tap:a?>");
	assert_null(dump());
}

/* Every key that is not the default is written, once. */
static void keys(void **state)
{
	static const char *const given[][3] = {
		{ "client", NULL, "mode='server'" },
		{ "socket-mode", "0", "<?txring socket-mode 0000?>" },
		{ "socket-owner", "1", "<?txring socket-owner 1?>" },
		{ "socket-group", "2", "<?txring socket-group 2?>" },
		{ "bridge", "br0", "<?txring bridge br0?>" },
		{ "mac", "52:54:00:0a:bc:de", "<mac address='52:54:00:0a:bc:de'/>" },
		{ "mtu", "9000", "<mtu size='9000'/>" },
		{ "offer", "RING_RESET", "<?txring offer RING_RESET?>" },
		{ "no-offer", "CSUM,HOST_TSO4", "<?txring no-offer CSUM,HOST_TSO4?>" },
		{ "vhost", "disable", "<?txring vhost disable?>" },
		{ "vhost-device", "/v", "<?txring vhost-device /v?>" },
		{ "vhost-fd", "3,4", "<?txring vhost-fd 3,4?>" },
		{ "vhost-poll", "50us", "<?txring vhost-poll 50us?>" },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(given); i++) {
		set(given[i][0], given[i][1]);
		assert_has(given[i][2]);
	}
	free(cfg.socket_path);
	cfg.socket_path = NULL;
	cfg.client = false;
	set("fd", "9");
	assert_has("<interface type='ethernet'>");
	assert_has("<?txring fd 9?>");
	set("fd", "systemd:vm0");
	assert_has("<?txring fd systemd:vm0?>");
	set("fd", "systemd");
	assert_has("<?txring fd systemd?>");
}

/* An engine that libvirt has no word for is ours alone. */
static void engines(void **state)
{
	(void)state;
	set("txmode", "poll,spin=20us");
	status.mode = cfg.mode;
	assert_has("<driver name='qemu'/>\n  <?txring txmode poll,spin=20us,burst=256?>");
	set("txmode", "timer");
	status.mode = cfg.mode;
	assert_has("<driver name='qemu' txmode='timer'/>\n  <?txring txmode "
		   "timer,delay=150us,burst=256?>");
}

static void assert_stat(const struct ifstate *tap, const char *want)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	json_t *answer = json_pack("{s:[o]}", "nics", domifstat_json(&status, tap));

	render_domifstat(answer, out);
	json_decref(answer);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, want);
	free(text);
}

/* The guest's view: of our counters all queues' sum, of the tap's those of the other way. */
static void counters(void **state)
{
	const struct ifstate tap = { .name = "tap0",
				     .stats = { .rx_bytes = 1,
						.rx_packets = 2,
						.rx_errs = 3,
						.rx_drop = 4,
						.tx_bytes = 5,
						.tx_packets = 6,
						.tx_errs = 7,
						.tx_drop = 8 } };

	(void)state;
	status.n_pairs = 2;
	for (unsigned i = 0; i < 2; i++) {
		pairs[i].rx = (struct rx_stats){ .bytes = 10,
						 .frames = 20,
						 .drop_backend = 1,
						 .broken = 2,
						 .drop_size = 3,
						 .drop_no_room = 4,
						 .drop_stopped = 5 };
		pairs[i].tx = (struct tx_stats){ .bytes = 30,
						 .frames = 40,
						 .broken = 6,
						 .drop_header = { [NET_HDR_ECN] = 7 },
						 .drop_size = 8,
						 .drop_disabled = 9,
						 .drop_backend = 10 };
	}
	assert_stat(NULL, "nic0 source txringd\n"
			  "nic0 rx_bytes 20\nnic0 rx_packets 40\nnic0 rx_errs 6\nnic0 rx_drop 24\n"
			  "nic0 tx_bytes 60\nnic0 tx_packets 80\nnic0 tx_errs 26\nnic0 tx_drop "
			  "54\n");
	assert_stat(&tap, "nic0 source tap0: the kernel has moved frames of it\n"
			  "nic0 rx_bytes 5\nnic0 rx_packets 6\nnic0 rx_errs 7\nnic0 rx_drop 8\n"
			  "nic0 tx_bytes 1\nnic0 tx_packets 2\nnic0 tx_errs 3\nnic0 tx_drop 4\n");
}

/* What show prints, of JSON: the texts of before it was JSON. */
static void shown(void **state)
{
	json_t *answer;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	status.backend = "tap tap0 \xff";
	status.note = "multi_queue";
	status.connected = true;
	status.features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	status.down = true;
	status.driver.to_kernel = (struct device_handovers){ 1, 2, 3 };
	status.driver.failed = 4;
	status.n_pairs = 2;
	pairs[0].mode = pairs[1].mode = status.mode;
	pairs[0].iothread = pairs[1].iothread = "iothread0";
	pairs[1].in_kernel = true;
	pairs[1].mode.values[0]++;
	pairs[1].mode_waits = true;
	pairs[1].tx.drop_header[NET_HDR_ECN] = 9;
	pairs[0].rx.frames = 5;
	answer = json_pack("{s:[o]}", "nics", status_json(&status));
	render_show(answer, out);
	json_decref(answer);
	assert_int_equal(fclose(out), 0);
	for (unsigned i = 0; i < array_size(shown_texts); i++) {
		if (!strstr(text, shown_texts[i]))
			fail_msg("no '%s' in: %s", shown_texts[i], text);
	}
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole), TEST(as_it_is), TEST(paths),    TEST(backends),
		TEST(keys),  TEST(engines),  TEST(counters), TEST(shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
