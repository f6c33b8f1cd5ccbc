/* SPDX-License-Identifier: MIT */
/* xdp:IFNAME[,param...] and xdp-fd:N[,N...],ifname=IFNAME[,param...] */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/config/backends.h"
#include "tools/config/xdp_words.h"

/* What the card makes of the words. 0, or -EINVAL and the reason in err. */
static int check(const struct xdp_words *w, const struct nic_config *card,
		 char err[BACKEND_ERR_LEN])
{
	if (card->pairs > XDP_MAX_QUEUES)
		snprintf(err, BACKEND_ERR_LEN, "%u queues are too many: at most %d (%squeues)",
			 card->pairs, XDP_MAX_QUEUES, card->mark);
	else if (w->n_fds && w->n_fds != card->pairs)
		snprintf(err, BACKEND_ERR_LEN,
			 "%u sockets for %u queues, give one for each (%squeues)", w->n_fds,
			 card->pairs, card->mark);
	else if (w->cfg.share && !card->has_mac)
		snprintf(err, BACKEND_ERR_LEN,
			 "share takes what is for the guest's address: give it, %smac MAC",
			 card->mark);
	else
		return 0;
	return -EINVAL;
}

static int open_words(struct backend **backend, const char *what, enum xdp_words_form form,
		      const struct nic_config *card, char err[BACKEND_ERR_LEN])
{
	struct xdp_words w;
	int error = xdp_words_parse(&w, what, form, err);

	if (!error)
		error = check(&w, card, err);
	if (error)
		return error;
	w.cfg.has_mac = card->has_mac;
	memcpy(w.cfg.mac, card->mac, sizeof(w.cfg.mac));
	return xdp_backend_new(backend, &w.cfg, card->pairs, err);
}

int backends_xdp_open(struct backend **backend, const char *what, const struct nic_config *card,
		      char err[BACKEND_ERR_LEN])
{
	return open_words(backend, what, XDP_WORDS_IFNAME, card, err);
}

int backends_xdp_fd_open(struct backend **backend, const char *what, const struct nic_config *card,
			 char err[BACKEND_ERR_LEN])
{
	return open_words(backend, what, XDP_WORDS_FDS, card, err);
}

static void claim(struct backend_claims *claims, const char *what, enum xdp_words_form form)
{
	char err[BACKEND_ERR_LEN];
	struct xdp_words w;

	if (xdp_words_parse(&w, what, form, err))
		return;
	claims->n_fds = w.n_fds;
	memcpy(claims->fds, w.fds, w.n_fds * sizeof(w.fds[0]));
	memcpy(claims->ifname, w.ifname, sizeof(claims->ifname));
	claims->first_queue = w.cfg.start_queue;
	claims->attaches = !w.n_fds;
}

void backends_xdp_claim(struct backend_claims *claims, const char *what)
{
	claim(claims, what, XDP_WORDS_IFNAME);
}

void backends_xdp_fd_claim(struct backend_claims *claims, const char *what)
{
	claim(claims, what, XDP_WORDS_FDS);
}

void backends_xdp_params(char *buf, size_t len)
{
	xdp_words_help(buf, len, XDP_WORDS_IFNAME | XDP_WORDS_FDS);
}
