/* SPDX-License-Identifier: MIT */
/* The vhost policy; see vhost.h. */
#include "tools/txringd/vhost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "virtio/base.h"

#define MAX_FD      1048575
#define MAX_POLL_US 1000000

static const char *const policy_names[] = {
	[VHOST_DEFAULT] = "default",
	[VHOST_REQUIRE] = "require",
	[VHOST_DISABLE] = "disable",
};

const char *vhost_policy_name(enum vhost_policy policy)
{
	return policy_names[policy];
}

bool vhost_parse_policy(struct vhost_options *o, const char *text)
{
	for (unsigned i = 0; i < array_size(policy_names); i++) {
		if (!strcmp(text, policy_names[i])) {
			o->policy = (enum vhost_policy)i;
			return true;
		}
	}
	log_line("--vhost '%s' must be one of: default | require | disable", text);
	return false;
}

bool vhost_parse_fds(struct vhost_options *o, const char *text)
{
	const char *s = text;
	char *end;
	long fd;

	for (o->n_fds = 0;; s = end + 1) {
		errno = 0;
		fd = strtol(s, &end, 10);
		if (end == s || errno || fd < 0 || fd > MAX_FD || (*end && *end != ',')) {
			log_line("--vhost-fd '%s' must be N[,N...], open fds of vhost-net from 0 "
				 "to %d",
				 text, MAX_FD);
			return false;
		}
		if (o->n_fds == VHOST_MAX_PAIRS) {
			log_line("--vhost-fd '%s' has more than %d fds", text, VHOST_MAX_PAIRS);
			return false;
		}
		o->fds[o->n_fds++] = (int)fd;
		if (!*end)
			return true;
	}
}

bool vhost_parse_poll(struct vhost_options *o, const char *text)
{
	static const struct {
		const char *name;
		unsigned us;
	} units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 } };
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	for (unsigned i = 0; i < array_size(units); i++) {
		if (end == text || errno || strcmp(end, units[i].name) != 0 || n < 1 ||
		    n > (long)(MAX_POLL_US / units[i].us))
			continue;
		o->poll_us = (unsigned)n * units[i].us;
		return true;
	}
	log_line("--vhost-poll '%s' must be 1us to 1s (units us, ms, s)", text);
	return false;
}

bool vhost_check(const struct vhost_options *o, unsigned pairs)
{
	const char *given = o->n_fds ? "fd" : o->device ? "device" : "poll";

	if (o->policy == VHOST_DISABLE && (o->n_fds || o->device || o->poll_us))
		log_line("--vhost-%s is not for --vhost disable", given);
	else if (o->n_fds && o->device)
		log_line("give one of --vhost-fd N[,N...] and --vhost-device PATH");
	else if (o->n_fds && o->n_fds != pairs)
		log_line("--vhost-fd has %u fd%s, but --queues is %u: it takes one for each",
			 o->n_fds, o->n_fds == 1 ? "" : "s", pairs);
	else
		return true;
	return false;
}

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
	const struct vhost_options *o = v->opt;
	const char *path = o->n_fds ? NULL : o->device ? o->device : VHOST_NET_DEVICE;
	int err = 0;
	unsigned i;

	for (i = 0; i < v->backend->n_queues && !err; i++)
		err = vhost_net_open(&nets[i], &vhost_net_linux, path, o->n_fds ? o->fds[i] : -1,
				     o->poll_us, v->why);
	if (!err)
		return 0;
	v->fds_gone = o->n_fds;
	while (i)
		vhost_net_close(&nets[--i]);
	return err;
}

int vhost_open(struct vhost *v)
{
	struct vhost_net *nets;
	int err;

	if (v->opt->policy == VHOST_DISABLE) {
		snprintf(v->why, sizeof(v->why), "--vhost disable");
		return -EPERM;
	}
	if (!backend_fits(v->backend)) {
		snprintf(v->why, sizeof(v->why), "backend %s is no tap", v->backend->ops->name);
		return -EOPNOTSUPP;
	}
	/* Their numbers may be somebody else's now. */
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
	v->fds_gone = v->opt->n_fds;
	return 0;
}

int vhost_init(struct vhost *v, const struct vhost_options *o, const struct backend *backend,
	       uint64_t features)
{
	int err;

	*v = (struct vhost){ .opt = o, .backend = backend };
	err = vhost_open(v);
	for (unsigned i = 0; v->nets && i < backend->n_queues; i++)
		v->withheld |= vhost_net_lacks(&v->nets[i], features);
	return o->policy == VHOST_REQUIRE ? err : 0;
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
