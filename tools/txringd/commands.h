/* SPDX-License-Identifier: MIT */
/*
 * The commands of the control socket: one table, by which requests are checked, refused and carried
 * out, and which `commands` answers with (docs/control.md). What they do is the cards' affair.
 */
#ifndef TOOLS_TXRINGD_COMMANDS_H
#define TOOLS_TXRINGD_COMMANDS_H

#include <jansson.h>
#include <stdbool.h>

#include "tools/txringd/control.h"
#include "tools/txringd/events.h"
#include "tools/txringd/nic.h"

/* Of cards that there may be at a time. */
#define COMMANDS_MAX_NICS 512

struct command_added;

struct commands {
	/* borrowed, with room for COMMANDS_MAX_NICS; one that has ended is NULL */
	struct nic **nics;
	unsigned n_nics;
	unsigned next_name; /* of a card that is added */
	int n_more;         /* cards that were added, less those removed, since this was set to 0 */
	struct command_added *added[COMMANDS_MAX_NICS]; /* what those were made from; owned */
	struct iothread *const *threads;                /* borrowed, n_threads */
	unsigned n_threads;
	struct control *control; /* borrowed; NULL: there is none */
	struct events events;
	bool was_watched;
};

/* What the commands made. All cards have been freed. May run twice. */
void commands_deinit(struct commands *c);

/* Tell those who watch what has happened. To be called now and then; costs nothing without them. */
void commands_tell_events(struct commands *c);

/* For control.h; ctx is a struct commands. */
char *commands_greet(void *ctx, bool may_change);
bool commands_run(void *ctx, struct control_line *line);

/*
 * What follows is for the files of commands. An argument, and what it may be.
 */
struct command_argument {
	const char *name;
	const char *type; /* "string", "boolean", "integer", "object", "array" */
	bool needed;
	const char *help;
	const char *const *values; /* of a string, ended by NULL; NULL: any */
	bool changes;              /* whoever may only look may not give it */
};

/* A command that is being carried out. */
struct command_call {
	struct commands *commands;
	json_t *arguments; /* checked by the command's table; borrowed */
	json_t *id;        /* borrowed */
	struct control_line *line;
	bool later; /* it is not done yet: run it again */
};

struct command {
	const char *name;
	const char *help;
	const struct command_argument *arguments; /* the last has no name; NULL: none */
	bool changes;                             /* whoever may only look may not */
	/* The answer: command_return() or command_error(). */
	json_t *(*run)(struct command_call *call);
};

/* Each table ends with a command that has no name. */
extern const struct command commands_look[];
extern const struct command commands_change[];
extern const struct command commands_set[];
extern const struct command commands_cards[];

/* value is given away. Both: NULL: out of memory. */
json_t *command_return(const struct command_call *call, json_t *value);
json_t *command_error(const struct command_call *call, const char *class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The argument nic, card's name; NULL: all cards. */
const char *command_nic(const struct command_call *call);
/* The next card that argument nic means, from *i on; NULL: none. */
struct nic *command_next(const struct command_call *call, unsigned *i);
/* There was none of them. */
json_t *command_no_nic(const struct command_call *call);

/* Of a command that is about one card, or all. */
extern const struct command_argument command_any_nic[];

#endif
