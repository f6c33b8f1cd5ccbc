/* SPDX-License-Identifier: MIT */
/* Answers of txringds as metrics: tools/txringctl/metrics.c. Pure: JSON in, text out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/stats.h"
#include "tools/txringctl/metrics.h"
#include "virtio/base.h"

#define SHOW \
	"{'nics':[{'name':'nic0','backend':'tap:t0','txmode':'timer,delay=150us','link':'up'," \
	"'connected':true,'driver':'user'}," \
	"{'name':'nic1','backend':'null','txmode':'iothread','link':'down','connected':false," \
	"'driver':'kernel','handovers':{'to_kernel':{'n':4,'last_ns':1},'to_user':{'n':3}," \
	"'failed':2}}]}"
#define STATS \
	"{'nics':[{'name':'nic0','pairs':[{'tx':{'frames':7,'bytes':420,'drop_size':2," \
	"'drop_csum':3,'novel':1},'rx':{'frames':5}},{'tx':{'frames':8},'rx':{}}]}," \
	"{'name':'nic1','pairs':[{'tx':{'frames':18446744073},'rx':{'frames':6}}]}]," \
	"'iothreads':[{'name':'iothread0','cpu_ns':1500000001,'turns':9}],'time_ns':1}"
#define LATENCY \
	"{'nics':[{'name':'nic0','pairs':[{'tx':{'residence':{'n':6,'min_ns':900,'max_ns':" \
	"9000000000," \
	"'buckets':[[1000,1],[1024,1],[1280,1],[2048,2],[9000000000,1]]}," \
	"'batch':{'n':3,'min':1,'max':64,'buckets':[[1,1],[64,2]]},'worst':[]},'rx':{}}]}]}"

/* Single quotes for double ones. */
static json_t *parse(const char *text)
{
	char *copy = strdup(text);
	json_error_t error;
	json_t *json;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(copy, 0, &error);
	if (!json)
		fail_msg("%s: %s", text, error.text);
	free(copy);
	return json;
}

/* To be freed. */
static char *print(enum metrics_format format, const struct metrics_source *sources, unsigned n)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	metrics_print(out, format, sources, n);
	fclose(out);
	return text;
}

static char *print_sample(enum metrics_format format)
{
	json_t *show = parse(SHOW), *stats = parse(STATS), *latency = parse(LATENCY);
	struct metrics_source s = { "vm0", show, stats, latency, "0.1.0" };
	char *text = print(format, &s, 1);

	json_decref(show);
	json_decref(stats);
	json_decref(latency);
	return text;
}

/* The text has this line, once. */
static void assert_line(const char *text, const char *line)
{
	size_t len = strlen(line);
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, line)); at += len)
		n += (at == text || at[-1] == '\n') && at[len] == '\n';
	if (n != 1)
		fail_msg("%u times: %s\nin\n%s", n, line, text);
}

static void assert_none(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("%s\nin\n%s", part, text);
}

