/* SPDX-License-Identifier: MIT */
/* JSON values (jansson): what was not measured is null. */
#ifndef BENCH_TXBENCH_VALUE_H
#define BENCH_TXBENCH_VALUE_H

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/txbench/result.h"

static inline json_t *value_real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static inline json_t *value_count(uint64_t v)
{
	return v == RESULT_UNKNOWN ? json_null() : json_integer((json_int_t)v);
}

/* Zero stands for "not measured". */
static inline json_t *value_measured(uint64_t v)
{
	return v ? value_count(v) : json_null();
}

/* JSON is UTF-8, arguments are any bytes; an empty string is null. */
static inline json_t *value_text(const char *s)
{
	json_t *j = s && *s ? json_string(s) : json_null();
	char *plain, *p;

	if (j)
		return j;
	plain = strdup(s);
	for (p = plain; p && *p; p++)
		*p = (unsigned char)*p < 0x80 ? *p : '?';
	j = plain ? json_string(plain) : NULL;
	free(plain);
	return j;
}

#endif
