/* SPDX-License-Identifier: MIT */
/*
 * The keys of a card's configuration: what each takes and refuses, and who owns what it was given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/config/nic_config.h"
#include "tools/config/values.h"
#include "virtio/base.h"

static const struct config_key *find(const char *name)
{
	const struct config_key *key = nic_config_keys;

	while (key->name && strcmp(key->name, name) != 0)
		key++;
	assert_non_null(key->name);
	return key;
}

static int set(struct nic_config *c, const char *name, const char *value,
	       char err[NIC_CONFIG_ERR_LEN])
{
	return nic_config_set(c, find(name), value, err);
}

/* Each value of each key that is almost right is refused by name, and changes nothing. */
static void refused(void **state)
{
	static const struct {
		const char *key;
		const char *values[12];
	} wrong[] = {
		{ "fd",
		  { "", "-1", "+1", " 1", "1 ", "0x1", "1048576", "18446744073709551617",
		    "systemd:", "systemd:a:b", "Systemd" } },
		{ "queues", { "", "0", "129", "+1", " 1", "1x", "01x" } },
		{ "mtu", { "", "67", "65536", "+1500", " 1500", "1500 " } },
		{ "mac",
		  { "", "52:54:00:12:34:-5", "52:54:00:12:34:+5", "52:54:00:12:34: 5",
		    "52:54:00:12:34:5g", "52:54:00:12:34:5", "52-54-00-12-34-56",
		    "52:54:00:12:34:56 ", "0x:54:00:12:34:56", "01:00:5e:00:00:01",
		    "ff:ff:ff:ff:ff:ff" } },
		{ "socket-mode",
		  { "", "8", "0o660", "+660", " 660", "1000", "00660", "u=rw", "-1" } },
		{ "socket-owner", { "", "no such user", "-1", "4294967295", "0x0" } },
		{ "socket-group", { "", "no such group", "-1", "4294967295", " 0" } },
		{ "bridge", { "", "sixteen-letters-", "a/b", "a b", ".", "..", "a:1" } },
		{ "link", { "", "on", "Up", "down " } },
		{ "vhost", { "", "qemu", "Default", "require " } },
		{ "vhost-fd", { "", ",", "3,", ",3", "3,,4", "3, 4", "+3", "-1", "1048576" } },
		{ "vhost-poll",
		  { "", "us", "50", "0us", " 50us", "50 us", "+50us", "1us2", "50ns", "2s",
		    "18446744073709551616us" } },
		{ "backend", { "", "nil", "loop:", "null:x", "tap", "Tap:x" } },
		{ "txmode",
		  { "", "fast", "timer,delay= 1us", "timer,delay=+1us", "timer,delay=1 us",
		    "timer,delay=18446744073709551616ns", "timer,burst=+1", "timer,burst=1us",
		    "timer," } },
	};
	struct nic_config c, before;
	char err[NIC_CONFIG_ERR_LEN], want[64];

	(void)state;
	nic_config_init(&c, "--");
	for (unsigned i = 0; i < array_size(wrong); i++) {
		for (unsigned k = 0; k < array_size(wrong[i].values) && wrong[i].values[k]; k++) {
			memcpy(&before, &c, sizeof(c));
			if (!set(&c, wrong[i].key, wrong[i].values[k], err))
				fail_msg("%s takes '%s'", wrong[i].key, wrong[i].values[k]);
			snprintf(want, sizeof(want), "--%s '%s'", wrong[i].key, wrong[i].values[k]);
			assert_ptr_equal(strstr(err, want), err);
			assert_memory_equal(&before, &c, sizeof(c));
		}
	}
	nic_config_deinit(&c);
}

/* What is right is taken, and the last of two has it. */
static void taken(void **state)
{
	static const struct {
		const char *key, *value;
	} right[] = {
		{ "socket-path", "/a" },
		{ "socket-path", "/b" },
		{ "client", NULL },
		{ "backend", "null" },
		{ "backend", "tap:t0" },
		{ "queues", "128" },
		{ "mac", "52:54:00:aB:Cd:0f" },
		{ "socket-mode", "0620" },
		{ "socket-owner", "root" },
		{ "socket-group", "4294967294" },
		{ "bridge", "longer-than-br0" },
		{ "bridge", "br0" },
		{ "link", "down" },
		{ "mtu", "0068" },
		{ "vhost", "require" },
		{ "vhost-fd", "0,1048575" },
		{ "vhost-poll", "1s" },
		{ "txmode", "timer,delay=7000,burst=9" },
	};
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0xab, 0xcd, 0x0f };
	char err[NIC_CONFIG_ERR_LEN], path[8];
	struct nic_config c;

	(void)state;
	nic_config_init(&c, "");
	for (unsigned i = 0; i < array_size(right); i++)
		assert_int_equal(set(&c, right[i].key, right[i].value, err), 0);
	assert_string_equal(c.socket_path, "/b");
	assert_string_equal(c.backend, "tap:t0");
	assert_true(c.client && c.has_mac && c.vhost.given);
	assert_int_equal(c.pairs, 128);
	assert_memory_equal(c.mac, mac, sizeof(mac));
	assert_int_equal(c.mtu, 68);
	assert_true(c.access.has_mode && c.link_down);
	assert_int_equal(c.access.mode, 0620);
	assert_int_equal(c.access.owner, 0);
	assert_int_equal(c.access.group, 4294967294);
	assert_string_equal(c.bridge, "br0");
	assert_int_equal(c.vhost.policy, VHOST_REQUIRE);
	assert_int_equal(c.vhost.n_fds, 2);
	assert_int_equal(c.vhost.fds[1], 1048575);
	assert_int_equal(c.vhost.poll_us, 1000000);
	assert_int_equal(c.mode.values[0], 7000);
	assert_int_equal(c.mode.values[1], 9);
	/* It is not what it was read from. */
	strcpy(path, "/c");
	assert_int_equal(set(&c, "socket-path", path, err), 0);
	strcpy(path, "gone");
	assert_string_equal(c.socket_path, "/c");
	nic_config_deinit(&c);
	nic_config_deinit(&c);
}

