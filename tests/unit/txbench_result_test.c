/* SPDX-License-Identifier: MIT */
/* What txbench says of a run whose figures are known: intervals, the result file, the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/txbench/interval.h"
#include "bench/txbench/metric.h"
#include "bench/txbench/result.h"
#include "bench/txbench/table.h"
#include "virtio/base.h"
#include "virtio/features.h"

#define REPETITIONS 3

static char *arguments[] = { "txbench", "run", "--label", "not \xff UTF-8" };

static struct options options;
static struct port port;
static struct repetition repetitions[REPETITIONS];
static struct run_result run;

static void add(struct histogram *h, double *sum_ns, unsigned n, uint64_t value)
{
	while (n--) {
		histogram_add(h, value);
		if (sum_ns)
			*sum_ns += (double)value;
	}
}

/* wire: each quantile is another value; the others have too few values for some. */
static void fill_stages(struct repetition *r, uint64_t more)
{
	static const struct {
		unsigned n;
		uint64_t value;
	} wire[] = { { 5000, 100 }, { 4000, 110 }, { 900, 120 },
		     { 90, 125 },   { 9, 1000 },   { 1, 5000 } };
	struct histogram *h = r->stages;
	double *sum_ns = r->stage_sum_ns;

	for (unsigned i = 0; i < array_size(wire); i++)
		add(&h[STAGE_WIRE], &sum_ns[STAGE_WIRE], wire[i].n, wire[i].value + more);
	add(&h[STAGE_USED], &sum_ns[STAGE_USED], 999, 50);
	add(&h[STAGE_CALL], &sum_ns[STAGE_CALL], 99, 60);
	add(&h[STAGE_PUBLISHED], &sum_ns[STAGE_PUBLISHED], 9, 7);
}

static void fill_repetition(unsigned i)
{
	struct repetition *r = &repetitions[i];

	*r = (struct repetition){
		.ns = 2000000000,
		.frames = 10000 + 2000 * i,
		.bytes = 64 * (10000 + 2000 * i),
		.lost = i,
		.duplicated = i ? RESULT_UNKNOWN : 1,
		.reordered = RESULT_UNKNOWN,
		.waited_ns = 500000000,
		.forced_kicks = 3,
		.syscalls = i ? RESULT_UNKNOWN : 30000,
		.noise = { .c2c_before_ns = 100,
			   .c2c_after_ns = 120,
			   .wake_up = { 30000, 50000, 0 },
			   .timer = { 49000, 60000, 70000 },
			   .steal_share = 0.25 },
		.bin_ns = 20000000,
		.n_bins = 2,
		.bins = { { 9990, 100, 5000 }, { 0, 0, 0 } },
	};
	r->kicks = r->frames / 2;
	r->calls = r->frames / 4;
	r->usage = (struct usage){
		.driver_ns = 2000000000,
		.backend_ns = 1000 * r->frames,
		.backend_user_ns = 400 * r->frames,
		.backend_kernel_ns = 600 * r->frames,
		.softirq_ns = 50 * r->frames,
		.backend_waited_ns = 250000000,
		.wall_ns = 2000000000,
	};
	add(&r->late, NULL, 9999, 40);
	add(&r->late, NULL, 1, 300);
	fill_stages(r, 10 * i);
}

static int set_up(void **state)
{
	(void)state;
	options = (struct options){
		.socket_path = "/nowhere",
		.label = "not \xff UTF-8",
		.wire_kind = WIRE_NONE,
		.ring_size = 256,
		.load = LOAD_POISSON,
		.rate = 5000,
		.size_bytes = 64,
		.batch = 64,
		.ns = 2000000000,
		.warm_up_ns = 300000000,
		.late_limit_ns = 10000,
		.argc = array_size(arguments),
		.argv = arguments,
	};
	port = (struct port){ .features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(47), .pid = 0 };
	for (unsigned i = 0; i < REPETITIONS; i++)
		fill_repetition(i);
	run = (struct run_result){ .options = &options,
				   .port = &port,
				   .started = "2026-01-31T12:00:00Z",
				   .repetitions = repetitions,
				   .n = REPETITIONS };
	return 0;
}

static void assert_near(double got, double wanted, double off)
{
	if (!(fabs(got - wanted) <= off))
		fail_msg("%.10g instead of %.10g", got, wanted);
}

/* Intervals. */

