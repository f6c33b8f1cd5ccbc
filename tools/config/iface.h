/* SPDX-License-Identifier: MIT */
/*
 * libvirt's <interface> element as data: which settings it holds, where each was written, and what
 * becomes of each at txringd, on an interface of type 'vhostuser', and on QEMU's command line.
 *
 * The settings are one table (iface_keys[]), after libvirt's schema. What is in no row of it, an
 * element of a newer libvirt say, is refused by name: nothing is dropped in silence.
 *
 * Owner: the caller, of one thread; an iface borrows from its document.
 */
#ifndef TOOLS_CONFIG_IFACE_H
#define TOOLS_CONFIG_IFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/config/nic_config.h"
#include "tools/config/xml.h"

/* Of our additions: in <metadata> of a domain, and as an instruction's target in an <interface>. */
#define IFACE_NS          "urn:txring:1"
#define IFACE_INSTRUCTION "txring"

#define IFACE_ERR_LEN 640

enum iface_type {
	IFACE_BRIDGE,
	IFACE_NETWORK,
	IFACE_ETHERNET,
	IFACE_DIRECT,
	IFACE_VHOSTUSER,
	IFACE_OTHER, /* user, hostdev ...: valid, and of no use to txring */
};

/* How a value is written, as libvirt's schema has it. */
enum iface_form {
	IFACE_TEXT,
	IFACE_WORD,   /* one of .words */
	IFACE_ON_OFF, /* on off */
	IFACE_YES_NO, /* yes no */
	IFACE_NUMBER, /* min to max, decimal digits only */
	IFACE_POWER,  /* of two, min to max */
	IFACE_MAC,    /* unicast */
	IFACE_ABS_PATH,
	IFACE_TREE, /* an element and all in it, which is not looked at; there may be several */
};

/* What becomes of a setting. */
enum iface_fate {
	IFACE_KEPT,     /* it is done here: honoured, passed on */
	IFACE_FRONTEND, /* QEMU's front-end does it, whatever back-end it has */
	IFACE_IGNORED,  /* libvirt itself does nothing with it there: a warning */
	IFACE_REFUSED,  /* with .why */
};

/* A row: an attribute of <interface> or of an element in it. */
struct iface_key {
	const char *element;   /* "driver", "driver/host", "" for <interface> itself */
	const char *attribute; /* "": the element's presence or its content */
	enum iface_form form;
	const char *words; /* of IFACE_WORD: "iothread timer" */
	uint64_t min, max; /* of IFACE_NUMBER, IFACE_POWER */
	unsigned types;    /* of <interface> that have it, as 1u << enum iface_type; 0: all */
	const char
		*unless; /* a value that asks for nothing, with which it is never refused: "off" */
	enum iface_fate nic;       /* at txringd --interface */
	enum iface_fate vhostuser; /* converted to type='vhostuser' */
	/* Of a refusal or warning: what is lost, what to do. IFACE_KEPT: with a wrong value. */
	const char *why;
	const char *qemu; /* the property of virtio-net-pci; NULL: it has none */
	const char
		*feature; /* of virtio: off does not offer it, on is an error where it cannot be */
	/* The name in nic_config_keys[] that it sets as it is; NULL: none, or see iface_nic.c. */
	const char *key;
};

/* The last one has no element. */
extern const struct iface_key iface_keys[];

/* A setting as it was written. */
struct iface_value {
	const struct iface_key *key;
	const struct xml_node *node; /* where: line, span */
	const char *text;
};

/* Our own: what <txring:set key= value=/> or <?txring key value?> says. */
struct iface_own {
	const struct xml_node *node;
	const char *key; /* of nic_config_keys[] */
	const char *value;
};

struct iface {
	const struct xml_doc *doc;   /* borrowed */
	const struct xml_node *node; /* the <interface> */
	enum iface_type type;
	uint8_t mac[6];
	bool has_mac;
	struct iface_value *values; /* n_values, in the document's order */
	unsigned n_values;
	struct iface_own *own; /* n_own */
	unsigned n_own;
};

/* Which of a domain's interfaces; all NULL and nth 0: the only one. */
struct iface_selector {
	const char *mac, *alias, *dev;
	unsigned nth; /* counted from 1 */
};

/*
 * Split "FILE[,mac=MAC|,alias=NAME|,dev=NAME|,n=N]" in place, which the selector borrows from. A
 * comma that no such word follows belongs to FILE. 0, or -EINVAL and a line in err.
 */
int iface_selector_parse(char *spec, struct iface_selector *sel, char err[IFACE_ERR_LEN]);

/* How many interfaces there are in the document: an <interface>, or a <domain> with some. */
unsigned iface_count(const struct xml_doc *doc);

/*
 * Read one <interface> of doc: the root itself, or, if that is a <domain>, the one that sel
 * chooses, with what the domain's <metadata> says of its MAC. 0, to be given back with
 * iface_deinit(), or a negative errno and a line in err: file, line, element, attribute, value, and
 * what is allowed.
 */
int iface_read(struct iface *iface, const struct xml_doc *doc, const struct iface_selector *sel,
	       char err[IFACE_ERR_LEN]);
/* May run twice. */
void iface_deinit(struct iface *iface);

/* A setting, "driver", "txmode"; NULL: it was not written. */
const struct iface_value *iface_find(const struct iface *iface, const char *element,
				     const char *attribute);
/* Its text, or NULL. */
const char *iface_get(const struct iface *iface, const char *element, const char *attribute);
/* What is ours under this key of nic_config_keys[], the last of several; NULL: nothing. */
const struct iface_own *iface_own(const struct iface *iface, const char *key);

/*
 * Whether an interface of type, with <model type=model>, is a virtio card; NULL: it says no model,
 * which for vhostuser is one.
 */
bool iface_is_virtio(enum iface_type type, const char *model);

/*
 * Write "FILE:LINE: <driver txmode='foo'>: " and what follows into err. attribute NULL: the
 * element alone; "": its content is value. Returns -EINVAL.
 */
__attribute__((format(printf, 6, 7))) int
iface_refuse(char err[IFACE_ERR_LEN], const struct xml_doc *doc, const struct xml_node *node,
	     const char *attribute, const char *value, const char *fmt, ...);

/*
 * Fill in a card's configuration, which was initialised, by the table and by what is our own, which
 * goes before; but where c has a backend already, no tap is looked for. warn is called for each
 * setting that is IFACE_IGNORED, with a whole line. 0, or a negative errno and a line in err.
 */
int iface_to_nic(const struct iface *iface, struct nic_config *c,
		 void (*warn)(void *ctx, const char *line), void *ctx, char err[IFACE_ERR_LEN]);

#endif
