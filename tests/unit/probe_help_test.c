/* SPDX-License-Identifier: MIT */
/*
 * The parser of QEMU's device help. The forms of whole QEMUs are the corpus of the fuzz target,
 * which is read here, too; what is close to a property and is none is here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/txringctl/probe_help.h"
#include "virtio/base.h"

static const char *corpus;

static enum probe_answer has(const char *text, const char *property)
{
	return probe_help_has(text, strlen(text), property);
}

static enum probe_answer file_has(const char *name, const char *property)
{
	char path[4096], text[16384];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", corpus, name);
	file = fopen(path, "re");
	if (!file)
		fail_msg("%s is missing", path);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	assert_in_range(len, 1, sizeof(text) - 1);
	return probe_help_has(text, len, property);
}

/*
 * Each form that QEMU has had, and none is told by its version: the backport of 0.12 has tx, 0.13
 * has the device's properties and not that one, and plain 0.12 lists none.
 */
static void test_all_forms(void **state)
{
	static const struct {
		const char *file;
		enum probe_answer tx, mq, host_uso;
	} cases[] = {
		{ "qemu-0.12", PROBE_NOT_ASKED, PROBE_NOT_ASKED, PROBE_NOT_ASKED },
		{ "qemu-0.12-backport", PROBE_YES, PROBE_NO, PROBE_NO },
		{ "qemu-0.13", PROBE_NO, PROBE_NO, PROBE_NO },
		{ "qemu-1.1", PROBE_YES, PROBE_NO, PROBE_NO },
		{ "qemu-1.6", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "qemu-2.3", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "qemu-3.1", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "qemu-4.1", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "qemu-5.0", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "qemu-7.2", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "qemu-10", PROBE_YES, PROBE_YES, PROBE_YES },
		{ "alias", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "crlf", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "crlf-old", PROBE_YES, PROBE_NO, PROBE_NO },
		{ "no-end", PROBE_YES, PROBE_YES, PROBE_NO },
		{ "nested", PROBE_YES, PROBE_NO, PROBE_NO },
		{ "near", PROBE_NO, PROBE_NO, PROBE_NO },
		{ "near-old", PROBE_NO, PROBE_NO, PROBE_NO },
		{ "behind", PROBE_NO, PROBE_YES, PROBE_NO },
		{ "no-options", PROBE_NOT_ASKED, PROBE_NOT_ASKED, PROBE_NOT_ASKED },
		{ "heading-only", PROBE_NOT_ASKED, PROBE_NOT_ASKED, PROBE_NOT_ASKED },
		{ "not-found", PROBE_NOT_ASKED, PROBE_NOT_ASKED, PROBE_NOT_ASKED },
	};

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		if (file_has(cases[i].file, "tx") != cases[i].tx ||
		    file_has(cases[i].file, "mq") != cases[i].mq ||
		    file_has(cases[i].file, "host_uso") != cases[i].host_uso)
			fail_msg("%s: a wrong answer", cases[i].file);
	}
}

/* Whole names in their place; each line here has tx in it, and lists something else or nothing. */
static void test_near_misses(void **state)
{
	static const char *const lines[] = {
		"  tx_queue_size=<uint16>",
		"  x-tx=<str>",
		"  mq=<bool> - tx=<str>",
		"  mq=<bool> - virtio-net-pci.tx=str",
		"tx=<str>",
		"  tx=str",
		"  tx=<>",
		"  tx=<str",
		"  tx=>str<",
		"  tx =<str>",
		"  tx= <str>",
		"  tx=<str>x",
		"  tx",
		"  =<tx>",
		"  TX=<str>",
		"virtio-net-pci.tx",
		"virtio-net-pci.tx=",
		"virtio-net-pci.tx= str",
		" virtio-net-pci.tx=str",
		"virtio-net-pcix.tx=str",
		"virtio-net-pci..tx=str",
		"virtio-net-pci.x.tx=str",
		"virtio-net-pci.txx=str",
		"e1000.tx=str",
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < array_size(lines); i++) {
		snprintf(text, sizeof(text), "virtio-net-pci options:\n  csum=<bool>\n%s\n",
			 lines[i]);
		if (has(text, "tx") != PROBE_NO)
			fail_msg("taken for tx: '%s'", lines[i]);
	}
}

/* What is between the parts of a line may be more or less than QEMU's own. */
static void test_blanks(void **state)
{
	(void)state;
	assert_int_equal(has("virtio-net-pci options:\n tx=<str>", "tx"), PROBE_YES);
	assert_int_equal(has("virtio-net-pci options:\n\ttx=<str>\t- x", "tx"), PROBE_YES);
	assert_int_equal(has("virtio-net-pci options:  \n  tx=<str>-x", "tx"), PROBE_YES);
	assert_int_equal(has("virtio-net-pci options:\n\n  mq=<bool>\n\n  tx=<str>", "tx"),
			 PROBE_YES);
}

/* The options of another device are not ours, before or behind. */
static void test_other_devices(void **state)
{
	static const char text[] = "e1000 options:\n  tx=<str>\n"
				   "virtio-net-pci options:\n  mq=<bool>\n"
				   "virtio-net-pci-transitional options:\n  rss=<bool>\n"
				   "virtio-net-pci options:\n  packed=<bool>\n"
				   "name \"e1000\", bus PCI\n  hash=<bool>\n";

	(void)state;
	assert_int_equal(has(text, "tx"), PROBE_NO);
	assert_int_equal(has(text, "mq"), PROBE_YES);
	assert_int_equal(has(text, "rss"), PROBE_NO);
	assert_int_equal(has(text, "packed"), PROBE_YES);
	assert_int_equal(has(text, "hash"), PROBE_NO);
	assert_int_equal(has("e1000 options:\n  tx=<str>\n", "tx"), PROBE_NOT_ASKED);
}

/* NULs and bytes above 127 are passed over, and nothing is read past the end. */
static void test_bytes(void **state)
{
	static const char text[] = "\0\xff\n\0virtio-net-pci.tx=str\nvirtio-net-pci.mq=\xff\n"
				   "virtio-net-pci.rss=on/off (\0)\n";

	(void)state;
	assert_int_equal(probe_help_has(text, sizeof(text) - 1, "tx"), PROBE_NO);
	assert_int_equal(probe_help_has(text, sizeof(text) - 1, "mq"), PROBE_YES);
	assert_int_equal(probe_help_has(text, sizeof(text) - 1, "rss"), PROBE_YES);
	assert_int_equal(probe_help_has(NULL, 0, "tx"), PROBE_NOT_ASKED);
	assert_int_equal(probe_help_has("virtio-net-pci.tx=str", 18, "tx"), PROBE_NOT_ASKED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_forms),     cmocka_unit_test(test_near_misses),
		cmocka_unit_test(test_blanks),        cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_other_devices),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: probe_help_test CORPUS\n");
		return 1;
	}
	corpus = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
