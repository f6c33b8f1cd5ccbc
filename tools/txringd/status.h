/* SPDX-License-Identifier: MIT */
/*
 * What a card is doing: collected by the card (nic_status), and rendered by status_json.c,
 * dumpxml.c and domifstat.c.
 */
#ifndef TOOLS_TXRINGD_STATUS_H
#define TOOLS_TXRINGD_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "datapath/device.h"
#include "datapath/stats.h"
#include "tools/config/nic_config.h"

struct status_pair {
	bool in_use;          /* a driver uses it */
	bool in_kernel;       /* the kernel moves its frames: they are not in these counters */
	const char *iothread; /* its name */
	struct tx_mode mode;
	bool mode_waits; /* it was changed while the kernel has the pair */
	struct tx_stats tx;
	struct rx_stats rx;
};

/* The strings are the card's, valid until it is touched again. */
struct status {
	const char *name;
	char id[16];           /* the name, which outlives the card */
	uint64_t n_front_ends; /* that have come */
	const struct nic_config *cfg;
	const char *backend;
	const char *note; /* what the backend has to do without; "": nothing */
	struct tx_mode mode;
	bool coalesces;    /* neighbours of a flow leave as one */
	bool down;         /* the link was set down */
	uint32_t tap_mtu;  /* as nic_tap() has it; 0: not asked for, or there is none */
	bool lost;         /* the host's interface was removed */
	bool connected;    /* there is a front-end */
	uint64_t features; /* negotiated; of a front-end that is connected */
	enum vhost_policy policy;
	struct device_driver_status driver;
	unsigned n_pairs;
	struct status_pair *pairs; /* n_pairs; owned */
};

/* May run twice. */
static inline void status_deinit(struct status *s)
{
	free(s->pairs);
	s->pairs = NULL;
}

#endif
