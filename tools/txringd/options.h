/* SPDX-License-Identifier: MIT */
/* txringd's command line, checked. */
#ifndef TOOLS_TXRINGD_OPTIONS_H
#define TOOLS_TXRINGD_OPTIONS_H

#include "tools/config/nic_config.h"
#include "tools/log.h"

/* Where it stands: "FILE:LINE", of a card "FILE:LINE: <interface>", too; "": in no file. */
struct options_origin {
	char text[192];
};

struct options {
	struct nic_config *nics;        /* n_nics */
	struct options_origin *origins; /* of each */
	unsigned n_nics;
	unsigned iothreads;
	struct options_origin iothreads_at;
	enum log_level log_level;
	const char *control_path; /* of argv or texts; NULL: no control socket */
	struct options_origin control_at;
	bool from_file; /* --config was given: it can be read again */
	char **texts;   /* n_texts files of --config, which the strings above are parts of */
	unsigned n_texts;
};

enum options_outcome {
	OPTIONS_RUN,  /* o is filled in */
	OPTIONS_DONE, /* --help and the like have been answered: exit 0 */
	OPTIONS_BAD,  /* one line has been written to stderr: exit 1 */
};

/* To be given back with options_deinit, whatever comes of it. */
enum options_outcome options_parse(struct options *o, int argc, char **argv);
/*
 * The same argv once more, whose files may say something else by now. Sockets of systemd, which can
 * be had once, are named in o but not there.
 */
enum options_outcome options_parse_again(struct options *o, int argc, char **argv);
void options_deinit(struct options *o);
/* On stdout. */
void options_help(void);

#endif
