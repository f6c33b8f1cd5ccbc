/* SPDX-License-Identifier: MIT */
/* Latencies as text; see render_latency.h. */
#include "tools/txringctl/render_latency.h"

#include <stdbool.h>
#include <string.h>

#define SHOW_WORST 5 /* of a queue: what is slower is seldom of another cause */

static const struct {
	const char *name, *text;
	bool time;
} rows[] = {
	{ "residence", "seen to used", true }, { "to_sent", "seen to sent", true },
	{ "to_used", "sent to used", true },   { "wake", "due to running", true },
	{ "late", "timer late by", true },     { "run", "a run", true },
	{ "batch", "frames a batch", false },
};

/* What the names of enum latency_part mean to whoever asks "why was this one slow". */
static const struct {
	const char *name, *text;
} reasons[] = {
	{ "paused", "the queue was paused" },
	{ "turn", "it waited for its turn: its iothread did something else" },
	{ "delay", "the tx engine put it off" },
	{ "timer_late", "the tx engine's timer was late: its iothread did something else" },
	{ "full", "tx: the backend was full; rx: the driver gave no buffers" },
	{ "run",
	  "moving its batch took so long: the backend's system calls, or the CPU was taken" },
	{ "backend", "the backend had it and was not done with it" },
};

static json_int_t number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

/* At least three digits that say something. */
static const char *time_text(char s[24], json_int_t ns)
{
	double v = (double)ns;

	if (ns < 1000)
		snprintf(s, 24, "%d ns", (int)ns);
	else if (ns < 1000000)
		snprintf(s, 24, "%.1f us", v / 1e3);
	else if (ns < 1000000000)
		snprintf(s, 24, "%.2f ms", v / 1e6);
	else
		snprintf(s, 24, "%.2f s", v / 1e9);
	return s;
}

static void render_row(const json_t *queue, unsigned row, FILE *out)
{
	static const char *const points[] = { "p50", "p90", "p99", "p999", "max" };
	const json_t *h = json_object_get(queue, rows[row].name);
	char name[16], s[24];

	if (!number(h, "n"))
		return;
	fprintf(out, "  %-16s %12lld", rows[row].text, (long long)number(h, "n"));
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", points[i], rows[row].time ? "_ns" : "");
		if (rows[row].time)
			fprintf(out, " %10s", time_text(s, number(h, name)));
		else
			fprintf(out, " %10lld", (long long)number(h, name));
	}
	fputc('\n', out);
}

static const char *reason_text(const char *reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!strcmp(reasons[i].name, reason))
			return reasons[i].text;
	}
	return reason;
}

static void render_worst(const json_t *worst, FILE *out)
{
	const json_t *waited = json_object_get(worst, "waited_ns");
	const char *reason = text(worst, "reason");
	char ago[24], took[24], part[24];
	json_int_t frames = number(worst, "frames");

	fprintf(out, "  %10s, %lld frame%s, %s ago: %s (%s of it)\n",
		time_text(took, number(worst, "residence_ns")), (long long)frames,
		frames == 1 ? "" : "s", time_text(ago, number(worst, "ago_ns")),
		reason_text(reason), time_text(part, number(waited, reason)));
}

static void render_queue(const char *nic, size_t pair, const char *which, const json_t *queue,
			 FILE *out)
{
	const json_t *worst;
	size_t i;

	if (!number(json_object_get(queue, "residence"), "n"))
		return;
	fprintf(out, "%s pair %zu %s\n", nic, pair, which);
	fprintf(out, "  %-16s %12s %10s %10s %10s %10s %10s\n", "", "n", "p50", "p90", "p99",
		"p99.9", "max");
	for (unsigned row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
		render_row(queue, row, out);
	json_array_foreach(json_object_get(queue, "worst"), i, worst)
	{
		if (!i)
			fprintf(out, "  the slowest of some seconds:\n");
		if (i < SHOW_WORST)
			render_worst(worst, out);
	}
}

void render_latency(const json_t *answer, FILE *out)
{
	const json_t *nic, *pair;
	size_t n, p;

	json_array_foreach(json_object_get(answer, "nics"), n, nic)
	{
		json_array_foreach(json_object_get(nic, "pairs"), p, pair)
		{
			render_queue(text(nic, "name"), p, "tx", json_object_get(pair, "tx"), out);
			render_queue(text(nic, "name"), p, "rx", json_object_get(pair, "rx"), out);
		}
	}
}
