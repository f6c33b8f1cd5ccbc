/* SPDX-License-Identifier: MIT */
/*
 * Lines on stderr, each behind "PROGRAM: ". Safe on any thread. Nothing is limited of itself: who
 * writes lines that a guest or a front-end causes asks a log_limit first.
 */
#ifndef TOOLS_LOG_H
#define TOOLS_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * So many lines a minute has what has one limit: enough for each of many faults one after the
 * other, and no flood.
 */
#define LOG_LIMIT_LINES 1000

struct log_limit {
	pthread_mutex_t lock;
	int64_t minute; /* that of the last line */
	unsigned n;     /* lines of that minute, written or not */
};

/* A line; fmt has no newline. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void log_limit_init(struct log_limit *l);

/*
 * May one line more be written now? missed: lines that were refused in an earlier minute, of which
 * nobody was told yet. Any clock, any thread.
 */
bool log_limit_take(struct log_limit *l, int64_t now_ms, unsigned *missed);

#endif
