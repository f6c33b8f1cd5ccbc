/* SPDX-License-Identifier: MIT */
/*
 * A card, and what else the control socket's commands are about, that only says how it went: the
 * test says how. It plays nic.h, commands_cards.c and the parts of control.h and iothread.h that
 * commands_set.c and events.c need.
 */
#ifndef TESTS_UNIT_FAKE_NIC_H
#define TESTS_UNIT_FAKE_NIC_H

#include "tools/txringd/nic.h"

struct nic {
	const char *name;
	enum nic_vhost outcome; /* of vhost, move and drain */
	bool deaf;              /* link and tx mode cannot be set */
	uint64_t n_to_kernel;
	int tap_error;
	bool unspeakable; /* in XML */
	unsigned n_pairs;
	struct latency *latency; /* of its tx queues; of rx there is none to tell */
};

/* How often any card was told to change. */
extern unsigned fake_nic_changes;
/* What nic_set_txmode() was told last: "NIC/PAIR TEXT", PAIR -1 for all. */
extern char fake_nic_set_as[600];

#endif
