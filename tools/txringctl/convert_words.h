/* SPDX-License-Identifier: MIT */
/* Text as XML, a shell or QEMU's command line needs it written. */
#ifndef TOOLS_TXRINGCTL_CONVERT_WORDS_H
#define TOOLS_TXRINGCTL_CONVERT_WORDS_H

#include <stdio.h>

/* In an attribute's value, in quotes of either kind. */
void convert_words_attr(const char *s, FILE *out);

/*
 * A piece of a document as text of an element, or as an instruction, on one line whatever line ends
 * it has.
 */
void convert_words_kept(const char *s, size_t len, FILE *out);
/* What convert_words_kept() wrote, where no parser has decoded it; to be freed. NULL: no memory. */
char *convert_words_decoded(const char *s);

/* One word of a shell's command line. */
void convert_words_shell(const char *s, FILE *out);

/* A value of a QEMU option: each comma twice. */
void convert_words_qemu(const char *s, FILE *out);

#endif
