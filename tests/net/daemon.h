/* SPDX-License-Identifier: MIT */
/* A txringd that a test runs: started, asked for its counters, looked at from outside, ended. */
#ifndef TESTS_NET_DAEMON_H
#define TESTS_NET_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon {
	pid_t pid;
	int log_fd;     /* what it wrote to stderr: a file in memory */
	char path[108]; /* its socket */
};

/*
 * Start program with --socket-path and the arguments given, which end with NULL, and wait until it
 * listens. Fails the test if it does not.
 */
void daemon_start(struct daemon *d, const char *program, const char *const *args);

/* Only d->path, for who needs it before the start: it is always the same one. */
void daemon_set_path(struct daemon *d);

/*
 * SIGTERM; it must exit with 0 within a second and leave no socket. Does nothing when it is not
 * running.
 */
void daemon_stop(struct daemon *d);

/* The test is over, however it ended: kill it if it still runs, and print its log if asked to. */
void daemon_cleanup(struct daemon *d, bool print_log);

/* Counter name of a queue ("tx0", "rx3"; of one card among several: "nic2: tx0"). */
uint64_t daemon_counter(struct daemon *d, const char *queue, const char *name);

/* All frames that a queue dropped, for whatever reason. */
uint64_t daemon_drops(struct daemon *d, const char *queue);

/* Whether a counter reaches a value within two seconds. */
bool daemon_counter_reaches(struct daemon *d, const char *queue, const char *name, uint64_t value);

/* Wait until the log has text n times or more; fails the test when that takes too long. */
void daemon_wait_log(struct daemon *d, const char *text, unsigned n);
/*
 * It has text n times. A line comes a while after what it tells of, as a thread of txringd writes
 * it: so many are waited for, as above, and one more fails.
 */
void daemon_check_log(struct daemon *d, const char *text, unsigned n);
/* How often it has text now. */
unsigned daemon_log_count(const struct daemon *d, const char *text);

/* Once nothing is left to be closed, and it has not changed for 100 ms; at most ten seconds. */
unsigned daemon_n_fds(const struct daemon *d);
/* Until it has so many, at most ten seconds, and no more come or go then. */
void daemon_wait_n_fds(const struct daemon *d, unsigned n);
/* Until it has so many threads, at most ten seconds: one that has nothing to do may end late. */
void daemon_wait_threads(const struct daemon *d, unsigned n);

/* CPU time of all threads. */
uint64_t daemon_cpu_ns(const struct daemon *d);

/* Resident memory that is not shared with the guest. */
uint64_t daemon_own_kib(const struct daemon *d);

#endif
