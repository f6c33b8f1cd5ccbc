/* SPDX-License-Identifier: MIT */
/*
 * One connection to the control socket of a txringd, from the asking side: JSON lines, a request
 * and its answer at a time (docs/control.md). Nothing is printed here; what went wrong is a line
 * for the caller. Not for several threads at once.
 */
#ifndef TXRING_TOOLS_TXRINGCTL_CLIENT_H
#define TXRING_TOOLS_TXRINGCTL_CLIENT_H

#include <jansson.h>
#include <stddef.h>

/* How long a connection, and each answer, may take. */
#define CLIENT_PATIENCE_MS 20000

/* An answer is never longer; a longer one is refused, so that its sender costs no more memory. */
#define CLIENT_MAX_ANSWER (16u << 20)

struct client {
	int fd; /* -1: not connected */
	int patience_ms;
	char *buf; /* what has come and was not taken yet: len of size bytes */
	size_t len, size;
	json_int_t last_id;
	json_t *greeting; /* "txring" of the server's first line; the client's */
	json_t *error;    /* "error" of the last answer; NULL: it was none; the client's */
};

/*
 * Connects to path and reads the greeting. Returns 0, or a negative errno with one line without a
 * newline in err, which has room for len bytes; then there is nothing to close.
 */
int client_open(struct client *c, const char *path, char *err, size_t len);

/* The same with less patience, in milliseconds. */
int client_open_within(struct client *c, const char *path, int patience_ms, char *err, size_t len);

/*
 * Asks, and waits for the answer. arguments is given away, also if it fails; NULL: none. Returns
 * "return" of the answer, which is the caller's; or NULL with a line in err: the "desc" of the
 * server's error (and what is "allowed", where it says so), or why there is no answer. Events that
 * come between are passed over.
 */
json_t *client_ask(struct client *c, const char *command, json_t *arguments, char *err, size_t len);

/*
 * The next line of the server, an object, which is the caller's: an event, after "watch". Waits
 * for timeout_ms at most; -1: for ever. NULL with a line in err, which is empty if none came in
 * time.
 */
json_t *client_next(struct client *c, int timeout_ms, char *err, size_t len);

/* May be called twice, and after a client_open() that failed. */
void client_close(struct client *c);

#endif
