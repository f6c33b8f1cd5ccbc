/* SPDX-License-Identifier: MIT */
/*
 * Answers as text: percentiles of what was between two looks, against a histogram of just that; and
 * that nothing of an answer drives a terminal, whoever renders it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/plain.h"
#include "tools/txringctl/ask.h"
#include "tools/txringctl/interval.h"
#include "tools/txringctl/plain.h"
#include "tools/txringctl/render.h"
#include "tools/txringctl/render_latency.h"
#include "tools/txringd/latency_json.h"

static struct latency_record record;

static int set_up(void **state)
{
	(void)state;
	memset(&record, 0, sizeof(record));
	return 0;
}

/* The residence as it is now, as the answer has it; the caller's. */
static json_t *look(void)
{
	json_t *queue = latency_json(&record, 0, true), *residence;

	assert_non_null(queue);
	residence = json_incref(json_object_get(queue, "residence"));
	json_decref(queue);
	return residence;
}

/* Whatever was before, what comes between the looks has the percentiles of itself alone. */
static void test_interval(void **state)
{
	static const double shares[] = { 0, 0.01, 0.5, 0.9, 0.99, 1 };
	struct histogram *between = calloc(1, sizeof(*between));
	json_t *was = NULL, *now;
	uint64_t value, want;

	(void)state;
	assert_non_null(between);
	srand(1);
	for (unsigned round = 0; round < 50; round++) {
		memset(between, 0, sizeof(*between));
		for (unsigned i = 0; i < 1 + round * 20; i++) {
			value = (uint64_t)rand() >> rand() % 31;
			histogram_add(&record.residence, value);
			histogram_add(between, value);
		}
		now = look();
		for (unsigned i = 0; i < array_size(shares); i++) {
			want = histogram_at(between, shares[i]);
			assert_true(interval_at(was, now, shares[i], &value));
			assert_in_range(value, want - want / 100, want + want / 100);
		}
		json_decref(was);
		was = now;
	}
	json_decref(was);
	free(between);
}

/* Nothing has come; the card was made anew; buckets up to the end of what there can be. */
static void test_odd_intervals(void **state)
{
	json_t *none = look(), *one, *many, *junk = json_loads("{\"buckets\":[1,[],[5]]}", 0, NULL);
	uint64_t value;

	(void)state;
	assert_false(interval_at(NULL, none, 0.5, &value));
	assert_false(interval_at(NULL, NULL, 0.5, &value));
	assert_false(interval_at(none, junk, 0.5, &value));
	histogram_add(&record.residence, 5);
	one = look();
	assert_true(interval_at(none, one, 0.5, &value));
	assert_int_equal(value, 5);
	assert_false(interval_at(one, one, 0.5, &value));
	histogram_add_n(&record.residence, 10000, 9);
	many = look();
	assert_true(interval_at(one, many, 0, &value));
	assert_in_range(value, 9900, 10100);
	assert_true(interval_at(many, one, 0.5, &value));
	assert_int_equal(value, 5);
	json_decref(none);
	json_decref(one);
	json_decref(many);
	json_decref(junk);
}

/* Of one card with one pair; the caller's. */
static json_t *answer_of(json_t *(*ring)(void))
{
	return json_pack("{s:[{s:s, s:[{s:o, s:o}]}]}", "nics", "name", "nic0", "pairs", "tx",
			 ring(), "rx", ring());
}

static json_t *latency_ring(void)
{
	return json_pack("{s:o}", "residence", look());
}

static json_t *stats_ring(void)
{
	return json_pack("{s:I}", "frames", (json_int_t)record.residence.n);
}

static void check_table(const json_t *was, const json_t *now, const json_t *latency_was,
			const json_t *latency, const char *has)
{
	struct render_stats s = { was, now, latency_was, latency, 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	render_stats(&s, out);
	fclose(out);
	assert_non_null(strstr(text, has));
	free(text);
}

/* The table shows those of the interval, and none of an interval without frames. */
static void test_table(void **state)
{
	json_t *was, *now, *latency_was, *latency;

	(void)state;
	histogram_add_n(&record.residence, 1000000, 1000);
	was = answer_of(stats_ring);
	latency_was = answer_of(latency_ring);
	check_table(NULL, was, NULL, latency_was, "   1003.5   1003.5\n");
	check_table(was, was, latency_was, latency_was, "        -        -\n");
	histogram_add_n(&record.residence, 100, 99);
	histogram_add_n(&record.residence, 7000, 9);
	now = answer_of(stats_ring);
	latency = answer_of(latency_ring);
	check_table(was, now, latency_was, latency, "      0.1      7.0\n");
	json_decref(was);
	json_decref(now);
	json_decref(latency_was);
	json_decref(latency);
}

#define EVIL \
	"\x1b[2J\x07" \
	"a\nb\tc\x7f\xc2\x9b" \
	"31m\xc3\xa9"

static json_t *evil_ring(void)
{
	return json_pack("{s:{s:i, s:i}, s:i, s:i, s:s, s:s}", "residence", "n", 3, "p50" EVIL, 3,
			 "frames" EVIL, 5, "drop_" EVIL, 5, "txmode", EVIL, "why", EVIL);
}

static json_t *evil_card(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:[s], s:[{s:o, s:o, s:s, s:s}]}", "name",
			 EVIL, "said", EVIL, "backend", EVIL, "txmode", EVIL, "why", EVIL, EVIL, 1,
			 "features", EVIL, "pairs", "tx", evil_ring(), "rx", evil_ring(), "txmode",
			 EVIL, "why", EVIL);
}

