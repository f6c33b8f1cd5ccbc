/* SPDX-License-Identifier: MIT */
/* What no two cards of a process can both have; see nic_config.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/backends.h"
#include "tools/config/nic_config.h"

struct claim {
	const struct nic_config *card;
	const char *key;
	const char *value; /* NULL: fd */
	int fd;
	char ifname[16]; /* its queues from first_queue on, for each pair one; "": all of value */
	unsigned first_queue;
	bool attaches;
};

struct claims {
	struct claim *list; /* NULL: there was no memory */
	unsigned n;
};

/* A card's own claims: a socket, a backend, and an fd for each pair of that and of vhost-net. */
#define MAX_CLAIMS (2 + 2 * NIC_CONFIG_MAX_PAIRS)

static void claim_fds(struct claims *c, const struct nic_config *card, const char *key,
		      const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		c->list[c->n++] = (struct claim){ .card = card, .key = key, .fd = fds[i] };
}

static void claim_queues(struct claims *c, const struct nic_config *card,
			 const struct backend_claims *claims)
{
	struct claim *claim = &c->list[c->n];

	if (!claims->ifname[0])
		return;
	*claim = (struct claim){ .card = card, .key = "backend", .value = card->backend };
	memcpy(claim->ifname, claims->ifname, sizeof(claim->ifname));
	claim->first_queue = claims->first_queue;
	claim->attaches = claims->attaches;
	c->n++;
}

static void claim_backend(struct claims *c, const struct nic_config *card)
{
	const struct backend_kind *kind = backends_find(card->backend);
	struct backend_claims claims = { 0 };

	if (kind->claim) {
		kind->claim(&claims, card->backend + strlen(kind->name) + 1);
		claim_fds(c, card, "backend", claims.fds, claims.n_fds);
		claim_queues(c, card, &claims);
	} else if (kind->open) {
		c->list[c->n++] =
			(struct claim){ .card = card, .key = "backend", .value = card->backend };
	}
}

static void claim_all(struct claims *c, const struct nic_config *card)
{
	struct claim *list = realloc(c->list, (c->n + MAX_CLAIMS) * sizeof(*list));

	if (!list) {
		free(c->list);
		c->list = NULL;
		return;
	}
	c->list = list;
	if (card->socket_path)
		c->list[c->n++] = (struct claim){ .card = card,
						  .key = "socket-path",
						  .value = card->socket_path };
	else if (card->fd >= 0)
		claim_fds(c, card, "fd", &card->fd, 1);
	claim_backend(c, card);
	claim_fds(c, card, "vhost-fd", card->vhost.fds, card->vhost.n_fds);
}

/* 0: of the same thing. */
static int compare_things(const struct claim *a, const struct claim *b)
{
	if (!a->value != !b->value)
		return a->value ? 1 : -1;
	if (!a->value)
		return (a->fd > b->fd) - (a->fd < b->fd);
	if (a->ifname[0] || b->ifname[0])
		return strcmp(a->ifname, b->ifname);
	return strcmp(a->value, b->value);
}

/*
 * By thing, queues by their number, then in the cards' order: so if any two are in each other's
 * way, then two neighbours are.
 */
static int compare(const void *a, const void *b)
{
	const struct claim *c = a, *d = b;
	int order = compare_things(c, d);

	if (!order)
		order = (c->first_queue > d->first_queue) - (c->first_queue < d->first_queue);
	return order ? order : (c->card > d->card) - (c->card < d->card);
}

static void describe(const struct claim *c, char text[128])
{
	if (c->value)
		snprintf(text, 128, "%s%s '%s'", c->card->mark, c->key, c->value);
	else
		snprintf(text, 128, "%s%s '%d'", c->card->mark, c->key, c->fd);
}

/* Of two neighbours. */
static bool in_the_way(const struct claim *a, const struct claim *b)
{
	if (compare_things(a, b))
		return false;
	return !a->ifname[0] || a->attaches || b->attaches ||
	       b->first_queue - a->first_queue < a->card->pairs;
}

static void refuse(const struct claim *a, const struct claim *b, char err[NIC_CONFIG_ERR_LEN])
{
	const struct claim *first = a->card <= b->card ? a : b, *second = first == a ? b : a;
	char one[128], two[128];

	describe(first, one);
	describe(second, two);
	if (!a->ifname[0])
		snprintf(err, NIC_CONFIG_ERR_LEN, "%s of %s is %s of %s, too: each needs its own",
			 one, first->card->name, two, second->card->name);
	else if (b->first_queue - a->first_queue < a->card->pairs)
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "%s of %s has queue %u of %s, and so has %s of %s: each needs its own",
			 one, first->card->name, b->first_queue, a->ifname, two,
			 second->card->name);
	else
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "%s of %s and %s of %s are both on %s, which has room for one XDP program",
			 one, first->card->name, two, second->card->name, a->ifname);
}

int nic_config_check_all(const struct nic_config *cards, unsigned n, char err[NIC_CONFIG_ERR_LEN])
{
	struct claims c = { 0 };
	int error = 0;

	for (unsigned i = 0; i < n && (c.list || !i); i++)
		claim_all(&c, &cards[i]);
	if (!c.list) {
		snprintf(err, NIC_CONFIG_ERR_LEN, "out of memory");
		return -ENOMEM;
	}
	qsort(c.list, c.n, sizeof(*c.list), compare);
	for (unsigned i = 1; i < c.n && !error; i++) {
		if (!in_the_way(&c.list[i - 1], &c.list[i]))
			continue;
		refuse(&c.list[i - 1], &c.list[i], err);
		error = -EINVAL;
	}
	free(c.list);
	return error;
}
