/* SPDX-License-Identifier: MIT */
/* Cards that run beside what was read anew; see options_reload.h. */
#include "tools/txringd/options_reload.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/base.h"

/* NULL is a string, too. */
static bool same_text(const char *a, const char *b)
{
	return !a || !b ? a == b : !strcmp(a, b);
}

#define SAME(name, what) \
	static bool same_##name(const struct nic_config *a, const struct nic_config *b) \
	{ \
		return what; \
	}

SAME(socket_path, same_text(a->socket_path, b->socket_path))
SAME(client, a->client == b->client)
/* The number of a socket of systemd is not known when the options are read again. */
SAME(fd, same_text(a->listen_name, b->listen_name) && (a->listen_name || a->fd == b->fd))
SAME(access, a->access.has_mode == b->access.has_mode && a->access.mode == b->access.mode &&
		     a->access.owner == b->access.owner && a->access.group == b->access.group)
SAME(backend, same_text(a->backend, b->backend))
SAME(bridge, same_text(a->bridge, b->bridge))
SAME(queues, a->pairs == b->pairs)
SAME(mac, a->has_mac == b->has_mac && !memcmp(a->mac, b->mac, sizeof(a->mac)))
SAME(mtu, a->mtu == b->mtu)
SAME(offer, a->offer == b->offer && a->no_offer == b->no_offer)
SAME(vhost, a->vhost.policy == b->vhost.policy && a->vhost.poll_us == b->vhost.poll_us &&
		    same_text(a->vhost.device, b->vhost.device) &&
		    a->vhost.n_fds == b->vhost.n_fds &&
		    !memcmp(a->vhost.fds, b->vhost.fds, a->vhost.n_fds * sizeof(a->vhost.fds[0])))

/* What cannot change while a card runs, by the key or the keys that say it. */
static const struct {
	const char *keys;
	bool (*same)(const struct nic_config *a, const struct nic_config *b);
} fixed[] = {
	{ "socket-path", same_socket_path },
	{ "client", same_client },
	{ "fd", same_fd },
	{ "socket-mode, socket-owner or socket-group", same_access },
	{ "backend", same_backend },
	{ "bridge", same_bridge },
	{ "queues", same_queues },
	{ "mac", same_mac },
	{ "mtu", same_mtu },
	{ "offer or no-offer", same_offer },
	{ "vhost and its keys", same_vhost },
};

__attribute__((format(printf, 2, 3))) static void add_later(struct options_changes *c,
							    const char *fmt, ...)
{
	size_t len = strlen(c->later);
	va_list args;

	if (len)
		len += (size_t)snprintf(c->later + len, sizeof(c->later) - len, ", ");
	if (len >= sizeof(c->later))
		return;
	va_start(args, fmt);
	vsnprintf(c->later + len, sizeof(c->later) - len, fmt, args);
	va_end(args);
}

static struct options_change *add_live(struct options_changes *c, unsigned nic, const char *key)
{
	struct options_change *change = &c->live[c->n_live];

	assert(c->n_live < c->room);
	c->n_live++;
	change->nic = nic;
	change->key = key;
	return change;
}

static void compare_card(struct options_changes *c, unsigned nic, const struct nic_config *now,
			 const struct nic_config *next)
{
	char mode[TXMODE_TEXT_LEN], wanted[TXMODE_TEXT_LEN];

	txmode_text(&now->mode, mode);
	txmode_text(&next->mode, wanted);
	if (strcmp(mode, wanted) != 0)
		strcpy(add_live(c, nic, "txmode")->value, wanted);
	if (now->coalesce != next->coalesce)
		strcpy(add_live(c, nic, "coalesce")->value, next->coalesce ? "on" : "off");
	if (now->link_down != next->link_down)
		strcpy(add_live(c, nic, "link")->value, next->link_down ? "down" : "up");
	for (unsigned i = 0; i < array_size(fixed); i++) {
		if (!fixed[i].same(now, next))
			add_later(c, "%s of %s", fixed[i].keys, now->name);
	}
}

/* NULL: there is none of this name. */
static const struct nic_config *find_card(const struct nic_config *cards, unsigned n,
					  const char *name)
{
	for (unsigned i = 0; i < n; i++) {
		if (*name && !strcmp(cards[i].name, name))
			return &cards[i];
	}
	return NULL;
}

int options_reload_compare(struct options_changes *changes, const struct nic_config *now,
			   unsigned n_now, const struct nic_config *next, unsigned n_next)
{
	*changes = (struct options_changes){ .room = OPTIONS_LIVE_KEYS * n_now };
	changes->live = calloc((size_t)changes->room + 1, sizeof(*changes->live));
	if (!changes->live)
		return -ENOMEM;
	for (unsigned i = 0; i < n_now; i++) {
		const struct nic_config *card = find_card(next, n_next, now[i].name);

		if (card)
			compare_card(changes, i, &now[i], card);
		else if (*now[i].name)
			add_later(changes, "the end of %s", now[i].name);
	}
	for (unsigned i = 0; i < n_next; i++) {
		if (!find_card(now, n_now, next[i].name))
			add_later(changes, "the new card %s", next[i].name);
	}
	return 0;
}

void options_reload_deinit(struct options_changes *changes)
{
	free(changes->live);
	*changes = (struct options_changes){ 0 };
}
