/* SPDX-License-Identifier: MIT */
/* The items are those of a card's socket, by the table of keys; see control_access.h. */
#include "tools/txringd/control_access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *item, *key;
} items[] = {
	{ ",mode=", "socket-mode" },
	{ ",owner=", "socket-owner" },
	{ ",group=", "socket-group" },
	{ 0 },
};

static int set(struct nic_config *c, const char *name, const char *value,
	       char err[NIC_CONFIG_ERR_LEN])
{
	char why[NIC_CONFIG_ERR_LEN - 64];
	const struct config_key *key = nic_config_keys;

	while (key->name && strcmp(key->name, name) != 0)
		key++;
	if (!nic_config_set(c, key, value, err))
		return 0;
	/* "socket-mode '9' must be ..." */
	snprintf(why, sizeof(why), "%s", err);
	snprintf(err, NIC_CONFIG_ERR_LEN, "--control: %s", why);
	return -EINVAL;
}

/* Cuts the last item off, if it is one. NULL: it is not. */
static char *cut_item(char *path, const char **key)
{
	char *comma = strrchr(path, ',');

	for (unsigned i = 0; comma && items[i].item; i++) {
		size_t len = strlen(items[i].item);

		if (strncmp(comma, items[i].item, len) != 0)
			continue;
		*comma = '\0';
		*key = items[i].key;
		return comma + len;
	}
	return NULL;
}

/* From behind the first of two would count, and a socket be open to more than the last one says. */
static bool is_said(const struct socket_access *a, const char *key)
{
	if (!strcmp(key, "socket-mode"))
		return a->has_mode;
	return !strcmp(key, "socket-owner") ? a->owner != (uid_t)-1 : a->group != (gid_t)-1;
}

int control_access_parse(struct control_access *a, const char *text, char err[NIC_CONFIG_ERR_LEN])
{
	struct nic_config c;
	const char *key = NULL;
	char *value;
	int code = 0;

	if ((size_t)snprintf(a->path, sizeof(a->path), "%s", text) >= sizeof(a->path)) {
		snprintf(err, NIC_CONFIG_ERR_LEN, "--control is longer than %d characters",
			 CONTROL_PATH_LEN - 1);
		return -EINVAL;
	}
	nic_config_init(&c, "");
	while (!code && (value = cut_item(a->path, &key))) {
		if (is_said(&c.access, key)) {
			snprintf(err, NIC_CONFIG_ERR_LEN, "--control: %s is said twice", key);
			code = -EINVAL;
		} else {
			code = set(&c, key, value, err);
		}
	}
	a->access = c.access;
	if (!key)
		a->access = (struct socket_access){ true, 0600, (uid_t)-1, (gid_t)-1 };
	nic_config_deinit(&c);
	return code;
}
