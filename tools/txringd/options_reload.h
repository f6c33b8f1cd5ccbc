/* SPDX-License-Identifier: MIT */
/*
 * What has to be done for cards that run to be as options that were read anew want them. Pure: it
 * compares, and changes nothing.
 */
#ifndef TOOLS_TXRINGD_OPTIONS_RELOAD_H
#define TOOLS_TXRINGD_OPTIONS_RELOAD_H

#include "tools/config/nic_config.h"
#include "tools/config/txmode.h"

/* Keys of a card that can change while it runs: link, txmode, coalesce. */
#define OPTIONS_LIVE_KEYS 3

/* One key of a running card that shall have another value from now on. */
struct options_change {
	unsigned nic;    /* of now */
	const char *key; /* of nic_config_keys; static */
	char value[TXMODE_TEXT_LEN];
};

struct options_changes {
	struct options_change *live; /* n_live, of room; owned */
	unsigned n_live, room;
	char later
		[512]; /* what waits for the next start: "socket-path of nic0, ..."; "": nothing */
};

/*
 * now: the cards as they run; one without a name has ended. next: as they shall be. Cards are told
 * apart by their names. 0, to be given back with options_reload_deinit(); or -ENOMEM, and there is
 * nothing to give back.
 */
int options_reload_compare(struct options_changes *changes, const struct nic_config *now,
			   unsigned n_now, const struct nic_config *next, unsigned n_next);

/* May run twice. */
void options_reload_deinit(struct options_changes *changes);

#endif
