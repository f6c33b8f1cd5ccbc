/* SPDX-License-Identifier: MIT */
/* SIGHUP: the options are read again, and cards that run become what they say, where they can. */
#ifndef TOOLS_TXRINGD_RELOAD_H
#define TOOLS_TXRINGD_RELOAD_H

#include "tools/txringd/nic.h"
#include "tools/txringd/options.h"

/*
 * argv as txringd was started with it, and what was read then; nics: n_nics cards in any order,
 * NULL: one that has ended. All or nothing is read: options that are refused change nothing. What
 * is done, what waits for the next start, and what is wrong is logged. False: it was refused, or a
 * card could not follow. Control thread.
 */
bool reload_run(int argc, char **argv, const struct options *now, struct nic *const *nics,
		unsigned n_nics);

#endif
