/* SPDX-License-Identifier: MIT */
/* What all options together must be; see options_check.h. */
#include "tools/txringd/options_check.h"

#include <string.h>

#include "datapath/device.h"
#include "datapath/iothread.h"
#include "tools/log.h"
#include "tools/txringd/activation.h"
#include "tools/txringd/control_access.h"

/* Queue pairs that one iothread has room for. */
#define PAIRS_PER_IOTHREAD ((IOTHREAD_MAX_WATCHES - 1) / DEVICE_PAIR_WATCHES)

/* Two cards of one MAC, of which a file describes one: libvirt's guest cannot tell them apart. */
static bool check_macs(const struct options *o)
{
	for (unsigned i = 0; i < o->n_nics; i++) {
		const struct nic_config *c = &o->nics[i];

		for (unsigned k = 0; k < i; k++) {
			if (!c->has_mac || !o->nics[k].has_mac ||
			    memcmp(c->mac, o->nics[k].mac, sizeof(c->mac)) != 0 ||
			    !(*o->origins[i].text || *o->origins[k].text))
				continue;
			log_line("%s%s%s: mac '%02x:%02x:%02x:%02x:%02x:%02x' is that of %s, too: "
				 "each card needs its own",
				 o->origins[i].text, *o->origins[i].text ? ": " : "", c->name,
				 c->mac[0], c->mac[1], c->mac[2], c->mac[3], c->mac[4], c->mac[5],
				 o->nics[k].name);
			return false;
		}
	}
	return true;
}

bool options_check(struct options *o, bool again)
{
	char err[NIC_CONFIG_ERR_LEN];
	struct control_access control;
	unsigned queues = 0, i;

	if (o->control_path && control_access_parse(&control, o->control_path, err)) {
		log_line("%s", err);
		return false;
	}
	for (i = 0; i < o->n_nics; i++) {
		const char *origin = o->origins[i].text;

		if (nic_config_check(&o->nics[i], err)) {
			log_line("%s%s%s%s%s (see --help)", origin, *origin ? ": " : "",
				 o->n_nics > 1 ? o->nics[i].name : "", o->n_nics > 1 ? ": " : "",
				 err);
			return false;
		}
		if (o->control_path && o->nics[i].socket_path &&
		    !strcmp(control.path, o->nics[i].socket_path)) {
			log_line("--control '%s' is --socket-path of %s, too: each needs its own",
				 control.path, o->nics[i].name);
			return false;
		}
		queues += o->nics[i].pairs;
	}
	if ((!again && activation_resolve(o->nics, o->n_nics, err)) ||
	    nic_config_check_all(o->nics, o->n_nics, err)) {
		log_line("%s", err);
		return false;
	}
	if (!check_macs(o))
		return false;
	if ((queues + PAIRS_PER_IOTHREAD - 1) / PAIRS_PER_IOTHREAD > o->iothreads) {
		log_line("--iothreads '%u' must be more for %u queue pairs: one runs %u at most",
			 o->iothreads, queues, PAIRS_PER_IOTHREAD);
		return false;
	}
	if (o->iothreads <= queues)
		return true;
	log_line("--iothreads '%u' must be at most the number of queue pairs (--queues), which is "
		 "%u",
		 o->iothreads, queues);
	return false;
}
