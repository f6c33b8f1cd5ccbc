/* SPDX-License-Identifier: MIT */
/* Finding the backend that a configuration names. */
#include "tools/config/backends.h"

#include <stdio.h>
#include <string.h>

const struct backend_kind *backends_find(const char *spec)
{
	size_t len = strcspn(spec, ":");
	const struct backend_kind *kind;

	for (kind = backends_known; kind->name; kind++) {
		if (strlen(kind->name) == len && !strncmp(spec, kind->name, len) &&
		    (spec[len] == ':') == !!kind->open)
			return kind;
	}
	return NULL;
}

int backends_open(struct backend **backend, const char *spec, unsigned n_queues,
		  char err[BACKEND_ERR_LEN])
{
	const struct backend_kind *kind = backends_find(spec);
	int error;

	if (kind->open)
		return kind->open(backend, spec + strlen(kind->name) + 1, n_queues, err);
	error = kind->make(backend, n_queues);
	if (error)
		snprintf(err, BACKEND_ERR_LEN, "%s: %s", spec, strerror(-error));
	return error;
}
