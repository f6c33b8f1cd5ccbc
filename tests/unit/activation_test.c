/* SPDX-License-Identifier: MIT */
/* Sockets from systemd: which card gets which, and what is wrong with what the environment says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/txringd/activation.h"
#include "virtio/base.h"

#define CARDS 3

static struct nic_config cards[CARDS];
static char err[NIC_CONFIG_ERR_LEN];

/* NULL: it is not set. */
static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* names: of the socket that each card wants; NULL: it wants none. */
static int resolve(const char *pid, const char *fds, const char *fdnames, char *const names[CARDS])
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	set("LISTEN_PID", pid && !strcmp(pid, "own") ? own : pid);
	set("LISTEN_FDS", fds);
	set("LISTEN_FDNAMES", fdnames);
	for (unsigned i = 0; i < CARDS; i++) {
		cards[i] = (struct nic_config){ .mark = "--", .fd = -1, .listen_name = names[i] };
		snprintf(cards[i].name, sizeof(cards[i].name), "nic%u", i);
	}
	err[0] = '\0';
	return activation_resolve(cards, CARDS, err);
}

/* By name, or the next one that is left. */
static void given(void **state)
{
	static const struct {
		const char *fds, *fdnames;
		char *names[CARDS];
		int want[CARDS];
	} cases[] = {
		{ "1", NULL, { "" }, { 3, -1, -1 } },
		{ "1", "vm0.socket", { "" }, { 3, -1, -1 } },
		{ "2", "a:b", { "b", NULL, "a" }, { 4, -1, 3 } },
		{ "3", "b:ab:b", { "b", "b", "ab" }, { 3, 5, 4 } },
		{ "3", "a:b:c", { "b", "", "" }, { 4, 3, 5 } },
		{ "2", ":a", { "", "a" }, { 3, 4, -1 } },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		if (resolve("own", cases[i].fds, cases[i].fdnames, cases[i].names))
			fail_msg("case %u: %s", i, err);
		for (unsigned k = 0; k < CARDS; k++)
			assert_int_equal(cards[k].fd, cases[i].want[k]);
		assert_null(getenv("LISTEN_PID"));
		assert_null(getenv("LISTEN_FDS"));
		assert_null(getenv("LISTEN_FDNAMES"));
	}
}

/* Each thing that is not as sd_listen_fds(3) has it is named, with what it must be. */
static void refused(void **state)
{
	static const struct {
		const char *pid, *fds, *fdnames, *says;
		char *names[CARDS];
	} cases[] = {
		{ NULL, NULL, NULL, "no socket was passed: LISTEN_PID", { "" } },
		{ "own", NULL, NULL, "no socket was passed: LISTEN_FDS", { "" } },
		{ NULL, "1", NULL, "no socket was passed: LISTEN_PID", { "" } },
		{ "1", "1", NULL, "LISTEN_PID '1' must be this process", { "" } },
		{ "", "1", NULL, "LISTEN_PID '' must be this process", { "" } },
		{ "own", "", NULL, "LISTEN_FDS '' must be a number", { "" } },
		{ "own", "0", NULL, "LISTEN_FDS '0' must be a number", { "" } },
		{ "own", "-1", NULL, "LISTEN_FDS '-1' must be a number", { "" } },
		{ "own", "4294967297", NULL, "LISTEN_FDS '4294967297' must", { "" } },
		{ "own", "2", "a", "LISTEN_FDNAMES 'a' must have 2 names", { "", "" } },
		{ "own", "1", "a:b", "LISTEN_FDNAMES 'a:b' must have 1 name,", { "" } },
		{ "own", "1", "ab", "'systemd:a' of nic0: no such socket", { "a" } },
		{ "own", "1", NULL, "'systemd:a' of nic0: no such socket", { "a" } },
		{ "own", "1", "a", "'systemd' of nic1: no such socket", { "a", "" } },
		{ "own", "2", "a:b", "socket 2 'b' of the 2 that were passed is no", { "a" } },
		{ "own", "1000000", NULL, "socket 2 '' of the 1000000", { "" } },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		assert_true(resolve(cases[i].pid, cases[i].fds, cases[i].fdnames, cases[i].names) <
			    0);
		if (!strstr(err, cases[i].says))
			fail_msg("case %u: %s", i, err);
		assert_null(getenv("LISTEN_FDS"));
	}
}

/* Who does not ask for them is not asked either: --fd 3 goes on working. */
static void not_asked(void **state)
{
	char *none[CARDS] = { NULL };

	(void)state;
	assert_int_equal(resolve("1", "x", NULL, none), 0);
	assert_string_equal(getenv("LISTEN_FDS"), "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(given),
		cmocka_unit_test(refused),
		cmocka_unit_test(not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
