/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a client sends one line and reads lines until the end of file, of which the
 * last is "ok" or "error: REASON". It knows no command: run() does. No client is waited for: one
 * that is slow is cut off, and what it may have sent of open files is closed by a thread
 * (tools/txringd/closer.h). It has no loop: control_prepare(), poll, control_serve().
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_TXRINGD_CONTROL_H
#define TOOLS_TXRINGD_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A command's length, the newline not counted. */
#define CONTROL_MAX_LINE 255
/*
 * Served at a time. When they are all taken the one gives way that has neither sent nor read
 * anything for the longest time, and for so long at least.
 */
#define CONTROL_MAX_CLIENTS 8
#define CONTROL_SILENCE_MS  100
#define CONTROL_FDS         (1 + CONTROL_MAX_CLIENTS)
/* A client that has not sent its line, or not taken its answer, by then is cut off. */
#define CONTROL_PATIENCE_MS 5000
/*
 * What is to be asked for again is, after so long, until CONTROL_PATIENCE_MS are over; and a client
 * for whom there was no fd is tried again.
 */
#define CONTROL_LATER_MS 20

struct control_config {
	const char *path; /* mode 0600; borrowed */
	/*
	 * Carry out line, which it may cut up, and write the answer. True: it is not done yet, run
	 * it again later, in vain if that is what the answer still says in the end.
	 */
	bool (*run)(void *ctx, char *line, FILE *out);
	void *ctx;
};

struct control;

/* 0, or a negative errno and the reason in err. */
int control_new(struct control **control, const struct control_config *cfg, char *err,
		size_t err_len);
/* Clients are cut off, and the socket is removed. Takes NULL. */
void control_free(struct control *control);

/* What to poll for; the time-out in ms, -1: none. */
int control_prepare(struct control *control, struct pollfd fds[CONTROL_FDS]);
/* After the poll, whatever ended it. */
void control_serve(struct control *control, const struct pollfd fds[CONTROL_FDS]);

#endif
