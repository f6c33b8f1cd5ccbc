/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "tools/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One write a line, so that lines of several threads do not mix. */
static void write_line(const char *line)
{
	char out[2048];
	int n = snprintf(out, sizeof(out) - 1, "%s: %s", program_invocation_short_name, line);

	if (n >= (int)sizeof(out) - 1)
		n = sizeof(out) - 2;
	/* What a user typed or a peer sent must not make two lines of one. */
	for (int i = 0; i < n; i++) {
		if (iscntrl((unsigned char)out[i]))
			out[i] = '?';
	}
	out[n++] = '\n';
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

void log_limit_init(struct log_limit *l)
{
	*l = (struct log_limit){ .minute = -1 };
	pthread_mutex_init(&l->lock, NULL);
}

bool log_limit_take(struct log_limit *l, int64_t now_ms, unsigned *missed)
{
	bool allowed;

	*missed = 0;
	pthread_mutex_lock(&l->lock);
	if (now_ms / 60000 != l->minute) {
		if (l->n > LOG_LIMIT_LINES)
			*missed = l->n - LOG_LIMIT_LINES;
		l->minute = now_ms / 60000;
		l->n = 0;
	}
	allowed = l->n++ < LOG_LIMIT_LINES;
	pthread_mutex_unlock(&l->lock);
	return allowed;
}
