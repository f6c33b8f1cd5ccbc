/* SPDX-License-Identifier: MIT */
/* What metrics are made of, from the daemons; see metrics_collect.h. */
#include "tools/txringctl/metrics_collect.h"

#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/client.h"
#include "tools/txringctl/find.h"
#include "tools/txringctl/plain.h"
#include "virtio/base.h"

#define NS_PER_MS 1000000

/* The answers of one daemon. */
struct answers {
	char daemon[128];
	json_t *show, *stats, *latency, *greeting;
};

/* The part of path that tells daemons apart: "vm0" of /run/txring/vm0.ctl or .../vm0/control. */
static void name_daemon(char name[128], const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base);

	if (slash > path && !strcmp(base, "control")) {
		for (base = slash; base > path && base[-1] != '/'; base--)
			;
		len = (size_t)(slash - base);
	}
	if (len > 4 && !strncmp(base + len - 4, ".ctl", 4))
		len -= 4;
	snprintf(name, 128, "%.*s", (int)(len < 127 ? len : 127), base);
}

/* Daemons of one name are told apart by their whole paths. */
static void name_all(struct answers *answers, const char *const *paths, unsigned n)
{
	bool same[METRICS_MAX_DAEMONS] = { false };

	for (unsigned i = 0; i < n; i++)
		name_daemon(answers[i].daemon, paths[i]);
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < n; k++)
			same[i] |= k != i && !strcmp(answers[i].daemon, answers[k].daemon);
	}
	for (unsigned i = 0; i < n; i++) {
		if (same[i])
			snprintf(answers[i].daemon, sizeof(answers[i].daemon), "%.127s", paths[i]);
	}
}

/* One that is too old to know of latency has none. */
static bool ask(struct answers *a, const char *path, int patience_ms, char *err, size_t len)
{
	char unused[8];
	struct client c;

	if (client_open_within(&c, path, patience_ms, err, len))
		return false;
	a->greeting = plain_answer(json_incref(c.greeting));
	a->stats = plain_answer(client_ask(&c, "stats", NULL, err, len));
	a->show = a->stats ? plain_answer(client_ask(&c, "show", NULL, err, len)) : NULL;
	if (a->show)
		a->latency = plain_answer(client_ask(&c, "latency", NULL, unused, sizeof(unused)));
	client_close(&c);
	return a->show;
}

static void ask_all(struct answers *answers, const char *const *paths, unsigned n, int patience_ms,
		    struct metrics_outcome *outcome)
{
	uint64_t end_ns = monotonic_ns() + 4ull * (unsigned)patience_ms * NS_PER_MS, now_ns;
	int left_ms;

	for (unsigned i = 0; i < n; i++) {
		now_ns = monotonic_ns();
		left_ms = now_ns < end_ns ? (int)((end_ns - now_ns) / NS_PER_MS) : 0;
		outcome->n_answered += ask(&answers[i], paths[i],
					   left_ms < patience_ms ? left_ms + 1 : patience_ms,
					   outcome->err, sizeof(outcome->err));
	}
}

static void print_all(const struct answers *answers, unsigned n, enum metrics_format format,
		      FILE *out)
{
	struct metrics_source sources[METRICS_MAX_DAEMONS];

	for (unsigned i = 0; i < n; i++) {
		const struct answers *a = &answers[i];

		sources[i] = (struct metrics_source){
			.daemon = a->daemon,
			.show = a->show,
			.stats = a->stats,
			.latency = a->latency,
			.version = json_string_value(json_object_get(a->greeting, "version")),
		};
	}
	metrics_print(out, format, sources, n);
}

static void collect(const char *const *paths, unsigned n, int patience_ms,
		    enum metrics_format format, FILE *out, struct metrics_outcome *outcome)
{
	struct answers *answers = calloc(n ? n : 1, sizeof(*answers));

	if (!answers) {
		snprintf(outcome->err, sizeof(outcome->err), "out of memory");
		return;
	}
	outcome->n_asked = n;
	name_all(answers, paths, n);
	ask_all(answers, paths, n, patience_ms, outcome);
	print_all(answers, n, format, out);
	for (unsigned i = 0; i < n; i++) {
		json_decref(answers[i].show);
		json_decref(answers[i].stats);
		json_decref(answers[i].latency);
		json_decref(answers[i].greeting);
	}
	free(answers);
}

/* NAME.ctl, and NAME/control of the systemd units. */
static void find_usual(const char *folder, glob_t *found)
{
	char pattern[300];

	snprintf(pattern, sizeof(pattern), "%s/*.ctl", folder);
	glob(pattern, 0, NULL, found);
	snprintf(pattern, sizeof(pattern), "%s/*/control", folder);
	glob(pattern, GLOB_APPEND, NULL, found);
}

void metrics_collect(const struct metrics_controls *controls, int patience_ms,
		     enum metrics_format format, FILE *out, struct metrics_outcome *outcome)
{
	char folder[FIND_PATH_LEN];
	glob_t found = { 0 };

	*outcome = (struct metrics_outcome){ 0 };
	if (controls->n) {
		collect(controls->paths, controls->n, patience_ms, format, out, outcome);
		return;
	}
	find_folder(folder);
	find_usual(folder, &found);
	if (!found.gl_pathc)
		snprintf(outcome->err, sizeof(outcome->err),
			 "no txringd to ask: there is no %s/*.ctl or %s/*/control; name one with "
			 "--control PATH",
			 folder, folder);
	else if (found.gl_pathc > METRICS_MAX_DAEMONS)
		snprintf(outcome->err, sizeof(outcome->err),
			 "more than %d txringds in %s: name them with --control, some for each "
			 "txringctl metrics",
			 METRICS_MAX_DAEMONS, folder);
	else
		collect((const char *const *)found.gl_pathv, (unsigned)found.gl_pathc, patience_ms,
			format, out, outcome);
	globfree(&found);
}
