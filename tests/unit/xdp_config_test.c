/* SPDX-License-Identifier: MIT */
/*
 * AF_XDP's words: what a backend, or txring-xdp, is told of them, what is refused and how, and
 * which two cards are in each other's way. The backend is a fake that notes what it is asked for,
 * so no library of AF_XDP is needed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/backend/xdp.h"
#include "tools/config/backends.h"
#include "tools/config/nic_config.h"
#include "tools/config/xdp_words.h"
#include "virtio/base.h"

const struct backend_kind backends_known[] = {
	{ .name = "xdp",
	  .syntax = "xdp:IFNAME[,param...]",
	  .open = backends_xdp_open,
	  .claim = backends_xdp_claim,
	  .params = backends_xdp_params },
	{ .name = "xdp-fd",
	  .syntax = "xdp-fd:N[,N...],ifname=IFNAME[,param...]",
	  .open = backends_xdp_fd_open,
	  .claim = backends_xdp_fd_claim },
	{ .name = "tap", .absent = "meson configure -Dtap=true" },
	{ 0 },
};

static unsigned calls;
static struct {
	char ifname[16];
	struct xdp_config cfg;
	int fds[XDP_MAX_QUEUES];
	unsigned n_queues;
} asked;

int xdp_backend_new(struct backend **backend, const struct xdp_config *cfg, unsigned n_queues,
		    char err[BACKEND_ERR_LEN])
{
	(void)err;
	calls++;
	asked.cfg = *cfg;
	asked.n_queues = n_queues;
	snprintf(asked.ifname, sizeof(asked.ifname), "%s", cfg->ifname);
	if (cfg->fds)
		memcpy(asked.fds, cfg->fds, n_queues * sizeof(cfg->fds[0]));
	*backend = NULL;
	return 0;
}

static int set(struct nic_config *c, const char *name, const char *value,
	       char err[NIC_CONFIG_ERR_LEN])
{
	const struct config_key *key = nic_config_keys;

	while (key->name && strcmp(key->name, name) != 0)
		key++;
	assert_non_null(key->name);
	return nic_config_set(c, key, value, err);
}

/* A card with this backend, n queues and, mac, an address: what opening it says. */
static int open_card(const char *backend, const char *queues, const char *mac,
		     char err[NIC_CONFIG_ERR_LEN])
{
	struct backend *b;
	struct nic_config c;
	int error;

	memset(&asked, 0, sizeof(asked));
	nic_config_init(&c, "--");
	err[0] = '\0';
	assert_int_equal(set(&c, "backend", backend, err), 0);
	assert_int_equal(set(&c, "queues", queues, err), 0);
	if (mac)
		assert_int_equal(set(&c, "mac", mac, err), 0);
	error = backends_open(&b, &c, err);
	nic_config_deinit(&c);
	return error;
}

