/* SPDX-License-Identifier: MIT */
/*
 * One client of the control socket: what it has sent and not yet been answered, and what it has not
 * yet read. For control.c only. Times are CLOCK_MONOTONIC.
 */
#ifndef TOOLS_TXRINGD_CONTROL_CLIENT_H
#define TOOLS_TXRINGD_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/txringd/closer.h"
#include "tools/txringd/control.h"

struct control_client {
	int fd; /* -1: free */
	bool may_change;
	bool watches;
	bool ended;          /* it sends no more */
	bool ends;           /* we close it when it has read all */
	int64_t line_ms;     /* when the line that has begun must have come; -1: none has */
	int64_t read_ms;     /* when the answer must have been read; -1: there is none */
	int64_t moved_ms;    /* when it last sent or took something */
	int64_t again_ms;    /* when to run the line once more; -1: never */
	int64_t patience_ms; /* until when that is done */
	json_t *memo;        /* of the line that is run again */
	char *in;            /* in_len bytes in a room of in_size */
	size_t in_len, in_size;
	char *out; /* out_len bytes in a room of out_size, of which sent were sent */
	size_t out_len, out_size, sent;
	uint64_t lost; /* events, since it was told of the last */
};

/* What has come of it. */
enum control_client_state { CONTROL_CLIENT_STAYS, CONTROL_CLIENT_GOES };

/* Takes over fd. */
void control_client_open(struct control_client *c, int fd, int64_t now_ms);
/* Of a free one, too. The client sees the end at once, however long the close takes. */
void control_client_close(struct control_client *c, struct closer *closer);

/* What it has sent goes into c->in. Nothing more comes: c->ended. */
enum control_client_state control_client_receive(struct control_client *c, struct closer *closer,
						 int64_t now_ms);
/* The length of the first line in c->in, with its newline if that has come; 0: none is whole. */
size_t control_client_line(const struct control_client *c);
/* That line is done with. */
void control_client_next(struct control_client *c, size_t len, int64_t now_ms);

/* Text, to be read. It goes: there is no memory for it. */
enum control_client_state control_client_say(struct control_client *c, const char *text,
					     int64_t now_ms);
/* An event, unless too many wait to be read. True: it was not lost. */
bool control_client_tell(struct control_client *c, const char *line);
/* As much as it takes of what it is to read. */
enum control_client_state control_client_send(struct control_client *c, int64_t now_ms);

#endif
