/* SPDX-License-Identifier: MIT */
/*
 * AF_XDP as users write it, for the backends of txringd and for txring-xdp:
 *
 *   xdp:      IFNAME[,param...]
 *   xdp-fd:   N[,N...],ifname=IFNAME[,param...]
 *   txring-xdp IFNAME[,param...]
 *
 * A param is name=value, or a name alone. Of two of a name the last counts.
 */
#ifndef TOOLS_CONFIG_XDP_WORDS_H
#define TOOLS_CONFIG_XDP_WORDS_H

#include <stddef.h>

#include "datapath/backend/xdp.h"

/* The highest queue of an interface that can be named. */
#define XDP_WORDS_MAX_QUEUE 65535

enum xdp_words_form {
	XDP_WORDS_IFNAME = 1, /* xdp: */
	XDP_WORDS_FDS = 2,    /* xdp-fd: */
	XDP_WORDS_TOOL = 4,   /* txring-xdp */
};

/* Not to be moved: cfg points into it. */
struct xdp_words {
	struct xdp_config cfg; /* fds: NULL unless of the form that has them */
	char ifname[16];
	unsigned n_queues; /* of txring-xdp; 1 unless given */
	unsigned n_fds;
	int fds[XDP_MAX_QUEUES];
};

/*
 * 0; or -EINVAL or -ENOMEM and a line in err that names the parameter, its value and what is
 * allowed. What is on the host is not looked at.
 */
int xdp_words_parse(struct xdp_words *w, const char *text, enum xdp_words_form form,
		    char err[BACKEND_ERR_LEN]);

/* Append the parameters of the forms in the mask, with defaults and values, for --help. */
void xdp_words_help(char *buf, size_t len, unsigned forms);

/* As it is written: "native". */
const char *xdp_words_mode(enum xdp_mode mode);

#endif
