/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a card whose interface was removed from the host, or whose link is set down; see
 * nic.h. The device drops and counts the guest's frames meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "datapath/device.h"
#include "tools/txringd/nic_state.h"
#include "virtio/vhost_user/session.h"

void nic_show_link(struct nic *nic)
{
	if (nic->session)
		vhost_user_session_set_link(nic->session,
					    nic->link == NIC_LINK_THERE && !nic->down);
}

bool nic_set_link(struct nic *nic, bool up, char said[NIC_SAID_LEN])
{
	bool deaf = nic_is_deaf(nic);
	const char *how = !nic->session ? "there is no front-end"
			  : !deaf       ? "the front-end is told"
			  : up          ? "the front-end is served"
					: "the front-end cannot be told, and is given up";

	if (!up && deaf && nic->endpoint.once) {
		snprintf(said, NIC_SAID_LEN,
			 "the front-end cannot be told, and would not come again if it were given "
			 "up: its connection was passed in (%sfd)",
			 nic->cfg->mark);
		return false;
	}
	snprintf(said, NIC_SAID_LEN, "link %s: %s", up ? "up" : "down", how);
	nic->down = !up;
	nic->refusal_logged = false;
	device_set_link(nic->device, up);
	nic_show_link(nic);
	nic_drop_deaf(nic);
	nic_hand_over(nic);
	return true;
}

/* A reason that stays the same is logged once; that it is not there is no news. */
static void log_refusal(struct nic *nic, int code, const char *err)
{
	if (code != -ENODEV && strcmp(nic->refusal, err))
		nic_log_limited(nic, LOG_WARNING, "backend %s: it cannot be taken again: %s",
				nic->backend->describe, err);
	snprintf(nic->refusal, sizeof(nic->refusal), "%s", err);
}

static void log_back(struct nic *nic)
{
	nic->refusal[0] = '\0';
	nic_log_limited(nic, LOG_INFO, "backend %s: it is back", nic->backend->describe);
}

/* It may have been made again. */
static enum nic_link take_again(struct nic *nic)
{
	char err[BACKEND_ERR_LEN];
	int code = device_reopen(nic->device, err);

	if (code) {
		log_refusal(nic, code, err);
		return NIC_LINK_LOST;
	}
	log_back(nic);
	if (nic_join_bridge(nic, err))
		nic_log_limited(nic, LOG_WARNING, "bridge '%s': %s", nic->cfg->bridge, err);
	return NIC_LINK_THERE;
}

enum nic_link nic_check_link(struct nic *nic)
{
	enum nic_link was = nic->link;

	switch (device_check(nic->device)) {
	case BACKEND_HEALTHY:
		/* A carrier comes back by itself. */
		if (was == NIC_LINK_LOST)
			log_back(nic);
		nic->link = NIC_LINK_THERE;
		break;
	case BACKEND_LOST:
		nic->link = take_again(nic);
		break;
	case BACKEND_DEAD:
		nic->link = NIC_LINK_DEAD;
		break;
	}
	if (nic->link != was)
		nic_show_link(nic);
	return nic->link;
}
