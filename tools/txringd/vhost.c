/* SPDX-License-Identifier: MIT */
/* The vhost policy; see vhost.h. */
#include "tools/txringd/vhost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool backend_fits(const struct backend *b)
{
	for (unsigned i = 0; i < b->n_queues; i++) {
		if (b->queues[i]->vhost_fd < 0)
			return false;
	}
	return true;
}

/* All or none. */
static int open_all(struct vhost *v, struct vhost_net *nets)
{
	const struct vhost_config *cfg = v->cfg;
	const char *path = cfg->n_fds ? NULL : cfg->device ? cfg->device : VHOST_NET_DEVICE;
	int err = 0;
	unsigned i;

	for (i = 0; i < v->backend->n_queues && !err; i++)
		err = vhost_net_open(&nets[i], &vhost_net_linux, path,
				     cfg->n_fds ? cfg->fds[i] : -1, cfg->poll_us, v->why);
	if (!err)
		return 0;
	v->fds_gone = cfg->n_fds;
	while (i)
		vhost_net_close(&nets[--i]);
	return err;
}

int vhost_open(struct vhost *v)
{
	struct vhost_net *nets;
	int err;

	if (v->cfg->policy == VHOST_DISABLE) {
		snprintf(v->why, sizeof(v->why), "--vhost disable");
		return -EPERM;
	}
	if (!backend_fits(v->backend)) {
		snprintf(v->why, sizeof(v->why), "backend %s is no tap", v->backend->ops->name);
		return -EOPNOTSUPP;
	}
	/* They were closed: their numbers may be those of other files now. */
	if (v->fds_gone) {
		if (!v->why[0])
			snprintf(v->why, sizeof(v->why), "the fds of --vhost-fd were closed");
		return -EBADF;
	}
	vhost_deinit(v);
	nets = calloc(v->backend->n_queues, sizeof(*nets));
	if (!nets) {
		snprintf(v->why, sizeof(v->why), "out of memory");
		return -ENOMEM;
	}
	err = open_all(v, nets);
	if (err) {
		free(nets);
		return err;
	}
	v->nets = nets;
	v->fds_gone = v->cfg->n_fds;
	return 0;
}

int vhost_init(struct vhost *v, const struct vhost_config *cfg, const struct backend *backend,
	       uint64_t features)
{
	int err;

	*v = (struct vhost){ .cfg = cfg, .backend = backend };
	err = vhost_open(v);
	for (unsigned i = 0; v->nets && i < backend->n_queues; i++)
		v->withheld |= vhost_net_lacks(&v->nets[i], features);
	return cfg->policy == VHOST_REQUIRE ? err : 0;
}

void vhost_deinit(struct vhost *v)
{
	for (unsigned i = 0; v->nets && i < v->backend->n_queues; i++)
		vhost_net_close(&v->nets[i]);
	free(v->nets);
	v->nets = NULL;
}

bool vhost_is_open(const struct vhost *v)
{
	unsigned i;

	for (i = 0; v->nets && i < v->backend->n_queues && v->nets[i].fd >= 0; i++)
		;
	return v->nets && i == v->backend->n_queues;
}

uint64_t vhost_offer(const struct vhost *v, uint64_t features)
{
	return features & ~v->withheld;
}
