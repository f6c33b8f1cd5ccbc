/* SPDX-License-Identifier: MIT */
/* A txringd is asked what txringctl would ask it, and what that would print is looked at. */
#ifndef TESTS_NET_ASK_H
#define TESTS_NET_ASK_H

/*
 * The text of the answer to words with a space between, and behind it "ok\n", or "error: WHY\n".
 * Valid until the next call.
 */
const char *ask_text(const char *control, const char *words);

/*
 * A connection on which a request was sent, and no more will be: its end follows the answer. The
 * caller's.
 */
int ask_send(const char *control, const char *request);

#endif
