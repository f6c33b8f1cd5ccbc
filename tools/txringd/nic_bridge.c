/* SPDX-License-Identifier: MIT */
/*
 * The bridge that a card's tap is put into (--bridge); see nic_state.h. It is put in when it is
 * opened and each time that it was taken again: what the administrator does to it in between
 * stays.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/txringd/ifstate.h"
#include "tools/txringd/nic_state.h"

/* What became of an interface that is to be in a bridge. */
static int join(const struct ifstate *tap, const char *bridge, char err[BACKEND_ERR_LEN])
{
	struct ifstate br;
	int error = ifstate_get(bridge, &br);
	const char *hint = "";

	if (error == -ENODEV)
		snprintf(err, BACKEND_ERR_LEN,
			 "there is no such bridge: make it (ip link add %s type bridge)", bridge);
	else if (error)
		snprintf(err, BACKEND_ERR_LEN, "the kernel does not tell of it: %s",
			 strerror(-error));
	if (error)
		return error;
	if (!br.bridge) {
		snprintf(err, BACKEND_ERR_LEN, "that interface is no bridge of the kernel's");
		return -EINVAL;
	}
	/* To find it as it should be takes no privilege. */
	if (tap->master == br.index && tap->up)
		return 0;
	error = ifstate_join(tap->index, br.index);
	if (error == -EPERM)
		hint = ": do it beforehand, as root, or have CAP_NET_ADMIN";
	else if (error == -EBUSY)
		hint = ": it is a macvtap, or in use for something else";
	if (error)
		snprintf(err, BACKEND_ERR_LEN,
			 "%s cannot be put into it (ip link set %s master "
			 "%s up): %s%s",
			 tap->name, tap->name, bridge, strerror(-error), hint);
	return error;
}

int nic_join_bridge(const struct nic *nic, char err[BACKEND_ERR_LEN])
{
	const struct backend *b = nic->backend;
	struct ifstate tap;
	int error;

	if (!nic->cfg->bridge[0])
		return 0;
	error = nic_tap(nic, &tap);
	if (error == -EOPNOTSUPP)
		snprintf(err, BACKEND_ERR_LEN, "backend %s is no tap, which alone can be in one",
			 b->describe);
	else if (error)
		snprintf(err, BACKEND_ERR_LEN,
			 "backend %s: its interface is not in this network namespace: %s",
			 b->describe, strerror(-error));
	if (error)
		return error;
	return join(&tap, nic->cfg->bridge, err);
}
