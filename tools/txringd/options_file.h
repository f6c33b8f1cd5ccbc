/* SPDX-License-Identifier: MIT */
/*
 * The lines of a configuration file, as --config reads it: one option a line, by the name that it
 * has on the command line without the dashes.
 *
 *     socket-path = /run/txring/vm0.sock   # from a '#' behind a blank on it is a comment
 *     client                               an option that takes no value
 *     [nic]                                what follows is about another card
 *
 * What an option is, and what it takes, is not known here.
 */
#ifndef TOOLS_TXRINGD_OPTIONS_FILE_H
#define TOOLS_TXRINGD_OPTIONS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_FILE_ERR_LEN 512
/* Of a whole file, in bytes. */
#define OPTIONS_FILE_MAX_LEN (1u << 20)

struct options_file {
	char *text; /* owned; taken apart in place as lines are read */
	char *at;   /* what was not read yet */
	unsigned line;
};

struct options_line {
	char *name;  /* "nic" for [nic]; in the file's text, as value is */
	char *value; /* NULL: there was no '=' */
	bool is_section;
	unsigned line; /* from 1 */
};

/* 0, or a negative errno and a line in err that names the file. */
int options_file_open(struct options_file *f, const char *path, char err[OPTIONS_FILE_ERR_LEN]);

/*
 * 1: the next line that says something; 0: there is none; -EINVAL: what is wrong, without file and
 * line, is in err, and line->line is set.
 */
int options_file_next(struct options_file *f, struct options_line *line,
		      char err[OPTIONS_FILE_ERR_LEN]);

/* Frees the text, and with it the words of all lines. May run twice. */
void options_file_close(struct options_file *f);

#endif
