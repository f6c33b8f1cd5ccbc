/* SPDX-License-Identifier: MIT */
/* Lines on stderr, each behind "PROGRAM: ". Safe on any thread. */
#ifndef TOOLS_LOG_H
#define TOOLS_LOG_H

/* A line; fmt has no newline. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for callbacks that carry a context, which is not used. */
void log_callback(void *ctx, const char *line);

#endif
