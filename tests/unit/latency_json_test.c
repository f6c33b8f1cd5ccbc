/* SPDX-License-Identifier: MIT */
/* A latency record as JSON, and that JSON as text: numbers, coarse buckets, reasons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/txringctl/render_latency.h"
#include "tools/txringd/latency_json.h"

static struct latency_record record;

static int set_up(void **state)
{
	(void)state;
	memset(&record, 0, sizeof(record));
	return 0;
}

static json_int_t number(const json_t *object, const char *path)
{
	char name[32];
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		object = json_object_get(object, name);
		path = dot + 1;
	}
	assert_true(json_is_integer(json_object_get(object, path)));
	return json_integer_value(json_object_get(object, path));
}

/* A queue that moved nothing has all histograms, and no numbers that mean nothing. */
static void test_empty(void **state)
{
	json_t *json = latency_json(&record, 5, false);

	(void)state;
	assert_non_null(json);
	assert_int_equal(number(json, "residence.n"), 0);
	assert_null(json_object_get(json_object_get(json, "residence"), "p50_ns"));
	assert_int_equal(json_object_size(json), 8);
	assert_int_equal(json_array_size(json_object_get(json, "worst")), 0);
	json_decref(json);
}

/* The percentiles are the histogram's; the buckets hold each value once, below its upper bound. */
static void test_buckets(void **state)
{
	static const uint64_t values[] = { 0,    1,    3,     4,          5,         7,
					   100,  127,  128,   159,        160,       1000,
					   1024, 1279, 65536, 1000000007, UINT64_MAX };
	const json_t *buckets, *bucket;
	json_int_t upper = 0, last = 0, count, sum = 0;
	json_t *json;
	size_t i, k;

	(void)state;
	for (i = 0; i < array_size(values); i++)
		histogram_add(&record.residence, values[i]);
	json = latency_json(&record, 0, false);
	buckets = json_object_get(json_object_get(json, "residence"), "buckets");
	json_array_foreach(buckets, i, bucket)
	{
		upper = json_integer_value(json_array_get(bucket, 0));
		count = json_integer_value(json_array_get(bucket, 1));
		assert_true(upper > last && count > 0);
		for (k = 0; k < array_size(values); k++) {
			if (values[k] >= (uint64_t)last &&
			    (values[k] < (uint64_t)upper || upper == INT64_MAX))
				count--;
		}
		assert_int_equal(count, 0);
		sum += json_integer_value(json_array_get(bucket, 1));
		/* A quarter of a power of two. */
		if (last >= 4 && upper < INT64_MAX)
			assert_true((upper & (upper - 1)) == 0 || upper % 5 == 0 ||
				    upper % 3 == 0 || upper % 7 == 0);
		last = upper;
	}
	assert_int_equal(sum, array_size(values));
	assert_int_equal(number(json, "residence.n"), array_size(values));
	assert_int_equal(number(json, "residence.min_ns"), 0);
	assert_int_equal(number(json, "residence.max_ns"), INT64_MAX);
	assert_int_equal(number(json, "residence.p50_ns"),
			 (json_int_t)histogram_at(&record.residence, 0.5));
	json_decref(json);
}

static void worst(unsigned interval, uint64_t ns, enum latency_part reason)
{
	struct latency_interval *i = &record.intervals[interval];

	i->worst[i->n++] = (struct latency_worst){
		.when_ns = 1000000000,
		.residence_ns = ns,
		.frames = 2,
		.cause = LATENCY_KICK,
		.reason = reason,
		.waited_ns = { [LATENCY_TURN] = 1, [LATENCY_FULL] = ns - 1 }
	};
}

/* The slowest of both intervals, in order, with what they waited for. */
static void test_worst(void **state)
{
	const json_t *first, *array;
	json_t *json;

	(void)state;
	worst(0, 3000, LATENCY_FULL);
	worst(0, 9000, LATENCY_FULL);
	worst(1, 5000, LATENCY_FULL);
	json = latency_json(&record, 3000000000, false);
	array = json_object_get(json, "worst");
	assert_int_equal(json_array_size(array), 3);
	first = json_array_get(array, 0);
	assert_int_equal(number(first, "residence_ns"), 9000);
	assert_int_equal(number(first, "ago_ns"), 2000000000);
	assert_int_equal(number(first, "waited_ns.full"), 8999);
	assert_int_equal(json_object_size(json_object_get(first, "waited_ns")), 2);
	assert_string_equal(json_string_value(json_object_get(first, "reason")), "full");
	assert_string_equal(json_string_value(json_object_get(first, "cause")), "kick");
	assert_int_equal(number(json_array_get(array, 1), "interval"), 1);
	assert_int_equal(number(json_array_get(array, 2), "residence_ns"), 3000);
	json_decref(json);
}

static char *rendered(json_t *answer)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	render_latency(answer, out);
	fclose(out);
	json_decref(answer);
	return text;
}

/* What a user reads. A queue without frames is not there, nor is a row without values. */
static void test_text(void **state)
{
	struct latency_record *none = calloc(1, sizeof(*none));
	char *text;

	(void)state;
	assert_non_null(none);
	histogram_add_n(&record.residence, 12000, 99);
	histogram_add(&record.residence, 1500000);
	histogram_add(&record.batch, 64);
	worst(0, 1500000, LATENCY_FULL);
	text = rendered(json_pack("{s:[{s:s, s:[{s:o, s:o}]}]}", "nics", "name", "nic0", "pairs",
				  "tx", latency_json(&record, 3000000000, false), "rx",
				  latency_json(none, 3000000000, false)));
	assert_string_equal(text, "nic0 pair 0 tx\n"
				  "                              n        p50        p90        "
				  "p99      p99.9        max\n"
				  "  seen to used              100    12.0 us    12.0 us    12.0 "
				  "us    1.50 ms    1.50 ms\n"
				  "  frames a batch              1         64         64         "
				  "64         64         64\n"
				  "  the slowest of some seconds:\n"
				  "     1.50 ms, 2 frames, 2.00 s ago: tx: the backend was full; "
				  "rx: the driver gave no "
				  "buffers (1.50 ms of it)\n");
	free(text);
	free(none);
}

/* Answers of another version, or of nothing: no text, and no fall. */
static void test_strange(void **state)
{
	static const char *const answers[] = {
		"{}",
		"[]",
		"{\"nics\": 3}",
		"{\"nics\": [1, {\"pairs\": {}}, {\"pairs\": [[], {\"tx\": 1}]}]}",
		"{\"nics\":[{\"pairs\":[{\"tx\":{\"residence\":{\"n\":1},\"worst\":[1,{}]}}]}]}",
	};
	char *text;

	(void)state;
	for (size_t i = 0; i < array_size(answers); i++) {
		text = rendered(json_loads(answers[i], 0, NULL));
		assert_non_null(text);
		assert_true(i == 4 || !*text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, set_up),
		cmocka_unit_test_setup(test_buckets, set_up),
		cmocka_unit_test_setup(test_worst, set_up),
		cmocka_unit_test_setup(test_text, set_up),
		cmocka_unit_test_setup(test_strange, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
