/* SPDX-License-Identifier: MIT */
/* The warnings of libbpf and libxdp, and the words for what failed. */
#include "datapath/backend/xdp_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

/* The libraries' callbacks have no context to keep it in. */
static _Thread_local char first[BACKEND_ERR_LEN];

static void one_line(char *text)
{
	text[strcspn(text, "\n")] = 0;
}

__attribute__((format(printf, 1, 0))) static void keep(const char *fmt, va_list ap)
{
	char text[BACKEND_ERR_LEN];
	const char *words = text;

	if (first[0])
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	one_line(text);
	if (!strncmp(words, "libbpf: ", 8) || !strncmp(words, "libxdp: ", 8))
		words += 8;
	strcpy(first, words);
}

__attribute__((format(printf, 2, 0))) static int said_by_libbpf(enum libbpf_print_level level,
								const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN)
		keep(fmt, ap);
	return 0;
}

__attribute__((format(printf, 2, 0))) static int said_by_libxdp(enum libxdp_print_level level,
								const char *fmt, va_list ap)
{
	if (level == LIBXDP_WARN)
		keep(fmt, ap);
	return 0;
}

void xdp_log_start(void)
{
	first[0] = 0;
	libbpf_set_print(said_by_libbpf);
	libxdp_set_print(said_by_libxdp);
}

const char *xdp_log_first(void)
{
	return first;
}

int xdp_log_failed(char err[BACKEND_ERR_LEN], int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, BACKEND_ERR_LEN, fmt, ap);
	va_end(ap);
	one_line(err);
	return code;
}
