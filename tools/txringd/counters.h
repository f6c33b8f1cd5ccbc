/* SPDX-License-Identifier: MIT */
/* The counters of a queue as one line of text: "tx0 frames=1 bytes=60 ...". */
#ifndef TOOLS_TXRINGD_COUNTERS_H
#define TOOLS_TXRINGD_COUNTERS_H

#include "datapath/stats.h"

#define COUNTERS_TEXT_LEN 1024

/* Both return line. */
const char *counters_tx(char line[COUNTERS_TEXT_LEN], unsigned pair, const struct tx_stats *s);
const char *counters_rx(char line[COUNTERS_TEXT_LEN], unsigned pair, const struct rx_stats *s);

#endif
