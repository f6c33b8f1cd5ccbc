/* SPDX-License-Identifier: MIT */
/* Quoting; see convert_words.h. */
#include "tools/txringctl/convert_words.h"

#include <stdlib.h>
#include <string.h>

#include "virtio/base.h"

static const struct {
	char c;
	const char *written;
} references[] = {
	{ '&', "&amp;" },  { '<', "&lt;" },   { '>', "&gt;" },   { '\'', "&apos;" },
	{ '"', "&quot;" }, { '\r', "&#13;" }, { '\n', "&#10;" }, { '\t', "&#9;" },
};

static const char *reference(char c)
{
	for (unsigned i = 0; i < array_size(references); i++) {
		if (references[i].c == c)
			return references[i].written;
	}
	return NULL;
}

static void put(char c, const char *written, FILE *out)
{
	if (written)
		fputs(written, out);
	else
		fputc(c, out);
}

void convert_words_attr(const char *s, FILE *out)
{
	for (; *s; s++)
		put(*s, reference(*s), out);
}

void convert_words_kept(const char *s, size_t len, FILE *out)
{
	for (; len; s++, len--)
		put(*s, *s == '\'' || *s == '"' || *s == '\t' ? NULL : reference(*s), out);
}

char *convert_words_decoded(const char *s)
{
	char *text = malloc(strlen(s) + 1), *to = text;

	while (text && *s) {
		size_t len = 1;

		*to = *s;
		for (unsigned i = 0; *s == '&' && i < array_size(references); i++) {
			if (strncmp(s, references[i].written, strlen(references[i].written)) != 0)
				continue;
			*to = references[i].c;
			len = strlen(references[i].written);
			break;
		}
		to++;
		s += len;
	}
	if (text)
		*to = '\0';
	return text;
}

void convert_words_shell(const char *s, FILE *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-+=.,:/@%";

	if (*s && !s[strspn(s, plain)]) {
		fputs(s, out);
		return;
	}
	fputc('\'', out);
	for (; *s; s++)
		put(*s, *s == '\'' ? "'\\''" : NULL, out);
	fputc('\'', out);
}

void convert_words_qemu(const char *s, FILE *out)
{
	for (; *s; s++)
		put(*s, *s == ',' ? ",," : NULL, out);
}
