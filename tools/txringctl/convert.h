/* SPDX-License-Identifier: MIT */
/*
 * txringctl convert: libvirt's XML from QEMU's own datapath to txring, back, and as arguments of
 * QEMU. Nothing on the host is changed; what comes out goes to stdout, what to do with it to
 * stderr.
 *
 *   convert.c            the command line, and the order of all this
 *   convert_plan.c       which interfaces, what each becomes, what is refused
 *   convert_nic.c        the edits in an <interface>
 *   convert_domain.c     the edits in the rest of a <domain>
 *   convert_metadata.c   what its metadata keeps; convert_parts.c is below both
 *   convert_back.c       the edits that undo them
 *   convert_report.c     what to run, and what will not work
 *   qemu_args.c          QEMU's command line
 *   check.c              whether QEMU could use it
 *
 * All of it is for the main thread. A refusal is a line on stderr, at once; it is counted, so that
 * one run names them all.
 */
#ifndef TOOLS_TXRINGCTL_CONVERT_H
#define TOOLS_TXRINGCTL_CONVERT_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/config/iface.h"
#include "tools/config/xml.h"
#include "tools/txringctl/convert_edits.h"

#define CONVERT_NS_QEMU "http://libvirt.org/schemas/domain/qemu/1.0"
/* Of a lone <interface>: keeps what it was, as <txring:was> does in a domain. */
#define CONVERT_WAS "txring-was"
/* What the alias of a pcie-root-port that was added begins with. */
#define CONVERT_PORT_ALIAS "ua-txring-port"

#define CONVERT_SOCKET_LEN 108 /* sun_path */

/* An interface, and what becomes of it. */
struct convert_nic {
	struct iface iface;
	const struct xml_node *node;
	char mac[18];
	char socket[CONVERT_SOCKET_LEN];
	char tap[16];       /* what <target dev=> shall be; "": none */
	const char *bridge; /* that the tap is put into; NULL: none */
	const char *parent; /* of a macvtap, which somebody has to make; NULL: it is none */
	char alias[24];     /* that the front-end needs; "": any */
};

struct convert {
	const struct xml_doc *doc;
	const struct xml_node *domain; /* NULL: the root is an <interface> */
	bool tcg;                      /* of a domain without KVM */
	struct convert_nic *nics;      /* n_nics */
	unsigned n_nics;
	unsigned refused;
	FILE *notes; /* lines for the report */
};

/* Say why not. */
void convert_plan_refuse(struct convert *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Read the chosen interfaces of doc, or, without sel, all virtio ones. False: none can be
 * converted, and why is said. c is to be given back with convert_plan_deinit() in any case.
 */
bool convert_plan_read(struct convert *c, const struct xml_doc *doc,
		       const struct iface_selector *sel, bool vhostuser_too, FILE *notes);
/*
 * Decide socket, tap and alias of each, and refuse what would be lost. socket: NULL, or the path
 * for the one interface that there is.
 */
void convert_plan_make(struct convert *c, const char *socket);
/* The tap of each only. */
void convert_plan_taps(struct convert *c);
/* May run twice. */
void convert_plan_deinit(struct convert *c);

/* The edits in the interface of nic; a lone one keeps in itself what it was. */
void convert_nic_edit(const struct convert *c, const struct convert_nic *nic,
		      struct convert_edits *e);

/* The edits in the rest of a domain, and what its metadata keeps for convert_back(). */
void convert_domain_edit(struct convert *c, struct convert_edits *e);
/* Whether the guest's memory is, or can be, shared with another process. */
bool convert_domain_shared(const struct xml_node *domain);
/* Whether a device's address is on that PCI bus. */
bool convert_domain_bus_taken(const struct xml_node *devices, long bus);

/* The edits that undo a conversion. False: it cannot be, and why is said. */
bool convert_back(const struct xml_doc *doc, struct convert_edits *e);

/* What to run for the interfaces that were converted, and what will not work. */
void convert_report(const struct convert *c, FILE *out);

/* txringctl's command of this name. Returns the exit status. */
int convert_run(int argc, char **argv);

#endif
