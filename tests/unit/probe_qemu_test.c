/* SPDX-License-Identifier: MIT */
/*
 * What the converter wants of a QEMU, which is a script here. How programs that are no QEMU are
 * told is in tests/probe, with the command.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/txringctl/probe.h"

static char folder[] = "/tmp/txring-probe.XXXXXX";
static char binary[64];

/* A QEMU whose device help is what the commands print; it has a -version. */
static void make_fake(const char *commands)
{
	FILE *file = fopen(binary, "we");

	assert_non_null(file);
	fprintf(file,
		"#!/bin/sh\n"
		"case $1 in\n"
		"-version) echo 'QEMU emulator version 0.0' ;;\n"
		"-device) %s ;;\n"
		"esac\n",
		commands);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(binary, 0755), 0);
}

/* The same, and it has been asked. */
static struct probe_qemu *fake(const char *commands)
{
	struct probe_qemu *qemu = NULL;
	char err[PROBE_ERR_LEN] = "";

	make_fake(commands);
	if (probe_qemu_new(&qemu, binary, err))
		fail_msg("%s", err);
	return qemu;
}

/* The text of the request of 2011: whoever looks for it finds it. */
static const char words[] =
	"unsupported configuration: virtio-net-pci 'tx' option not supported in this QEMU binary";

/* A QEMU that lists properties without tx is refused, one with it is not. */
static void test_require(void **state)
{
	struct probe_qemu *qemu = fake("echo 'virtio-net-pci.mq=on/off' >&2");
	char err[PROBE_ERR_LEN] = "";

	(void)state;
	assert_int_equal(probe_qemu_require(qemu, "tx", err), -EOPNOTSUPP);
	assert_memory_equal(err, words, strlen(words));
	assert_non_null(strstr(err, binary));
	assert_int_equal(probe_qemu_require(qemu, "mq", err), 0);
	probe_qemu_free(qemu);
	qemu = fake("echo 'virtio-net-pci.tx=string' >&2");
	assert_int_equal(probe_qemu_require(qemu, "tx", err), 0);
	probe_qemu_free(qemu);
}

/* Nothing is known of one that lists no properties: that is no leave to go on. */
static void test_require_not_asked(void **state)
{
	struct probe_qemu *qemu = fake("echo 'name \"virtio-net-pci\", bus PCI' >&2");
	char err[PROBE_ERR_LEN] = "";

	(void)state;
	assert_int_equal(probe_qemu_has(qemu, "tx"), PROBE_NOT_ASKED);
	assert_int_equal(probe_qemu_require(qemu, "tx", err), -EOPNOTSUPP);
	assert_memory_equal(err, words, strlen(words));
	assert_non_null(strstr(err, "no properties"));
	probe_qemu_free(qemu);
}

/* A QEMU that should forget one of the two questions is understood by the other. */
static void test_either_question(void **state)
{
	struct probe_qemu *qemu;

	(void)state;
	qemu = fake("[ \"$2\" != 'virtio-net-pci,?' ] || echo virtio-net-pci.tx=str");
	assert_int_equal(probe_qemu_has(qemu, "tx"), PROBE_YES);
	probe_qemu_free(qemu);
	qemu = fake("[ \"$2\" != virtio-net-pci,help ] || echo virtio-net-pci.tx=str");
	assert_int_equal(probe_qemu_has(qemu, "tx"), PROBE_YES);
	probe_qemu_free(qemu);
}

/* A warning on the one stream does not cut a line of the other. */
static void test_two_streams(void **state)
{
	struct probe_qemu *qemu = fake("printf virtio-net-pci.t; echo 'a warning' >&2; "
				       "echo x=str; echo virtio-net-pci.mq=bool >&2");

	(void)state;
	assert_int_equal(probe_qemu_has(qemu, "tx"), PROBE_YES);
	assert_int_equal(probe_qemu_has(qemu, "mq"), PROBE_YES);
	assert_int_equal(probe_qemu_has(qemu, "rss"), PROBE_NO);
	probe_qemu_free(qemu);
}

/* How a QEMU ended is known where our parent had SIGCHLD ignored, too. */
static void test_sigchld_ignored(void **state)
{
	struct probe_qemu *qemu;
	char err[PROBE_ERR_LEN] = "";

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	make_fake("echo virtio-net-pci.tx=str; kill -SEGV $$");
	assert_int_equal(probe_qemu_new(&qemu, binary, err), -ECHILD);
	assert_non_null(strstr(err, "signal 11"));
	signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_require),         cmocka_unit_test(test_require_not_asked),
		cmocka_unit_test(test_either_question), cmocka_unit_test(test_two_streams),
		cmocka_unit_test(test_sigchld_ignored),
	};
	int failed;

	if (!mkdtemp(folder)) {
		perror(folder);
		return 1;
	}
	snprintf(binary, sizeof(binary), "%s/qemu", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(binary);
	rmdir(folder);
	return failed;
}
