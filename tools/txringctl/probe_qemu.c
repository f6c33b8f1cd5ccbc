/* SPDX-License-Identifier: MIT */
/*
 * Asks a QEMU for its device help. How: "?" is understood by all of them and "help" by those since
 * 1.2, so "help" is for one that should forget the other. An old QEMU that takes "help" for a
 * property would start a machine; it has answered to "?" before.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/probe.h"
#include "tools/txringctl/probe_child.h"
#include "tools/txringctl/probe_help.h"
#include "virtio/base.h"

#define PATIENCE_S 10

struct probe_qemu {
	char *binary;
	struct probe_child said;
};

/* One stream may list what the other does not; neither may list anything. */
enum probe_answer probe_qemu_has(const struct probe_qemu *qemu, const char *property)
{
	const struct probe_child_text *out = qemu->said.out;
	enum probe_answer a = probe_help_has(out[0].text, out[0].len, property);
	enum probe_answer b = probe_help_has(out[1].text, out[1].len, property);

	return a > b ? a : b;
}

/* One run; err names the QEMU. */
static int run(struct probe_qemu *q, const char *option, const char *value, uint64_t end_ns,
	       char err[PROBE_ERR_LEN])
{
	char *argv[] = { q->binary, (char *)(uintptr_t)option, (char *)(uintptr_t)value, NULL };
	char why[PROBE_ERR_LEN];
	int code = probe_child_run(&q->said, argv, end_ns, why);

	if (code == -ETIME)
		snprintf(err, PROBE_ERR_LEN, "QEMU %s: it hangs: not done in %d s, and killed",
			 q->binary, PATIENCE_S);
	else if (code)
		snprintf(err, PROBE_ERR_LEN, "QEMU %s: %.100s", q->binary, why);
	return code;
}

static bool says(const struct probe_child_text *out, const char *words)
{
	return out->len && memmem(out->text, out->len, words, strlen(words));
}

static int no_qemu(const struct probe_qemu *q, char err[PROBE_ERR_LEN])
{
	const struct probe_child_text *out = q->said.out[0].len ? &q->said.out[0] : &q->said.out[1];
	const char *end = out->len ? memchr(out->text, '\n', out->len) : NULL;
	size_t len = end ? (size_t)(end - out->text) : out->len;

	snprintf(err, PROBE_ERR_LEN,
		 "QEMU %s: this is no QEMU: asked for its -version it says '%.*s'", q->binary,
		 (int)min_u64(len, 100), out->len ? out->text : "");
	return -EINVAL;
}

/* Nothing was listed: a QEMU without the device, or one that lists no properties, or no QEMU. */
static int identify(struct probe_qemu *q, uint64_t end_ns, char err[PROBE_ERR_LEN])
{
	int code = run(q, "-version", NULL, end_ns, err);

	for (int i = 0; i < 2 && !code; i++) {
		if (says(&q->said.out[i], "QEMU") && says(&q->said.out[i], "emulator version"))
			return 0;
	}
	return code ? code : no_qemu(q, err);
}

static int ask(struct probe_qemu *q, char err[PROBE_ERR_LEN])
{
	static const char *const questions[] = { "virtio-net-pci,?", "virtio-net-pci,help" };
	uint64_t end_ns = monotonic_ns() + PATIENCE_S * 1000000000ull;
	int code;

	for (size_t i = 0; i < array_size(questions); i++) {
		code = run(q, "-device", questions[i], end_ns, err);
		/* Any name tells whether there are properties at all. */
		if (code || probe_qemu_has(q, "tx") != PROBE_NOT_ASKED)
			return code;
		probe_child_deinit(&q->said);
	}
	code = identify(q, end_ns, err);
	probe_child_deinit(&q->said);
	return code;
}

int probe_qemu_new(struct probe_qemu **qemu, const char *binary, char err[PROBE_ERR_LEN])
{
	struct probe_qemu *q = calloc(1, sizeof(*q));
	int code = -ENOMEM;

	if (q)
		q->binary = strdup(binary);
	if (q && q->binary)
		code = ask(q, err);
	else
		snprintf(err, PROBE_ERR_LEN, "out of memory");
	if (code)
		probe_qemu_free(q);
	else
		*qemu = q;
	return code;
}

int probe_qemu_require(const struct probe_qemu *qemu, const char *property, char err[PROBE_ERR_LEN])
{
	enum probe_answer answer = probe_qemu_has(qemu, property);

	if (answer == PROBE_YES)
		return 0;
	snprintf(err, PROBE_ERR_LEN,
		 "unsupported configuration: virtio-net-pci '%s' option not supported in this QEMU "
		 "binary: %s lists %s",
		 property, qemu->binary,
		 answer == PROBE_NO
			 ? "the device's properties without it"
			 : "no properties of the device, so nothing says that it has it");
	return -EOPNOTSUPP;
}

void probe_qemu_free(struct probe_qemu *qemu)
{
	if (!qemu)
		return;
	probe_child_deinit(&qemu->said);
	free(qemu->binary);
	free(qemu);
}
