/* SPDX-License-Identifier: MIT */
/*
 * What txringd consists of, and what it does between its start and its end: it waits for
 * front-ends, signals, interfaces of the host and clients of the control socket, and serves them.
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_TXRINGD_DAEMON_H
#define TOOLS_TXRINGD_DAEMON_H

#include <poll.h>
#include <stdbool.h>

#include "datapath/iothread.h"
#include "tools/txringd/commands.h"
#include "tools/txringd/control.h"
#include "tools/txringd/control_access.h"
#include "tools/txringd/links.h"
#include "tools/txringd/nic.h"
#include "tools/txringd/notify.h"
#include "tools/txringd/options.h"
#include "tools/txringd/pulse.h"

/* Of daemon.fds. */
enum {
	DAEMON_FD_SIGNAL,
	DAEMON_FD_SIGBUS,
	DAEMON_FD_LINKS,
	DAEMON_FD_CONTROL,
	DAEMON_FD_NICS = DAEMON_FD_CONTROL + CONTROL_FDS
};

struct daemon {
	int argc;    /* of main(), to be read again */
	char **argv; /* likewise */
	struct options opt;
	struct notify notify;
	struct pulse pulse; /* of threads, where a watchdog wants to know */
	int signal_fd;
	struct iothread **threads;
	unsigned n_threads;
	struct nic **nics; /* NULL: its only front-end has come and gone */
	unsigned n_nics;
	unsigned n_left;    /* of nics that have not ended */
	bool died;          /* the one that ended last had to */
	unsigned n_freed;   /* of nics, at the end */
	struct pollfd *fds; /* those of DAEMON_FD_*, then NIC_FDS for each of nics */
	struct links links;
	struct commands commands;
	struct control *control; /* NULL: none */
	char control_path[CONTROL_PATH_LEN];
	bool stop;
};

/*
 * Until SIGTERM, or until no front-end will come any more: 0. Or a negative errno, after a line in
 * the log: also when the last card has lost its interface for good.
 */
int daemon_serve(struct daemon *d);

#endif
