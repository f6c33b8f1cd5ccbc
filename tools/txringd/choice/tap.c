/* SPDX-License-Identifier: MIT */
/* --backend tap:NAME and --backend tap-fd:N[,N...] */
#include "datapath/backend/tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/txringd/choice/choice.h"

#define TAP_PREFIX    "tap:"
#define TAP_FD_PREFIX "tap-fd:"

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool match(const char *spec)
{
	return starts_with(spec, TAP_PREFIX) || starts_with(spec, TAP_FD_PREFIX);
}

static int open_fds(struct backend **backend, const char *spec, unsigned n_queues,
		    char err[BACKEND_ERR_LEN])
{
	const char *s = spec + strlen(TAP_FD_PREFIX);
	int fds[TAP_MAX_QUEUES];
	unsigned n = 0;
	char *end;
	long fd;

	for (;; s = end + 1) {
		errno = 0;
		fd = strtol(s, &end, 10);
		if (end == s || errno || fd < 0 || fd > INT32_MAX || (*end && *end != ',')) {
			snprintf(err, BACKEND_ERR_LEN,
				 "'%s' is no file descriptor, use tap-fd:N[,N...]", s);
			return -EINVAL;
		}
		if (n < TAP_MAX_QUEUES)
			fds[n] = (int)fd;
		n++;
		if (!*end)
			break;
	}
	if (n != n_queues) {
		snprintf(err, BACKEND_ERR_LEN,
			 "%u file descriptors for %u queues, give one for each (--queues)", n,
			 n_queues);
		return -EINVAL;
	}
	return tap_backend_from_fds(backend, fds, n, err);
}

static int open_tap(struct backend **backend, const char *spec, unsigned n_queues,
		    char err[BACKEND_ERR_LEN])
{
	if (starts_with(spec, TAP_FD_PREFIX))
		return open_fds(backend, spec, n_queues, err);
	return tap_backend_new(backend, spec + strlen(TAP_PREFIX), n_queues, err);
}

extern const struct backend_choice choice_tap;
const struct backend_choice choice_tap = { .syntax = "tap:NAME | tap-fd:N[,N...]",
					   .match = match,
					   .open = open_tap };
