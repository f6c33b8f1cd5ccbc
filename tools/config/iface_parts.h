/* SPDX-License-Identifier: MIT */
/* Between the files that make an interface of iface.h, and for no other. */
#ifndef TOOLS_CONFIG_IFACE_PARTS_H
#define TOOLS_CONFIG_IFACE_PARTS_H

#include "tools/config/iface.h"

/* The <interface> behind after; NULL: the first, or there is no more. Of a lone one, itself. */
const struct xml_node *iface_next(const struct xml_doc *doc, const struct xml_node *after);
/* NULL: it has none. */
const char *iface_mac_text(const struct xml_node *interface);
/* Whether both are the same address; what is none is like nothing. */
bool iface_same_mac(const char *a, const char *b);

/* The one that sel chooses; NULL: none or several, and a line in err. */
const struct xml_node *iface_choose(const struct xml_doc *doc, const struct iface_selector *sel,
				    char err[IFACE_ERR_LEN]);

/* Whether text is of key's form. False: what is allowed is in why. */
bool iface_form_check(const struct iface_key *key, const char *text, char why[IFACE_ERR_LEN]);

/*
 * Read the instructions in iface's node and, of a domain, what its <metadata> says of iface's MAC,
 * in this order. 0, or a negative errno and a line in err.
 */
int iface_own_read(struct iface *iface, char err[IFACE_ERR_LEN]);

#endif
