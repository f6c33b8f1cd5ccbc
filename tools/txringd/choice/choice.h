/* SPDX-License-Identifier: MIT */
/* The backends that --backend can name. Which files of this folder are built is chosen in meson. */
#ifndef TOOLS_TXRINGD_CHOICE_H
#define TOOLS_TXRINGD_CHOICE_H

#include <stdbool.h>

#include "datapath/backend.h"

struct backend_choice {
	const char *syntax; /* for messages: "tap:NAME" */
	/* Whether spec, the argument of --backend, is for this choice. */
	bool (*match)(const char *spec);
	/*
	 * Open spec with n_queues queues. 0, or a negative errno with the reason in err: what
	 * failed, on what, what to do.
	 */
	int (*open)(struct backend **backend, const char *spec, unsigned n_queues,
		    char err[BACKEND_ERR_LEN]);
};

/* NULL-terminated. */
extern const struct backend_choice *const backend_choices[];

#endif
