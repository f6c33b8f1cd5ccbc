/* SPDX-License-Identifier: MIT */
/* tap:NAME and tap-fd:N[,N...] */
#include "datapath/backend/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "tools/config/backends.h"
#include "tools/config/values.h"

int backends_tap_open(struct backend **backend, const char *what, const struct nic_config *card,
		      char err[BACKEND_ERR_LEN])
{
	return tap_backend_new(backend, what, card->pairs, err);
}

void backends_tap_fd_claim(struct backend_claims *claims, const char *what)
{
	unsigned n = values_fds(what, claims->fds, NIC_CONFIG_MAX_PAIRS);

	claims->n_fds = n <= NIC_CONFIG_MAX_PAIRS ? n : 0;
}

int backends_tap_fd_open(struct backend **backend, const char *what, const struct nic_config *card,
			 char err[BACKEND_ERR_LEN])
{
	int fds[TAP_MAX_QUEUES];
	unsigned n = values_fds(what, fds, TAP_MAX_QUEUES);

	if (!n) {
		snprintf(err, BACKEND_ERR_LEN, "'%s' are no file descriptors, use tap-fd:N[,N...]",
			 what);
		return -EINVAL;
	}
	if (n != card->pairs) {
		snprintf(err, BACKEND_ERR_LEN,
			 "%u file descriptors for %u queues, give one for each (--queues)", n,
			 card->pairs);
		return -EINVAL;
	}
	/* Not inherited: it is one of our own, for something else. */
	for (unsigned i = 0; i < n; i++) {
		if (fcntl(fds[i], F_GETFD) == FD_CLOEXEC) {
			snprintf(err, BACKEND_ERR_LEN, "fd %d is not open", fds[i]);
			return -EBADF;
		}
	}
	return tap_backend_from_fds(backend, fds, n, err);
}
