/* SPDX-License-Identifier: MIT */
/*
 * The vhost policy of one network card: what the user said, opening the kernel's vhost-net, and
 * which features to offer so that it can have the device (docs/vhost-net.md). Whether it has it is
 * the device's affair.
 */
#ifndef TOOLS_TXRINGD_VHOST_H
#define TOOLS_TXRINGD_VHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"
#include "tools/config/nic_config.h"
#include "virtio/vhost_net.h"

struct vhost {
	const struct vhost_config *cfg; /* borrowed */
	const struct backend *backend;  /* borrowed */
	struct vhost_net *nets;         /* one a queue pair, open; NULL: none */
	bool fds_gone;                  /* those of --vhost-fd were tried and given up */
	uint64_t withheld;              /* features */
	char why[VHOST_NET_WHY_LEN];    /* nets is NULL */
};

/*
 * Open what the policy asks for; features are the device's. 0 (there may be none: why says it), or
 * a negative errno if it is required: why.
 */
int vhost_init(struct vhost *v, const struct vhost_config *cfg, const struct backend *backend,
	       uint64_t features);
/* The device has let go of it. May run twice, and of one that is all zero. */
void vhost_deinit(struct vhost *v);

/*
 * Once more: the module may have come, or the kernel's device was closed because it would not stop.
 * The device has let go of it. 0, or a negative errno and why.
 */
int vhost_open(struct vhost *v);
/* All of them are still open. */
bool vhost_is_open(const struct vhost *v);

/*
 * Of the device's features those to offer: the same for the card's life, since a front-end that
 * comes again must find what it had.
 */
uint64_t vhost_offer(const struct vhost *v, uint64_t features);

#endif
