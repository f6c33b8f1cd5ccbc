/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "tools/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One write a line, so that lines of several threads do not mix. */
static void write_line(const char *line)
{
	char out[2048];
	int n = snprintf(out, sizeof(out), "%s: %s\n", program_invocation_short_name, line);

	if (n >= (int)sizeof(out)) {
		n = sizeof(out) - 1;
		out[n - 1] = '\n';
	}
	(void)!write(STDERR_FILENO, out, (size_t)n);
}

void log_line(const char *fmt, ...)
{
	char line[1900];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	write_line(line);
}

void log_callback(void *ctx, const char *line)
{
	(void)ctx;
	write_line(line);
}
