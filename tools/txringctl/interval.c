/* SPDX-License-Identifier: MIT */
/* The buckets of two answers, subtracted as they are walked side by side; see interval.h. */
#include "tools/txringctl/interval.h"

#include "datapath/histogram.h"

static json_int_t number(const json_t *bucket, size_t i)
{
	return json_integer_value(json_array_get(bucket, i));
}

static json_int_t total(const json_t *histogram)
{
	return json_integer_value(json_object_get(histogram, "n"));
}

/* By what this bucket has grown; *at is where the older buckets are, which is moved on. */
static json_int_t grown(const json_t *older, size_t *at, const json_t *bucket)
{
	json_int_t n = number(bucket, 1);

	while (*at < json_array_size(older) &&
	       number(json_array_get(older, *at), 0) < number(bucket, 0))
		++*at;
	if (number(json_array_get(older, *at), 0) == number(bucket, 0))
		n -= number(json_array_get(older, *at), 1);
	return n > 0 ? n : 0;
}

/* The middle of the bucket that ends below upper. */
static uint64_t middle(uint64_t upper)
{
	uint64_t width = upper ? 1ULL << histogram_shift(upper - 1) : 0;

	return upper - width + width / 2;
}

bool interval_at(const json_t *was, const json_t *now, double share, uint64_t *value)
{
	const json_t *older = json_object_get(total(now) < total(was) ? NULL : was, "buckets");
	const json_t *newer = json_object_get(now, "buckets"), *bucket;
	json_int_t n = 0, seen = 0, more;
	size_t i, at = 0;

	json_array_foreach(newer, i, bucket) n += grown(older, &at, bucket);
	at = 0;
	json_array_foreach(newer, i, bucket)
	{
		more = grown(older, &at, bucket);
		seen += more;
		if (!more || (double)seen < share * (double)n)
			continue;
		*value = middle((uint64_t)number(bucket, 0));
		return true;
	}
	return false;
}
