/* SPDX-License-Identifier: MIT */
/* The result file of a run whose figures are known: raw data, each where the schema says. */
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

#include "bench/txbench/result.h"
#include "virtio/base.h"
#include "virtio/features.h"

#define REPETITIONS 3

static char *arguments[] = { "txbench", "run", "--label", "not \xff UTF-8" };

static struct options options;
static struct port port;
static struct repetition repetitions[REPETITIONS];
static struct run_result run;

static void add(struct timings *t, unsigned n, uint64_t ns)
{
	while (n--)
		timings_add(t, ns);
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
		.kicks = 5000,
		.forced_kicks = 3,
		.kick_ns = 12000000,
		.calls = 2500,
		.syscalls = i ? RESULT_UNKNOWN : 30000,
		.publishes = 9000,
		.fill_sum = 18000,
		.usage = { .wall_ns = 2000000000,
			   .driver_ns = 1990000000,
			   .backend_ns = 10000000,
			   .waited_ns = 500000000,
			   .backend_waited_ns = 250000000 },
		.cost = { .ns = 1000000000,
			  .frames = 4900,
			  .kicks = 2400,
			  .kick_ns = 6000000,
			  .usage = { .wall_ns = 1010000000,
				     .driver_ns = 1000000000,
				     .backend_ns = 5000000 },
			  .busy_ns = 9000000,
			  .others_ns = 2000000,
			  .busy_from = BUSY_SPINNER },
		.company = { .wall_ns = 2000000001, .lost_ns = 19000000, .times = 11000 },
		.noise = { .c2c_before_ns = 100, .c2c_after_ns = 120 },
		.bin_ns = 20000000,
		.n_bins = 2,
		.bins = { { 9990, 100, 5000 }, { 0, 0, 0 } },
	};
	r->usage.steal_ns = 500000000 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	add(&r->late, 9999, 40);
	add(&r->late, 1, 300);
	add(&r->stages[STAGE_WIRE], 9000, 100);
	add(&r->stages[STAGE_WIRE], 999, 1000);
	add(&r->stages[STAGE_WIRE], 1, 5000);
	add(&r->stages[STAGE_USED], 999, 50);
	add(&r->noise.wake_up, 20, 7000);
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
		.kick_cost_ns = 4000,
		.cost_ns = 1000000000,
		.state = STATE_SPINNER,
		.seed = 7,
		.argc = array_size(arguments),
		.argv = arguments,
	};
	port = (struct port){ .features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(47) };
	for (unsigned i = 0; i < REPETITIONS; i++)
		fill_repetition(i);
	run = (struct run_result){ .options = &options,
				   .port = &port,
				   .started = "2026-01-31T12:00:00Z",
				   .repetitions = repetitions,
				   .n = REPETITIONS };
	return 0;
}

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
	" \"lost\": 0, \"duplicated\": 1, \"reordered\": null,"
	" \"generator\": {\"late\": {\"n\": 10000, \"min_ns\": 40, \"max_ns\": 300,"
	"   \"sum_ns\": 400260, \"buckets\": [[40, 9999], [302, 1]]},"
	"  \"waited_ns\": 500000000, \"wall_ns\": 2000000000},"
	" \"stages\": {"
	"  \"wire\": {\"n\": 10000, \"min_ns\": 100, \"max_ns\": 5000, \"sum_ns\": 1904000,"
	"   \"buckets\": [[100, 9000], [1004, 999], [5024, 1]]},"
	"  \"used\": {\"n\": 999, \"min_ns\": 50, \"max_ns\": 50, \"sum_ns\": 49950,"
	"   \"buckets\": [[50, 999]]}},"
	" \"notifications\": {\"kicks\": 5000, \"forced_kicks\": 3, \"calls\": 2500},"
	" \"ring_fill\": {\"n\": 9000, \"sum\": 18000},"
	" \"syscalls\": 30000,"
	" \"cost\": {\"observed\": false, \"ns\": 1000000000, \"wall_ns\": 1010000000,"
	"  \"frames\": 4900, \"kicks\": 2400, \"backend_ns\": 5000000,"
	"  \"driver_ns\": 1000000000, \"kick_ns\": 6000000, \"busy_ns\": 9000000,"
	"  \"busy_from\": \"spinner\", \"others_ns\": 2000000},"
	" \"company\": {\"lost_ns\": 19000000, \"wall_ns\": 2000000001, \"times\": 11000},"
	" \"noise\": {\"c2c_ns\": [100.0, 120.0], \"class\": \"mid\","
	"  \"wake_up\": {\"n\": 20, \"min_ns\": 7000, \"max_ns\": 7000, \"sum_ns\": 140000,"
	"   \"buckets\": [[7008, 20]]}, \"timer\": null,"
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