/* Of |t| being below limit: Simpson's rule over the density, which needs no table. */
static double probability(unsigned df, double limit)
{
	const unsigned steps = 20000;
	double sum = 0, h = limit / steps;
	double factor = exp(lgamma((df + 1) / 2.0) - lgamma(df / 2.0)) / sqrt(df * M_PI);

	for (unsigned i = 0; i <= steps; i++) {
		double density = pow(1 + i * h * i * h / df, -((double)df + 1) / 2);

		sum += density * (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2);
	}
	return 2 * factor * sum * h / 3;
}

/* The quantile holds 95 % for every number of repetitions; a wrong digit of the table shows. */
static void test_t(void **state)
{
	(void)state;
	for (unsigned df = 1; df <= 200; df++)
		assert_near(probability(df, interval_t(df)), 0.95, 1e-6);
	assert_near(interval_t(4), 2.776, 5e-4); /* as printed in books */
	assert_near(interval_t(60), 2.000, 5e-4);
	assert_near(interval_t(1000000), 1.960, 5e-4);
}

/* Values that were not measured do not count, and one value has no interval. */
static void test_interval(void **state)
{
	const double three[] = { 10, NAN, 12, 14 }, one[] = { NAN, 3 };
	struct interval i = interval_of(three, array_size(three));

	(void)state;
	assert_int_equal(i.n, 3);
	assert_near(i.mean, 12, 1e-12);
	assert_near(i.low, 12 - 4.302653 * 2 / sqrt(3), 1e-5);
	assert_near(i.high, 12 + 4.302653 * 2 / sqrt(3), 1e-5);

	i = interval_of(one, array_size(one));
	assert_int_equal(i.n, 1);
	assert_near(i.mean, 3, 0);
	assert_true(isnan(i.low) && isnan(i.high));

	i = interval_of(one, 1);
	assert_int_equal(i.n, 0);
	assert_true(isnan(i.mean));
}

/* The file. */

/* The golden text may leave digits away. */
static bool same_number(const json_t *a, const json_t *b)
{
	double x = json_number_value(a), y = json_number_value(b);

	return json_typeof(a) == json_typeof(b) && fabs(x - y) <= 1e-6 * fabs(y);
}

static void assert_same(const json_t *got, const json_t *wanted, const char *path);

static void assert_same_object(const json_t *got, const json_t *wanted, const char *path)
{
	const char *key;
	json_t *value;
	char inner[200];

	json_object_foreach((json_t *)wanted, key, value)
	{
		snprintf(inner, sizeof(inner), "%s.%s", path, key);
		if (!json_object_get(got, key))
			fail_msg("%s is missing", inner);
		assert_same(json_object_get(got, key), value, inner);
	}
	json_object_foreach((json_t *)got, key, value)
	{
		if (!json_object_get(wanted, key))
			fail_msg("%s.%s should not be there", path, key);
	}
}

static void assert_same(const json_t *got, const json_t *wanted, const char *path)
{
	char inner[200];

	if (json_is_object(wanted) && json_is_object(got)) {
		assert_same_object(got, wanted, path);
	} else if (json_is_array(wanted) && json_array_size(got) == json_array_size(wanted)) {
		for (unsigned i = 0; i < json_array_size(wanted); i++) {
			snprintf(inner, sizeof(inner), "%s[%u]", path, i);
			assert_same(json_array_get(got, i), json_array_get(wanted, i), inner);
		}
	} else if (json_is_number(wanted) ? !same_number(got, wanted) : !json_equal(got, wanted)) {
		char *text = json_dumps(got, JSON_ENCODE_ANY);

		fail_msg("%s is %s", path, text);
	}
}

static json_t *parse(const char *golden)
{
	json_error_t error;
	json_t *j = json_loads(golden, JSON_DECODE_ANY, &error);

	if (!j)
		fail_msg("line %d: %s", error.line, error.text);
	return j;
}

static void assert_golden(const json_t *got, const char *golden)
{
	json_t *wanted = parse(golden);

	assert_same(got, wanted, "");
	json_decref(wanted);
}

static char folder[] = "/tmp/txbench_result_test.XXXXXX";
static char file[sizeof(folder) + 16];

static int make_folder(void **state)
{
	(void)state;
	snprintf(file, sizeof(file), "%s/out.json", mkdtemp(folder) ? folder : "");
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder); /* fails if something else was left behind */
}

static json_t *written(void)
{
	json_error_t error;
	json_t *root;

	assert_int_equal(result_write(&run, file), 0);
	root = json_load_file(file, 0, &error);
	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	return root;
}

