/* SPDX-License-Identifier: MIT */
/* --backend null */
#include "datapath/backend/null.h"

#include <stdio.h>
#include <string.h>

#include "tools/txringd/choice/choice.h"

static bool match(const char *spec)
{
	return !strcmp(spec, "null");
}

static int open_null(struct backend **backend, const char *spec, unsigned n_queues,
		     char err[BACKEND_ERR_LEN])
{
	int error = null_backend_new(backend, n_queues);

	if (error)
		snprintf(err, BACKEND_ERR_LEN, "%s: %s", spec, strerror(-error));
	return error;
}

extern const struct backend_choice choice_null;
const struct backend_choice choice_null = { .syntax = "null", .match = match, .open = open_null };
