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
			log_at(LOG_ERROR,
			       "%s%s%s: mac '%02x:%02x:%02x:%02x:%02x:%02x' is that of %s, too: "
			       "each card needs its own",
			       o->origins[i].text, *o->origins[i].text ? ": " : "", c->name,
			       c->mac[0], c->mac[1], c->mac[2], c->mac[3], c->mac[4], c->mac[5],
			       o->nics[k].name);
			return false;
		}
	}
	return true;
}

/* Between an origin and what is wrong there. */
static const char *colon(const struct options_origin *at)
{
	return *at->text ? ": " : "";
}

/* How an option is written there. */
static const char *mark(const struct options_origin *at)
{
	return *at->text ? "" : "--";
}

static bool check_control(const struct options *o)
{
	const struct options_origin *at = &o->control_at;
	struct control_access control;
	char err[NIC_CONFIG_ERR_LEN];

	if (!o->control_path)
		return true;
	if (control_access_parse(&control, o->control_path, err)) {
		log_at(LOG_ERROR, "%s%s%s", at->text, colon(at), err);
		return false;
	}
	for (unsigned i = 0; i < o->n_nics; i++) {
		const struct nic_config *c = &o->nics[i];

		if (!c->socket_path || strcmp(control.path, c->socket_path) != 0)
			continue;
		log_at(LOG_ERROR,
		       "%s%s%scontrol '%s' is %ssocket-path of %s, too: each needs its own",
		       at->text, colon(at), mark(at), control.path, c->mark, c->name);
		return false;
	}
	return true;
}

static bool check_each_card(const struct options *o)
{
	char err[NIC_CONFIG_ERR_LEN];

	for (unsigned i = 0; i < o->n_nics; i++) {
		const struct options_origin *at = &o->origins[i];

		if (!nic_config_check(&o->nics[i], err))
			continue;
		log_at(LOG_ERROR, "%s%s%s%s%s (see --help)", at->text, colon(at),
		       o->n_nics > 1 ? o->nics[i].name : "", o->n_nics > 1 ? ": " : "", err);
		return false;
	}
	return true;
}

/* The first card that has what one before it has is the one to name. */
static bool check_claims(const struct options *o)
{
	char err[NIC_CONFIG_ERR_LEN];
	unsigned n = 1;

	if (!nic_config_check_all(o->nics, o->n_nics, err))
		return true;
	while (n < o->n_nics && !nic_config_check_all(o->nics, n, err))
		n++;
	log_at(LOG_ERROR, "%s%s%s", o->origins[n - 1].text, colon(&o->origins[n - 1]), err);
	return false;
}

static bool check_iothreads(const struct options *o)
{
	const struct options_origin *at = &o->iothreads_at;
	unsigned queues = 0;

	for (unsigned i = 0; i < o->n_nics; i++)
		queues += o->nics[i].pairs;
	if ((queues + PAIRS_PER_IOTHREAD - 1) / PAIRS_PER_IOTHREAD > o->iothreads)
		log_at(LOG_ERROR,
		       "%s%s%siothreads '%u' must be more for %u queue pairs: one runs %u at "
		       "most",
		       at->text, colon(at), mark(at), o->iothreads, queues, PAIRS_PER_IOTHREAD);
	else if (o->iothreads > queues)
		log_at(LOG_ERROR,
		       "%s%s%siothreads '%u' must be at most the number of queue pairs "
		       "(%squeues), which is %u",
		       at->text, colon(at), mark(at), o->iothreads, mark(at), queues);
	else
		return true;
	return false;
}

bool options_check(struct options *o, bool again)
{
	char err[NIC_CONFIG_ERR_LEN];

	if (!check_each_card(o) || !check_control(o))
		return false;
	if (!again && activation_resolve(o->nics, o->n_nics, err)) {
		log_at(LOG_ERROR, "%s", err);
		return false;
	}
	return check_claims(o) && check_macs(o) && check_iothreads(o);
}
