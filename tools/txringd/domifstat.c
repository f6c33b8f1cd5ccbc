/* SPDX-License-Identifier: MIT */
/* Counters as virsh prints them; see domifstat.h. */
#include "tools/txringd/domifstat.h"

#include <inttypes.h>

/* All queues, as an interface of the guest's would count them. */
static struct ifstate_stats sum(const struct status *s)
{
	struct ifstate_stats sum = { 0 };

	for (unsigned i = 0; i < s->n_pairs; i++) {
		const struct rx_stats *rx = &s->pairs[i].rx;
		const struct tx_stats *tx = &s->pairs[i].tx;

		sum.rx_bytes += rx->bytes;
		sum.rx_packets += rx->frames;
		sum.rx_errs += rx->drop_backend + rx->broken;
		sum.rx_drop += rx->drop_size + rx->drop_no_room + rx->drop_stopped;
		sum.tx_bytes += tx->bytes;
		sum.tx_packets += tx->frames;
		sum.tx_errs += tx->broken;
		for (unsigned k = 0; k < NET_HDR_FAULTS; k++)
			sum.tx_errs += tx->drop_header[k];
		sum.tx_drop += tx->drop_size + tx->drop_disabled + tx->drop_backend;
	}
	return sum;
}

/* What the host sends the guest receives. */
static struct ifstate_stats turned(const struct ifstate_stats *s)
{
	return (struct ifstate_stats){
		.rx_bytes = s->tx_bytes,
		.rx_packets = s->tx_packets,
		.rx_errs = s->tx_errs,
		.rx_drop = s->tx_drop,
		.tx_bytes = s->rx_bytes,
		.tx_packets = s->rx_packets,
		.tx_errs = s->rx_errs,
		.tx_drop = s->rx_drop,
	};
}

void domifstat_print(const struct status *s, const struct ifstate *tap, FILE *out)
{
	const struct ifstate_stats n = tap ? turned(&tap->stats) : sum(s);
	const struct {
		const char *name;
		uint64_t value;
	} lines[] = {
		{ "rx_bytes", n.rx_bytes }, { "rx_packets", n.rx_packets },
		{ "rx_errs", n.rx_errs },   { "rx_drop", n.rx_drop },
		{ "tx_bytes", n.tx_bytes }, { "tx_packets", n.tx_packets },
		{ "tx_errs", n.tx_errs },   { "tx_drop", n.tx_drop },
	};

	if (tap)
		fprintf(out, "%s source %s: the kernel has moved frames of it\n", s->name,
			tap->name);
	else
		fprintf(out, "%s source txringd\n", s->name);
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		fprintf(out, "%s %s %" PRIu64 "\n", s->name, lines[i].name, lines[i].value);
}
