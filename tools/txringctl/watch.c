/* SPDX-License-Identifier: MIT */
/* stats, and watch; see watch.h. */
#include "tools/txringctl/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/txringctl/plain.h"
#include "tools/txringctl/render.h"

/* The top of the screen, and nothing below. */
#define CLEAR "\033[H\033[J"

struct stats_words {
	const char *nic; /* NULL: all */
	bool again;
	double seconds;
};

/* False: it is no plain number; *seconds is out of bounds if it looks like one. */
static bool read_seconds(const char *text, double *seconds)
{
	char *end;

	if (strchr("0123456789.+- ", *text))
		*seconds = 0;
	if (!*text || text[strspn(text, "0123456789.")])
		return false;
	*seconds = strtod(text, &end);
	return !*end;
}

static bool read_stats(struct stats_words *s, char *const *words, unsigned n)
{
	*s = (struct stats_words){ .seconds = 2 };
	for (unsigned i = 1; i < n; i++) {
		if (!strcmp(words[i], "--watch") && !s->again) {
			s->again = true;
			if (i + 1 == n)
				continue;
			if (read_seconds(words[i + 1], &s->seconds))
				i++;
			if (!(s->seconds >= 0.1 && s->seconds <= 3600))
				return false;
		} else if (!s->nic && *words[i] && *words[i] != '-') {
			s->nic = words[i];
		} else {
			return false;
		}
	}
	return true;
}

static void wait_for(double seconds)
{
	struct timespec t = { .tv_sec = (time_t)seconds };

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}

static json_t *ask_stats(struct client *c, const struct stats_words *w, bool json, char *err,
			 size_t len)
{
	json_t *answer;

	snprintf(err, len, "out of memory");
	answer = client_ask(c, "stats", json_pack("{s:s*}", "nic", w->nic), err, len);
	return json ? answer : plain_answer(answer);
}

/* NULL: there are none: of a txringd that keeps none, or knows no fine buckets. */
static json_t *ask_latency(struct client *c, const struct stats_words *w)
{
	json_t *arguments = json_pack("{s:s*, s:b}", "nic", w->nic, "fine", true);
	char why[256];

	return plain_answer(client_ask(c, "latency", arguments, why, sizeof(why)));
}

static bool print(const struct stats_words *w, struct render_stats *s, bool json)
{
	if (json) {
		json_dumpf(s->now, stdout,
			   JSON_ENSURE_ASCII | (w->again ? JSON_COMPACT : JSON_INDENT(2)));
		fputc('\n', stdout);
	} else {
		if (w->again && isatty(STDOUT_FILENO))
			fputs(CLEAR, stdout);
		render_stats(s, stdout);
	}
	return fflush(stdout) == 0 && !ferror(stdout);
}

bool watch_stats(struct client *c, char *const *words, unsigned n, bool json, char *err, size_t len)
{
	json_t *was = NULL, *now = NULL, *latency_was = NULL, *latency = NULL;
	struct render_stats s;
	struct stats_words w;
	bool ok;

	if (!read_stats(&w, words, n)) {
		snprintf(err, len,
			 "it is 'stats [NIC] [--watch [SECONDS]]', with 0.1 to 3600 seconds");
		return false;
	}
	do {
		if (was)
			wait_for(w.seconds);
		now = ask_stats(c, &w, json, err, len);
		latency = now && !json ? ask_latency(c, &w) : NULL;
		s = (struct render_stats){ was, now, latency_was, latency, 0 };
		ok = now && print(&w, &s, json);
		if (now && !ok)
			snprintf(err, len, "cannot write to stdout: %s", strerror(errno));
		json_decref(latency_was);
		json_decref(was);
		was = now;
		latency_was = latency;
	} while (ok && w.again);
	json_decref(latency_was);
	json_decref(was);
	return ok;
}

static void print_event(const json_t *event, FILE *out)
{
	json_t *data = json_object_get(event, "data"), *value;
	const json_t *at = json_object_get(event, "timestamp");
	json_int_t us = json_integer_value(json_object_get(at, "microseconds"));
	time_t s = (time_t)json_integer_value(json_object_get(at, "seconds"));
	struct tm tm;
	char when[32] = "";
	const char *name;

	if (localtime_r(&s, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	fprintf(out, "%s.%06d %s", when, (int)us, render_text(event, "event"));
	json_object_foreach(data, name, value)
	{
		if (json_is_string(value))
			fprintf(out, " %s=%s", name, json_string_value(value));
		else
			fprintf(out, " %s=%lld", name, (long long)json_integer_value(value));
	}
	fputc('\n', out);
}

bool watch_events(struct client *c, char *const *words, unsigned n, bool json, char *err,
		  size_t len)
{
	json_t *line;

	(void)words;
	if (n > 1) {
		snprintf(err, len, "it is 'watch'");
		return false;
	}
	line = client_ask(c, "watch", NULL, err, len);
	while (line) {
		json_decref(line);
		snprintf(err, len, "out of memory");
		line = client_next(c, -1, err, len);
		if (line && json)
			json_dumpf(line, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		else if ((line = plain_answer(line)))
			print_event(line, stdout);
		if (line && json)
			fputc('\n', stdout);
		if (fflush(stdout) || ferror(stdout)) {
			snprintf(err, len, "cannot write to stdout: %s", strerror(errno));
			json_decref(line);
			break;
		}
	}
	return false;
}

watch_command *watch_find(const char *name)
{
	return !strcmp(name, "stats") ? watch_stats : !strcmp(name, "watch") ? watch_events : NULL;
}
