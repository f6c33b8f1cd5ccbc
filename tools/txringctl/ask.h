/* SPDX-License-Identifier: MIT */
/*
 * The commands that a txringd is asked, as they are typed: one table, of words to a request
 * (docs/control.md) and of the answer to text.
 */
#ifndef TOOLS_TXRINGCTL_ASK_H
#define TOOLS_TXRINGCTL_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tools/txringctl/client.h"

#define ASK_ERR_LEN 2048

/*
 * Ask what the words say, and write the answer to out: as text, or with json as it is. False: it
 * was not done, for the reason in err, a line; of several cards those that did as they were told
 * are on out all the same.
 */
bool ask_run(struct client *c, char *const *words, unsigned n, bool json, FILE *out,
	     char err[ASK_ERR_LEN]);

/* Whether the words are a command, without asking anything. False: why not in err. */
bool ask_check(char *const *words, unsigned n, char err[ASK_ERR_LEN]);

/* The commands, on stdout. */
void ask_help(void);

#endif