/* What is not said is the default; the last of two of a name counts. */
static void taken(void **state)
{
	static const struct {
		const char *backend, *queues;
		struct xdp_config want;
	} right[] = {
		{ "xdp:v0", "1", { .ifname = "v0" } },
		{ "xdp:a-name.of-15+ch", "64", { .ifname = "a-name.of-15+ch" } },
		{ "xdp:v0,start-queue=3", "2", { .ifname = "v0", .start_queue = 3 } },
		{ "xdp:v0,start-queue=65535", "1", { .ifname = "v0", .start_queue = 65535 } },
		{ "xdp:v0,mode=native", "1", { .ifname = "v0", .mode = XDP_MODE_NATIVE } },
		{ "xdp:v0,mode=skb,mode=auto", "1", { .ifname = "v0" } },
		{ "xdp:v0,copy=zerocopy,mode=skb",
		  "1",
		  { .ifname = "v0", .mode = XDP_MODE_SKB, .copy = XDP_COPY_ZEROCOPY } },
		{ "xdp:v0,copy=force", "1", { .ifname = "v0", .copy = XDP_COPY_FORCE } },
		{ "xdp:v0,copy=auto,busy-poll=20", "1", { .ifname = "v0", .busy_poll_us = 20 } },
		{ "xdp:v0,busy-poll=1s", "1", { .ifname = "v0", .busy_poll_us = 1000000 } },
		{ "xdp:v0,busy-poll=2000ns", "1", { .ifname = "v0", .busy_poll_us = 2 } },
		{ "xdp:v0,share", "1", { .ifname = "v0", .share = true } },
		{ "xdp-fd:7,ifname=v0", "1", { .ifname = "v0" } },
		{ "xdp-fd:7,1048575,mode=skb,ifname=v0,start-queue=2,copy=force,busy-poll=50us",
		  "2",
		  { .ifname = "v0",
		    .start_queue = 2,
		    .mode = XDP_MODE_SKB,
		    .copy = XDP_COPY_FORCE,
		    .busy_poll_us = 50 } },
	};
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	char err[NIC_CONFIG_ERR_LEN];

	(void)state;
	for (unsigned i = 0; i < array_size(right); i++) {
		const struct xdp_config *want = &right[i].want;

		if (open_card(right[i].backend, right[i].queues, "52:54:00:12:34:56", err))
			fail_msg("%s: %s", right[i].backend, err);
		assert_string_equal(asked.ifname, want->ifname);
		assert_int_equal(asked.n_queues, atoi(right[i].queues));
		assert_int_equal(asked.cfg.start_queue, want->start_queue);
		assert_int_equal(asked.cfg.mode, want->mode);
		assert_int_equal(asked.cfg.copy, want->copy);
		assert_int_equal(asked.cfg.busy_poll_us, want->busy_poll_us);
		assert_int_equal(asked.cfg.share, want->share);
		assert_true(asked.cfg.has_mac);
		assert_memory_equal(asked.cfg.mac, mac, sizeof(mac));
		assert_int_equal(!!asked.cfg.fds, !strncmp(right[i].backend, "xdp-fd", 6));
	}
	assert_int_equal(asked.fds[0], 7);
	assert_int_equal(asked.fds[1], 1048575);
	assert_int_equal(open_card("xdp:v0", "1", NULL, err), 0);
	assert_false(asked.cfg.has_mac);
}

