/* SPDX-License-Identifier: MIT */
/*
 * What a program chose for a card of libtxring, judged and translated; and the backends by name,
 * those that were built in. Control thread.
 */
#ifndef DATAPATH_TXRING_CONFIG_H
#define DATAPATH_TXRING_CONFIG_H

#include "datapath/backend.h"
#include "datapath/tx/engine.h"
#include "datapath/txring.h"

/*
 * Copies from, with defaults in place; log may be NULL still. 0; -EINVAL or -E2BIG and err.
 */
int txring_config_take(struct txring_card_config *cfg, const struct txring_card_config *from,
		       char err[TXRING_ERR_LEN]);
/* The engine and its parameters. 0, or a negative errno and err. */
int txring_config_mode(struct tx_mode *mode, const struct txring_card_config *cfg,
		       char err[TXRING_ERR_LEN]);
/* Open the backend. 0, or a negative errno and err. */
int txring_config_backend(struct backend **backend, const struct txring_card_config *cfg,
			  char err[TXRING_ERR_LEN]);

struct txring_kind {
	const char *name;
	/* One of the two; 0, or a negative errno (and err). what stands behind the colon. */
	int (*make)(struct backend **backend, unsigned n_queues);
	int (*open)(struct backend **backend, const char *what,
		    const struct txring_card_config *cfg, char err[BACKEND_ERR_LEN]);
};

/* The last one has no name. */
extern const struct txring_kind txring_kinds[];

/* txring_tap.c, where there are taps. */
int txring_tap_open(struct backend **backend, const char *what,
		    const struct txring_card_config *cfg, char err[BACKEND_ERR_LEN]);
int txring_tap_adopt(struct backend **backend, const char *what,
		     const struct txring_card_config *cfg, char err[BACKEND_ERR_LEN]);

#endif
