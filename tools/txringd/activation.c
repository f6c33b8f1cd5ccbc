/* SPDX-License-Identifier: MIT */
/* Sockets from systemd; see activation.h. */
#include "tools/txringd/activation.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/config/values.h"

struct sockets {
	unsigned n;
	const char *names; /* with colons between; NULL: they have none */
	bool *taken;       /* n */
};

static bool parse_env(struct sockets *s, char err[NIC_CONFIG_ERR_LEN])
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t number;

	s->names = getenv("LISTEN_FDNAMES");
	if (!pid || !fds) {
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "--fd systemd: no socket was passed: %s is not set; start it by a .socket "
			 "unit",
			 pid ? "LISTEN_FDS" : "LISTEN_PID");
		return false;
	}
	if (!values_number(pid, strlen(pid), 1, INT32_MAX, &number) ||
	    number != (uint64_t)getpid()) {
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "--fd systemd: LISTEN_PID '%.32s' must be this process, %d: sockets are "
			 "passed to the "
			 "program that a unit starts, not to its children",
			 pid, (int)getpid());
		return false;
	}
	if (!values_number(fds, strlen(fds), 1, VALUES_MAX_FD - ACTIVATION_FIRST_FD, &number)) {
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "--fd systemd: LISTEN_FDS '%.32s' must be a number from 1 to %d", fds,
			 VALUES_MAX_FD - ACTIVATION_FIRST_FD);
		return false;
	}
	s->n = (unsigned)number;
	return true;
}

/* The name of socket i, of *len characters; it has one. */
static const char *name_of(const struct sockets *s, unsigned i, size_t *len)
{
	const char *name = s->names;

	for (; i; i--)
		name += strcspn(name, ":") + 1;
	*len = strcspn(name, ":");
	return name;
}

static bool check_names(const struct sockets *s, char err[NIC_CONFIG_ERR_LEN])
{
	unsigned n = 1;

	if (!s->names)
		return true;
	for (const char *c = s->names; *c; c++)
		n += *c == ':';
	if (n == s->n)
		return true;
	snprintf(err, NIC_CONFIG_ERR_LEN,
		 "--fd systemd: LISTEN_FDNAMES '%.128s' must have %u name%s, as LISTEN_FDS says",
		 s->names, s->n, s->n == 1 ? "" : "s");
	return false;
}

static bool has_name(const struct sockets *s, unsigned i, const char *name)
{
	size_t len;
	const char *own;

	if (!*name)
		return true;
	if (!s->names)
		return false;
	own = name_of(s, i, &len);
	return strlen(name) == len && !memcmp(own, name, len);
}

static bool take(struct sockets *s, struct nic_config *card, char err[NIC_CONFIG_ERR_LEN])
{
	for (unsigned i = 0; i < s->n; i++) {
		if (s->taken[i] || !has_name(s, i, card->listen_name))
			continue;
		s->taken[i] = true;
		card->fd = ACTIVATION_FIRST_FD + (int)i;
		return true;
	}
	snprintf(err, NIC_CONFIG_ERR_LEN,
		 "%sfd 'systemd%s%s' of %s: no such socket is left of the %u that were passed: "
		 "%.128s",
		 card->mark, *card->listen_name ? ":" : "", card->listen_name, card->name, s->n,
		 s->names ? s->names : "they have no names");
	return false;
}

static bool check_all_taken(const struct sockets *s, char err[NIC_CONFIG_ERR_LEN])
{
	const char *name = "";
	size_t len = 0;
	unsigned i;

	for (i = 0; i < s->n && s->taken[i]; i++)
		;
	if (i == s->n)
		return true;
	if (s->names)
		name = name_of(s, i, &len);
	snprintf(err, NIC_CONFIG_ERR_LEN,
		 "--fd systemd: socket %u '%.*s' of the %u that were passed is no card's: add a "
		 "card with --fd "
		 "systemd, or take it out of the .socket unit",
		 i + 1, (int)(len < 128 ? len : 128), name, s->n);
	return false;
}

static bool resolve(struct sockets *s, struct nic_config *cards, unsigned n,
		    char err[NIC_CONFIG_ERR_LEN])
{
	if (!parse_env(s, err) || !check_names(s, err))
		return false;
	s->taken = calloc(s->n, sizeof(*s->taken));
	if (!s->taken) {
		snprintf(err, NIC_CONFIG_ERR_LEN, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < n; i++) {
		if (cards[i].listen_name && !take(s, &cards[i], err))
			return false;
	}
	return check_all_taken(s, err);
}

int activation_resolve(struct nic_config *cards, unsigned n, char err[NIC_CONFIG_ERR_LEN])
{
	struct sockets s = { 0 };
	unsigned i;
	bool ok;

	for (i = 0; i < n && !cards[i].listen_name; i++)
		;
	if (i == n)
		return 0;
	ok = resolve(&s, cards, n, err);
	free(s.taken);
	/* They are not for a program that this one might start. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ok ? 0 : -EINVAL;
}
