/* SPDX-License-Identifier: MIT */
/* The forms that values of libvirt's schema have; see iface.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/config/iface_parts.h"
#include "tools/config/values.h"

/* Is text one of words, which blanks part? */
static bool has_word(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (const char *word = words; *word; word += strspn(word, " ")) {
		size_t n = strcspn(word, " ");

		if (n == len && !memcmp(word, text, n))
			return true;
		word += n;
	}
	return false;
}

static bool is_number(const struct iface_key *key, const char *text)
{
	uint64_t n;

	return values_number(text, strlen(text), key->min, key->max, &n) &&
	       (key->form == IFACE_NUMBER || !(n & (n - 1)));
}

static bool is_right(const struct iface_key *key, const char *text)
{
	uint8_t mac[6];

	switch (key->form) {
	case IFACE_TEXT:
		return *text || (key->unless && !*key->unless);
	case IFACE_WORD:
		return has_word(key->words, text);
	case IFACE_ON_OFF:
		return has_word("on off", text);
	case IFACE_YES_NO:
		return has_word("yes no", text);
	case IFACE_NUMBER:
	case IFACE_POWER:
		return is_number(key, text);
	case IFACE_MAC:
		return values_mac(text, mac);
	case IFACE_ABS_PATH:
		return *text == '/' && text[1];
	case IFACE_TREE:
		return true;
	}
	return false;
}

static void say_allowed(const struct iface_key *key, char why[IFACE_ERR_LEN])
{
	switch (key->form) {
	case IFACE_WORD:
		snprintf(why, IFACE_ERR_LEN, "must be one of: %s", key->words);
		return;
	case IFACE_ON_OFF:
		snprintf(why, IFACE_ERR_LEN, "must be on or off");
		return;
	case IFACE_YES_NO:
		snprintf(why, IFACE_ERR_LEN, "must be yes or no");
		return;
	case IFACE_NUMBER:
	case IFACE_POWER:
		snprintf(why, IFACE_ERR_LEN, "must be a %s from %" PRIu64 " to %" PRIu64,
			 key->form == IFACE_POWER ? "power of two" : "number", key->min, key->max);
		return;
	case IFACE_MAC:
		snprintf(why, IFACE_ERR_LEN, "must be a unicast address like 52:54:00:12:34:56");
		return;
	case IFACE_ABS_PATH:
		snprintf(why, IFACE_ERR_LEN, "must be a path that begins with /");
		return;
	case IFACE_TEXT:
	case IFACE_TREE:
		snprintf(why, IFACE_ERR_LEN, "must not be empty");
	}
}

bool iface_form_check(const struct iface_key *key, const char *text, char why[IFACE_ERR_LEN])
{
	size_t len;

	if (is_right(key, text))
		return true;
	say_allowed(key, why);
	len = strlen(why);
	if (!strcmp(text, "default"))
		len += (size_t)snprintf(why + len, IFACE_ERR_LEN - len,
					"; leave it out for the default");
	if (key->why && key->nic == IFACE_KEPT)
		snprintf(why + len, IFACE_ERR_LEN - len, " (%s)", key->why);
	return false;
}
