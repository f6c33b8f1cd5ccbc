/* SPDX-License-Identifier: MIT */
/*
 * Metrics out of JSON; see metrics.h. The text has one family after the other, and in each the
 * samples of all daemons, cards and queue pairs, as OpenMetrics wants it; so the answers are walked
 * once for each family. Histograms are metrics_histogram.c.
 */
#include "tools/txringctl/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "datapath/stats.h"
#include "tools/txringctl/metrics_text.h"
#include "virtio/base.h"

static const char *const rings[] = { "tx", "rx" };

static const struct stats_counter *table_of(const char *ring)
{
	return *ring == 't' ? stats_tx : stats_rx;
}

static const struct stats_counter *find_counter(const char *ring, const char *name)
{
	for (const struct stats_counter *c = table_of(ring); c->name; c++) {
		if (!strcmp(c->name, name))
			return c;
	}
	return NULL;
}

static bool is_drop(const char *counter)
{
	return !strncmp(counter, "drop_", 5);
}

/* A key may be part of a metric's name. */
static bool is_name(const char *key)
{
	return *key && !key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

static void print_up(struct metrics_text *t)
{
	metrics_family(t, "txring_up", "gauge", "1: this txringd answers");
	for (unsigned i = 0; i < t->n; i++) {
		metrics_labels(t, "txring_up", "", &t->sources[i]);
		metrics_value(t, t->sources[i].show ? 1 : 0);
	}
}

static void print_info(struct metrics_text *t)
{
	metrics_family(t, "txring", "info", "the version of this txringd");
	for (unsigned i = 0; i < t->n; i++) {
		if (!t->sources[i].show || !t->sources[i].version)
			continue;
		metrics_labels(t, "txring", "_info", &t->sources[i]);
		metrics_label(t, "version", t->sources[i].version);
		metrics_value(t, 1);
	}
}

/* The samples of one card in a family. name: the family. nic: the card, as show has it. */
typedef void card_fn(struct metrics_text *t, const struct metrics_source *s, const json_t *nic,
		     const char *name);

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void card_labels(struct metrics_text *t, const struct metrics_source *s, const json_t *nic,
			const char *name, const char *suffix)
{
	metrics_labels(t, name, suffix, s);
	metrics_label(t, "nic", text_of(nic, "name"));
}

static void print_card_info(struct metrics_text *t, const struct metrics_source *s,
			    const json_t *nic, const char *name)
{
	card_labels(t, s, nic, name, "_info");
	metrics_label(t, "backend", text_of(nic, "backend"));
	metrics_label(t, "txmode", text_of(nic, "txmode"));
	metrics_value(t, 1);
}

static void print_link(struct metrics_text *t, const struct metrics_source *s, const json_t *nic,
		       const char *name)
{
	const json_t *link = json_object_get(nic, "link");

	if (!json_is_string(link))
		return;
	card_labels(t, s, nic, name, "");
	metrics_value(t, !strcmp(json_string_value(link), "up"));
}

static void print_connected(struct metrics_text *t, const struct metrics_source *s,
			    const json_t *nic, const char *name)
{
	const json_t *connected = json_object_get(nic, "connected");

	if (!json_is_boolean(connected))
		return;
	card_labels(t, s, nic, name, "");
	metrics_value(t, json_is_true(connected));
}

static void print_driver(struct metrics_text *t, const struct metrics_source *s, const json_t *nic,
			 const char *name)
{
	static const char *const drivers[] = { "kernel", "user" };
	const json_t *driver = json_object_get(nic, "driver");

	if (!json_is_string(driver))
		return;
	for (unsigned i = 0; i < array_size(drivers); i++) {
		card_labels(t, s, nic, name, "");
		metrics_label(t, "driver", drivers[i]);
		metrics_value(t, !strcmp(json_string_value(driver), drivers[i]));
	}
}

static void print_handovers(struct metrics_text *t, const struct metrics_source *s,
			    const json_t *nic, const char *name)
{
	static const char *const ways[][2] = { { "kernel", "to_kernel" }, { "user", "to_user" } };
	const json_t *handovers = json_object_get(nic, "handovers"), *n;

	for (unsigned i = 0; i < array_size(ways); i++) {
		n = json_object_get(json_object_get(handovers, ways[i][1]), "n");
		if (!json_is_integer(n))
			continue;
		card_labels(t, s, nic, name, "_total");
		metrics_label(t, "to", ways[i][0]);
		metrics_value(t, json_integer_value(n));
	}
}

static void print_failed(struct metrics_text *t, const struct metrics_source *s, const json_t *nic,
			 const char *name)
{
	const json_t *failed = json_object_get(json_object_get(nic, "handovers"), "failed");

	if (!json_is_integer(failed))
		return;
	card_labels(t, s, nic, name, "_total");
	metrics_value(t, json_integer_value(failed));
}

static const struct {
	const char *name, *type, *help;
	card_fn *print;
} cards[] = {
	{ "txring_nic", "info", "what this card is: its backend and its tx mode", print_card_info },
	{ "txring_link_up", "gauge", "1: the guest has a link", print_link },
	{ "txring_frontend_connected", "gauge", "1: a front-end (VMM) is connected",
	  print_connected },
	{ "txring_driver", "gauge",
	  "1: this one moves the frames: txringd (user) or vhost-net (kernel); frames that the "
	  "kernel moves are in no counter",
	  print_driver },
	{ "txring_handovers", "counter", "times that this one took over the rings",
	  print_handovers },
	{ "txring_handovers_failed", "counter", "times that the kernel did not take the rings",
	  print_failed },
};

static void print_cards(struct metrics_text *t)
{
	const json_t *nic;
	size_t k;

	for (unsigned f = 0; f < array_size(cards); f++) {
		metrics_family(t, cards[f].name, cards[f].type, cards[f].help);
		for (unsigned i = 0; i < t->n; i++) {
			json_array_foreach(json_object_get(t->sources[i].show, "nics"), k, nic)
				cards[f]
					.print(t, &t->sources[i], nic, cards[f].name);
		}
	}
}

/* One counter of all pairs. reason: label of that name; NULL: none. */
static void print_samples(struct metrics_text *t, const char *family, const char *ring,
			  const char *counter, const char *reason)
{
	struct metrics_walk w = { 0 };

	while (metrics_next_pair(t, &w, false)) {
		const json_t *value = json_object_get(json_object_get(w.pair, ring), counter);

		if (!json_is_integer(value))
			continue;
		metrics_pair_labels(t, family, "_total", &w);
		if (reason)
			metrics_label(t, "reason", reason);
		metrics_value(t, json_integer_value(value));
	}
}

static void print_counter(struct metrics_text *t, const char *ring, const char *counter,
			  const char *help)
{
	char family[METRICS_NAME_LEN];

	snprintf(family, sizeof(family), "txring_%s_%s", ring, counter);
	metrics_family(t, family, "counter", help);
	print_samples(t, family, ring, counter, NULL);
}

static void print_drops(struct metrics_text *t, const char *ring, json_t *names)
{
	char family[METRICS_NAME_LEN];
	const char *counter;
	json_t *unused;

	snprintf(family, sizeof(family), "txring_%s_drops", ring);
	metrics_family(t, family, "counter", "frames that did not arrive, by reason");
	json_object_foreach(names, counter, unused)
	{
		if (is_drop(counter))
			print_samples(t, family, ring, counter, counter + 5);
	}
}

/* The names of the counters that any pair has, in their order. The caller's. */
static json_t *collect_names(struct metrics_text *t, const char *ring)
{
	struct metrics_walk w = { 0 };
	json_t *names = json_object();
	const json_t *value;
	const char *key;

	while (names && metrics_next_pair(t, &w, false)) {
		json_object_foreach(json_object_get(w.pair, ring), key, value)
		{
			if (is_name(key) && json_is_integer(value))
				json_object_set_new(names, key, json_true());
		}
	}
	return names;
}

static void print_counters(struct metrics_text *t, const char *ring)
{
	json_t *names = collect_names(t, ring), *unused;
	const struct stats_counter *known;
	const char *counter;

	json_object_foreach(names, counter, unused)
	{
		known = find_counter(ring, counter);
		if (!is_drop(counter))
			print_counter(t, ring, counter,
				      known ? known->help
					    : "a counter that is newer than this program");
	}
	print_drops(t, ring, names);
	json_decref(names);
}

/* One key of all iothreads. */
static void print_iothreads(struct metrics_text *t, const char *family, const char *key, bool in_ns,
			    const char *help)
{
	const json_t *thread, *value;
	size_t k;

	metrics_family(t, family, "counter", help);
	for (unsigned i = 0; i < t->n; i++) {
		json_array_foreach(json_object_get(t->sources[i].stats, "iothreads"), k, thread)
		{
			value = json_object_get(thread, key);
			if (!json_is_integer(value))
				continue;
			metrics_labels(t, family, "_total", &t->sources[i]);
			metrics_label(t, "iothread", text_of(thread, "name"));
			if (in_ns)
				metrics_seconds(t, json_integer_value(value));
			else
				metrics_value(t, json_integer_value(value));
		}
	}
}

const char *metrics_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}

void metrics_print(FILE *out, enum metrics_format format, const struct metrics_source *sources,
		   unsigned n)
{
	struct metrics_text t = { .out = out, .format = format, .sources = sources, .n = n };

	print_up(&t);
	print_info(&t);
	print_cards(&t);
	for (unsigned i = 0; i < array_size(rings); i++)
		print_counters(&t, rings[i]);
	print_iothreads(&t, "txring_iothread_cpu_seconds", "cpu_ns", true,
			"CPU time of this iothread");
	print_iothreads(&t, "txring_iothread_turns", "turns", false,
			"turns of the loop of this iothread");
	for (unsigned i = 0; i < array_size(rings); i++)
		metrics_histograms(&t, rings[i]);
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
}
