/* SPDX-License-Identifier: MIT */
/*
 * Guests of a txringd that serves several cards with the loop backend: what they send comes back to
 * them. Nothing here fails a test by itself, so that it may run on any thread.
 */
#ifndef TESTS_NET_ECHO_H
#define TESTS_NET_ECHO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/net/daemon.h"
#include "virtio/driver/net.h"

#define ECHO_RING 64

/* Where card i listens; card 0 at the daemon's own path. */
void echo_path(const struct daemon *d, unsigned card, char path[static 128]);

/* Connect to card i: pairs of small rings. 0 or driver_net_new()'s errno. */
int echo_connect(struct driver_net **net, const struct daemon *d, unsigned card, unsigned pairs,
		 bool packed);

/*
 * Send n frames on a pair, one at a time, each asleep until it has come back and is complete. NULL,
 * or what went wrong.
 */
const char *echo_frames(struct driver_net *net, unsigned pair, unsigned n);

/* A thread that does this all the time. */
struct echo {
	struct driver_net *net;
	unsigned pair;
	bool lossy; /* the loop may drop frames: those under way while guest memory changes */
	pthread_t thread;
	bool stop;
	uint64_t done; /* frames so far */
	uint64_t lost; /* of them */
	const char *failed;
};

void echo_start(struct echo *e, struct driver_net *net, unsigned pair);
/* Whether so many frames more come back, within five seconds, and none was wrong. */
bool echo_goes_on(struct echo *e, unsigned n);
/* NULL, or what went wrong. May be called twice. */
const char *echo_stop(struct echo *e);

#endif