static const char golden_repetition[] =
	"{\"ns\": 2000000000, \"frames\": 10000, \"bytes\": 640000,"
	" \"frames_per_s\": 5000.0, \"bytes_per_s\": 320000.0,"
	" \"lost\": 0, \"duplicated\": 1, \"reordered\": null,"
	" \"generator\": {\"late_p50_ns\": 40, \"late_p99_ns\": 40, \"late_max_ns\": 300,"
	"  \"waited_share\": 0.25, \"kept_up\": true},"
	" \"stages\": {"
	"  \"published\": {\"n\": 9, \"min_ns\": 7, \"p50_ns\": 7, \"p90_ns\": null,"
	"   \"p99_ns\": null, \"p999_ns\": null, \"p9999_ns\": null, \"max_ns\": 7,"
	"   \"mean_ns\": 7.0, \"buckets\": [[7, 9]]},"
	"  \"wire\": {\"n\": 10000, \"min_ns\": 100, \"p50_ns\": 100, \"p90_ns\": 110,"
	"   \"p99_ns\": 120, \"p999_ns\": 125, \"p9999_ns\": 1004, \"max_ns\": 5000,"
	"   \"mean_ns\": 107.325, \"buckets\": [[100, 5000], [110, 4000], [120, 900],"
	"   [125, 90], [1004, 9], [5024, 1]]},"
	"  \"used\": {\"n\": 999, \"min_ns\": 50, \"p50_ns\": 50, \"p90_ns\": 50,"
	"   \"p99_ns\": 50, \"p999_ns\": null, \"p9999_ns\": null, \"max_ns\": 50,"
	"   \"mean_ns\": 50.0, \"buckets\": [[50, 999]]},"
	"  \"call\": {\"n\": 99, \"min_ns\": 60, \"p50_ns\": 60, \"p90_ns\": 60,"
	"   \"p99_ns\": null, \"p999_ns\": null, \"p9999_ns\": null, \"max_ns\": 60,"
	"   \"mean_ns\": 60.0, \"buckets\": [[60, 99]]}},"
	" \"notifications\": {\"kicks\": 5000, \"forced_kicks\": 3, \"calls\": 2500},"
	" \"syscalls\": 30000,"
	" \"cpu_ns\": {\"driver\": 2000000000, \"backend\": 10000000, \"backend_user\": 4000000,"
	"  \"backend_kernel\": 6000000, \"softirq\": 500000},"
	" \"noise\": {\"c2c_ns\": [100.0, 120.0], \"class\": \"mid\","
	"  \"wake_up\": {\"p50_ns\": 30000, \"p99_ns\": 50000, \"p999_ns\": null},"
	"  \"timer\": {\"p50_ns\": 49000, \"p99_ns\": 60000, \"p999_ns\": 70000},"
	"  \"steal_share\": 0.25, \"backend_waited_share\": 0.125},"
	" \"timeline\": {\"bin_ns\": 20000000, \"frames\": [9990, 0], \"p50_ns\": [100, null],"
	"  \"max_ns\": [5000, null]}}";

/* Each value of a repetition is where the schema says, and nothing else is. */
static void test_repetition(void **state)
{
	json_t *root, *list;

	(void)state;
	root = written();
	list = json_object_get(root, "repetitions");
	assert_int_equal(json_array_size(list), REPETITIONS);
	assert_golden(json_array_get(list, 0), golden_repetition);
	assert_golden(json_object_get(json_array_get(list, 1), "syscalls"), "null");
	assert_golden(json_object_get(json_array_get(list, 1), "duplicated"), "null");
	json_decref(root);
}

