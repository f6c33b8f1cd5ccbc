/* SPDX-License-Identifier: MIT */
/*
 * A virtio-net device: queue pairs, the iothreads that run them, and one backend. Cold: it starts
 * and stops queues as a vhost-user session asks for it, and no frame passes here.
 *
 * Owner: the control thread. While a queue runs, everything in it is its iothread's; the device
 * reaches it by iothread_call.
 */
#ifndef DATAPATH_DEVICE_H
#define DATAPATH_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"
#include "datapath/iothread.h"
#include "datapath/stats.h"
#include "datapath/tx/engine.h"
#include "virtio/vhost_user/session.h"

struct device;

/* What a queue pair needs of IOTHREAD_MAX_WATCHES, one of which is the iothread's own. */
#define DEVICE_PAIR_WATCHES 4

struct device_config {
	struct backend *backend; /* borrowed; its queues are the device's queue pairs */
	struct iothread *const
		*threads; /* borrowed; the pairs take turns on them, from first_thread */
	unsigned n_threads;
	unsigned first_thread;
	const struct tx_mode *mode; /* copied */
	uint16_t mtu;               /* offered to the driver; 0: none */
	bool has_mac;               /* the MAC is offered to a front-end that asks for it */
	/* A line for the log, without newline; control thread or an iothread, never per frame. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
};

/* 0 or -ENOMEM. */
int device_new(struct device **dev, const struct device_config *cfg);
/* All rings must be stopped. Takes NULL. */
void device_free(struct device *dev);

/* Feature bits to offer: what rings and backend can do. */
uint64_t device_features(const struct device *dev);

/* What a session calls; its dev is a struct device. */
extern const struct vhost_user_ops device_vhost_user_ops;

/* Counters of a pair's queues; may be read at any time with load_relaxed. */
const struct tx_stats *device_tx_stats(const struct device *dev, unsigned pair);
const struct rx_stats *device_rx_stats(const struct device *dev, unsigned pair);

#endif