/* Each value is where it belongs: the right card, pair, ring and name. */
static void samples_are_those_of_the_answers(void **state)
{
	static const char *const lines[] = {
		"txring_up{daemon=\"vm0\"} 1",
		"txring_info{daemon=\"vm0\",version=\"0.1.0\"} 1",
		"txring_nic_info{daemon=\"vm0\",nic=\"nic0\",backend=\"tap:t0\",txmode=\"timer,"
		"delay=150us\"} 1",
		"txring_link_up{daemon=\"vm0\",nic=\"nic0\"} 1",
		"txring_link_up{daemon=\"vm0\",nic=\"nic1\"} 0",
		"txring_frontend_connected{daemon=\"vm0\",nic=\"nic1\"} 0",
		"txring_driver{daemon=\"vm0\",nic=\"nic0\",driver=\"user\"} 1",
		"txring_driver{daemon=\"vm0\",nic=\"nic0\",driver=\"kernel\"} 0",
		"txring_driver{daemon=\"vm0\",nic=\"nic1\",driver=\"kernel\"} 1",
		"txring_handovers_total{daemon=\"vm0\",nic=\"nic1\",to=\"kernel\"} 4",
		"txring_handovers_total{daemon=\"vm0\",nic=\"nic1\",to=\"user\"} 3",
		"txring_handovers_failed_total{daemon=\"vm0\",nic=\"nic1\"} 2",
		"txring_tx_frames_total{daemon=\"vm0\",nic=\"nic0\",pair=\"0\"} 7",
		"txring_tx_frames_total{daemon=\"vm0\",nic=\"nic0\",pair=\"1\"} 8",
		"txring_tx_frames_total{daemon=\"vm0\",nic=\"nic1\",pair=\"0\"} 18446744073",
		"txring_rx_frames_total{daemon=\"vm0\",nic=\"nic1\",pair=\"0\"} 6",
		"txring_tx_drops_total{daemon=\"vm0\",nic=\"nic0\",pair=\"0\",reason=\"size\"} 2",
		"txring_tx_drops_total{daemon=\"vm0\",nic=\"nic0\",pair=\"0\",reason=\"csum\"} 3",
		"txring_tx_novel_total{daemon=\"vm0\",nic=\"nic0\",pair=\"0\"} 1",
		"txring_iothread_cpu_seconds_total{daemon=\"vm0\",iothread=\"iothread0\"} "
		"1.500000001",
		"txring_iothread_turns_total{daemon=\"vm0\",iothread=\"iothread0\"} 9",
	};

	(void)state;
	for (int format = METRICS_OPENMETRICS; format <= METRICS_PROMETHEUS; format++) {
		char *text = print_sample((enum metrics_format)format);

		for (unsigned i = 0; i < array_size(lines); i++)
			assert_line(text, lines[i]);
		assert_none(text, "drop_");
		free(text);
	}
}

/* A bucket holds what is at most its bound, all that is below it included; sizes are not times. */
static void histograms_are_cumulative(void **state)
{
#define TIME "txring_tx_residence_seconds_bucket{daemon=\"vm0\",nic=\"nic0\",pair=\"0\",le="
#define SIZE "txring_tx_batch_frames_bucket{daemon=\"vm0\",nic=\"nic0\",pair=\"0\",le="
	char *text = print_sample(METRICS_OPENMETRICS);

	(void)state;
	assert_line(text, "# TYPE txring_tx_residence_seconds histogram");
	assert_line(text, TIME "\"0.000001024\"} 2");
	assert_line(text, TIME "\"0.000002048\"} 5");
	assert_line(text, TIME "\"0.536870912\"} 5");
	assert_line(text, TIME "\"+Inf\"} 6");
	assert_line(text, SIZE "\"1.0\"} 1");
	assert_line(text, SIZE "\"32.0\"} 1");
	assert_line(text, SIZE "\"64.0\"} 3");
	assert_line(text, SIZE "\"+Inf\"} 3");
	/* No sum was kept: none is made up. */
	assert_none(text, "_sum");
	assert_none(text, "_worst");
	free(text);
}

/* What the two formats differ in: the name of a family of counters, info, and the end. */
static void formats_differ_where_they_must(void **state)
{
	char *text = print_sample(METRICS_OPENMETRICS);

	(void)state;
	assert_line(text, "# TYPE txring_tx_frames counter");
	assert_line(text, "# TYPE txring info");
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	free(text);
	text = print_sample(METRICS_PROMETHEUS);
	assert_line(text, "# TYPE txring_tx_frames_total counter");
	assert_line(text, "# TYPE txring_info gauge");
	assert_none(text, "# EOF");
	free(text);
}