static const struct {
	const char *name;
	double mean, low, high;
	int n;
} golden_summary[] = {
	{ "frames_per_s", 6000, 3515.86229, 8484.13771, 3 },
	{ "bytes_per_s", 384000, 225015.19, 542984.81, 3 },
	{ "cpu_ns_per_frame.driver", 169841.27, 98538.074, 241144.466, 3 },
	{ "cpu_ns_per_frame.backend", 1000, 1000, 1000, 3 },
	{ "cpu_ns_per_frame.backend_user", 400, 400, 400, 3 },
	{ "cpu_ns_per_frame.backend_kernel", 600, 600, 600, 3 },
	{ "cpu_ns_per_frame.softirq", 50, 50, 50, 3 },
	{ "kicks_per_frame", 0.5, 0.5, 0.5, 3 },
	{ "calls_per_frame", 0.25, 0.25, 0.25, 3 },
	{ "syscalls_per_frame", 3, NAN, NAN, 1 },
	{ "lost", 1, -1.4841377, 3.4841377, 3 },
	{ "duplicated", 1, NAN, NAN, 1 },
	{ "reordered", NAN, NAN, NAN, 0 },
	{ "generator.late_p99_ns", 40, 40, 40, 3 },
	{ "published.p50_ns", 7, 7, 7, 3 },
	{ "published.p90_ns", NAN, NAN, NAN, 0 },
	{ "published.p99_ns", NAN, NAN, NAN, 0 },
	{ "published.p999_ns", NAN, NAN, NAN, 0 },
	{ "published.p9999_ns", NAN, NAN, NAN, 0 },
	{ "published.max_ns", 7, 7, 7, 3 },
	{ "published.mean_ns", 7, 7, 7, 3 },
	{ "wire.p50_ns", 110, 85.158623, 134.841377, 3 },
	{ "wire.p90_ns", 120.333333, 94.2400315, 146.426635, 3 },
	{ "wire.p99_ns", 130.666667, 104.573365, 156.759968, 3 },
	{ "wire.p999_ns", 135, 110.158623, 159.841377, 3 },
	{ "wire.p9999_ns", 1012, 992.126898, 1031.8731, 3 },
	{ "wire.max_ns", 5010, 4985.15862, 5034.84138, 3 },
	{ "wire.mean_ns", 117.325, 92.483623, 142.166377, 3 },
	{ "used.p50_ns", 50, 50, 50, 3 },
	{ "used.p90_ns", 50, 50, 50, 3 },
	{ "used.p99_ns", 50, 50, 50, 3 },
	{ "used.p999_ns", NAN, NAN, NAN, 0 },
	{ "used.p9999_ns", NAN, NAN, NAN, 0 },
	{ "used.max_ns", 50, 50, 50, 3 },
	{ "used.mean_ns", 50, 50, 50, 3 },
	{ "call.p50_ns", 60, 60, 60, 3 },
	{ "call.p90_ns", 60, 60, 60, 3 },
	{ "call.p99_ns", NAN, NAN, NAN, 0 },
	{ "call.p999_ns", NAN, NAN, NAN, 0 },
	{ "call.p9999_ns", NAN, NAN, NAN, 0 },
	{ "call.max_ns", 60, 60, 60, 3 },
	{ "call.mean_ns", 60, 60, 60, 3 },
};

static json_t *number_or_null(double v)
{
	return isnan(v) ? json_null() : json_real(v);
}

/* The means and their intervals; what too few values say is null, a stage not watched is absent. */
static void test_summary(void **state)
{
	json_t *root, *summary, *wanted;

	(void)state;
	root = written();
	summary = json_object_get(root, "summary");
	for (unsigned i = 0; i < array_size(golden_summary); i++) {
		wanted = !golden_summary[i].n
				 ? json_null()
				 : json_pack("{s:o, s:o, s:o, s:i}", "mean",
					     number_or_null(golden_summary[i].mean), "low",
					     number_or_null(golden_summary[i].low), "high",
					     number_or_null(golden_summary[i].high), "n",
					     golden_summary[i].n);
		assert_non_null(json_object_get(summary, golden_summary[i].name));
		assert_same(json_object_get(summary, golden_summary[i].name), wanted,
			    golden_summary[i].name);
		json_decref(wanted);
	}
	assert_int_equal(json_object_size(summary), array_size(golden_summary));
	json_decref(root);
}

/* What was run: load and ring, by name. Bytes that are no UTF-8 do not spoil the file. */
static void test_setup(void **state)
{
	json_t *root = written();

	(void)state;
	json_object_del(root, "repetitions");
	json_object_del(root, "summary");
	assert_int_equal(json_object_size(json_object_get(root, "host")), 11);
	json_object_del(root, "host");
	assert_golden(root,
		      "{\"schema\": \"txbench-1\", \"label\": \"not ? UTF-8\", \"complete\": true,"
		      " \"incomplete\": null, \"failed\": null,"
		      " \"command\": [\"txbench\", \"run\", \"--label\", \"not ? UTF-8\"],"
		      " \"started\": \"2026-01-31T12:00:00Z\","
		      " \"target\": {\"kind\": \"vhost-user\", \"pid\": null, \"command\": null,"
		      "  \"program_version\": null, \"features\": [\"VERSION_1\", \"bit47\"],"
		      "  \"layout\": \"split\", \"ring_size\": 256, \"wire\": null,"
		      "  \"wire_kind\": \"none\"},"
		      " \"load\": {\"direction\": \"tx\", \"kind\": \"poisson\", \"rate\": 5000.0,"
		      "  \"on_ns\": null, \"off_ns\": null, \"inflight\": null, \"trace\": null,"
		      "  \"size\": \"64\", \"batch\": 64, \"calls\": \"linux\", \"seconds\": 2.0,"
		      "  \"warm_up\": 0.3}}");
	json_decref(root);
}

