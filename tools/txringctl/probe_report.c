/* SPDX-License-Identifier: MIT */
/*
 * The two forms of a report; see probe_report.h. jansson takes NULL for a value and then fails, so
 * only the end looks whether memory sufficed: something that failed is missing, which failed marks.
 */
#include "tools/txringctl/probe_report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const words[] = {
	[PROBE_NOT_ASKED] = "not asked",
	[PROBE_NO] = "no",
	[PROBE_YES] = "yes",
};

struct probe_report {
	bool failed;
	json_t *root, *qemus; /* NULL: text; qemus is root's */
};

static void check(struct probe_report *r, int result)
{
	r->failed |= result != 0;
}

struct probe_report *probe_report_new(bool json)
{
	struct probe_report *r = calloc(1, sizeof(*r));

	if (!r || !json)
		return r;
	r->qemus = json_array();
	r->root = json_object();
	check(r, json_object_set_new(r->root, "qemus", r->qemus));
	if (!r->failed)
		return r;
	json_decref(r->root);
	free(r);
	return NULL;
}

static void print_lines(const struct probe_line *lines, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		printf("  %-19s %s", lines[i].name, words[lines[i].answer]);
		if (lines[i].says[0])
			printf(": %s", lines[i].says);
		if (lines[i].remedy[0])
			printf("; %s", lines[i].remedy);
		putchar('\n');
	}
}

/* Text of the host's may be no UTF-8; such is not lost. */
static json_t *text(const char *s)
{
	json_t *value = json_string(s);

	return value ? value : json_string("(not UTF-8)");
}

/* NAME: { "answer": ..., "says": ..., "remedy": ... }, the last two where there is something. */
static json_t *object_of(struct probe_report *r, const struct probe_line *lines, unsigned n)
{
	json_t *all = json_object(), *one;

	for (unsigned i = 0; i < n; i++) {
		one = json_object();
		check(r, json_object_set_new(one, "answer", json_string(words[lines[i].answer])));
		if (lines[i].says[0])
			check(r, json_object_set_new(one, "says", text(lines[i].says)));
		if (lines[i].remedy[0])
			check(r, json_object_set_new(one, "remedy", text(lines[i].remedy)));
		check(r, json_object_set_new(all, lines[i].name, one));
	}
	return all;
}

void probe_report_no_qemu(struct probe_report *r)
{
	if (!r->root)
		puts("no QEMU of this machine in PATH; --qemu BINARY asks another");
}

void probe_report_qemu(struct probe_report *r, const char *binary, const struct probe_line *lines,
		       unsigned n)
{
	json_t *qemu;

	if (!r->root) {
		printf("%s, virtio-net-pci:\n", binary);
		print_lines(lines, n);
		return;
	}
	qemu = json_object();
	check(r, json_object_set_new(qemu, "binary", text(binary)));
	check(r, json_object_set_new(qemu, "virtio-net-pci", object_of(r, lines, n)));
	check(r, json_array_append_new(r->qemus, qemu));
}

void probe_report_qemu_failed(struct probe_report *r, const char *binary, const char *err)
{
	json_t *qemu;

	if (!r->root)
		return;
	qemu = json_object();
	check(r, json_object_set_new(qemu, "binary", text(binary)));
	check(r, json_object_set_new(qemu, "error", text(err)));
	check(r, json_array_append_new(r->qemus, qemu));
}

void probe_report_host(struct probe_report *r, const struct probe_line *lines, unsigned n)
{
	if (!r->root) {
		puts("this host, for this user:");
		print_lines(lines, n);
		return;
	}
	check(r, json_object_set_new(r->root, "host", object_of(r, lines, n)));
}

bool probe_report_end(struct probe_report *r)
{
	bool ok;

	/* A stream that takes nothing is for the caller to notice. */
	if (r->root && !r->failed && !json_dumpf(r->root, stdout, JSON_INDENT(2)))
		putchar('\n');
	ok = !r->failed;
	json_decref(r->root);
	free(r);
	return ok;
}