/* What was run: load and ring, by name. Bytes that are no UTF-8 do not spoil the file. */
static void test_setup(void **state)
{
	json_t *root = written();

	(void)state;
	json_object_del(root, "repetitions");
	assert_int_equal(json_object_size(json_object_get(root, "host")), 11);
	json_object_del(root, "host");
	assert_golden(root,
		      "{\"schema\": \"txbench-2\", \"label\": \"not ? UTF-8\", \"complete\": true,"
		      " \"incomplete\": null, \"failed\": null,"
		      " \"command\": [\"txbench\", \"run\", \"--label\", \"not ? UTF-8\"],"
		      " \"started\": \"2026-01-31T12:00:00Z\","
		      " \"target\": {\"kind\": \"vhost-user\", \"pid\": null, \"command\": null,"
		      "  \"features\": [\"VERSION_1\", \"bit47\"],"
		      "  \"layout\": \"split\", \"ring_size\": 256, \"wire\": null,"
		      "  \"wire_kind\": \"none\"},"
		      " \"load\": {\"direction\": \"tx\", \"kind\": \"poisson\", \"rate\": 5000.0,"
		      "  \"on_ns\": null, \"off_ns\": null, \"inflight\": null, \"trace\": null,"
		      "  \"size\": \"64\", \"batch\": 64, \"calls\": \"linux\", \"seconds\": 2.0,"
		      "  \"warm_up\": 0.3, \"cost_seconds\": 1.0, \"kick_cost_ns\": 4000,"
		      "  \"state\": \"spinner\", \"seed\": 7}}");
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
	options.cost_ns = options.kick_cost_ns = 0;
	root = written();
	load = json_object_get(root, "load");
	assert_golden(json_object_get(load, "rate"), "null");
	assert_golden(json_object_get(load, "inflight"), "8");
	assert_golden(json_object_get(load, "size"), "\"imix\"");
	assert_golden(json_object_get(root, "complete"), "false");
	assert_golden(json_object_get(root, "incomplete"), "\"the back-end hung up\"");
	assert_golden(json_object_get(root, "failed"), "\"3 frames were lost\"");
	assert_golden(json_object_get(root, "repetitions"), "[]");
	assert_golden(json_object_get(load, "cost_seconds"), "null");
	assert_golden(json_object_get(load, "kick_cost_ns"), "null");
	json_decref(root);
}

/* What was not measured is null and never 0. */
static void test_unknown(void **state)
{
	struct repetition *r = &repetitions[0];
	json_t *root, *first, *cost;

	(void)state;
	r->late = (struct timings){ 0 };
	r->company = (struct company_loss){ 0 };
	r->cost.usage.backend_ns = 0;
	r->cost.busy_from = BUSY_UNKNOWN;
	root = written();
	first = json_array_get(json_object_get(root, "repetitions"), 0);
	cost = json_object_get(first, "cost");
	assert_golden(json_object_get(json_object_get(first, "generator"), "late"), "null");
	assert_golden(json_object_get(first, "company"), "null");
	assert_golden(json_object_get(cost, "backend_ns"), "null");
	assert_golden(json_object_get(cost, "busy_ns"), "null");
	assert_golden(json_object_get(cost, "others_ns"), "null");
	assert_golden(json_object_get(cost, "busy_from"), "null");
	json_decref(root);
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

/* One in memory is the same text, and can be opened by its name. */
static void test_memory(void **state)
{
	int fd = result_in_memory(&run);
	json_t *root = written(), *other;
	json_error_t error;
	char path[32];

	(void)state;
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = json_load_file(path, 0, &error);
	assert_true(json_equal(root, other));
	json_decref(root);
	json_decref(other);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_repetition, set_up),
		cmocka_unit_test_setup(test_setup, set_up),
		cmocka_unit_test_setup(test_other_setup, set_up),
		cmocka_unit_test_setup(test_unknown, set_up),
		cmocka_unit_test_setup(test_class, set_up),
		cmocka_unit_test_setup(test_no_room, set_up),
		cmocka_unit_test_setup(test_file, set_up),
		cmocka_unit_test_setup(test_memory, set_up),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