/* Other loads, and a run that went wrong. */
static void test_other_setup(void **state)
{
	json_t *root, *load;

	(void)state;
	options.load = LOAD_INFLIGHT;
	options.inflight = 8;
	options.size = SIZE_IMIX;
	strcpy(run.incomplete, "the back-end hung up");
	strcpy(run.failed, "3 frames were lost");
	run.n = 0;
	memset(&repetitions[0].late, 0, sizeof(repetitions[0].late));
	root = written();
	load = json_object_get(root, "load");
	assert_golden(json_object_get(load, "rate"), "null");
	assert_golden(json_object_get(load, "inflight"), "8");
	assert_golden(json_object_get(load, "size"), "\"imix\"");
	assert_golden(json_object_get(root, "complete"), "false");
	assert_golden(json_object_get(root, "incomplete"), "\"the back-end hung up\"");
	assert_golden(json_object_get(root, "failed"), "\"3 frames were lost\"");
	assert_golden(json_object_get(root, "repetitions"), "[]");
	assert_golden(json_object_get(json_object_get(root, "summary"), "lost"), "null");
	json_decref(root);
}

static json_t *generator_of(json_t *root)
{
	json_t *first = json_array_get(json_object_get(root, "repetitions"), 0);

	return json_object_get(first, "generator");
}

/* A late generator is told; where there is no due time, there is no lateness; no back-end: null. */
static void test_generator(void **state)
{
	json_t *root;

	(void)state;
	add(&repetitions[0].late, NULL, 200, 20000);
	for (unsigned i = 0; i < REPETITIONS; i++)
		repetitions[i].usage.backend_ns = 0;
	root = written();
	assert_golden(json_object_get(generator_of(root), "kept_up"), "false");
	assert_golden(json_object_get(json_object_get(root, "summary"), "cpu_ns_per_frame.backend"),
		      "null");
	json_decref(root);

	memset(&repetitions[0].late, 0, sizeof(repetitions[0].late));
	root = written();
	assert_golden(generator_of(root),
		      "{\"late_p50_ns\": null, \"late_p99_ns\": null, \"late_max_ns\": null,"
		      " \"waited_share\": 0.25, \"kept_up\": null}");
	json_decref(root);
}

/* A quantile of which too little was seen is not told: exactly below 1 in (1 - share). */
static void test_few(void **state)
{
	static const struct {
		enum statistic stat;
		unsigned least;
	} rules[] = { { STAT_P50, 1 },
		      { STAT_P90, 10 },
		      { STAT_P99, 100 },
		      { STAT_P999, 1000 },
		      { STAT_P9999, 10000 } };
	struct histogram *h = &repetitions[0].stages[STAGE_RECEIVED];

	(void)state;
	for (unsigned i = 0; i < array_size(rules); i++) {
		memset(h, 0, sizeof(*h));
		add(h, NULL, rules[i].least - 1, 5);
		assert_true(metric_quantile(h, rules[i].stat) == RESULT_UNKNOWN);
		add(h, NULL, 1, 5);
		assert_true(metric_quantile(h, rules[i].stat) == 5);
	}
}

/* Another CPU distance before than after is "mixed"; no second CPU is no distance. */
static void test_class(void **state)
{
	(void)state;
	assert_string_equal(noise_class(&repetitions[0].noise), "mid");
	repetitions[0].noise.c2c_after_ns = 250;
	assert_string_equal(noise_class(&repetitions[0].noise), "mixed");
	repetitions[0].noise.c2c_before_ns = 0;
	assert_string_equal(noise_class(&repetitions[0].noise), "one CPU");
}

/* No room for the new file: the old one stays, and nothing beside it. */
static void test_no_room(void **state)
{
	struct rlimit before, small;
	struct stat st;
	int err;

	(void)state;
	json_decref(written());
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 100;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = result_write(&run, file);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(err, -EFBIG);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_size > 100);
}

