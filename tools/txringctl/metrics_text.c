/* SPDX-License-Identifier: MIT */
/* How a metric is written; see metrics_text.h. */
#include "tools/txringctl/metrics_text.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_S 1000000000

void metrics_family(struct metrics_text *t, const char *name, const char *type, const char *help)
{
	snprintf(t->family, sizeof(t->family), "%s", name);
	t->type = type;
	t->help = help;
}

/* Escapes what would end a label's value or a line. */
static void print_escaped(FILE *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\\' || (quotes && *text == '"'))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

/* "# TYPE" and "# HELP" of the family, unless they are there. The formats differ in its name. */
static void begin_family(struct metrics_text *t)
{
	const char *suffix = "", *type = t->type;

	if (!type)
		return;
	if (t->format == METRICS_PROMETHEUS && !strcmp(type, "counter"))
		suffix = "_total";
	if (t->format == METRICS_PROMETHEUS && !strcmp(type, "info")) {
		suffix = "_info";
		type = "gauge";
	}
	fprintf(t->out, "# TYPE %s%s %s\n", t->family, suffix, type);
	fprintf(t->out, "# HELP %s%s ", t->family, suffix);
	print_escaped(t->out, t->help, t->format == METRICS_OPENMETRICS);
	fputc('\n', t->out);
	t->type = NULL;
}

void metrics_labels(struct metrics_text *t, const char *name, const char *suffix,
		    const struct metrics_source *s)
{
	begin_family(t);
	fprintf(t->out, "%s%s{daemon=\"", name, suffix);
	print_escaped(t->out, s->daemon, true);
	fputc('"', t->out);
}

void metrics_label(struct metrics_text *t, const char *name, const char *value)
{
	fprintf(t->out, ",%s=\"", name);
	print_escaped(t->out, value, true);
	fputc('"', t->out);
}

void metrics_value(struct metrics_text *t, json_int_t value)
{
	fprintf(t->out, "} %" JSON_INTEGER_FORMAT "\n", value);
}

const char *metrics_decimal(char buf[32], json_int_t ns)
{
	size_t len;

	snprintf(buf, 32, "%" JSON_INTEGER_FORMAT ".%09d", ns / NS_PER_S,
		 (int)(ns < 0 ? 0 : ns % NS_PER_S));
	len = strlen(buf);
	while (buf[len - 1] == '0' && buf[len - 2] != '.')
		buf[--len] = '\0';
	return buf;
}

void metrics_seconds(struct metrics_text *t, json_int_t ns)
{
	char buf[32];

	fprintf(t->out, "} %s\n", metrics_decimal(buf, ns));
}

static const json_t *nics_of(const struct metrics_source *s, bool latency)
{
	return s->show ? json_object_get(latency ? s->latency : s->stats, "nics") : NULL;
}

bool metrics_next_pair(const struct metrics_text *t, struct metrics_walk *w, bool latency)
{
	const json_t *nics;

	for (; w->source < t->n; w->source++, w->nic = 0) {
		nics = nics_of(&t->sources[w->source], latency);
		for (; w->nic < json_array_size(nics); w->nic++, w->next_pair = 0) {
			w->card = json_array_get(nics, w->nic);
			w->pair_idx = w->next_pair;
			w->pair = json_array_get(json_object_get(w->card, "pairs"), w->pair_idx);
			if (!w->pair)
				continue;
			w->next_pair++;
			return true;
		}
	}
	return false;
}

void metrics_pair_labels(struct metrics_text *t, const char *name, const char *suffix,
			 const struct metrics_walk *w)
{
	const char *nic = json_string_value(json_object_get(w->card, "name"));
	char pair[24];

	snprintf(pair, sizeof(pair), "%zu", w->pair_idx);
	metrics_labels(t, name, suffix, &t->sources[w->source]);
	metrics_label(t, "nic", nic ? nic : "");
	metrics_label(t, "pair", pair);
}
