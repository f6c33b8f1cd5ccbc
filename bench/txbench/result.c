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
#include <sys/stat.h>
#include <unistd.h>

#include "bench/txbench/metric.h"
#include "bench/txbench/setup.h"
#include "bench/txbench/table.h"
#include "bench/txbench/value.h"

#define SCHEMA "txbench-1"

const char *const stage_names[STAGES] = {
	[STAGE_PUBLISHED] = "published", [STAGE_WIRE] = "wire",         [STAGE_USED] = "used",
	[STAGE_CALL] = "call",           [STAGE_RECEIVED] = "received",
};

static double share(uint64_t part_ns, uint64_t of_ns)
{
	return of_ns ? (double)part_ns / (double)of_ns : NAN;
}

/* Repetitions. */

static json_t *generator(const struct options *o, const struct repetition *r)
{
	const struct histogram *h = &r->late;

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "late_p50_ns",
			 value_count(metric_quantile(h, STAT_P50)), "late_p99_ns",
			 value_count(metric_quantile(h, STAT_P99)), "late_max_ns",
			 value_count(metric_quantile(h, STAT_MAX)), "waited_share",
			 value_real(share(r->waited_ns, r->usage.wall_ns)), "kept_up",
			 h->n ? json_boolean(histogram_at(h, 0.99) <= o->late_limit_ns)
			      : json_null());
}

static json_t *buckets(const struct histogram *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->buckets[i])
			json_array_append_new(list,
					      json_pack("[I, I]", (json_int_t)histogram_value(i),
							(json_int_t)h->buckets[i]));
	}
	return list;
}

static json_t *stage(const struct histogram *h, double sum_ns)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "n",
			 (json_int_t)h->n, "min_ns", (json_int_t)h->min, "p50_ns",
			 value_count(metric_quantile(h, STAT_P50)), "p90_ns",
			 value_count(metric_quantile(h, STAT_P90)), "p99_ns",
			 value_count(metric_quantile(h, STAT_P99)), "p999_ns",
			 value_count(metric_quantile(h, STAT_P999)), "p9999_ns",
			 value_count(metric_quantile(h, STAT_P9999)), "max_ns", (json_int_t)h->max,
			 "mean_ns", value_real(sum_ns / (double)h->n), "buckets", buckets(h));
}

static json_t *stages(const struct repetition *r)
{
	json_t *all = json_object();

	for (unsigned i = 0; i < STAGES; i++) {
		if (r->stages[i].n)
			json_object_set_new(all, stage_names[i],
					    stage(&r->stages[i], r->stage_sum_ns[i]));
	}
	return all;
}

static json_t *cpu_ns(const struct usage *u)
{
	bool backend = metric_backend_known(u), split = metric_split_known(u);

	return json_pack("{s:I, s:o, s:o, s:o, s:I}", "driver", (json_int_t)u->driver_ns, "backend",
			 backend ? value_count(u->backend_ns) : json_null(), "backend_user",
			 split ? value_count(u->backend_user_ns) : json_null(), "backend_kernel",
			 split ? value_count(u->backend_kernel_ns) : json_null(), "softirq",
			 (json_int_t)u->softirq_ns);
}

static json_t *late(const struct noise_late *l)
{
	return json_pack("{s:o, s:o, s:o}", "p50_ns", value_measured(l->p50_ns), "p99_ns",
			 value_measured(l->p99_ns), "p999_ns", value_measured(l->p999_ns));
}

static json_t *noise(const struct repetition *r)
{
	const struct noise *n = &r->noise;

	return json_pack("{s:[o, o], s:s, s:o, s:o, s:o, s:o}", "c2c_ns",
			 value_real(n->c2c_before_ns > 0 ? n->c2c_before_ns : NAN),
			 value_real(n->c2c_after_ns > 0 ? n->c2c_after_ns : NAN), "class",
			 noise_class(n), "wake_up", late(&n->wake_up), "timer", late(&n->timer),
			 "steal_share", value_real(n->steal_share), "backend_waited_share",
			 value_real(share(r->usage.backend_waited_ns, r->usage.wall_ns)));
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
	return json_pack("{s:I, s:o, s:o, s:o}", "bin_ns", (json_int_t)r->bin_ns, "frames", frames,
			 "p50_ns", p50, "max_ns", max);
}

static json_t *repetition(const struct run_result *run, const struct repetition *r)
{
	return json_pack("{s:I, s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I},"
			 " s:o, s:o, s:o, s:o}",
			 "ns", (json_int_t)r->ns, "frames", (json_int_t)r->frames, "bytes",
			 (json_int_t)r->bytes, "frames_per_s",
			 value_real(metric_value(r, METRIC_FRAMES_PER_S)), "bytes_per_s",
			 value_real(metric_value(r, METRIC_BYTES_PER_S)), "lost",
			 (json_int_t)r->lost, "duplicated", value_count(r->duplicated), "reordered",
			 value_count(r->reordered), "generator", generator(run->options, r),
			 "stages", stages(r), "notifications", "kicks", (json_int_t)r->kicks,
			 "forced_kicks", (json_int_t)r->forced_kicks, "calls", (json_int_t)r->calls,
			 "syscalls", value_count(r->syscalls), "cpu_ns", cpu_ns(&r->usage), "noise",
			 noise(r), "timeline", timeline(r));
}

static json_t *repetitions(const struct run_result *run)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < run->n; i++)
		json_array_append_new(list, repetition(run, &run->repetitions[i]));
	return list;
}

/* The whole. */

static json_t *interval(const struct interval *i)
{
	if (!i->n)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:I}", "mean", value_real(i->mean), "low",
			 value_real(i->low), "high", value_real(i->high), "n", (json_int_t)i->n);
}

static json_t *summary(const struct run_result *run)
{
	json_t *all = json_object();
	char name[METRIC_NAME_LEN];

	for (unsigned i = 0; i < METRICS; i++) {
		struct interval got = metric_interval(run, i);

		if (i >= METRIC_SCALARS && !metric_watched(run, (i - METRIC_SCALARS) / STATS))
			continue;
		json_object_set_new(all, metric_name(i, name), interval(&got));
	}
	return all;
}

static json_t *whole(const struct run_result *r)
{
	char label[SETUP_LABEL_LEN];

	return json_pack("{s:s, s:o, s:b, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "schema",
			 SCHEMA, "label", value_text(setup_label(r, label)), "complete",
			 !r->incomplete[0], "incomplete", value_text(r->incomplete), "failed",
			 value_text(r->failed), "command", setup_command(r->options), "started",
			 r->started, "target", setup_target(r), "load", setup_load(r->options),
			 "host", setup_host(r), "repetitions", repetitions(r), "summary",
			 summary(r));
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

static int write_file(const char *path, int flags, json_t *root)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666), err = 0;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f) {
		err = -errno;
		if (fd >= 0)
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

void result_print(const struct run_result *r)
{
	table_print(r, stdout);
}
