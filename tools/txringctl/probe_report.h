/* SPDX-License-Identifier: MIT */
/* What txringctl probe prints: text as it comes, or one JSON object at the end. */
#ifndef TOOLS_TXRINGCTL_PROBE_REPORT_H
#define TOOLS_TXRINGCTL_PROBE_REPORT_H

#include <stdbool.h>

#include "tools/txringctl/probe.h"

/* One thing that was asked for. */
struct probe_line {
	char name[24];
	enum probe_answer answer;
	char says[200];   /* yes: how much, or nothing; else what lacks, or why it was not asked */
	char remedy[200]; /* empty with yes */
};

struct probe_report;

/* NULL: out of memory. */
struct probe_report *probe_report_new(bool json);
/* None was named, and none found. */
void probe_report_no_qemu(struct probe_report *r);
void probe_report_qemu(struct probe_report *r, const char *binary, const struct probe_line *lines,
		       unsigned n);
/* This QEMU could not be asked; the text says so nowhere, JSON does. */
void probe_report_qemu_failed(struct probe_report *r, const char *binary, const char *err);
void probe_report_host(struct probe_report *r, const struct probe_line *lines, unsigned n);
/* Prints what is left to print, and frees. False: there was not enough memory. */
bool probe_report_end(struct probe_report *r);

#endif
