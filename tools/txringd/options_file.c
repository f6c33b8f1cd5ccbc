/* SPDX-License-Identifier: MIT */
/* The lines of a configuration file; see options_file.h. */
#include "tools/txringd/options_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Characters of a line that a message shows. */
#define SHOWN 80

__attribute__((format(printf, 2, 3))) static int invalid(char err[OPTIONS_FILE_ERR_LEN],
							 const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, OPTIONS_FILE_ERR_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* Reads all of fd into text, which has room for one byte more than a file may have. */
static ssize_t read_all(int fd, char *text)
{
	size_t len = 0;
	ssize_t n;

	while (len <= OPTIONS_FILE_MAX_LEN) {
		n = read(fd, text + len, OPTIONS_FILE_MAX_LEN + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return (ssize_t)len;
		len += (size_t)n;
	}
	return -EFBIG;
}

/* Not a pipe, nor a terminal: they might never end, and a reload would find nothing. */
static int open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		error = -errno;
	else if (S_ISDIR(st.st_mode))
		error = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		error = -EINVAL;
	if (!error)
		return fd;
	if (fd >= 0)
		close(fd);
	return error;
}

static int load(struct options_file *f, const char *path)
{
	int fd = open_regular(path);
	ssize_t len;

	if (fd < 0)
		return fd;
	f->text = malloc(OPTIONS_FILE_MAX_LEN + 2);
	len = f->text ? read_all(fd, f->text) : -ENOMEM;
	close(fd);
	if (len < 0)
		return (int)len;
	f->text[len] = '\0';
	return memchr(f->text, '\0', (size_t)len) ? -EILSEQ : 0;
}

static const char *reason(int error)
{
	switch (error) {
	case -EINVAL:
		return "is no file";
	case -EFBIG:
		return "is longer than 1 MiB";
	case -EILSEQ:
		return "has a zero byte: it is no text";
	default:
		return strerror(-error);
	}
}

int options_file_open(struct options_file *f, const char *path, char err[OPTIONS_FILE_ERR_LEN])
{
	int error;

	*f = (struct options_file){ 0 };
	error = load(f, path);
	f->at = f->text;
	if (!error)
		return 0;
	snprintf(err, OPTIONS_FILE_ERR_LEN, "--config '%.255s': %s", path, reason(error));
	options_file_close(f);
	return error;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Without the blanks around it, in place. */
static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && is_blank(end[-1]))
		*--end = '\0';
	while (is_blank(*text))
		text++;
	return text;
}

/* A path may have a '#' inside a word. */
static void cut_comment(char *text)
{
	for (char *c = text; *c; c++) {
		if (*c == '#' && (c == text || is_blank(c[-1]))) {
			*c = '\0';
			return;
		}
	}
}

/* The next line, without its comment; NULL: there is none. */
static char *take_line(struct options_file *f)
{
	char *line = f->at;
	size_t len;

	if (!*line)
		return NULL;
	len = strcspn(line, "\n");
	f->at += len + (line[len] == '\n');
	line[len] = '\0';
	f->line++;
	cut_comment(line);
	return trim(line);
}

static int read_section(char *text, struct options_line *line, char err[OPTIONS_FILE_ERR_LEN])
{
	size_t len = strlen(text);

	if (text[len - 1] != ']')
		return invalid(err, "'%.*s' must end in ']'", SHOWN, text);
	text[len - 1] = '\0';
	line->name = trim(text + 1);
	line->is_section = true;
	return 1;
}

static int read_option(char *text, struct options_line *line, char err[OPTIONS_FILE_ERR_LEN])
{
	char *equals = strchr(text, '=');

	if (equals) {
		*equals = '\0';
		line->value = trim(equals + 1);
	}
	line->name = trim(text);
	if (!*line->name)
		return invalid(err, "there is no name before '= %.*s'", SHOWN, line->value);
	if (line->name[0] == '-')
		return invalid(err, "'%.*s' must be without the dashes here", SHOWN, line->name);
	if (strpbrk(line->name, " \t\r"))
		return invalid(err, "'%.*s' must be NAME = VALUE, or a name alone", SHOWN,
			       line->name);
	return 1;
}

int options_file_next(struct options_file *f, struct options_line *line,
		      char err[OPTIONS_FILE_ERR_LEN])
{
	char *text;

	do {
		text = take_line(f);
	} while (text && !*text);
	*line = (struct options_line){ .line = f->line };
	if (!text)
		return 0;
	return *text == '[' ? read_section(text, line, err) : read_option(text, line, err);
}

void options_file_close(struct options_file *f)
{
	free(f->text);
	f->text = f->at = NULL;
}
