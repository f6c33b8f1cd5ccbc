/* SPDX-License-Identifier: MIT */
/*
 * A virtio-net device with one queue pair, set up and running, of any kind of back-end: the rings,
 * the buffers, and how calls show. Drive it with the verbs of virtio/driver/ring.h.
 *
 * Owner: one thread.
 */
#ifndef BENCH_TXBENCH_PORT_H
#define BENCH_TXBENCH_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/txbench/options.h"
#include "bench/txbench/usage.h"
#include "virtio/driver/ring.h"

struct port_buffers {
	uint8_t *host; /* n of them, stride bytes apart; each begins with the virtio-net header */
	uint64_t gpa;
	unsigned n;
	unsigned stride;
};

struct port {
	struct ring *tx;
	struct ring *rx;             /* filled with all of rx_bufs; tokens are their numbers */
	struct port_buffers tx_bufs; /* as many as the tx ring has entries; all zero at first */
	struct port_buffers rx_bufs;
	unsigned hdr_len;
	uint64_t features;       /* negotiated */
	struct usage_target who; /* the back-end */

	/* How calls of the tx ring show: an eventfd; or, if it is -1, a word that is written. */
	int tx_call_fd;
	uint32_t *tx_call_word; /* by MSI-X: not 0 after a call, the driver sets it to 0 */
	int rx_call_fd;

	void *impl;
};

/*
 * Connect and start. NULL: failed; *why (of size bytes) says what failed, the value and what to do,
 * in one line without newline. o->packed, o->event_idx and o->ring_size are demands.
 */
struct port *port_open(const struct options *o, char *why, unsigned size);
/* Stops the device as a driver does. Takes NULL. */
void port_close(struct port *p);

/* Post rx buffer number n again, not yet submitted. */
void port_post_rx(struct port *p, uint64_t n);

/* The back-end has hung up, or its process is gone. Costs a system call. */
bool port_gone(const struct port *p);

/* The three kinds, for port_open and port_close. */
int port_vhost_user_open(struct port *p, const struct options *o, char *why, unsigned size);
void port_vhost_user_close(struct port *p);
bool port_vhost_user_gone(const struct port *p);
int port_qtest_open(struct port *p, const struct options *o, char *why, unsigned size);
void port_qtest_close(struct port *p);
bool port_qtest_gone(const struct port *p);
int port_ceiling_open(struct port *p, const struct options *o, char *why, unsigned size);
void port_ceiling_close(struct port *p);
bool port_ceiling_gone(const struct port *p);

#endif
