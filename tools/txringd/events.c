/* SPDX-License-Identifier: MIT */
/* Two looks at the cards, and what differs; see events.h. */
#include "tools/txringd/events.h"

#include <stdlib.h>
#include <string.h>

#include "tools/config/txmode.h"
#include "tools/txringd/protocol.h"

typedef void teller(void *ctx, const char *event, json_t *data);

static json_t *of(const struct status *s)
{
	return json_pack("{s:o}", "nic", protocol_text(s->id));
}

static json_t *of_pair(const struct status *s, unsigned pair)
{
	return json_pack("{s:o, s:i}", "nic", protocol_text(s->id), "pair", (int)pair);
}

static const char *driver_of(const struct status *s)
{
	return s->driver.driver == DEVICE_KERNEL ? "kernel" : "user";
}

static bool has_link(const struct status *s)
{
	return !s->down && !s->lost;
}

static void compare_front_ends(const struct status *was, const struct status *now, teller *tell,
			       void *ctx)
{
	bool other = now->n_front_ends != was->n_front_ends;

	if (was->connected && (other || !now->connected))
		tell(ctx, "FRONTEND_GONE", of(now));
	if (other && now->connected)
		tell(ctx, "FRONTEND_CONNECTED", of(now));
}

static void compare_pairs(const struct status *was, const struct status *now, teller *tell,
			  void *ctx)
{
	char before[TXMODE_TEXT_LEN], text[TXMODE_TEXT_LEN];
	json_t *data;

	for (unsigned i = 0; i < now->n_pairs && i < was->n_pairs; i++) {
		const struct status_pair *a = &was->pairs[i], *b = &now->pairs[i];

		txmode_text(&a->mode, before);
		txmode_text(&b->mode, text);
		if (strcmp(before, text) != 0) {
			data = of_pair(now, i);
			json_object_set_new(data, "txmode", json_string(text));
			tell(ctx, "TXMODE_CHANGED", data);
		}
		for (unsigned ring = 0; ring < 2; ring++) {
			if (ring ? a->tx.broken == b->tx.broken : a->rx.broken == b->rx.broken)
				continue;
			data = of_pair(now, i);
			json_object_set_new(data, "ring", json_string(ring ? "tx" : "rx"));
			tell(ctx, "RING_BROKEN", data);
		}
	}
}

void events_compare(const struct status *was, const struct status *now, teller *tell, void *ctx)
{
	json_t *data;

	if (!was || !now) {
		tell(ctx, was ? "NIC_REMOVED" : "NIC_ADDED", of(was ? was : now));
		return;
	}
	compare_front_ends(was, now, tell, ctx);
	if (has_link(was) != has_link(now)) {
		data = of(now);
		json_object_set_new(data, "link", json_string(has_link(now) ? "up" : "down"));
		tell(ctx, "LINK_CHANGED", data);
	}
	if (strcmp(driver_of(was), driver_of(now)) != 0) {
		data = of(now);
		json_object_set_new(data, "driver", json_string(driver_of(now)));
		if (now->driver.driver != DEVICE_KERNEL)
			json_object_set_new(data, "why", protocol_text(now->driver.why));
		tell(ctx, "DRIVER_CHANGED", data);
	}
	compare_pairs(was, now, tell, ctx);
}

static const struct status *find(const struct status *all, unsigned n, const char *id)
{
	for (unsigned i = 0; i < n; i++) {
		if (!strcmp(all[i].id, id))
			return &all[i];
	}
	return NULL;
}

void events_look(struct events *e, struct status *now, unsigned n, bool first, teller *tell,
		 void *ctx)
{
	for (unsigned i = 0; i < e->n_seen && !first; i++) {
		if (!find(now, n, e->seen[i].id))
			events_compare(&e->seen[i], NULL, tell, ctx);
	}
	for (unsigned i = 0; i < n && !first; i++)
		events_compare(find(e->seen, e->n_seen, now[i].id), &now[i], tell, ctx);
	events_deinit(e);
	*e = (struct events){ now, n };
}

void events_deinit(struct events *e)
{
	while (e->n_seen)
		status_deinit(&e->seen[--e->n_seen]);
	free(e->seen);
	e->seen = NULL;
}
