/* SPDX-License-Identifier: MIT */
/* The process of txringd; see process.h. */
#include "tools/txringd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/log.h"
#include "tools/txringd/sigbus.h"

/* Each card takes some ten fds: the usual soft limit, which is for select(), is not enough. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* So that no file of ours gets the number of stderr, and the log's lines. */
int process_init_files(void)
{
	int err = 0;

	raise_fd_limit();
	for (int fd = 0; fd <= STDERR_FILENO && !err; fd++) {
		/* The lowest number that is free is this one. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			err = -errno;
	}
	if (err)
		log_at(LOG_ERROR, "cannot open /dev/null in place of a closed file: %s",
		       strerror(-err));
	return err;
}

int process_init_signals(int *signal_fd)
{
	sigset_t set;
	int err;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	/* Blocked before any thread exists, so that all of them inherit it. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	*signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	err = *signal_fd < 0 ? -errno : sigbus_init();
	if (err) {
		log_at(LOG_ERROR, "cannot take signals: %s", strerror(-err));
		return err;
	}
	err = log_start();
	if (err)
		log_at(LOG_ERROR, "cannot start the log's thread: %s", strerror(-err));
	return err;
}

int process_printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_SUCCESS;
	log_at(LOG_ERROR, "cannot write to stdout: %s", strerror(errno));
	return EXIT_FAILURE;
}
