/* SPDX-License-Identifier: MIT */
/* How txbench ends when it cannot go on. For main and options only: other files return errors. */
#ifndef BENCH_TXBENCH_DIE_H
#define BENCH_TXBENCH_DIE_H

/* One line on stderr, "txbench: ...", and status 1. No newline in it. */
void txbench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
