/* SPDX-License-Identifier: MIT */
/*
 * What txringd needs of its process before it does anything: files, signals, the log's thread.
 * What fails says so in the log: a negative errno. Main thread, before there is any other.
 */
#ifndef TOOLS_TXRINGD_PROCESS_H
#define TOOLS_TXRINGD_PROCESS_H

/* stdin, stdout and stderr are open, and as many fds may be as the hard limit allows. */
int process_init_files(void);

/*
 * Signals come by *signal_fd from here on, in all threads; SIGBUS is sigbus.h's. And the log has
 * its thread, which log_stop() ends.
 */
int process_init_signals(int *signal_fd);

/* The exit status of who has only printed: whether that has arrived. */
int process_printed(void);

#endif
