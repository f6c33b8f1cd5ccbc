/* SPDX-License-Identifier: MIT */
/*
 * txringctl probe: what QEMUs and this host can do, told by asking them and never by a version.
 * Nothing here needs a txringd. All of it is for the main thread.
 */
#ifndef TOOLS_TXRINGCTL_PROBE_H
#define TOOLS_TXRINGCTL_PROBE_H

enum probe_answer {
	PROBE_NOT_ASKED, /* what was asked said nothing about it */
	PROBE_NO,
	PROBE_YES,
};

/* txringctl's command of this name: prints; an exit status, and then lines on stderr. */
int probe_run(int argc, char **argv);

#endif
