/* SPDX-License-Identifier: MIT */
/* What echo.h says. */
#include "tests/net/echo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "virtio/base.h"

#define PATIENCE_MS 30000
#define MAX_LEN     1514

void echo_path(const struct daemon *d, unsigned card, char path[static 128])
{
	if (card)
		snprintf(path, 128, "%s.%u", d->path, card);
	else
		snprintf(path, 128, "%s", d->path);
}

int echo_connect(struct driver_net **net, const struct daemon *d, unsigned card, unsigned pairs,
		 bool packed)
{
	char path[128];
	const struct driver_net_config cfg = {
		.path = path,
		.fd = -1,
		.features = DRIVER_NET_FEATURES | (packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0),
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = pairs,
		.ring_size = ECHO_RING,
	};

	echo_path(d, card, path);
	return driver_net_new(net, &cfg);
}

/* Frame seq: its length and bytes follow from the number. */
static size_t make(uint8_t *frame, uint64_t seq)
{
	size_t len = 60 + seq * 97 % (MAX_LEN - 60), at;

	for (at = 0; at < len; at++)
		frame[at] = (uint8_t)(seq + at * 7);
	return len;
}

/* A frame completes when it has been delivered, or dropped: *lost. */
static const char *one_frame(struct driver_net *net, unsigned pair, uint64_t seq, bool *lost)
{
	uint8_t sent[MAX_LEN], came[MAX_LEN];
	size_t len = make(sent, seq);
	ssize_t n;

	*lost = false;
	if (driver_net_send(net, pair, NULL, sent, len, 0))
		return "no room for a single frame";
	if (driver_net_wait(net, 2 * pair + 1, PATIENCE_MS) < 0)
		return "a frame does not complete";
	if (driver_net_reap(net, pair) < 0)
		return "the device broke the tx ring";
	n = driver_net_receive(net, pair, NULL, came, sizeof(came));
	*lost = n == -EAGAIN;
	return *lost || (n == (ssize_t)len && !memcmp(sent, came, len)) ? NULL
									: "another frame came back";
}

const char *echo_frames(struct driver_net *net, unsigned pair, unsigned n)
{
	const char *failed = NULL;
	bool lost = false;

	for (unsigned i = 0; i < n && !failed && !lost; i++)
		failed = one_frame(net, pair, i, &lost);
	return lost ? "a frame was lost" : failed;
}

static void *run(void *arg)
{
	struct echo *e = arg;
	const char *failed = NULL;
	bool lost;

	while (!failed && !load_relaxed(&e->stop)) {
		failed = one_frame(e->net, e->pair, e->done, &lost);
		e->lost += lost;
		/* Looked at afterwards: it may have been allowed meanwhile. */
		if (lost && !load_relaxed(&e->lossy))
			failed = "a frame was lost";
		store_relaxed(&e->done, e->done + 1);
	}
	store_release(&e->failed, failed);
	return NULL;
}

void echo_start(struct echo *e, struct driver_net *net, unsigned pair)
{
	*e = (struct echo){ .net = net, .pair = pair };
	if (pthread_create(&e->thread, NULL, run, e))
		*e = (struct echo){ .failed = "no thread" };
}

bool echo_goes_on(struct echo *e, unsigned n)
{
	uint64_t goal = load_relaxed(&e->done) + n;

	for (unsigned i = 0; i < PATIENCE_MS; i++) {
		if (load_acquire(&e->failed))
			return false;
		if (load_relaxed(&e->done) >= goal)
			return true;
		usleep(1000);
	}
	return false;
}

const char *echo_stop(struct echo *e)
{
	if (e->net) {
		store_relaxed(&e->stop, true);
		pthread_join(e->thread, NULL);
		e->net = NULL;
	}
	return e->failed;
}
