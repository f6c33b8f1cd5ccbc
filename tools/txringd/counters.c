/* SPDX-License-Identifier: MIT */
/* Counters as text; see counters.h. */
#include "tools/txringd/counters.h"

#include <inttypes.h>
#include <stdio.h>

static const char *text(char line[COUNTERS_TEXT_LEN], const char *ring, unsigned pair,
			const struct stats_counter *c, const void *stats)
{
	int len = snprintf(line, COUNTERS_TEXT_LEN, "%s%u", ring, pair);

	for (; c->name && len < COUNTERS_TEXT_LEN; c++)
		len += snprintf(line + len, COUNTERS_TEXT_LEN - (size_t)len, " %s=%" PRIu64,
				c->name, stats_read(stats, c));
	return line;
}

const char *counters_tx(char line[COUNTERS_TEXT_LEN], unsigned pair, const struct tx_stats *s)
{
	return text(line, "tx", pair, stats_tx, s);
}

const char *counters_rx(char line[COUNTERS_TEXT_LEN], unsigned pair, const struct rx_stats *s)
{
	return text(line, "rx", pair, stats_rx, s);
}
