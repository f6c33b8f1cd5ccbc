/* SPDX-License-Identifier: MIT */
/* The tables of counters: what a program needs that prints them, in whatever form. */
#include "datapath/stats.h"

#include "virtio/base.h"

#define TX(field, unit, help) { #field, unit, help, offsetof(struct tx_stats, field) },
#define TX_HEADER(reason, fault, help) \
	{ "drop_" #reason, "frames", help, offsetof(struct tx_stats, drop_header[fault]) },
#define RX(field, unit, help)    { #field, unit, help, offsetof(struct rx_stats, field) },
#define ONE(reason, fault, help) +1

_Static_assert(1 STATS_TX_HEADER(ONE) == NET_HDR_FAULTS,
	       "each fault of a header has a counter, and NET_HDR_OK is none");

const struct stats_counter stats_tx[] = { STATS_TX(TX) STATS_TX_HEADER(TX_HEADER){ 0 } };
const struct stats_counter stats_rx[] = { STATS_RX(RX){ 0 } };

uint64_t stats_read(const void *stats, const struct stats_counter *counter)
{
	return load_relaxed((const uint64_t *)((const char *)stats + counter->offset));
}

void stats_copy(void *to, const void *stats, size_t size)
{
	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		((uint64_t *)to)[i] = load_relaxed((const uint64_t *)stats + i);
}