/* Backends that are refused, of so many queues, and what is said. */
static const struct {
	const char *backend, *queues, *says;
} wrong_cards[] = {
	{ "xdp:", "1",
	  "an interface's name is 1 to 15 characters without space, '/', ':' and '%', not "
	  "''" },
	{ "xdp:,share", "1", "an interface's name is 1 to 15" },
	{ "xdp:sixteen-letters-", "1", "not 'sixteen-letters-'" },
	{ "xdp:a/b", "1", "not 'a/b'" },
	{ "xdp:a b", "1", "not 'a b'" },
	{ "xdp:a:b", "1", "not 'a:b'" },
	{ "xdp:a%d", "1", "not 'a%d'" },
	{ "xdp:..", "1", "not '..'" },
	{ "xdp:v0,", "1", "unknown parameter ''" },
	{ "xdp:v0,1", "1",
	  "unknown parameter '1', valid are: start-queue, mode, copy, "
	  "busy-poll, share" },
	{ "xdp:v0,Mode=skb", "1", "unknown parameter 'Mode'" },
	{ "xdp:v0, mode=skb", "1", "unknown parameter ' mode'" },
	{ "xdp:v0,force-copy=on", "1", "unknown parameter 'force-copy'" },
	{ "xdp:v0,start-queue", "1", "start-queue needs a value: 0 to 65535" },
	{ "xdp:v0,start-queue=", "1", "start-queue '' must be 0 to 65535" },
	{ "xdp:v0,start-queue=-1", "1", "start-queue '-1' must be 0 to 65535" },
	{ "xdp:v0,start-queue=+1", "1", "start-queue '+1' must be" },
	{ "xdp:v0,start-queue=0x1", "1", "start-queue '0x1' must be" },
	{ "xdp:v0,start-queue=65536", "1", "start-queue '65536' must be 0 to 65535" },
	{ "xdp:v0,start-queue=18446744073709551616", "1", "must be 0 to 65535" },
	{ "xdp:v0,mode=drv", "1", "mode 'drv' must be native, skb or auto" },
	{ "xdp:v0,mode=native|skb", "1", "mode 'native|skb' must be native, skb or auto" },
	{ "xdp:v0,mode=", "1", "mode '' must be native, skb or auto" },
	{ "xdp:v0,mode", "1", "mode needs a value: native, skb or auto" },
	{ "xdp:v0,copy=no", "1", "copy 'no' must be auto, zerocopy (or fail) or force" },
	{ "xdp:v0,busy-poll=0", "1", "busy-poll '0' must be 1us to 1s" },
	{ "xdp:v0,busy-poll=1000001", "1", "busy-poll '1000001' must be 1us to 1s" },
	{ "xdp:v0,busy-poll=50ns", "1", "busy-poll '50ns' must be" },
	{ "xdp:v0,busy-poll=2s", "1", "busy-poll '2s' must be" },
	{ "xdp:v0,busy-poll=us", "1", "busy-poll 'us' must be" },
	{ "xdp:v0,share=on", "1", "share takes no value, but has 'on'" },
	{ "xdp:v0,share", "1",
	  "share takes what is for the guest's address: give it, "
	  "--mac MAC" },
	{ "xdp:v0,queues=2", "2",
	  "queues is not said here: the number of queue pairs is "
	  "--queues" },
	{ "xdp:v0,mac=52:54:00:12:34:56", "1", "mac is not said here" },
	{ "xdp:v0,ifname=v1", "1", "ifname is not said here" },
	{ "xdp:v0", "65", "65 queues are too many: at most 64 (--queues)" },
	{ "xdp-fd:", "1", "'' is no file descriptor, use xdp-fd:N[,N...],ifname=IFNAME" },
	{ "xdp-fd:v0", "1", "'v0' is no file descriptor" },
	{ "xdp-fd:3,", "1", "'' is no file descriptor" },
	{ "xdp-fd:-1,ifname=v0", "1", "'-1' is no file descriptor" },
	{ "xdp-fd:1048576,ifname=v0", "1", "'1048576' is no file descriptor" },
	{ "xdp-fd:3", "1", "ifname=IFNAME is missing" },
	{ "xdp-fd:ifname=v0", "1", "the sockets are missing" },
	{ "xdp-fd:3,ifname=", "1", "ifname '' must be 1 to 15 characters" },
	{ "xdp-fd:3,ifname=a/b", "1", "ifname 'a/b' must be 1 to 15 characters" },
	{ "xdp-fd:3,ifname=v0,4", "1", "unknown parameter '4'" },
	{ "xdp-fd:3,ifname=v0,share", "1", "share is not said here" },
	{ "xdp-fd:3,ifname=v0", "2", "1 sockets for 2 queues, give one for each (--queues)" },
	{ "xdp-fd:3,4,ifname=v0", "1", "2 sockets for 1 queues" },
};

/* One line names the parameter, its value and what is allowed; the backend is not asked. */
static void refused(void **state)
{
	char err[NIC_CONFIG_ERR_LEN];

	(void)state;
	calls = 0;
	for (unsigned i = 0; i < array_size(wrong_cards); i++) {
		assert_int_equal(open_card(wrong_cards[i].backend, wrong_cards[i].queues, NULL,
					   err),
				 -EINVAL);
		if (!strstr(err, wrong_cards[i].says) || strchr(err, '\n'))
			fail_msg("%s: %s", wrong_cards[i].backend, err);
	}
	assert_int_equal(calls, 0);
}

