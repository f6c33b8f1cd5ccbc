/* SPDX-License-Identifier: MIT */
/* Options that are read: from argv (options.c), and from files (options_lines.c). */
#ifndef TOOLS_TXRINGD_OPTIONS_PARSER_H
#define TOOLS_TXRINGD_OPTIONS_PARSER_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "tools/txringd/options.h"
#include "tools/txringd/options_xml.h"

enum option_id {
	OPT_IOTHREADS = 256,
	OPT_NIC,
	OPT_INTERFACE,
	OPT_CONTROL,
	OPT_LOG_LEVEL,
	OPT_CONFIG,
	OPT_HELP,
	OPT_VERSION,
	OPT_PRINT_CAPABILITIES,
	OPT_KEYS, /* and as many more as nic_config_keys[] has */
};

/* An option of a card that a file describes: kept until the file is read. */
struct given {
	const struct config_key *key;
	const char *value;
};

/* argv being read. */
struct options_parser {
	struct options *o;
	const struct option *known; /* all options */
	bool again;                 /* options_parse_again() */
	char where[192];            /* "FILE:LINE: " of --config, before what is said; "": argv */
	struct options_xml xml;
	bool untouched;        /* the last card: nothing was said of it */
	bool begun;            /* ... but that it is there: [nic] */
	const char *interface; /* which file describes it; NULL: none */
	struct given *given;   /* n_given, of a card that a file describes */
	unsigned n_given;
};

/* realloc() for n elements; NULL: out of memory, which has been logged. */
void *options_grow(void *array, unsigned n, size_t size);

/* All of these: false when it was refused, after a line in the log. */

/* The option of this id (enum option_id). arg is borrowed, for as long as the options are there. */
bool options_take(struct options_parser *p, int id, const char *arg);
/* The card that the options from here on are about. */
bool options_add_nic(struct options_parser *p);
/* One that nothing was said of is that card, so that the first may be one. */
bool options_add_interface(struct options_parser *p, const char *spec);
/* The options of a file, where --config stands; interface XML is a card, as by --interface. */
bool options_lines_read(struct options_parser *p, const char *path);

#endif
