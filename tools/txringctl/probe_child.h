/* SPDX-License-Identifier: MIT */
/*
 * Runs a program that is not trusted to be what it should be: what it may print and how long it may
 * take are bounded, and nothing of its process group is left behind.
 */
#ifndef TOOLS_TXRINGCTL_PROBE_CHILD_H
#define TOOLS_TXRINGCTL_PROBE_CHILD_H

#include <stddef.h>
#include <stdint.h>

#include "tools/txringctl/probe.h"

/* What it may print, on both streams together: a QEMU prints some 30 KiB. */
#define PROBE_CHILD_MAX (1 << 20)

/*
 * Of stdout and stderr. They are kept apart, since a warning on the one may come in the middle of
 * the other's line.
 */
struct probe_child {
	struct probe_child_text {
		char *text; /* not ended by a NUL; NULL if len is 0 */
		size_t len;
	} out[2];
};

/*
 * argv[0] by its path or its name in PATH, until end_ns of monotonic_ns(), with /dev/null as stdin
 * and no other descriptor of ours. 0: it ended by itself, with whatever status, and its output is
 * to be freed by probe_child_deinit(); or a negative errno and err, and there is no output: it
 * could not be run (what the kernel says), ran too long (-ETIME), printed too much (-EFBIG), died
 * of a signal (-ECHILD).
 */
int probe_child_run(struct probe_child *child, char *const argv[], uint64_t end_ns,
		    char err[PROBE_ERR_LEN]);
void probe_child_deinit(struct probe_child *child);

#endif