/* A file is replaced whole or not at all, and what is no file is written to, not replaced. */
static void test_file(void **state)
{
	struct stat st;

	(void)state;
	json_decref(written()); /* there is one: the next replaces it */
	json_decref(written());
	assert_int_equal(result_write(&run, "/nonexistent/out.json"), -ENOENT);
	assert_int_equal(result_write(&run, "/dev/full"), -ENOSPC);
	assert_int_equal(result_write(&run, "/dev/null"), 0);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

/* The table. */

static const char golden_table[] =
	"us from due                   p50             p90             p99           p99.9"
	"          p99.99             max\n"
	"  published             0.0 +-0.0               -               -               -"
	"               -       0.0 +-0.0\n"
	"  wire                  0.1 +-0.0       0.1 +-0.0       0.1 +-0.0       0.1 +-0.0"
	"       1.0 +-0.0       5.0 +-0.0\n"
	"  used                  0.1 +-0.0       0.1 +-0.0       0.1 +-0.0               -"
	"               -       0.1 +-0.0\n"
	"  call                  0.1 +-0.0       0.1 +-0.0               -               -"
	"               -       0.1 +-0.0\n"
	"\n"
	"frames/s         6,000.0 +-2,484.1\n"
	"bytes/s          384,000 +-158,985\n"
	"CPU ns per frame driver 169,841 +-71,303, back-end 1,000 +-0, sampled user 400 +-0,"
	" sampled kernel 600 +-0, softirqs 50 +-0\n"
	"per frame        kicks 0.5000 +-0.0000, calls 0.2500 +-0.0000, system calls 3.0000\n"
	"frames           lost 3, duplicated 1, reordered not known, of 36,000\n"
	"\n"
	"this machine     wakes a thread in 30.0 us (p99 50.0), a timer of 150 us is 49.0 us late"
	" (p99 60.0);\n"
	"                 cache line to the back-end's CPU and back 110 ns (mid)\n"
	"the generator    late by p99 0.04 +-0.00 us, max 0.3 us\n"
	"Mind: the driver had to wait for its CPU for up to 25 % of a repetition.\n"
	"Mind: the host took up to 25 % of the CPUs' time (steal).\n";

/* The table of the run, into text. */
static void print_table(char *text, size_t cap)
{
	FILE *f = fmemopen(text, cap, "w");

	table_print(&run, f);
	fclose(f);
}

/* Every line but that of this machine. */
static void test_table(void **state)
{
	char text[8192], *second, *rest;

	(void)state;
	options.label = "txringd timer";
	print_table(text, sizeof(text));
	second = strchr(text, '\n') + 1;
	rest = strstr(second, "\n\n") + 2;
	second[-1] = '\0';
	assert_string_equal(text, "txringd timer: tx, poisson 5,000 frames/s, frames of 64 bytes; "
				  "ring of 256, split; wire not watched; 3 x 2 s");
	assert_int_equal(strncmp(second, "Linux ", 6), 0);
	assert_string_equal(rest, golden_table);
}

/* What makes a run worthless or doubtful is said, and nothing of it without cause. */
static void test_warnings(void **state)
{
	char text[8192];

	(void)state;
	for (unsigned i = 0; i < REPETITIONS; i++) {
		repetitions[i].waited_ns = 0;
		repetitions[i].noise.steal_share = 0;
	}
	print_table(text, sizeof(text));
	assert_null(strstr(text, "Mind"));
	assert_null(strstr(text, "COUNT"));

	repetitions[1].noise.c2c_before_ns = repetitions[1].noise.c2c_after_ns = 400;
	strcpy(run.failed, "3 frames were lost");
	strcpy(run.incomplete, "interrupted");
	print_table(text, sizeof(text));
	assert_non_null(strstr(text, "(mixed)"));
	assert_non_null(strstr(text, "Mind: the host moved the CPUs"));
	assert_non_null(strstr(text, "DOES NOT COUNT: 3 frames were lost\n"));
	assert_non_null(strstr(text, "INCOMPLETE: interrupted\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_t),
		cmocka_unit_test(test_interval),
		cmocka_unit_test_setup(test_repetition, set_up),
		cmocka_unit_test_setup(test_summary, set_up),
		cmocka_unit_test_setup(test_setup, set_up),
		cmocka_unit_test_setup(test_other_setup, set_up),
		cmocka_unit_test_setup(test_generator, set_up),
		cmocka_unit_test_setup(test_few, set_up),
		cmocka_unit_test_setup(test_class, set_up),
		cmocka_unit_test_setup(test_no_room, set_up),
		cmocka_unit_test_setup(test_file, set_up),
		cmocka_unit_test_setup(test_table, set_up),
		cmocka_unit_test_setup(test_warnings, set_up),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
