/* SPDX-License-Identifier: MIT */
/* Counters as a table like top's; see render.h. */
#include <string.h>

#include "tools/txringctl/interval.h"
#include "tools/txringctl/render.h"

static double number(const json_t *object, const char *name)
{
	return (double)json_integer_value(json_object_get(object, name));
}

/* Of two looks at the same thing; without the first, since the start. */
static double grown(const json_t *was, const json_t *now, const char *name)
{
	double n = number(now, name) - number(was, name);

	return n > 0 ? n : 0;
}

/* In five places: 999, 12.3k, 1.23M. */
static const char *short_text(double n, char text[16])
{
	static const char units[] = " kMGTP";
	unsigned unit = 0;

	for (; n >= 999.5 && units[unit + 1]; unit++)
		n /= 1000;
	if (!unit)
		snprintf(text, 16, "%.0f", n);
	else
		snprintf(text, 16, "%.*f%c", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, units[unit]);
	return text;
}

static const json_t *card_of(const json_t *answer, const char *name)
{
	const json_t *card;
	size_t i;

	json_array_foreach(json_object_get(answer, "nics"), i, card)
	{
		if (!strcmp(render_text(card, "name"), name))
			return card;
	}
	return NULL;
}

static const json_t *ring_of(const json_t *answer, const char *card, size_t pair, const char *ring)
{
	const json_t *pairs = json_object_get(card_of(answer, card), "pairs");

	return json_object_get(json_array_get(pairs, pair), ring);
}

/* Why frames were dropped, and how many; nothing if none was. */
static void drops(const json_t *was, json_t *now, double seconds, FILE *out)
{
	char text[16];
	const char *name;
	json_t *value;

	json_object_foreach(now, name, value)
	{
		double n = grown(was, now, name);

		if (!strncmp(name, "drop_", 5) && n > 0)
			fprintf(out, "  %s=%s", name + 5, short_text(n / seconds, text));
	}
}

static const json_t *residence_of(const json_t *latency, const char *card, size_t pair,
				  const char *ring)
{
	return json_object_get(ring_of(latency, card, pair, ring), "residence");
}

/* Of the frames between the two looks; without the first, of all so far. */
static void residence(const struct render_stats *s, const char *card, size_t pair, const char *ring,
		      FILE *out)
{
	const json_t *was = residence_of(s->latency_was, card, pair, ring);
	const json_t *now = residence_of(s->latency, card, pair, ring);
	static const double shares[] = { 0.5, 0.99 };
	uint64_t ns;

	for (size_t i = 0; s->latency && i < sizeof(shares) / sizeof(shares[0]); i++) {
		if (interval_at(was, now, shares[i], &ns))
			fprintf(out, " %8.1f", (double)ns / 1000);
		else
			fprintf(out, " %8s", "-");
	}
}

static void line(const struct render_stats *s, const char *card, size_t pair, const char *ring,
		 FILE *out)
{
	const json_t *was = ring_of(s->was, card, pair, ring);
	json_t *now = (json_t *)(uintptr_t)ring_of(s->now, card, pair, ring);
	double frames = grown(was, now, "frames"), runs = grown(was, now, "runs");
	double each = frames > 0 ? frames : 1;
	char f[16], b[16];

	fprintf(out, "%-8s %4zu %-4s %8s %8s %7.2f %7.2f %7.1f", card, pair, ring,
		short_text(frames / s->seconds, f),
		short_text(grown(was, now, "bytes") / s->seconds, b),
		grown(was, now, "kicks") / each, grown(was, now, "calls") / each,
		runs > 0 ? frames / runs : 0);
	residence(s, card, pair, ring, out);
	drops(was, now, s->seconds, out);
	fprintf(out, "\n");
}

static void threads(const struct render_stats *s, FILE *out)
{
	const json_t *thread, *before = json_object_get(s->was, "iothreads");
	char text[16];
	size_t i;

	json_array_foreach(json_object_get(s->now, "iothreads"), i, thread)
	{
		const json_t *was = json_array_get(before, i);

		if (s->was)
			fprintf(out, "%s: CPU %.1f %%, %s turns\n", render_text(thread, "name"),
				grown(was, thread, "cpu_ns") / s->seconds / 1e7,
				short_text(grown(was, thread, "turns") / s->seconds, text));
		else
			fprintf(out, "%s: CPU %.3f s, %s turns\n", render_text(thread, "name"),
				number(thread, "cpu_ns") / 1e9,
				short_text(number(thread, "turns"), text));
	}
}

void render_stats(struct render_stats *s, FILE *out)
{
	const char *per = s->was ? "/s" : "";
	const json_t *card;
	size_t i, k;

	s->seconds = s->was ? grown(s->was, s->now, "time_ns") / 1e9 : 1;
	if (s->seconds <= 0)
		s->seconds = 1;
	fprintf(out, "%-8s %4s %-4s %6s%-2s %6s%-2s %7s %7s %7s%s  %s%s\n", "NIC", "PAIR", "RING",
		"FRAMES", per, "BYTES", per, "KICKS/F", "CALLS/F", "F/RUN",
		s->latency ? "  p50 us   p99 us" : "", "DROPS", per);
	json_array_foreach(json_object_get(s->now, "nics"), i, card)
	{
		size_t n = json_array_size(json_object_get(card, "pairs"));

		for (k = 0; k < n; k++) {
			line(s, render_text(card, "name"), k, "tx", out);
			line(s, render_text(card, "name"), k, "rx", out);
		}
	}
	threads(s, out);
}
