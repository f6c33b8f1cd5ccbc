/* SPDX-License-Identifier: MIT */
/* Answers without what would drive a terminal. */
#ifndef TOOLS_TXRINGCTL_PLAIN_H
#define TOOLS_TXRINGCTL_PLAIN_H

#include <jansson.h>

/*
 * The answer for whoever prints it as text: with '?' for each byte of a control character in its
 * strings and names. A text that is all of the answer keeps its lines and tabs. answer is given
 * away; NULL comes back as it is. The caller owns what is returned; NULL: out of memory.
 */
json_t *plain_answer(json_t *answer);

#endif