/* Of each family all samples are together, also those of several daemons. */
static void families_are_in_one_piece(void **state)
{
	json_t *show = parse(SHOW), *stats = parse(STATS);
	struct metrics_source s[] = { { "a", show, stats, NULL, NULL },
				      { "b", NULL, NULL, NULL, NULL },
				      { "c", show, stats, NULL, NULL } };
	char *text = print(METRICS_OPENMETRICS, s, 3), *line = text, *rest;
	char last[128] = "", seen[8192] = "";

	(void)state;
	assert_line(text, "txring_up{daemon=\"a\"} 1");
	assert_line(text, "txring_up{daemon=\"b\"} 0");
	assert_line(text, "txring_rx_frames_total{daemon=\"c\",nic=\"nic1\",pair=\"0\"} 6");
	assert_none(text, "daemon=\"b\",");
	for (; *line; line = rest + 1) {
		char name[130];

		rest = strchr(line, '\n');
		if (*line == '#')
			continue;
		snprintf(name, sizeof(name), " %.*s ", (int)strcspn(line, "{"), line);
		if (strcmp(name, last) != 0 && strstr(seen, name))
			fail_msg("%s is in two pieces:\n%s", name, text);
		snprintf(last, sizeof(last), "%.127s", name);
		strncat(seen, name, sizeof(seen) - strlen(seen) - 1);
	}
	free(text);
	json_decref(show);
	json_decref(stats);
}

/* A name may hold anything: it ends no label and no line. */
static void labels_are_escaped(void **state)
{
	json_t *show = parse("{'nics':[{'name':'a\\\"b\\\\c\\nd','link':'up'}]}");
	struct metrics_source s = { "x\"} 1\n", show, NULL, NULL, NULL };
	char *text = print(METRICS_PROMETHEUS, &s, 1);

	(void)state;
	assert_line(text, "txring_link_up{daemon=\"x\\\"} 1\\n\",nic=\"a\\\"b\\\\c\\nd\"} 1");
	free(text);
	json_decref(show);
}

/* Answers of another shape than expected: less text, no crash, no line that is none. */
static void foreign_shapes_are_left_out(void **state)
{
	static const char *const shapes[] = {
		"{}",
		"{'nics':7,'iothreads':{}}",
		"{'nics':[1,null,{'name':3,'link':1,'pairs':'x'}],'iothreads':[1]}",
		"{'nics':[{'pairs':[{'tx':[1]},{'tx':{'frames':'7','Bad-Name':1,'':2,'bytes':1.5}}]"
		"}]}",
		"{'nics':[{'pairs':[{'tx':{'residence':{'max_ns':1,'buckets':[1,[],['a','b']]}}}]}]"
		"}",
	};

	(void)state;
	for (unsigned i = 0; i < array_size(shapes); i++) {
		json_t *json = parse(shapes[i]);
		struct metrics_source s = { "d", json, json, json, NULL };
		char *text = print(METRICS_PROMETHEUS, &s, 1);

		assert_line(text, "txring_up{daemon=\"d\"} 1");
		assert_none(text, "Bad-Name");
		assert_none(text, "frames_total");
		assert_none(text, "bytes_total");
		free(text);
		json_decref(json);
	}
}

/* A pair that has all counters that there are. */
static json_t *all_counters(void)
{
	json_t *tx = json_object(), *rx = json_object();

	for (const struct stats_counter *c = stats_tx; c->name; c++)
		json_object_set_new(tx, c->name, json_integer(1));
	for (const struct stats_counter *c = stats_rx; c->name; c++)
		json_object_set_new(rx, c->name, json_integer(2));
	return json_pack("{s:o, s:o}", "tx", tx, "rx", rx);
}

/* With an argument: the sample with all counters, for other programs to judge. */
static int write_samples(const char *format)
{
	json_t *show = parse(SHOW), *stats = parse(STATS), *latency = parse(LATENCY);
	struct metrics_source s = { "vm0", show, stats, latency, "0.1.0" };
	json_t *nic = json_array_get(json_object_get(stats, "nics"), 0);

	json_array_append_new(json_object_get(nic, "pairs"), all_counters());
	metrics_print(stdout,
		      strcmp(format, "prometheus") ? METRICS_OPENMETRICS : METRICS_PROMETHEUS, &s,
		      1);
	json_decref(show);
	json_decref(stats);
	json_decref(latency);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_those_of_the_answers),
		cmocka_unit_test(histograms_are_cumulative),
		cmocka_unit_test(formats_differ_where_they_must),
		cmocka_unit_test(families_are_in_one_piece),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(foreign_shapes_are_left_out),
	};

	if (argc > 1)
		return write_samples(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