/* No more fds are kept than there is room for, and no line is longer than its buffer. */
static void long_words(void **state)
{
	char err[NIC_CONFIG_ERR_LEN], text[4096] = "xdp-fd:0";

	(void)state;
	for (unsigned i = 1; i < XDP_MAX_QUEUES; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",%u", i);
	strcat(text, ",ifname=v0");
	assert_int_equal(open_card(text, "64", NULL, err), 0);
	assert_int_equal(asked.fds[63], 63);
	strcpy(strstr(text, ",ifname"), ",64,ifname=v0");
	assert_int_equal(open_card(text, "64", NULL, err), -EINVAL);
	assert_string_equal(err, "more than 64 file descriptors");
	strcpy(text, "xdp:v0,");
	memset(text + 7, 'x', 4000);
	text[4007] = '\0';
	assert_int_equal(open_card(text, "1", NULL, err), -EINVAL);
	assert_non_null(strstr(err, "valid are: start-queue"));
	memcpy(text + 7, "mode=", 5);
	assert_int_equal(open_card(text, "1", NULL, err), -EINVAL);
	assert_non_null(strstr(err, "must be native, skb or auto"));
}

/* The tool has words of its own, for what the card says otherwise, and not those of a bind. */
static void tool(void **state)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{ "v0,queues=0", "queues '0' must be 1 to 64" },
		{ "v0,queues=65", "queues '65' must be 1 to 64" },
		{ "v0,share", "share is not said here" },
		{ "v0,mac=52:54:00:12:34:56", "mac is not said here" },
		{ "v0,copy=force", "that is for COMMAND, behind {}" },
		{ "v0,busy-poll=5", "that is for COMMAND, behind {}" },
		{ "v0,x", "valid are: start-queue, queues, mode" },
	};
	char err[BACKEND_ERR_LEN];
	struct xdp_words w;

	(void)state;
	assert_int_equal(
		xdp_words_parse(&w, "v0,queues=64,start-queue=1,mode=skb", XDP_WORDS_TOOL, err), 0);
	assert_ptr_equal(w.cfg.ifname, w.ifname);
	assert_null(w.cfg.fds);
	assert_int_equal(w.n_queues, 64);
	assert_int_equal(w.cfg.start_queue, 1);
	assert_string_equal(xdp_words_mode(w.cfg.mode), "skb");
	assert_int_equal(xdp_words_parse(&w, "v1", XDP_WORDS_TOOL, err), 0);
	assert_int_equal(w.n_queues, 1);
	for (unsigned i = 0; i < array_size(wrong); i++) {
		assert_int_equal(xdp_words_parse(&w, wrong[i].text, XDP_WORDS_TOOL, err), -EINVAL);
		if (!strstr(err, wrong[i].says))
			fail_msg("%s: %s", wrong[i].text, err);
	}
}

/* Up to three cards of one process, and what is said of them. */
static const struct {
	const char *backend[3], *queues[3];
	const char *says; /* NULL: they are not in each other's way */
} processes[] = {
	{ { "xdp:v0", "xdp:v1" }, { "2", "2" }, NULL },
	{ { "xdp:v0", "xdp:v0" },
	  { "1", "1" },
	  "--backend 'xdp:v0' of nic0 has queue 0 of v0, and so has --backend 'xdp:v0' of "
	  "nic1: each needs its own" },
	{ { "xdp:v0,start-queue=2,mode=skb", "xdp:v0" },
	  { "1", "3" },
	  "--backend 'xdp:v0,start-queue=2,mode=skb' of nic0 has queue 2 of v0, and so has "
	  "--backend 'xdp:v0' of nic1" },
	{ { "xdp:v0,start-queue=2", "xdp:v0" },
	  { "1", "2" },
	  "--backend 'xdp:v0,start-queue=2' of nic0 and --backend 'xdp:v0' of nic1 are "
	  "both "
	  "on v0, which has room for one XDP program" },
	{ { "xdp:v0", "xdp-fd:7,ifname=v0,start-queue=1" },
	  { "1", "1" },
	  "--backend 'xdp:v0' of nic0 and --backend 'xdp-fd:7,ifname=v0,start-queue=1' of "
	  "nic1 are both on v0" },
	{ { "xdp-fd:7,8,ifname=v0", "xdp-fd:9,ifname=v0,start-queue=2" }, { "2", "1" }, NULL },
	{ { "xdp-fd:7,8,ifname=v0", "xdp-fd:9,ifname=v0,start-queue=1" },
	  { "2", "1" },
	  "--backend 'xdp-fd:7,8,ifname=v0' of nic0 has queue 1 of v0, and so has" },
	{ { "xdp-fd:7,ifname=v0", "xdp-fd:7,ifname=v1" },
	  { "1", "1" },
	  "--backend '7' of nic0 is --backend '7' of nic1, too" },
	/* Two that are in each other's way, and one between that is in nobody's. */
	{ { "xdp-fd:5,6,7,8,ifname=v0", "xdp:a", "xdp-fd:9,ifname=v0,start-queue=3" },
	  { "4", "1", "1" },
	  "--backend 'xdp-fd:5,6,7,8,ifname=v0' of nic0 has queue 3 of v0, and so has "
	  "--backend 'xdp-fd:9,ifname=v0,start-queue=3' of nic2" },
	/* What cannot be read is for open to refuse. */
	{ { "xdp:v0,mode=x", "xdp:v0,mode=x" }, { "1", "1" }, NULL },
};

