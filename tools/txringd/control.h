/* SPDX-License-Identifier: MIT */
/*
 * The control socket: clients that send lines and get lines (docs/control.md). It knows no command:
 * run() does; and no more of JSON than that a line is one object. No client is waited for: one that
 * is slow is cut off, and what it may have sent of open files is closed by a thread
 * (tools/txringd/closer.h). It has no loop: control_prepare(), poll, control_serve().
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_TXRINGD_CONTROL_H
#define TOOLS_TXRINGD_CONTROL_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/config/nic_config.h"

/* A request's length, the newline not counted. A client that sends more is told so and cut off. */
#define CONTROL_MAX_LINE 65536
/*
 * Served at a time. When they are all taken the one gives way that has neither sent nor read
 * anything for the longest time, and for so long at least; one that watches only before others that
 * do, too.
 */
#define CONTROL_MAX_CLIENTS 16
#define CONTROL_SILENCE_MS  100
#define CONTROL_FDS         (1 + CONTROL_MAX_CLIENTS)
/* A client that has not ended a line that it began, or not taken its answer, by then is cut off. */
#define CONTROL_PATIENCE_MS 5000
/*
 * What is to be asked for again is, after so long, until CONTROL_PATIENCE_MS are over; and a client
 * for whom there was no fd is tried again.
 */
#define CONTROL_LATER_MS 20
/* Events that a client has not read, in bytes: those beyond are lost to it, and counted. */
#define CONTROL_MAX_EVENTS 65536

/* A request of a client's. */
struct control_line {
	const char *text; /* len bytes, without the newline */
	size_t len;
	bool may_change; /* its user is root or ours */
	bool last;       /* run() is not asked again: it answers, whatever is not done yet */
	json_t *memo;    /* run()'s, between two times that it is asked; NULL at first */
	/* What run() leaves: */
	char *answer; /* with its newline, to be freed; NULL: out of memory, or not yet */
	bool watches; /* the client gets events from here on */
};

struct control_config {
	const char *path; /* borrowed */
	/* of its file; NULL: 0600 */
	const struct socket_access *access;
	/* The first line for a client, with its newline, to be freed; NULL: out of memory. */
	char *(*greet)(void *ctx, bool may_change);
	/* Carry out a line. True: it is not done yet, run it again later. */
	bool (*run)(void *ctx, struct control_line *line);
	void *ctx;
};

/* Since the start. */
struct control_stats {
	uint64_t clients;     /* taken */
	uint64_t requests;    /* carried out, or refused */
	uint64_t cut_off;     /* clients, by us */
	uint64_t events;      /* written for clients */
	uint64_t events_lost; /* by clients that did not read */
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

/* An event, a line with its newline, for all clients that watch. Takes NULL for control. */
void control_event(struct control *control, const char *line);
/* Whether any client watches. Takes NULL. */
bool control_is_watched(const struct control *control);

struct control_stats control_stats(const struct control *control);

#endif
