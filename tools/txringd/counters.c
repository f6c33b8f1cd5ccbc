/* SPDX-License-Identifier: MIT */
/* Counters as text; see counters.h. */
#include "tools/txringd/counters.h"

#include <inttypes.h>
#include <stdio.h>

#include "virtio/base.h"

const char *counters_tx(char line[COUNTERS_TEXT_LEN], unsigned pair, const struct tx_stats *s)
{
	char header[NET_HDR_FAULTS * 40];
	int len = 0;

	for (unsigned i = NET_HDR_OK + 1; i < NET_HDR_FAULTS; i++)
		len += sprintf(header + len, " drop_%s=%" PRIu64, net_hdr_fault_name(i),
			       load_relaxed(&s->drop_header[i]));
	snprintf(line, COUNTERS_TEXT_LEN,
		 "tx%u frames=%" PRIu64 " bytes=%" PRIu64 " kicks=%" PRIu64 " calls=%" PRIu64
		 " runs=%" PRIu64 " rechecks=%" PRIu64 " backend_full=%" PRIu64
		 " unsafe_plans=%" PRIu64 " drop_size=%" PRIu64 " drop_disabled=%" PRIu64
		 " drop_backend=%" PRIu64 " broken=%" PRIu64 "%s",
		 pair, load_relaxed(&s->frames), load_relaxed(&s->bytes), load_relaxed(&s->kicks),
		 load_relaxed(&s->calls), load_relaxed(&s->runs), load_relaxed(&s->rechecks),
		 load_relaxed(&s->backend_full), load_relaxed(&s->unsafe_plans),
		 load_relaxed(&s->drop_size), load_relaxed(&s->drop_disabled),
		 load_relaxed(&s->drop_backend), load_relaxed(&s->broken), header);
	return line;
}

const char *counters_rx(char line[COUNTERS_TEXT_LEN], unsigned pair, const struct rx_stats *s)
{
	snprintf(line, COUNTERS_TEXT_LEN,
		 "rx%u frames=%" PRIu64 " bytes=%" PRIu64 " kicks=%" PRIu64 " calls=%" PRIu64
		 " runs=%" PRIu64 " no_buffers=%" PRIu64 " spilled=%" PRIu64 " drop_size=%" PRIu64
		 " drop_no_room=%" PRIu64 " drop_stopped=%" PRIu64 " drop_backend=%" PRIu64
		 " broken=%" PRIu64,
		 pair, load_relaxed(&s->frames), load_relaxed(&s->bytes), load_relaxed(&s->kicks),
		 load_relaxed(&s->calls), load_relaxed(&s->runs), load_relaxed(&s->no_buffers),
		 load_relaxed(&s->spilled), load_relaxed(&s->drop_size),
		 load_relaxed(&s->drop_no_room), load_relaxed(&s->drop_stopped),
		 load_relaxed(&s->drop_backend), load_relaxed(&s->broken));
	return line;
}
