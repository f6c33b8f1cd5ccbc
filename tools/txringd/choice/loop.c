/* SPDX-License-Identifier: MIT */
/* --backend loop */
#include "datapath/backend/loop.h"

#include <stdio.h>
#include <string.h>

#include "tools/txringd/choice/choice.h"

static bool match(const char *spec)
{
	return !strcmp(spec, "loop");
}

static int open_loop(struct backend **backend, const char *spec, unsigned n_queues,
		     char err[BACKEND_ERR_LEN])
{
	int error = loop_backend_new(backend, n_queues);

	if (error)
		snprintf(err, BACKEND_ERR_LEN, "%s: %s", spec, strerror(-error));
	return error;
}

extern const struct backend_choice choice_loop;
const struct backend_choice choice_loop = { .syntax = "loop", .match = match, .open = open_loop };
