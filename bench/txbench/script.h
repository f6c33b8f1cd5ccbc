/* SPDX-License-Identifier: MIT */
/* The Python programs that belong to txbench: found beside it, or where meson installs them. */
#ifndef BENCH_TXBENCH_SCRIPT_H
#define BENCH_TXBENCH_SCRIPT_H

/*
 * Become that script, with the n arguments. Before them goes option with the folder of this program
 * as its value, unless it is NULL. Returns an errno: -ENOENT if the script is missing.
 */
int script_exec(const char *name, const char *option, char *const *args, int n);

/* Run that script with one argument. Its exit status, or a negative errno as of script_exec(). */
int script_run(const char *name, char *arg);

/* Folders in which it is looked for, in words. */
const char *script_places(void);

#endif
