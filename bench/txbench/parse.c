/* SPDX-License-Identifier: MIT */
/* Values of the command line: contracts in parse.h. */
#include "bench/txbench/parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/txbench/die.h"
#include "virtio/base.h"

long parse_number(const char *option, const char *text, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || n < min || n > max)
		txbench_die("--%s '%s' must be a number from %ld to %ld", option, text, min, max);
	return n;
}

bool parse_decimal(const char *text, double *value, char **end)
{
	size_t len = strspn(text, "0123456789.eE+-");

	*value = strtod(text, end);
	return (*text == '.' || (*text >= '0' && *text <= '9')) && *end > text &&
	       *end <= text + len;
}

uint64_t parse_seconds(const char *option, const char *text, double min)
{
	double s;
	char *end;

	if (!parse_decimal(text, &s, &end) || *end || !(s >= min && s <= PARSE_MAX_SECONDS))
		txbench_die("--%s '%s' must be a number of seconds from %g to %g", option, text,
			    min, PARSE_MAX_SECONDS);
	return (uint64_t)llround(s * 1e9);
}

bool parse_time(const char *text, uint64_t *ns, char **end)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	double value;

	if (!parse_decimal(text, &value, end))
		return false;
	for (unsigned i = 0; i < array_size(units); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*end, units[i].name, len))
			continue;
		*end += len;
		value *= units[i].ns;
		*ns = (uint64_t)llround(value);
		return value >= 1 && value <= PARSE_MAX_SECONDS * 1e9;
	}
	return false;
}

unsigned parse_choice(const char *option, const char *text, const char *const *names, unsigned n)
{
	char all[128] = "";

	for (unsigned i = 0; i < n; i++) {
		if (!strcmp(text, names[i]))
			return i;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 names[i]);
	}
	txbench_die("--%s '%s' must be one of: %s", option, text, all);
}
