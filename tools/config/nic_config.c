/* SPDX-License-Identifier: MIT */
/* A card's configuration as a whole: its life, and what its values together must be. */
#include "tools/config/nic_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/txmode.h"
#include "tools/config/values.h"

void nic_config_init(struct nic_config *c, const char *mark)
{
	char err[NIC_CONFIG_ERR_LEN];

	*c = (struct nic_config){ .mark = mark, .fd = -1, .coalesce = true, .pairs = 1 };
	c->access.owner = (uid_t)-1;
	c->access.group = (gid_t)-1;
	txmode_parse(&c->mode, "iothread", err, sizeof(err));
}

void nic_config_deinit(struct nic_config *c)
{
	free(c->socket_path);
	free(c->listen_name);
	free(c->backend);
	free(c->vhost.device);
	c->socket_path = c->listen_name = c->backend = c->vhost.device = NULL;
}

int nic_config_set(struct nic_config *c, const struct config_key *key, const char *value,
		   char err[NIC_CONFIG_ERR_LEN])
{
	char reason[NIC_CONFIG_ERR_LEN] = "";
	int error = key->set(c, value, reason);

	if (error == -ENOMEM)
		snprintf(err, NIC_CONFIG_ERR_LEN, "out of memory");
	else if (error)
		snprintf(err, NIC_CONFIG_ERR_LEN, "%s%s '%.*s%s'%s", c->mark, key->name,
			 VALUES_SHOWN, value, strlen(value) > VALUES_SHOWN ? "..." : "", reason);
	return error;
}

bool nic_config_names_vhost(const struct nic_config *c)
{
	return c->vhost.given || c->vhost.device || c->vhost.n_fds || c->vhost.poll_us;
}

static int check_vhost(const struct nic_config *c, char err[NIC_CONFIG_ERR_LEN])
{
	const struct vhost_config *v = &c->vhost;
	const char *given = v->n_fds ? "fd" : v->device ? "device" : "poll", *m = c->mark;

	if (v->policy == VHOST_DISABLE && (v->n_fds || v->device || v->poll_us))
		snprintf(err, NIC_CONFIG_ERR_LEN, "%svhost-%s is not for %svhost disable", m, given,
			 m);
	else if (v->n_fds && v->device)
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "give one of %svhost-fd N[,N...] and %svhost-device PATH", m, m);
	else if (v->n_fds && v->n_fds != c->pairs)
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "%svhost-fd has %u fd%s, but %squeues is %u: it takes one for each", m,
			 v->n_fds, v->n_fds == 1 ? "" : "s", m, c->pairs);
	else
		return 0;
	return -EINVAL;
}

/* The mode, owner or group of a socket that is not made here cannot be chosen. */
static bool check_access(const struct nic_config *c, char err[NIC_CONFIG_ERR_LEN])
{
	const char *given = c->access.has_mode             ? "mode"
			    : c->access.owner != (uid_t)-1 ? "owner"
			    : c->access.group != (gid_t)-1 ? "group"
							   : NULL;

	if (!given || (c->socket_path && !c->client))
		return true;
	snprintf(err, NIC_CONFIG_ERR_LEN,
		 "%ssocket-%s is for a socket that is made here: not with %s%s", c->mark, given,
		 c->mark, c->client ? "client" : "fd");
	return false;
}

int nic_config_check(const struct nic_config *c, char err[NIC_CONFIG_ERR_LEN])
{
	bool has_fd = c->fd >= 0 || c->listen_name;
	const char *m = c->mark;

	if (!c->socket_path != has_fd)
		snprintf(err, NIC_CONFIG_ERR_LEN, "give one of %ssocket-path PATH and %sfd N", m,
			 m);
	else if (c->client && !c->socket_path)
		snprintf(err, NIC_CONFIG_ERR_LEN, "%sclient needs %ssocket-path PATH", m, m);
	else if (!c->backend)
		snprintf(err, NIC_CONFIG_ERR_LEN, "%sbackend is missing", m);
	else if (check_access(c, err))
		return check_vhost(c, err);
	return -EINVAL;
}
