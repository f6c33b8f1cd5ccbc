/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of an interface of our network namespace, and putting one into a bridge, by
 * rtnetlink(7). Each call opens a socket of its own, and may wait for the kernel's RTNL lock.
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_TXRINGD_IFSTATE_H
#define TOOLS_TXRINGD_IFSTATE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* From the host's view: tx is what the host has sent. */
struct ifstate_stats {
	uint64_t rx_bytes, rx_packets, rx_errs, rx_drop;
	uint64_t tx_bytes, tx_packets, tx_errs, tx_drop;
};

struct ifstate {
	char name[IFNAMSIZ];
	unsigned index;
	unsigned master; /* index of the bridge, bond or the like that it is in; 0: none */
	bool up;         /* set up by the administrator, whether there is a carrier or not */
	bool bridge;     /* it is a bridge of the kernel's */
	uint32_t mtu;
	uint8_t address[6];
	struct ifstate_stats stats;
};

/* 0, or a negative errno; -ENODEV: there is none of that name. */
int ifstate_get(const char *name, struct ifstate *s);

/*
 * The interface of a tap or macvtap that fd is open on. 0, or a negative errno; -ENODEV: it was
 * removed, or is in another network namespace.
 */
int ifstate_of_tap(int fd, struct ifstate *s);

/* Put interface index into the bridge with index master, and set it up. 0 or a negative errno. */
int ifstate_join(unsigned index, unsigned master);

#endif
