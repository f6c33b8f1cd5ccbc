/* SPDX-License-Identifier: MIT */
/* What txbench-known was told to do, and how it ends when it cannot. */
#ifndef BENCH_TXBENCH_KNOWN_OPTIONS_H
#define BENCH_TXBENCH_KNOWN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum known_output {
	KNOWN_UNSET,
	KNOWN_NULL,
	KNOWN_TAP,
	KNOWN_LOOP,
};

struct known_options {
	const char *path;
	enum known_output output;
	const char *tap;
	uint64_t delay_ns;
	uint64_t drop, duplicate, reorder; /* every how many frames; 0: never */
	uint64_t stall_ns, period_ns;
	bool no_op;
	bool kicks;
};

/* Ends the program with one line on stderr and status 1 if the options make no sense. */
void known_options_parse(struct known_options *o, int argc, char **argv);

/* One line on stderr, "txbench-known: ...", and status 1. No newline in it. */
void known_options_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
