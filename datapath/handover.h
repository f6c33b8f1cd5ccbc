/* SPDX-License-Identifier: MIT */
/*
 * Who moves a device's frames: the user datapath, or the kernel's vhost-net (docs/vhost-net.md).
 * For device.c only; the words and the counters are device.h's.
 *
 * All pairs in use go together, or none. Rings always start in the user datapath;
 * handover_settle() gives them to the kernel when that can be, handover_take_back() takes them
 * back before anything else is done with a ring. A hand-over that fails leaves what ran before.
 *
 * Owner: the control thread.
 */
#ifndef DATAPATH_HANDOVER_H
#define DATAPATH_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/device_types.h"
#include "datapath/pair.h"
#include "virtio/vhost_net.h"

#define HANDOVER_WHY_LEN (VHOST_NET_WHY_LEN + 64)

struct handover {
	const struct device_config *cfg; /* borrowed, as the pairs */
	struct pair *pairs;
	unsigned n_pairs;
	struct vhost_net *kernel; /* borrowed, one a pair; NULL: none */
	bool wanted;
	bool settled; /* nothing has changed since the last try */
	enum device_driver driver;
	char why[HANDOVER_WHY_LEN];       /* driver is not the kernel */
	char no_kernel[HANDOVER_WHY_LEN]; /* kernel is NULL */
	char logged[HANDOVER_WHY_LEN];    /* what the log has said since a driver came */
	struct device_handovers to_kernel;
	struct device_handovers to_user;
	uint64_t failed;
};

void handover_init(struct handover *h, const struct device_config *cfg, struct pair *pairs,
		   unsigned n_pairs);

/* See device.h. */
void handover_set_kernel(struct handover *h, struct vhost_net *kernel, const char *why);
void handover_want(struct handover *h, bool wanted);
enum device_driver handover_settle(struct handover *h);

/*
 * Something about the device changes: what the kernel has runs in the user datapath when this
 * returns, and the next handover_settle() looks anew.
 */
void handover_take_back(struct handover *h);

/* Pass new fds of a ring through, if the kernel has it. */
void handover_set_fds(struct handover *h, unsigned pair, unsigned ring, struct notifier call,
		      struct notifier err);

#endif
