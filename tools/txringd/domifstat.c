/* SPDX-License-Identifier: MIT */
/* Counters in virsh's words; see domifstat.h. */
#include "tools/txringd/domifstat.h"

#include <stdio.h>

#include "tools/txringd/protocol.h"
#include "virtio/base.h"

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

json_t *domifstat_json(const struct status *s, const struct ifstate *tap)
{
	const struct ifstate_stats n = tap ? turned(&tap->stats) : sum(s);
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
		{ "rx_bytes", n.rx_bytes }, { "rx_packets", n.rx_packets },
		{ "rx_errs", n.rx_errs },   { "rx_drop", n.rx_drop },
		{ "tx_bytes", n.tx_bytes }, { "tx_packets", n.tx_packets },
		{ "tx_errs", n.tx_errs },   { "tx_drop", n.tx_drop },
	};
	char source[128] = "txringd";
	json_t *nic;

	if (tap)
		snprintf(source, sizeof(source), "%s: the kernel has moved frames of it",
			 tap->name);
	nic = json_pack("{s:o, s:o}", "name", protocol_text(s->name), "source",
			protocol_text(source));
	for (unsigned i = 0; i < array_size(counters); i++)
		json_object_set_new(nic, counters[i].name,
				    json_integer((json_int_t)counters[i].value));
	return nic;
}
