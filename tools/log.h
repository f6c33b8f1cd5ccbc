/* SPDX-License-Identifier: MIT */
/*
 * Lines on stderr, each behind "PROGRAM: ". Safe on any thread.
 *
 * Until log_start() a line is a plain write, which waits while stderr takes nothing.
 * From then on a line goes into a ring in memory, without a lock and without waiting, and a thread
 * of the log's own writes it out. A ring that is full loses the line: how many were lost is a line
 * of its own, once there is room again.
 *
 * Nothing is limited of itself: what a guest or a front-end causes asks a log_limit first.
 *
 * Each line has a level, and what is less urgent than the level of the log is dropped.
 */
#ifndef TOOLS_LOG_H
#define TOOLS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * So many lines a minute has what has one limit: enough for each of many faults one after the
 * other, and no flood.
 */
#define LOG_LIMIT_LINES 1000

struct log_limit {
	uint64_t state; /* the minute of the last line, and how many lines it had, written or not */
};

/* Of a line: how urgent it is. Of the log: the least urgent that is written. */
enum log_level {
	LOG_ALWAYS,  /* of lines only: what was asked for */
	LOG_ERROR,   /* txringd or a card of it does not start, or ends */
	LOG_WARNING, /* something is wrong, and txringd goes on */
	LOG_INFO,    /* what runs, and what happens to it; the log's level at first */
	LOG_DEBUG,   /* each message of a front-end */
};

/* From LOG_ERROR on, ended by NULL. */
extern const char *const log_level_names[];

/* Any thread. log_level_name(): static. */
void log_set_level(enum log_level level);
enum log_level log_level(void);
const char *log_level_name(enum log_level level);
/* Whether a line of this level is written; costs a load. */
bool log_shows(enum log_level level);
/* False: it is not one of log_level_names. */
bool log_level_parse(const char *name, enum log_level *level);

/* A line; fmt has no newline. */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, LOG_ALWAYS: whatever the level of the log is. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The caller's thread: its lines of LOG_WARNING and above go to text from here on, whatever the
 * level of the log, the last in place of the one before it; NULL: to the log again.
 */
void log_capture(char *text, size_t len);

/* Before other threads log. 0, or a negative errno: lines are plain writes as before. */
int log_start(void);
/*
 * Write out what the ring holds, and end the thread; but leave it when stderr takes nothing after
 * patience_ms, or has not taken all after some seconds. No other thread may log any more. If the
 * log thread has ended, the caller's lines are plain writes to stderr again.
 */
void log_stop(unsigned patience_ms);

void log_limit_init(struct log_limit *l);

/*
 * May one line more be written now? missed: lines that were refused in an earlier minute, and have
 * not been reported yet. Any thread; now_ms is of one clock that is not negative.
 */
bool log_limit_take(struct log_limit *l, int64_t now_ms, unsigned *missed);

#endif
