/* SPDX-License-Identifier: MIT */
/* What a card is and does, as text; see render.h. */
#include <string.h>

#include "tools/txringctl/render.h"

const char *render_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static long long number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void show_handovers(const char *nic, const char *way, const json_t *h, FILE *out)
{
	fprintf(out, "%s: handovers to %s: n=%lld last_us=%lld max_us=%lld\n", nic, way,
		number(h, "n"), number(h, "last_ns") / 1000, number(h, "max_ns") / 1000);
}

static void show_counters(const char *nic, const char *ring, size_t pair, json_t *counters,
			  FILE *out)
{
	const char *name;
	json_t *value;

	fprintf(out, "%s: %s%zu", nic, ring, pair);
	json_object_foreach(counters, name, value)
		fprintf(out, " %s=%lld", name, (long long)json_integer_value(value));
	fprintf(out, "\n");
}

static void show_pair(const json_t *card, size_t i, const json_t *pair, FILE *out)
{
	const char *nic = render_text(card, "name"), *mode = render_text(pair, "txmode");
	const char *waits = render_text(pair, "txmode_applies");

	if (!strcmp(render_text(pair, "driver"), "kernel"))
		fprintf(out, "%s: pair %zu: driver kernel (its frames are not in these counters)\n",
			nic, i);
	else
		fprintf(out, "%s: pair %zu: driver user: %s\n", nic, i, render_text(pair, "why"));
	if (strcmp(mode, render_text(card, "txmode")) != 0 || *waits)
		fprintf(out, "%s: pair %zu: tx mode %s%s%s\n", nic, i, mode,
			*waits ? ": applies " : "", waits);
	show_counters(nic, "tx", i, json_object_get(pair, "tx"), out);
	show_counters(nic, "rx", i, json_object_get(pair, "rx"), out);
}

static void show_features(const char *nic, const json_t *features, FILE *out)
{
	const json_t *name;
	size_t i;

	fprintf(out, "%s: features", nic);
	json_array_foreach(features, i, name)
		fprintf(out, " %s", json_string_value(name) ? json_string_value(name) : "?");
	fprintf(out, "%s\n", json_array_size(features) ? "" : " none");
}

static void show_card(const json_t *card, FILE *out)
{
	const char *nic = render_text(card, "name"), *why = render_text(card, "why");
	const json_t *handovers = json_object_get(card, "handovers"), *pair;
	bool connected = json_is_true(json_object_get(card, "connected"));
	size_t i;

	fprintf(out, "%s: backend %s\n", nic, render_text(card, "backend"));
	if (*render_text(card, "without"))
		fprintf(out, "  without: %s\n", render_text(card, "without"));
	fprintf(out, "%s: tx mode %s\n", nic, render_text(card, "txmode"));
	if (json_object_get(card, "coalesce"))
		fprintf(out, "%s: coalesce %s\n", nic,
			json_is_true(json_object_get(card, "coalesce")) ? "on" : "off");
	fprintf(out, "%s: link %s%s%s\n", nic, render_text(card, "link"),
		*render_text(card, "link_why") ? ": " : "", render_text(card, "link_why"));
	fprintf(out, "%s: front-end %s\n", nic, connected ? "connected" : "none");
	if (connected)
		show_features(nic, json_object_get(card, "features"), out);
	fprintf(out, "%s: vhost %s\n", nic, render_text(card, "vhost"));
	fprintf(out, "%s: driver %s%s%s\n", nic, render_text(card, "driver"), *why ? ": " : "",
		why);
	show_handovers(nic, "kernel", json_object_get(handovers, "to_kernel"), out);
	show_handovers(nic, "user", json_object_get(handovers, "to_user"), out);
	fprintf(out, "%s: handovers failed: n=%lld\n", nic, number(handovers, "failed"));
	json_array_foreach(json_object_get(card, "pairs"), i, pair) show_pair(card, i, pair, out);
}

void render_log_level(const json_t *answer, FILE *out)
{
	if (json_object_get(answer, "log_level"))
		fprintf(out, "log level %s\n", render_text(answer, "log_level"));
}

void render_show(const json_t *answer, FILE *out)
{
	const json_t *card;
	size_t i;

	json_array_foreach(json_object_get(answer, "nics"), i, card) show_card(card, out);
	render_log_level(answer, out);
}

void render_domifstat(const json_t *answer, FILE *out)
{
	json_t *card, *value;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(answer, "nics"), i, card)
	{
		const char *nic = render_text(card, "name");

		fprintf(out, "%s source %s\n", nic, render_text(card, "source"));
		json_object_foreach(card, name, value)
		{
			if (json_is_integer(value))
				fprintf(out, "%s %s %lld\n", nic, name,
					(long long)json_integer_value(value));
		}
	}
}

void render_said(const json_t *answer, FILE *out)
{
	const json_t *card;
	size_t i;

	json_array_foreach(json_object_get(answer, "nics"), i, card)
		fprintf(out, "%s: %s\n", render_text(card, "name"), render_text(card, "said"));
}

void render_string(const json_t *answer, FILE *out)
{
	if (json_is_string(answer))
		fwrite(json_string_value(answer), 1, json_string_length(answer), out);
}

void render_commands(const json_t *answer, FILE *out)
{
	const json_t *command, *argument;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "commands"), i, command)
	{
		fprintf(out, "%s: %s%s\n", render_text(command, "name"),
			render_text(command, "help"),
			strcmp(render_text(command, "may"), "change") ? "" : " (changes)");
		json_array_foreach(json_object_get(command, "arguments"), k, argument)
			fprintf(out, "  %s: %s%s: %s\n", render_text(argument, "name"),
				render_text(argument, "type"),
				json_is_true(json_object_get(argument, "needed")) ? ", needed" : "",
				render_text(argument, "help"));
	}
}
