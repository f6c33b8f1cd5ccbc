/* SPDX-License-Identifier: MIT */
/* Lines on stderr, each behind "PROGRAM: ". Safe on any thread. */
#ifndef TOOLS_LOG_H
#define TOOLS_LOG_H

/* A line; fmt has no newline. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
