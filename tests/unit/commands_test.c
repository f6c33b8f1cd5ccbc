/* SPDX-License-Identifier: MIT */
/* The control socket's commands, over cards that only say how it went. No socket, no device. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/txringd/commands.h"
#include "tools/txringd/domifstat.h"
#include "tools/txringd/dumpxml.h"
#include "virtio/base.h"

struct nic {
	const char *name;
	enum nic_vhost outcome;
	bool deaf;
	uint64_t n_to_kernel;
	int tap_error;
	bool unspeakable; /* in XML */
};

const char *nic_name(const struct nic *nic)
{
	return nic->name;
}

int nic_status(const struct nic *nic, struct status *s)
{
	*s = (struct status){ .name = nic->name, .driver.to_kernel.n = nic->n_to_kernel };
	return 0;
}

int nic_tap(const struct nic *nic, struct ifstate *tap)
{
	*tap = (struct ifstate){ .mtu = 1400 };
	snprintf(tap->name, sizeof(tap->name), "tap-%s", nic->name);
	return nic->tap_error;
}

/* The status has no card: its name tells. */
static bool unspeakable(const char *name);

bool dumpxml_print(const struct status *s, FILE *out, char err[NIC_CONFIG_ERR_LEN])
{
	snprintf(err, NIC_CONFIG_ERR_LEN, "cannot be written");
	if (unspeakable(s->name))
		return false;
	fprintf(out, "<%s mtu='%u'/>\n", s->name, s->tap_mtu);
	return true;
}

void domifstat_print(const struct status *s, const struct ifstate *tap, FILE *out)
{
	fprintf(out, "%s by %s\n", s->name, tap ? tap->name : "us");
}

void status_print(const struct status *s, FILE *out)
{
	fprintf(out, "%s: shown\n", s->name);
}

void status_deinit(struct status *s)
{
	s->name = NULL;
}

enum nic_vhost nic_vhost(struct nic *nic, bool on, char said[NIC_SAID_LEN])
{
	static const char *const words[] = { "done", "later", "cannot" };

	snprintf(said, NIC_SAID_LEN, "%s %s", on ? "on" : "off", words[nic->outcome]);
	return nic->outcome;
}

bool nic_set_link(struct nic *nic, bool up, char said[NIC_SAID_LEN])
{
	snprintf(said, NIC_SAID_LEN, "%s %s", up ? "up" : "down", nic->deaf ? "cannot" : "done");
	return !nic->deaf;
}

static struct nic first = { .name = "nic0" }, second = { .name = "nic1" };

static bool unspeakable(const char *name)
{
	return strcmp(name, second.name) ? first.unspeakable : second.unspeakable;
}

static bool run(const char *command, char **answer)
{
	struct nic *nics[] = { &first, NULL, &second };
	struct commands c = { .nics = nics, .n_nics = array_size(nics) };
	char line[64];
	size_t len;
	FILE *out = open_memstream(answer, &len);
	bool later;

	assert_non_null(out);
	snprintf(line, sizeof(line), "%s", command);
	later = commands_run(&c, line, out);
	assert_int_equal(fclose(out), 0);
	return later;
}

static void assert_answer(const char *command, bool later, const char *want)
{
	char *answer;

	assert_int_equal(run(command, &answer), later);
	assert_string_equal(answer, want);
	free(answer);
}

/* All cards, or the one that is named; one that has ended is passed over. */
static void which_cards(void **state)
{
	(void)state;
	first.outcome = second.outcome = NIC_VHOST_DONE;
	assert_answer("show", false, "nic0: shown\nnic1: shown\nok\n");
	assert_answer(" show\tnic1 \r", false, "nic1: shown\nok\n");
	assert_answer("vhost on", false, "nic0: on done\nnic1: on done\nok\n");
	assert_answer("vhost off nic0", false, "nic0: off done\nok\n");
	assert_answer("vhost off nic2", false, "error: there is no card 'nic2'\n");
}

/*
 * The first card that does not do as it was told is the verdict, and has no other line; nobody
 * waits where that changes nothing.
 */
static void verdicts(void **state)
{
	(void)state;
	first.outcome = NIC_VHOST_DONE;
	second.outcome = NIC_VHOST_LATER;
	assert_answer("vhost on", true, "nic0: on done\nerror: nic1: on later\n");
	first.outcome = NIC_VHOST_CANNOT;
	assert_answer("vhost on", false, "nic1: on later\nerror: nic0: on cannot\n");
	first.outcome = NIC_VHOST_LATER;
	second.outcome = NIC_VHOST_CANNOT;
	assert_answer("vhost on", false, "nic1: on cannot\nerror: nic0: on later\n");
}

/* The link of each card, or of one; one that cannot be set down keeps no other from it. */
static void links(void **state)
{
	(void)state;
	assert_answer("link down", false, "nic0: down done\nnic1: down done\nok\n");
	assert_answer("link up nic1", false, "nic1: up done\nok\n");
	assert_answer("link up nic2", false, "error: there is no card 'nic2'\n");
	first.deaf = true;
	assert_answer("link down", false, "nic1: down done\nerror: nic0: down cannot\n");
	second.deaf = true;
	assert_answer("link down", false, "nic1: down cannot\nerror: nic0: down cannot\n");
	first.deaf = second.deaf = false;
}

/* A card's tap tells of its MTU; a card that cannot be written ends the answer. */
static void xml(void **state)
{
	(void)state;
	first.tap_error = -EOPNOTSUPP;
	assert_answer("dumpxml", false, "<nic0 mtu='0'/>\n<nic1 mtu='1400'/>\nok\n");
	second.unspeakable = true;
	assert_answer("dumpxml nic1", false, "error: nic1: cannot be written\n");
	assert_answer("dumpxml nic2", false, "error: there is no card 'nic2'\n");
	second.unspeakable = false;
	first.tap_error = 0;
}

/* The tap is asked once the kernel has had a card, since ours do not count its frames. */
static void counters(void **state)
{
	(void)state;
	first.tap_error = -ENODEV;
	second.n_to_kernel = 1;
	assert_answer("domifstat", false, "nic0 by us\nnic1 by tap-nic1\nok\n");
	second.tap_error = -ENODEV;
	assert_answer("domifstat", false,
		      "nic0 by us\nerror: nic1: the kernel has moved its frames, and the tap's "
		      "counters are not to be had: No such device\n");
	first.tap_error = second.tap_error = 0;
	second.n_to_kernel = 0;
}

/* What is no command is told which there are. */
static void no_commands(void **state)
{
	static const char *const wrong[] = {
		"", "link", "link on", "link up a b", "link up nic0 x y z", "vhost up"
	};
	char *answer;

	(void)state;
	for (unsigned i = 0; i < array_size(wrong); i++) {
		assert_false(run(wrong[i], &answer));
		assert_ptr_equal(strstr(answer, "error: a command is 'show [NIC]'"), answer);
		free(answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_cards), cmocka_unit_test(verdicts),
		cmocka_unit_test(links),       cmocka_unit_test(xml),
		cmocka_unit_test(counters),    cmocka_unit_test(no_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
