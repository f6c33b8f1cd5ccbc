/* SPDX-License-Identifier: MIT */
/* A tx mode as the user writes it: NAME[,param=value...], e.g. timer,delay=150us,burst=256. */
#ifndef TOOLS_CONFIG_TXMODE_H
#define TOOLS_CONFIG_TXMODE_H

#include <stddef.h>

#include "datapath/tx/engine.h"

#define TXMODE_TEXT_LEN 256

/*
 * Parameters not given take their defaults. 0, or -1 with a reason in err that names the value and
 * what is allowed.
 */
int txmode_parse(struct tx_mode *mode, const char *text, char *err, size_t err_len);

/*
 * As txmode_parse(), of a mode that there is: ",param=value..." changes these parameters, and
 * leaves engine and others. -1: mode is as it was.
 */
int txmode_change(struct tx_mode *mode, const char *text, char *err, size_t err_len);

/* Engine and all parameters, as txmode_parse reads them. Returns buf. */
const char *txmode_text(const struct tx_mode *mode, char buf[TXMODE_TEXT_LEN]);

/* The engines with their parameters, units, ranges and defaults, for --help. */
void txmode_help(char *buf, size_t len);

#endif
