/* SPDX-License-Identifier: MIT */
/*
 * A latency record as JSON; see latency_json.h. jansson takes NULL for a value and then fails, so
 * only the end looks whether memory sufficed: failed notes it.
 */
#include "tools/txringd/latency_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct out {
	bool failed;
};

/* JSON's integers have a sign. */
static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)min_u64(value, INT64_MAX));
}

static void put(struct out *out, json_t *object, const char *name, json_t *value)
{
	out->failed |= json_object_set_new(object, name, value) != 0;
}

static void append(struct out *out, json_t *array, json_t *value)
{
	out->failed |= json_array_append_new(array, value) != 0;
}

/* The first value above those that are counted together with this one. */
static uint64_t upper_of(uint64_t value)
{
	unsigned shift;
	uint64_t upper;

	if (value < 4)
		return value + 1;
	shift = 61 - (unsigned)__builtin_clzll(value);
	upper = ((value >> shift) + 1) << shift;
	return upper ? upper : UINT64_MAX;
}

static void put_bucket(struct out *out, json_t *array, uint64_t upper, uint64_t count)
{
	json_t *bucket;

	if (!count)
		return;
	bucket = json_array();
	append(out, bucket, number(upper));
	append(out, bucket, number(count));
	append(out, array, bucket);
}

/* The same of a bucket of the histogram itself. */
static uint64_t fine_upper(unsigned bucket)
{
	uint64_t value = histogram_value(bucket);
	unsigned shift = histogram_shift(value);
	uint64_t upper = ((value >> shift) + 1) << shift;

	return upper ? upper : UINT64_MAX;
}

static json_t *buckets(struct out *out, const struct histogram *h, bool fine)
{
	json_t *array = json_array();
	uint64_t upper = 0, count = 0, next;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!h->buckets[i])
			continue;
		next = fine ? fine_upper(i) : upper_of(histogram_value(i));
		if (next != upper)
			put_bucket(out, array, upper, count);
		count = next == upper ? count + h->buckets[i] : h->buckets[i];
		upper = next;
	}
	put_bucket(out, array, upper, count);
	return array;
}

/* unit: "_ns", or "". */
static json_t *histogram_json(struct out *out, const struct histogram *h, const char *unit,
			      bool fine)
{
	static const struct {
		const char *name;
		double share;
	} points[] = { { "min", 0 },    { "p50", 0.5 },    { "p90", 0.9 },
		       { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 } };
	json_t *object = json_object();
	char name[16];

	put(out, object, "n", number(h->n));
	for (unsigned i = 0; i < array_size(points) && h->n; i++) {
		snprintf(name, sizeof(name), "%s%s", points[i].name, unit);
		put(out, object, name, number(histogram_at(h, points[i].share)));
	}
	if (h->n)
		put(out, object, "buckets", buckets(out, h, fine));
	return object;
}

struct entry {
	const struct latency_worst *worst;
	unsigned interval;
};

static int slower_first(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->worst->residence_ns;
	uint64_t y = ((const struct entry *)b)->worst->residence_ns;

	return x > y ? -1 : x < y;
}

static json_t *worst_json(struct out *out, const struct entry *e, uint64_t now_ns)
{
	json_t *object = json_object(), *waited = json_object();
	const struct latency_worst *w = e->worst;

	put(out, object, "when_ns", number(w->when_ns));
	put(out, object, "ago_ns", number(now_ns > w->when_ns ? now_ns - w->when_ns : 0));
	put(out, object, "interval", number(e->interval));
	put(out, object, "residence_ns", number(w->residence_ns));
	put(out, object, "frames", number(w->frames));
	put(out, object, "cause", json_string(latency_causes[w->cause]));
	put(out, object, "reason", json_string(latency_parts[w->reason]));
	for (unsigned i = 0; i < LATENCY_PARTS; i++) {
		if (w->waited_ns[i])
			put(out, waited, latency_parts[i], number(w->waited_ns[i]));
	}
	put(out, object, "waited_ns", waited);
	return object;
}

static json_t *all_worst(struct out *out, const struct latency_record *r, uint64_t now_ns)
{
	struct entry entries[2 * LATENCY_WORST];
	json_t *array = json_array();
	size_t n = 0, i;

	for (unsigned k = 0; k < 2; k++) {
		for (i = 0; i < r->intervals[k].n; i++)
			entries[n++] = (struct entry){ &r->intervals[k].worst[i], k };
	}
	qsort(entries, n, sizeof(entries[0]), slower_first);
	for (i = 0; i < n; i++)
		append(out, array, worst_json(out, &entries[i], now_ns));
	return array;
}

json_t *latency_json(const struct latency_record *r, uint64_t now_ns, bool fine)
{
	json_t *object = json_object();
	struct out out = { 0 };

	put(&out, object, "residence", histogram_json(&out, &r->residence, "_ns", fine));
	put(&out, object, "to_sent", histogram_json(&out, &r->to_sent, "_ns", false));
	put(&out, object, "to_used", histogram_json(&out, &r->to_used, "_ns", false));
	put(&out, object, "batch", histogram_json(&out, &r->batch, "", false));
	put(&out, object, "wake", histogram_json(&out, &r->wake, "_ns", false));
	put(&out, object, "late", histogram_json(&out, &r->late, "_ns", false));
	put(&out, object, "run", histogram_json(&out, &r->run, "_ns", false));
	put(&out, object, "worst", all_worst(&out, r, now_ns));
	if (!out.failed)
		return object;
	json_decref(object);
	return NULL;
}
