/* SPDX-License-Identifier: MIT */
/*
 * A txringd on a tap, a guest (the driver half) in front of it, the host behind it, and traffic
 * between them.
 */
#ifndef TESTS_NET_LAB_H
#define TESTS_NET_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/net/daemon.h"
#include "tests/net/peer.h"
#include "virtio/driver/net.h"

#define LAB_TAP   "txring0"
#define LAB_FLOWS 8

/* 0 and NULL mean the usual. */
struct lab_config {
	const char *name;
	const char *backend; /* tap:LAB_TAP */
	const char *host_if; /* the interface that the host sends and takes frames by: LAB_TAP */
	const char *txmode;
	unsigned queues; /* of the daemon */
	unsigned pairs;  /* that the guest uses; 0: as many */
	unsigned iothreads;
	uint64_t with;      /* features that the guest takes besides DRIVER_NET_FEATURES */
	uint64_t protocol;  /* protocol features besides DRIVER_NET_PROTOCOL */
	uint64_t without;   /* features that the guest does not take */
	unsigned flags;     /* enum driver_net_flag, for each frame */
	unsigned table_len; /* see struct driver_net_config */
	unsigned rx_buf_len;
	unsigned rx_parts;
	unsigned ring_size;
	uint16_t base;
	const char *const *options; /* more of the daemon's, up to a NULL */
};

struct lab {
	struct lab_config cfg;
	struct daemon daemon;
	struct peer peer;
	struct driver_net *net;
	struct stream to_host[LAB_FLOWS];
	struct stream to_guest[LAB_FLOWS];
	/* Called in each turn of lab_traffic and lab_ping; NULL after lab_open. */
	void (*turn)(void *ctx);
	void *turn_ctx;
	uint8_t frame[PEER_MAX_LEN + 8];
};

/* The program under test, once for all. */
void lab_init(const char *txringd);

/* Daemon, peer and guest. Fails the test if they cannot be had. */
void lab_open(struct lab *lab, const struct lab_config *cfg);
/* Only the guest: for the first time, or after driver_net_free. Frames under way are forgotten. */
void lab_connect(struct lab *lab);
/* SIGKILL, and another daemon in its place. The guest is the test's to connect again. */
void lab_kill(struct lab *lab);
/*
 * Send the daemon a signal that ends it, put another in its place, and connect the guest to that,
 * as QEMU does with reconnect=1. Frames that were under way may be lost to the guest, and come
 * twice to the host, but none of these may be lost.
 */
void lab_restart(struct lab *lab, int signal);
/* The daemon must end well. */
void lab_close(struct lab *lab);
/* As cmocka's tear-down: after lab_close nothing, after a failure with the daemon's log. */
void lab_cleanup(struct lab *lab);

/*
 * Send so many frames each way, never more than window of a direction under way, while all are
 * taken as they arrive and compared. Fails the test at a wrong frame, or when none comes for five
 * seconds.
 */
void lab_traffic(struct lab *lab, unsigned to_host, unsigned to_guest, unsigned window);

/* One frame at a time, each side asleep until it is notified; one queue pair. */
void lab_ping(struct lab *lab, unsigned n);

/* Frames from the host, which nobody takes yet. */
void lab_host_sends(struct lab *lab, unsigned n);

/* All that was sent arrived, says the daemon too: its counters have these frames and no drops. */
void lab_check_counters(struct lab *lab);

/* A counter, summed up over all queues of a kind ("tx", "rx"). */
uint64_t lab_counter(struct lab *lab, const char *kind, const char *name);

#endif
