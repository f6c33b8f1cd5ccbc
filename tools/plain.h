/* SPDX-License-Identifier: MIT */
/* What must not reach a terminal, which would do as it says. */
#ifndef TOOLS_PLAIN_H
#define TOOLS_PLAIN_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>

/* The second byte of U+0080 to U+009F in UTF-8, which a terminal takes for control characters. */
static inline bool plain_ends_control(const char *text, size_t i)
{
	return i && (unsigned char)text[i - 1] == 0xc2 && (unsigned char)text[i] >= 0x80 &&
	       (unsigned char)text[i] < 0xa0;
}

/* Whether byte i of the text is a control character, or ends one. */
static inline bool plain_is_control(const char *text, size_t i)
{
	return iscntrl((unsigned char)text[i]) || plain_ends_control(text, i);
}

#endif
