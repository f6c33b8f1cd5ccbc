/* SPDX-License-Identifier: MIT */
/*
 * Counters of one queue. One writer, the iothread that owns the queue (count_add); any thread may
 * read with load_relaxed. They run from the creation of the device and are never reset, so that a
 * reader can take differences. Every frame that was taken off a ring or a backend and did not
 * arrive is in exactly one drop counter.
 *
 * A counter is one line of STATS_TX or STATS_RX: its name, its unit, and what it counts. The
 * structs, and the tables from which text is made, come from these. What is unmerged is counted at
 * each try, so again when a full backend has given it back.
 */
#ifndef DATAPATH_STATS_H
#define DATAPATH_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "virtio/net_hdr.h"

/* clang-format off */
#define STATS_TX(X) \
	X(frames,        "frames", "the guest's; handed to the backend and not refused by it") \
	X(bytes,         "bytes",  "offered to the backend and taken, without virtio_net_hdr") \
	X(kicks,         "events", "wake-ups by the driver; several kicks may share one") \
	X(calls,         "events", "interrupts sent to the driver") \
	X(runs,          "events", "times the engine let the queue run") \
	X(rechecks,      "events", "going to sleep found something after all") \
	X(backend_full,  "events", "runs that ended because the backend took no more") \
	X(unsafe_plans,  "events", "plans of the engine that the queue had to correct") \
	X(merges,        "events", "frames of one flow that left as one (coalesce)") \
	X(merged,        "frames", "of the guest's, that left in those") \
	X(unmerged_order, "frames", "of the flow of the one before, but not what continues it") \
	X(unmerged_csum, "frames", "which would, but for a checksum that is wrong, and stays so") \
	X(unmerged_room, "frames", "which would, but for the longest frame, or its most pieces") \
	X(drop_size,     "frames", "no Ethernet header, or longer than any backend takes") \
	X(drop_disabled, "frames", "the ring was disabled") \
	X(drop_backend,  "frames", "the backend failed on it, e.g. the tap is down") \
	X(broken,        "events", "times the guest broke the queue")

/* Of struct tx_stats, too: what the virtio_net_hdr of a frame claims falsely, by reason. */
#define STATS_TX_HEADER(X) \
	X(csum,     NET_HDR_CSUM,     "a checksum that is not negotiated or lies outside") \
	X(gso_type, NET_HDR_GSO_TYPE, "a kind of segmentation that was not negotiated") \
	X(ecn,      NET_HDR_ECN,      "ECN where it was not negotiated or is not TCP") \
	X(gso_size, NET_HDR_GSO_SIZE, "segments of no size") \
	X(gso_csum, NET_HDR_GSO_CSUM, "segmentation without a checksum to make")

#define STATS_RX(X) \
	X(frames,       "frames", "delivered") \
	X(bytes,        "bytes",  "of those, without virtio_net_hdr") \
	X(kicks,        "events", "wake-ups by the driver: it added buffers to an empty ring") \
	X(calls,        "events", "interrupts sent to the driver") \
	X(runs,         "events", "times the queue ran") \
	X(no_buffers,   "events", "runs that ended because the ring had no room") \
	X(spilled,      "frames", "their end went through the spill buffer") \
	X(drop_size,    "frames", "longer than what one frame may have of buffers") \
	X(drop_no_room, "frames", "longer than all buffers of a ring that is full of them") \
	X(drop_stopped, "frames", "waited for buffers when the ring was stopped") \
	X(drop_backend, "events", "read failures of the backend") \
	X(broken,       "events", "times the guest broke the queue")
/* clang-format on */

#define STATS_FIELD(name, unit, help) uint64_t name;

struct tx_stats {
	STATS_TX(STATS_FIELD)
	uint64_t drop_header[NET_HDR_FAULTS];
};

struct rx_stats {
	STATS_RX(STATS_FIELD)
};

#undef STATS_FIELD

/* One counter, for whatever prints it. */
struct stats_counter {
	const char *name;
	const char *unit; /* "frames", "bytes", "events" */
	const char *help;
	size_t offset; /* in struct tx_stats or struct rx_stats */
};

/* The last one has no name. */
extern const struct stats_counter stats_tx[];
extern const struct stats_counter stats_rx[];

/* The value of a counter of stats, a struct of the counter's table. Any thread. */
uint64_t stats_read(const void *stats, const struct stats_counter *counter);
/* Copies a whole struct of counters, each of them as it stands. Any thread. */
void stats_copy(void *to, const void *stats, size_t size);

#endif
