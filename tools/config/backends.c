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
		    (kind->absent || (spec[len] == ':') == !!kind->open))
			return kind;
	}
	return NULL;
}

int backends_open(struct backend **backend, const struct nic_config *card,
		  char err[BACKEND_ERR_LEN])
{
	const struct backend_kind *kind = backends_find(card->backend);
	int error;

	if (kind->open)
		return kind->open(backend, card->backend + strlen(kind->name) + 1, card, err);
	error = kind->make(backend, card->pairs);
	if (error)
		snprintf(err, BACKEND_ERR_LEN, "%s: %s", card->backend, strerror(-error));
	return error;
}
