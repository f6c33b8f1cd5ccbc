/* SPDX-License-Identifier: MIT */
/*
 * A run as JSON: docs/txbench.md has the schema, and this file follows its order. What was not
 * measured is null.
 */
#include "bench/txbench/result.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/txbench/setup.h"
#include "bench/txbench/value.h"

#define SCHEMA "txbench-2"

const char *const stage_names[STAGES] = {
	[STAGE_PUBLISHED] = "published", [STAGE_WIRE] = "wire",         [STAGE_USED] = "used",
	[STAGE_CALL] = "call",           [STAGE_RECEIVED] = "received",
};

/* Repetitions. */

static json_t *timings(const struct timings *t)
{
	const struct histogram *h = &t->histogram;
	json_t *buckets;

	if (!h->n)
		return json_null();
	buckets = json_array();
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->buckets[i])
			json_array_append_new(buckets,
					      json_pack("[I, I]", (json_int_t)histogram_value(i),
							(json_int_t)h->buckets[i]));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "n", value_count(h->n), "min_ns",
			 value_count(h->min), "max_ns", value_count(h->max), "sum_ns",
			 value_count(t->sum_ns), "buckets", buckets);
}

static json_t *stages(const struct repetition *r)
{
	json_t *all = json_object();

	for (unsigned i = 0; i < STAGES; i++) {
		if (r->stages[i].histogram.n)
			json_object_set_new(all, stage_names[i], timings(&r->stages[i]));
	}
	return all;
}

static json_t *cost(const struct cost *c)
{
	bool known = c->busy_from != BUSY_UNKNOWN;

	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "observed",
			 c->observed, "ns", value_count(c->ns), "wall_ns",
			 value_count(c->usage.wall_ns), "frames", value_count(c->frames), "kicks",
			 value_count(c->kicks), "backend_ns", value_measured(c->usage.backend_ns),
			 "driver_ns", value_count(c->usage.driver_ns), "kick_ns",
			 value_count(c->kick_ns), "busy_ns",
			 known ? value_count(c->busy_ns) : json_null(), "busy_from",
			 value_text(busy_from_names[c->busy_from]), "others_ns",
			 known ? value_count(c->others_ns) : json_null());
}

static json_t *company(const struct company_loss *loss)
{
	if (!loss->wall_ns)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "lost_ns", value_count(loss->lost_ns), "wall_ns",
			 value_count(loss->wall_ns), "times", value_count(loss->times));
}

static json_t *noise(const struct repetition *r)
{
	const struct noise *n = &r->noise;
	const struct usage *u = &r->usage;

	return json_pack("{s:[o, o], s:s, s:o, s:o, s:o, s:o}", "c2c_ns",
			 value_real(n->c2c_before_ns > 0 ? n->c2c_before_ns : NAN),
			 value_real(n->c2c_after_ns > 0 ? n->c2c_after_ns : NAN), "class",
			 noise_class(n), "wake_up", timings(&n->wake_up), "timer",
			 timings(&n->timer), "steal_share", value_real(usage_steal_share(u)),
			 "backend_waited_share",
			 value_real((double)u->backend_waited_ns / (double)u->wall_ns));
}

static json_t *timeline(const struct repetition *r)
{
	json_t *frames = json_array(), *p50 = json_array(), *max = json_array();
	const struct timeline_bin *bin;

	for (bin = r->bins; bin < r->bins + r->n_bins; bin++) {
		json_array_append_new(frames, value_count(bin->frames));
		json_array_append_new(p50, bin->frames ? value_count(bin->p50_ns) : json_null());
		json_array_append_new(max, bin->frames ? value_count(bin->max_ns) : json_null());
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "bin_ns", value_count(r->bin_ns), "frames", frames,
			 "p50_ns", p50, "max_ns", max);
}

static json_t *repetition(const struct repetition *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:{s:o, s:o, s:o},"
			 " s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o}",
			 "ns", value_count(r->ns), "frames", value_count(r->frames), "bytes",
			 value_count(r->bytes), "lost", value_count(r->lost), "duplicated",
			 value_count(r->duplicated), "reordered", value_count(r->reordered),
			 "generator", "late", timings(&r->late), "waited_ns",
			 value_count(r->usage.waited_ns), "wall_ns", value_count(r->usage.wall_ns),
			 "stages", stages(r), "notifications", "kicks", value_count(r->kicks),
			 "forced_kicks", value_count(r->forced_kicks), "calls",
			 value_count(r->calls), "ring_fill", "n", value_count(r->publishes), "sum",
			 value_count(r->fill_sum), "syscalls", value_count(r->syscalls), "cost",
			 cost(&r->cost), "company", company(&r->company), "noise", noise(r),
			 "timeline", timeline(r));
}

/* The whole. */

static json_t *whole(const struct run_result *r)
{
	char label[SETUP_LABEL_LEN];
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n; i++)
		json_array_append_new(list, repetition(&r->repetitions[i]));
	return json_pack("{s:s, s:o, s:b, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "schema",
			 SCHEMA, "label", value_text(setup_label(r, label)), "complete",
			 !r->incomplete[0], "incomplete", value_text(r->incomplete), "failed",
			 value_text(r->failed), "command", setup_command(r->options), "started",
			 r->started, "target", setup_target(r), "load", setup_load(r->options),
			 "host", setup_host(r), "repetitions", list);
}

/* A key a line, so that people find their way, and each value in one. */
static void write_lines(FILE *f, json_t *root)
{
	const char *key, *before = "{\n";
	json_t *value;

	json_object_foreach(root, key, value)
	{
		fprintf(f, "%s\"%s\": ", before, key);
		json_dumpf(value, f, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
		before = ",\n";
	}
	fputs("\n}\n", f);
}

/* Takes fd. 0 or a negative errno. */
static int write_to(int fd, json_t *root)
{
	FILE *f = fdopen(fd, "w");
	int err = 0;

	if (!f) {
		err = -errno;
		close(fd);
		return err;
	}
	errno = EIO;
	write_lines(f, root);
	if (fflush(f) || ferror(f))
		err = -errno;
	if (fclose(f) && !err)
		err = -errno;
	return err;
}

static int write_file(const char *path, int flags, json_t *root)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);

	return fd < 0 ? -errno : write_to(fd, root);
}

int result_write(const struct run_result *r, const char *path)
{
	struct stat st;
	json_t *root;
	char *beside;
	int err;

	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		beside = strdup(path);
	else if (asprintf(&beside, "%s.%d.tmp", path, getpid()) < 0)
		beside = NULL;
	root = beside ? whole(r) : NULL;
	err = root ? write_file(beside, strcmp(beside, path) ? O_EXCL : 0, root) : -ENOMEM;
	if (root && strcmp(beside, path)) {
		if (!err && rename(beside, path))
			err = -errno;
		if (err && err != -EEXIST)
			unlink(beside);
	}
	json_decref(root);
	free(beside);
	return err;
}

int result_in_memory(const struct run_result *r)
{
	json_t *root = whole(r);
	int fd = root ? memfd_create("txbench result", 0) : -1, err = -ENOMEM;

	if (fd >= 0)
		err = write_to(dup(fd), root);
	json_decref(root);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}