/* Errors of several keys write them as their reader does. */
static void together(void **state)
{
	char err[NIC_CONFIG_ERR_LEN];
	struct nic_config c;

	(void)state;
	nic_config_init(&c, "");
	assert_true(nic_config_check(&c, err) < 0);
	assert_string_equal(err, "give one of socket-path PATH and fd N");
	c.mark = "--";
	assert_int_equal(set(&c, "fd", "systemd:vm0", err), 0);
	assert_string_equal(c.listen_name, "vm0");
	assert_true(nic_config_check(&c, err) < 0);
	assert_string_equal(err, "--backend is missing");
	assert_int_equal(set(&c, "fd", "systemd", err), 0);
	assert_string_equal(c.listen_name, "");
	assert_int_equal(set(&c, "fd", "3", err), 0);
	assert_null(c.listen_name);
	c.fd = -1;
	assert_int_equal(set(&c, "socket-path", "/a", err), 0);
	assert_true(nic_config_check(&c, err) < 0);
	assert_string_equal(err, "--backend is missing");
	assert_int_equal(set(&c, "backend", "null", err), 0);
	assert_int_equal(nic_config_check(&c, err), 0);
	assert_int_equal(set(&c, "vhost-fd", "3,4", err), 0);
	assert_true(nic_config_check(&c, err) < 0);
	assert_int_equal(set(&c, "queues", "2", err), 0);
	assert_int_equal(nic_config_check(&c, err), 0);
	assert_int_equal(set(&c, "socket-group", "0", err), 0);
	assert_int_equal(nic_config_check(&c, err), 0);
	assert_int_equal(set(&c, "client", NULL, err), 0);
	assert_true(nic_config_check(&c, err) < 0);
	assert_string_equal(err,
			    "--socket-group is for a socket that is made here: not with --client");
	nic_config_deinit(&c);
}

/* What two cards both have is said with both their names. */
static void apart(void **state)
{
	static const struct {
		const char *keys[2][3][2]; /* of each card: key, value */
		const char *says;
	} cases[] = {
		{ { { { "socket-path", "/a" }, { "backend", "loop" } },
		    { { "socket-path", "/b" }, { "backend", "loop" } } },
		  NULL },
		{ { { { "socket-path", "/a" }, { "backend", "loop" } },
		    { { "socket-path", "/a" }, { "backend", "null" } } },
		  "--socket-path '/a' of nic0 is --socket-path '/a' of nic1, too" },
		{ { { { "socket-path", "/a" }, { "backend", "tap:t" } },
		    { { "socket-path", "/b" }, { "backend", "tap:t" } } },
		  "--backend 'tap:t' of nic0 is --backend 'tap:t' of nic1, too" },
		{ { { { "fd", "3" }, { "backend", "tap-fd:4" } },
		    { { "fd", "4" }, { "backend", "tap-fd:5" } } },
		  "--backend '4' of nic0 is --fd '4' of nic1, too" },
		{ { { { "fd", "3" }, { "backend", "tap-fd:4" }, { "vhost-fd", "7" } },
		    { { "fd", "5" }, { "backend", "tap-fd:6" }, { "vhost-fd", "7" } } },
		  "--vhost-fd '7' of nic0 is --vhost-fd '7' of nic1, too" },
	};
	char err[NIC_CONFIG_ERR_LEN];
	struct nic_config c[2];

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		for (unsigned k = 0; k < 2; k++) {
			nic_config_init(&c[k], "--");
			snprintf(c[k].name, sizeof(c[k].name), "nic%u", k);
			for (unsigned j = 0; j < 3 && cases[i].keys[k][j][0]; j++)
				assert_int_equal(set(&c[k], cases[i].keys[k][j][0],
						     cases[i].keys[k][j][1], err),
						 0);
			assert_int_equal(nic_config_check_all(&c[k], 1, err), 0);
		}
		assert_int_equal(nic_config_check_all(c, 2, err) < 0, !!cases[i].says);
		if (cases[i].says)
			assert_ptr_equal(strstr(err, cases[i].says), err);
		nic_config_deinit(&c[0]);
		nic_config_deinit(&c[1]);
	}
}

/* A time is written as it is read. */
static void times(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} pairs[] = {
		{ "1ns", 1 },
		{ "1500ns", 1500 },
		{ "150us", 150000 },
		{ "1ms", 1000000 },
		{ "18446744073s", 18446744073000000000u },
	};
	char text[VALUES_TIME_LEN];
	uint64_t ns = 0;

	(void)state;
	for (unsigned i = 0; i < array_size(pairs); i++) {
		assert_true(values_time(pairs[i].text, strlen(pairs[i].text), false, &ns));
		assert_int_equal(ns, pairs[i].ns);
		assert_string_equal(values_time_text(ns, text), pairs[i].text);
	}
	assert_false(values_time("18446744074s", 12, false, &ns));
	assert_false(values_time("5", 1, false, &ns));
	assert_true(values_time("5", 1, true, &ns));
	assert_int_equal(ns, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused), cmocka_unit_test(taken), cmocka_unit_test(together),
		cmocka_unit_test(apart),   cmocka_unit_test(times),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