/*
 * A queue of an interface is one card's, and an interface has room for one program of ours; sockets
 * that somebody else made have theirs already, so they may share the interface.
 */
static void apart(void **state)
{
	char err[NIC_CONFIG_ERR_LEN], path[8];
	struct nic_config c[3];
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < array_size(processes); i++) {
		for (n = 0; n < 3 && processes[i].backend[n]; n++) {
			nic_config_init(&c[n], "--");
			snprintf(c[n].name, sizeof(c[n].name), "nic%u", n);
			snprintf(path, sizeof(path), "/%u", n);
			assert_int_equal(set(&c[n], "socket-path", path, err), 0);
			assert_int_equal(set(&c[n], "backend", processes[i].backend[n], err), 0);
			assert_int_equal(set(&c[n], "queues", processes[i].queues[n], err), 0);
		}
		err[0] = '\0';
		if (!nic_config_check_all(c, n, err) != !processes[i].says ||
		    (processes[i].says && strstr(err, processes[i].says) != err))
			fail_msg("%s: %s", processes[i].backend[0], err);
		while (n)
			nic_config_deinit(&c[--n]);
	}
}

/* A backend of this project that was left out is not taken for a misspelled one. */
static void absent(void **state)
{
	static const char *const names[] = { "tap:t0", "tap" };
	char err[NIC_CONFIG_ERR_LEN];
	struct nic_config c;

	(void)state;
	nic_config_init(&c, "--");
	for (unsigned i = 0; i < array_size(names); i++) {
		assert_int_equal(set(&c, "backend", names[i], err), -EINVAL);
		assert_non_null(strstr(err, "built without it: meson configure -Dtap=true"));
	}
	assert_int_equal(set(&c, "backend", "nil", err), -EINVAL);
	assert_string_equal(err, "--backend 'nil' must be one of: xdp:IFNAME[,param...] | "
				 "xdp-fd:N[,N...],ifname=IFNAME[,param...]");
	assert_null(c.backend);
	nic_config_deinit(&c);
}

/* --help names what the parser takes, and what is the tool's is not among it. */
static void help(void **state)
{
	static const char *const names[] = { "ifname=",        "start-queue=0", "mode=auto",
					     "copy=auto",      "busy-poll=",    "share",
					     "native, skb or", "zerocopy" };
	char text[2048] = "before\n";

	(void)state;
	backends_known[0].params(text, sizeof(text));
	assert_ptr_equal(strstr(text, "before\n    ifname="), text);
	for (unsigned i = 0; i < array_size(names); i++)
		assert_non_null(strstr(text, names[i]));
	assert_null(strstr(text, "queues="));
	assert_null(strstr(text, "mac="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken), cmocka_unit_test(refused), cmocka_unit_test(long_words),
		cmocka_unit_test(tool),  cmocka_unit_test(apart),   cmocka_unit_test(absent),
		cmocka_unit_test(help),
	};

	return cmocka_run_group_tests_name("xdp_config", tests, NULL, NULL);
}
