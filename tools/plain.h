/* SPDX-License-Identifier: MIT */
/* What must not reach a terminal, which would do as it says. */
#ifndef TOOLS_PLAIN_H
#define TOOLS_PLAIN_H

#include <ctype.h>
#include <stddef.h>

/*
 * How many bytes the character has with which text begins, in UTF-8. 0: the first byte is for
 * nobody's eyes, as it begins a control character (also U+0080 to U+009F), or no character at all,
 * which a terminal of 8 bits takes for one. Text ends with a zero byte, which is one, too.
 */
static inline size_t plain_length(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t n = c[0] < 0x80   ? 1
		   : c[0] < 0xc2 ? 0
		   : c[0] < 0xe0 ? 2
		   : c[0] < 0xf0 ? 3
		   : c[0] < 0xf5 ? 4
				 : 0;

	if ((n == 1 && iscntrl(c[0])) || (c[0] == 0xc2 && c[1] < 0xa0) ||
	    (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90))
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

#endif