/* All that a txringd may say, by name and value; the caller's. */
static json_t *evil_answer(void)
{
	return json_pack("{s:[o], s:s, s:[{s:s, s:i}], s:[{s:s, s:s, s:[{s:s, s:s}]}]}", "nics",
			 evil_card(), "log_level", EVIL, "iothreads", "name", EVIL, "cpu_ns", 1,
			 "commands", "name", EVIL, "help", EVIL, "arguments", "name", EVIL, "help",
			 EVIL);
}

static void stats_once(const json_t *answer, FILE *out)
{
	struct render_stats s = { .now = answer, .latency = answer };

	render_stats(&s, out);
}

static void (*const renderers[])(const json_t *answer, FILE *out) = {
	render_show,     render_said,    render_domifstat, render_log_level,
	render_commands, render_latency, stats_once,
};

/* No control character is left but the ends of lines that the renderer made. */
static void test_terminal(void **state)
{
	json_t *answer = plain_answer(evil_answer());
	char *text = NULL;
	size_t len;
	FILE *out;

	(void)state;
	assert_non_null(answer);
	for (unsigned i = 0; i < array_size(renderers); i++) {
		out = open_memstream(&text, &len);
		assert_non_null(out);
		renderers[i](answer, out);
		fclose(out);
		for (size_t k = 0, step; k < len; k += step) {
			step = text[k] == '\n' ? 1 : plain_length(&text[k]);
			assert_true(step);
		}
		assert_true(i >= array_size(renderers) - 2 ||
			    strstr(text, "?[2J?a?b?c???31m\xc3\xa9"));
		assert_null(strstr(text, "\nb"));
		free(text);
	}
	json_decref(answer);
	/* A text of several lines is one. */
	answer = plain_answer(json_string("<a>\n\t\x1b[m</a>\n"));
	assert_string_equal(json_string_value(answer), "<a>\n\t?[m</a>\n");
	json_decref(answer);
	assert_null(plain_answer(NULL));
}

/* What ask_run() prints of an answer that has come; the caller's. */
static char *asked(const char *answer, bool json)
{
	char word[] = "link", up[] = "up", *words[] = { word, up }, err[ASK_ERR_LEN], *text = NULL;
	struct client c = { .patience_ms = 10000 };
	int ends[2];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	c.fd = ends[0];
	assert_int_equal(write(ends[1], answer, strlen(answer)), strlen(answer));
	ask_run(&c, words, 2, json, out, err);
	client_close(&c);
	close(ends[1]);
	fclose(out);
	return text;
}

/* Of those that did as they were told and those that did not; as JSON it is JSON's to escape. */
static void test_asked(void **state)
{
	char *text = asked("{\"return\":{\"nics\":[{\"name\":\"a\\u001b[m\",\"said\":\"b\\nc\"}]},"
			   "\"id\":1}\n",
			   false);

	(void)state;
	assert_string_equal(text, "a?[m: b?c\n");
	free(text);
	text = asked("{\"error\":{\"nics\":[{\"name\":\"a\\u001b[m\",\"said\":\"b\\u009bc\"}]},"
		     "\"id\":1}\n",
		     false);
	assert_string_equal(text, "a?[m: b??c\n");
	free(text);
	text = asked("{\"return\":\"\\u001b[m\\u009b\",\"id\":1}\n", true);
	assert_string_equal(text, "\"\\u001B[m\\u009B\"\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_interval, set_up),
		cmocka_unit_test_setup(test_odd_intervals, set_up),
		cmocka_unit_test_setup(test_table, set_up),
		cmocka_unit_test_setup(test_terminal, set_up),
		cmocka_unit_test_setup(test_asked, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
