/* SPDX-License-Identifier: MIT */
/* txringd's command line, checked. */
#ifndef TOOLS_TXRINGD_OPTIONS_H
#define TOOLS_TXRINGD_OPTIONS_H

#include "tools/config/nic_config.h"

/* What of a card's configuration a file said: "FILE:LINE: <interface>"; "": nothing. */
struct options_origin {
	char text[192];
};

struct options {
	struct nic_config *nics;        /* n_nics */
	struct options_origin *origins; /* of each */
	unsigned n_nics;
	unsigned iothreads;
	const char *control_path; /* of argv; NULL: no control socket */
};

enum options_outcome {
	OPTIONS_RUN,  /* o is filled in */
	OPTIONS_DONE, /* --help and the like have been answered: exit 0 */
	OPTIONS_BAD,  /* one line has been written to stderr: exit 1 */
};

/* To be given back with options_deinit, whatever comes of it. */
enum options_outcome options_parse(struct options *o, int argc, char **argv);
void options_deinit(struct options *o);
/* On stdout. */
void options_help(void);

#endif
