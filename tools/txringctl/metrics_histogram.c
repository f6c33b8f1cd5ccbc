/* SPDX-License-Identifier: MIT */
/*
 * Histograms of latency as metrics. The bounds are the same whatever came, as series that come and
 * go cannot be added up, and powers of two, as then the daemon's finer buckets fall into one each.
 * One that lies across a bound is counted above it. A daemon that keeps no sum has no "_sum".
 */
#include <stdio.h>
#include <string.h>

#include "tools/txringctl/metrics_text.h"

/* Of times: 2^10 ns, which is 1 us, to 2^29 ns, which is 0.5 s. */
#define FIRST_TIME 10
#define LAST_TIME  29
/* Of sizes: 1 to 2^10 frames. */
#define FIRST_SIZE 0
#define LAST_SIZE  10

/* What it is known by, in text. */
static const struct {
	const char *key, *help;
} known[] = {
	{ "residence", "from when the queue has seen a frame until it is used" },
	{ "to_sent", "the part of the residence until the backend has the frame" },
	{ "to_used", "the part of the residence after the backend has the frame" },
	{ "batch", "frames of one batch" },
	{ "wake", "from what made a run due until it began" },
	{ "late", "how late the timer of the tx mode was" },
	{ "run", "how long a run takes that moves frames" },
};

static const char *help_of(const char *key)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(known[i].key, key))
			return known[i].help;
	}
	return "a histogram that is newer than this program";
}

/* Values of time end in _ns. */
static bool is_time(const json_t *histogram)
{
	return json_object_get(histogram, "max_ns");
}

/* The values of all buckets whose upper end is at most upper. */
static json_int_t count_below(const json_t *histogram, json_int_t upper)
{
	const json_t *bucket;
	json_int_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(histogram, "buckets"), i, bucket)
	{
		if (json_integer_value(json_array_get(bucket, 0)) <= upper)
			n += json_integer_value(json_array_get(bucket, 1));
	}
	return n;
}

static json_int_t count_all(const json_t *histogram)
{
	const json_t *bucket;
	json_int_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(histogram, "buckets"), i, bucket)
		n += json_integer_value(json_array_get(bucket, 1));
	return n;
}

static void print_bucket(struct metrics_text *t, const char *family, const struct metrics_walk *w,
			 const char *le, json_int_t n)
{
	metrics_pair_labels(t, family, "_bucket", w);
	metrics_label(t, "le", le);
	metrics_value(t, n);
}

/*
 * The count is that of the buckets, not "n": the daemon's thread writes while it is read, and a
 * histogram whose last bucket differs from its count is refused.
 */
static void print_histogram(struct metrics_text *t, const char *family,
			    const struct metrics_walk *w, const json_t *h)
{
	bool time = is_time(h);
	json_int_t n = count_all(h);
	const json_t *sum = json_object_get(h, time ? "sum_ns" : "sum");
	char le[32];

	for (int i = time ? FIRST_TIME : FIRST_SIZE; i <= (time ? LAST_TIME : LAST_SIZE); i++) {
		if (time)
			metrics_decimal(le, 1LL << i);
		else
			snprintf(le, sizeof(le), "%lld.0", 1LL << i);
		print_bucket(t, family, w, le, count_below(h, 1LL << i));
	}
	print_bucket(t, family, w, "+Inf", n);
	if (json_is_integer(sum)) {
		metrics_pair_labels(t, family, "_sum", w);
		if (time)
			metrics_seconds(t, json_integer_value(sum));
		else
			metrics_value(t, json_integer_value(sum));
		metrics_pair_labels(t, family, "_count", w);
		metrics_value(t, n);
	}
}

/* The histograms that any pair has: their names, and whether they are of times. The caller's. */
static json_t *collect(const struct metrics_text *t, const char *ring)
{
	struct metrics_walk w = { 0 };
	json_t *names = json_object();
	const json_t *h;
	const char *key;

	while (names && metrics_next_pair(t, &w, true)) {
		json_object_foreach(json_object_get(w.pair, ring), key, h)
		{
			if (json_is_array(json_object_get(h, "buckets")) &&
			    !key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")])
				json_object_set_new(names, key, json_boolean(is_time(h)));
		}
	}
	return names;
}

void metrics_histograms(struct metrics_text *t, const char *ring)
{
	json_t *names = collect(t, ring), *time;
	char family[METRICS_NAME_LEN];
	const char *key;

	json_object_foreach(names, key, time)
	{
		struct metrics_walk w = { 0 };

		snprintf(family, sizeof(family), "txring_%s_%s%s", ring, key,
			 json_is_true(time) ? "_seconds" : "_frames");
		metrics_family(t, family, "histogram", help_of(key));
		while (metrics_next_pair(t, &w, true)) {
			const json_t *h = json_object_get(json_object_get(w.pair, ring), key);

			if (h && is_time(h) == json_is_true(time))
				print_histogram(t, family, &w, h);
		}
	}
	json_decref(names);
}
