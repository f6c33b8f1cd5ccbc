/* SPDX-License-Identifier: MIT */
/*
 * What moves a device's frames: the user datapath, or the kernel's vhost-net (docs/vhost-net.md).
 * For device.c only; the words and the counters are device_types.h's.
 *
 * All pairs in use go together, or none. Rings always start in the user datapath; handover_run()
 * hands them over when that can be and nothing has changed for a while, as a front-end that starts
 * a driver changes each ring many times. What is to be done with a ring of a pair that the kernel
 * has is done after handover_take_back() of that pair; the other pairs stay in the kernel
 * meanwhile. A hand-over that fails leaves the user datapath running with all pairs.
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
	bool changed;    /* something, since the last handover_run() */
	bool at_once;    /* the next one waits for no quiet */
	uint64_t due_ns; /* of the next one if nothing changes; DEVICE_NEVER: none */
	enum device_driver driver;
	char why[HANDOVER_WHY_LEN];       /* driver is not the kernel */
	char no_kernel[HANDOVER_WHY_LEN]; /* kernel is NULL */
	char lost[HANDOVER_WHY_LEN];      /* the backend is gone; empty: it is not */
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
enum device_driver handover_run(struct handover *h, uint64_t now_ns);
uint64_t handover_due_ns(const struct handover *h);

/*
 * Something about one pair, or about the device, changes: what the kernel has of it runs in the
 * user datapath when this returns, and the next handover_run() judges anew.
 */
void handover_take_back(struct handover *h, unsigned pair);
void handover_take_back_all(struct handover *h);

/* The backend is gone, and why; NULL: it is back. All pairs are in the user datapath afterwards. */
void handover_set_lost(struct handover *h, const char *why);

/* Pass new fds of a ring through, if the kernel has it. */
void handover_set_fds(struct handover *h, unsigned pair, unsigned ring, struct notifier call,
		      struct notifier err);

#endif
