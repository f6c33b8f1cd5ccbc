/* SPDX-License-Identifier: MIT */
/*
 * Values of the command line. Where a function has the option's name, a wrong value ends the
 * program with a line that says what is allowed.
 */
#ifndef BENCH_TXBENCH_PARSE_H
#define BENCH_TXBENCH_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#define PARSE_MAX_SECONDS 86400.0

long parse_number(const char *option, const char *text, long min, long max);
/* In ns. */
uint64_t parse_seconds(const char *option, const char *text, double min);
/* Which of the n names it is. */
unsigned parse_choice(const char *option, const char *text, const char *const *names, unsigned n);

/* A plain number at the beginning of text: no sign, inf, nan, hexadecimal. False: there is none. */
bool parse_decimal(const char *text, double *value, char **end);
/* "1.5ms", with something behind it or not. False: it is no time, or none from 1 ns to a day. */
bool parse_time(const char *text, uint64_t *ns, char **end);

#endif
