/* SPDX-License-Identifier: MIT */
/* The tx engines that are built in. A new one is a file in this folder and a line in engines.c. */
#ifndef DATAPATH_TX_ENGINES_H
#define DATAPATH_TX_ENGINES_H

#include <stddef.h>

#include "datapath/tx/engine.h"

/* NULL-terminated. */
extern const struct tx_engine *const tx_engines[];

/* By name or alias, len bytes of it; NULL if there is none. */
const struct tx_engine *tx_engines_find(const char *name, size_t len);

#endif
