/* SPDX-License-Identifier: MIT */
/* The backends that a configuration can name. Which of them are built is chosen in meson. */
#ifndef TOOLS_CONFIG_BACKENDS_H
#define TOOLS_CONFIG_BACKENDS_H

#include <stdbool.h>
#include <stddef.h>

#include "datapath/backend.h"
#include "tools/config/nic_config.h"

/* What of the host a card has to itself through its backend. */
struct backend_claims {
	unsigned n_fds;
	int fds[NIC_CONFIG_MAX_PAIRS];
	char ifname[16]; /* as many queues of it as the card has pairs; "": no interface */
	unsigned first_queue;
	bool attaches; /* and the place for an XDP program on it, of which there is one */
};

struct backend_kind {
	const char *name;   /* the word before the colon, or all of it */
	const char *syntax; /* for messages: "tap:NAME" */
	/*
	 * Open what stands behind the colon, for card: a queue for each of its pairs. 0, or a
	 * negative errno with the reason in err: what failed, on what, what to do. NULL: nothing
	 * stands behind the name.
	 */
	int (*open)(struct backend **backend, const char *what, const struct nic_config *card,
		    char err[BACKEND_ERR_LEN]);
	/*
	 * Note what of it no other card may have in claims, which is empty. What cannot be read
	 * claims nothing: open will say why. NULL: the words behind the colon, as a whole.
	 */
	void (*claim)(struct backend_claims *claims, const char *what);
	/* For --help: append the parameters of the words to buf. NULL: none, or told elsewhere. */
	void (*params)(char *buf, size_t len);
	/* It was not built; what to do that it is. NULL: it was. */
	const char *absent;
	/* The same where nothing is to be opened: 0 or -ENOMEM. */
	int (*make)(struct backend **backend, unsigned n_queues);
};

/* The last one has no name. */
extern const struct backend_kind backends_known[];

/* The kind that spec ("tap:tap0", "loop") is of, also one that is absent; or NULL. */
const struct backend_kind *backends_find(const char *spec);
/* Open the backend of card, for which there is a kind. As backend_kind.open. */
int backends_open(struct backend **backend, const struct nic_config *card,
		  char err[BACKEND_ERR_LEN]);

/* Of kinds that have a file of their own here. */
int backends_tap_open(struct backend **backend, const char *what, const struct nic_config *card,
		      char err[BACKEND_ERR_LEN]);
void backends_tap_fd_claim(struct backend_claims *claims, const char *what);
int backends_tap_fd_open(struct backend **backend, const char *what, const struct nic_config *card,
			 char err[BACKEND_ERR_LEN]);
int backends_xdp_open(struct backend **backend, const char *what, const struct nic_config *card,
		      char err[BACKEND_ERR_LEN]);
void backends_xdp_claim(struct backend_claims *claims, const char *what);
void backends_xdp_params(char *buf, size_t len);
int backends_xdp_fd_open(struct backend **backend, const char *what, const struct nic_config *card,
			 char err[BACKEND_ERR_LEN]);
void backends_xdp_fd_claim(struct backend_claims *claims, const char *what);

#endif
