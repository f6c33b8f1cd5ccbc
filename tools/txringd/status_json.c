/* SPDX-License-Identifier: MIT */
/* A card's status as JSON; see status_json.h. */
#include "tools/txringd/status_json.h"

#include <stdlib.h>

#include "tools/config/txmode.h"
#include "tools/txringd/protocol.h"
#include "virtio/features.h"

json_t *counters_json(const struct stats_counter *table, const void *stats)
{
	json_t *object = json_object();

	for (const struct stats_counter *c = table; c->name; c++)
		json_object_set_new(object, c->name,
				    json_integer((json_int_t)stats_read(stats, c)));
	return object;
}

static json_t *handovers(const struct device_handovers *h)
{
	return json_pack("{s:I, s:I, s:I}", "n", (json_int_t)h->n, "last_ns",
			 (json_int_t)h->last_us * 1000, "max_ns", (json_int_t)h->max_us * 1000);
}

static json_t *feature_names(uint64_t features)
{
	json_t *names = json_array();
	char name[8];

	for (unsigned i = 0; i < 64; i++) {
		if (!feature_has(features, i))
			continue;
		snprintf(name, sizeof(name), "bit%u", i);
		json_array_append_new(names,
				      json_string(features_name(i) ? features_name(i) : name));
	}
	return names;
}

/* Of an engine's parameters those in ns say so in their names. */
static json_t *mode_json(const struct tx_mode *mode)
{
	json_t *parameters = json_object();
	char name[64];

	for (unsigned i = 0; i < mode->engine->n_params; i++) {
		const struct tx_param *p = &mode->engine->params[i];

		snprintf(name, sizeof(name), "%s%s", p->name, p->unit[0] == 'n' ? "_ns" : "");
		json_object_set_new(parameters, name, json_integer((json_int_t)mode->values[i]));
	}
	return json_pack("{s:s, s:o}", "name", mode->engine->name, "parameters", parameters);
}

static json_t *pair_json(const struct status *s, const struct status_pair *p)
{
	const char *why = *s->driver.why ? s->driver.why : "no driver uses it";
	char mode[TXMODE_TEXT_LEN];
	json_t *pair = json_pack("{s:b, s:s}", "in_use", p->in_use, "driver",
				 p->in_kernel ? "kernel" : "user");

	if (!p->in_kernel)
		json_object_set_new(pair, "why", protocol_text(why));
	json_object_set_new(pair, "iothread", json_string(p->iothread));
	json_object_set_new(pair, "txmode", json_string(txmode_text(&p->mode, mode)));
	json_object_set_new(pair, "engine", mode_json(&p->mode));
	if (p->mode_waits)
		json_object_set_new(pair, "txmode_applies",
				    json_string("when the kernel gives the rings back"));
	json_object_set_new(pair, "tx", counters_json(stats_tx, &p->tx));
	json_object_set_new(pair, "rx", counters_json(stats_rx, &p->rx));
	return pair;
}

/* Why there is no link; NULL: there is one. */
static const char *no_link(const struct status *s)
{
	return s->down ? "it was set down" : s->lost ? "the interface was removed" : NULL;
}

json_t *status_json(const struct status *s)
{
	char mode[TXMODE_TEXT_LEN];
	json_t *pairs = json_array(), *nic = json_object();

	json_object_set_new(nic, "name", protocol_text(s->name));
	json_object_set_new(nic, "backend", protocol_text(s->backend));
	if (*s->note)
		json_object_set_new(nic, "without", protocol_text(s->note));
	json_object_set_new(nic, "txmode", json_string(txmode_text(&s->mode, mode)));
	json_object_set_new(nic, "coalesce", json_boolean(s->coalesces));
	json_object_set_new(nic, "link", json_string(no_link(s) ? "down" : "up"));
	if (no_link(s))
		json_object_set_new(nic, "link_why", json_string(no_link(s)));
	json_object_set_new(nic, "connected", json_boolean(s->connected));
	if (s->connected)
		json_object_set_new(nic, "features", feature_names(s->features));
	json_object_set_new(nic, "vhost", json_string(nic_config_policy_name(s->policy)));
	json_object_set_new(nic, "driver",
			    json_string(s->driver.driver == DEVICE_KERNEL ? "kernel" : "user"));
	if (s->driver.driver != DEVICE_KERNEL)
		json_object_set_new(nic, "why", protocol_text(s->driver.why));
	json_object_set_new(nic, "handovers",
			    json_pack("{s:o, s:o, s:I}", "to_kernel",
				      handovers(&s->driver.to_kernel), "to_user",
				      handovers(&s->driver.to_user), "failed",
				      (json_int_t)s->driver.failed));
	for (unsigned i = 0; i < s->n_pairs; i++)
		json_array_append_new(pairs, pair_json(s, &s->pairs[i]));
	json_object_set_new(nic, "pairs", pairs);
	return nic;
}

json_t *status_stats_json(const struct status *s)
{
	json_t *pairs = json_array();

	for (unsigned i = 0; i < s->n_pairs; i++)
		json_array_append_new(pairs,
				      json_pack("{s:o, s:o}", "tx",
						counters_json(stats_tx, &s->pairs[i].tx), "rx",
						counters_json(stats_rx, &s->pairs[i].rx)));
	return json_pack("{s:o, s:o}", "name", protocol_text(s->name), "pairs", pairs);
}
