/* SPDX-License-Identifier: MIT */
/* Cards that files of interface XML describe: --interface FILE[,SELECTOR]. */
#ifndef TOOLS_TXRINGD_OPTIONS_XML_H
#define TOOLS_TXRINGD_OPTIONS_XML_H

#include <stdbool.h>

#include "tools/txringd/options.h"

struct xml_doc;

/* The files that were read, each once; all zero: none. */
struct options_xml {
	struct xml_doc **docs; /* n_docs */
	unsigned n_docs;
};

/*
 * Fill in c by the interface that spec names. origin says where spec stands ("": argv), and then
 * where the interface does. What libvirt ignores is logged. False: it was refused, and one line has
 * been logged.
 */
bool options_xml_fill(struct options_xml *xml, const char *spec, struct nic_config *c,
		      struct options_origin *origin);
void options_xml_deinit(struct options_xml *xml);

#endif
