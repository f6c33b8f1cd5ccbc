/* SPDX-License-Identifier: MIT */
/* Values as users write them; see values.h. */
#include "tools/config/values.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "virtio/base.h"

static const struct {
	const char *name;
	uint64_t ns;
} units[] = { { "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 } };

static size_t digits(const char *s, size_t len)
{
	size_t n;

	for (n = 0; n < len && isdigit((unsigned char)s[n]); n++)
		;
	return n;
}

bool values_number(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *n)
{
	uint64_t value = 0;
	size_t i;

	if (!len || digits(s, len) != len)
		return false;
	for (i = 0; i < len; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, s[i] - '0', &value))
			return false;
	}
	if (value < min || value > max)
		return false;
	*n = value;
	return true;
}

bool values_time(const char *s, size_t len, bool bare, uint64_t *ns)
{
	size_t n = digits(s, len), unit_len = len - n;
	uint64_t value, scale = bare && !unit_len;

	for (unsigned i = 0; i < array_size(units); i++) {
		if (strlen(units[i].name) == unit_len && !memcmp(s + n, units[i].name, unit_len))
			scale = units[i].ns;
	}
	if (!scale || !values_number(s, n, 0, UINT64_MAX / scale, &value))
		return false;
	*ns = value * scale;
	return true;
}

const char *values_time_text(uint64_t ns, char buf[VALUES_TIME_LEN])
{
	unsigned i = 0;

	while (ns % units[i].ns)
		i++;
	snprintf(buf, VALUES_TIME_LEN, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
	return buf;
}

unsigned values_fds(const char *s, int *fds, unsigned max)
{
	uint64_t fd;
	unsigned n;

	for (n = 0;; n++) {
		size_t len = strcspn(s, ",");

		if (!values_number(s, len, 0, VALUES_MAX_FD, &fd))
			return 0;
		if (n < max)
			fds[n] = (int)fd;
		if (!s[len])
			return n + 1;
		s += len + 1;
	}
}

static unsigned hex(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0')
					 : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

bool values_mac(const char *s, uint8_t mac[6])
{
	static const uint8_t none[6];
	uint8_t bytes[6];

	if (strlen(s) != 17)
		return false;
	for (unsigned i = 0; i < 6; i++, s += 3) {
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]) ||
		    s[2] != (i < 5 ? ':' : '\0'))
			return false;
		bytes[i] = (uint8_t)(hex(s[0]) << 4 | hex(s[1]));
	}
	if (bytes[0] & 1 || !memcmp(bytes, none, sizeof(none)))
		return false;
	memcpy(mac, bytes, sizeof(bytes));
	return true;
}
