/* SPDX-License-Identifier: MIT */
/* The one line that txbench ends with. */
#include "bench/txbench/die.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void txbench_die(const char *fmt, ...)
{
	va_list args;

	fputs("txbench: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}
