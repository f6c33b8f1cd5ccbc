/* SPDX-License-Identifier: MIT */
/* Of libtxring: the backends tap:NAME and tap-fd. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "datapath/backend/tap.h"
#include "datapath/txring_config.h"

int txring_tap_open(struct backend **backend, const char *what,
		    const struct txring_card_config *cfg, char err[BACKEND_ERR_LEN])
{
	return tap_backend_new(backend, what, cfg->n_pairs, err);
}

/* The backend's are copies, which are closed whatever becomes of the card; the program's never. */
int txring_tap_adopt(struct backend **backend, const char *what,
		     const struct txring_card_config *cfg, char err[BACKEND_ERR_LEN])
{
	int fds[TXRING_MAX_PAIRS], error = 0;
	unsigned n = 0;

	if (*what || !cfg->fds || cfg->n_fds != cfg->n_pairs) {
		snprintf(err, BACKEND_ERR_LEN,
			 "tap-fd: %u file descriptors for %u queue pairs, give one for each",
			 cfg->fds ? cfg->n_fds : 0, cfg->n_pairs);
		return -EINVAL;
	}
	for (; n < cfg->n_fds; n++) {
		fds[n] = fcntl(cfg->fds[n], F_DUPFD_CLOEXEC, 0);
		if (fds[n] >= 0)
			continue;
		error = -errno;
		snprintf(err, BACKEND_ERR_LEN, "tap-fd: fd %d: %s", cfg->fds[n], strerror(-error));
		break;
	}
	if (!error)
		error = tap_backend_from_fds(backend, fds, n, err);
	while (error && n)
		close(fds[--n]);
	return error;
}
