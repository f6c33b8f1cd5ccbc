/* SPDX-License-Identifier: MIT */
/* The control socket's commands, over cards that only say how it went. No socket, no device. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datapath/latency.h"
#include "tests/unit/fake_nic.h"
#include "tools/log.h"
#include "tools/txringd/commands.h"
#include "tools/txringd/domifstat.h"
#include "tools/txringd/dumpxml.h"
#include "tools/txringd/protocol.h"
#include "tools/txringd/status_json.h"
#include "virtio/base.h"

/* The status has no card: its name tells. */
static bool unspeakable(const char *name);

bool dumpxml_print(const struct status *s, FILE *out, char err[NIC_CONFIG_ERR_LEN])
{
	snprintf(err, NIC_CONFIG_ERR_LEN, "cannot be written");
	if (unspeakable(s->name))
		return false;
	fprintf(out, "<%s mtu='%u'/>", s->name, s->tap_mtu);
	return true;
}

json_t *domifstat_json(const struct status *s, const struct ifstate *tap)
{
	return json_pack("{s:s}", s->name, tap ? tap->name : "us");
}

json_t *status_json(const struct status *s)
{
	return json_pack("{s:s}", "name", s->name);
}

json_t *status_stats_json(const struct status *s)
{
	return status_json(s);
}

uint64_t iothread_cpu_ns(const struct iothread *thread)
{
	(void)thread;
	return 7;
}

uint64_t iothread_turns(const struct iothread *thread)
{
	(void)thread;
	return 8;
}

struct control_stats control_stats(const struct control *control)
{
	(void)control;
	return (struct control_stats){ .requests = 1 };
}

static struct nic first = { .name = "nic0" }, second = { .name = "nic1" };

static bool unspeakable(const char *name)
{
	return strcmp(name, second.name) ? first.unspeakable : second.unspeakable;
}

static bool may_change = true, watches;

/* The line's answer without its newline; the caller's. */
static char *run(const char *line, size_t len, bool *later)
{
	struct nic *nics[] = { &first, NULL, &second };
	struct iothread *threads[] = { (struct iothread *)threads };
	struct commands c = {
		.nics = nics, .n_nics = array_size(nics), .threads = threads, .n_threads = 1
	};
	struct control_line request = { .text = line, .len = len, .may_change = may_change };
	char *end;

	*later = commands_run(&c, &request);
	watches = request.watches;
	json_decref(request.memo);
	assert_non_null(request.answer);
	end = strchr(request.answer, '\n');
	assert_non_null(end);
	assert_int_equal(end[1], '\0');
	*end = '\0';
	return request.answer;
}

static void assert_answer(const char *line, bool later, const char *want)
{
	bool was_later;
	char *answer = run(line, strlen(line), &was_later);

	assert_string_equal(answer, want);
	assert_int_equal(was_later, later);
	free(answer);
}

/* An error of that class with these words. */
static void assert_error(const char *line, const char *class, const char *words)
{
	char start[64], *answer;
	bool later;

	snprintf(start, sizeof(start), "{\"error\":{\"class\":\"%s\",\"desc\":\"", class);
	answer = run(line, strlen(line), &later);
	if (strncmp(answer, start, strlen(start)) != 0 || !strstr(answer, words))
		fail_msg("%s: %s", line, answer);
	free(answer);
	assert_false(later);
}

#define ASK(command)         "{\"execute\":\"" command "\"}"
#define ASK_OF(command, nic) "{\"execute\":\"" command "\",\"arguments\":{\"nic\":\"" nic "\"}}"
#define ASK_WITH(command, key, value) \
	"{\"execute\":\"" command "\",\"arguments\":{\"" key "\":" value "}}"
#define SAID(nic, what)     "{\"name\":\"" nic "\",\"said\":\"" what "\"}"
#define SHOWN(cards)        "{\"return\":{\"nics\":[" cards "],\"log_level\":\"info\"}}"
#define NICS(what)          "{\"return\":{\"nics\":[" what "]}}"
#define GENERIC(desc, nics) "{\"error\":{\"class\":\"GenericError\",\"desc\":\"" desc "\"" nics "}}"

/* All cards, or the one that is named; one that has ended is passed over. */
static void which_cards(void **state)
{
	(void)state;
	first.outcome = second.outcome = NIC_VHOST_DONE;
	assert_answer(ASK("show"), false, SHOWN("{\"name\":\"nic0\"},{\"name\":\"nic1\"}"));
	assert_answer(ASK_OF("show", "nic1"), false, SHOWN("{\"name\":\"nic1\"}"));
	assert_answer(ASK_WITH("vhost", "on", "true"), false,
		      NICS(SAID("nic0", "on done") "," SAID("nic1", "on done")));
	assert_answer(ASK_WITH("vhost", "nic\":\"nic0\",\"on", "false"), false,
		      NICS(SAID("nic0", "off done")));
	assert_answer(
		ASK_OF("show", "nic2"), false,
		"{\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"there is no card 'nic2'\","
		"\"allowed\":[\"nic0\",\"nic1\"]}}");
}

/*
 * The first card that does not do as it was told is the verdict; the others are told of beside it.
 * Nobody waits where that changes nothing.
 */
static void verdicts(void **state)
{
	(void)state;
	first.outcome = NIC_VHOST_DONE;
	second.outcome = NIC_VHOST_LATER;
	assert_answer(ASK_WITH("vhost", "on", "true"), true,
		      GENERIC("nic1: on later", ",\"nics\":[" SAID("nic0", "on done") "]"));
	first.outcome = NIC_VHOST_CANNOT;
	assert_answer(ASK_WITH("vhost", "on", "true"), false,
		      GENERIC("nic0: on cannot", ",\"nics\":[" SAID("nic1", "on later") "]"));
	first.outcome = NIC_VHOST_LATER;
	second.outcome = NIC_VHOST_CANNOT;
	assert_answer(ASK_WITH("vhost", "on", "true"), false,
		      GENERIC("nic0: on later", ",\"nics\":[" SAID("nic1", "on cannot") "]"));
}

/* The link of each card, or of one; one that cannot be set down keeps no other from it. */
static void links(void **state)
{
	(void)state;
	assert_answer(ASK_WITH("link", "up", "false"), false,
		      NICS(SAID("nic0", "down done") "," SAID("nic1", "down done")));
	assert_answer(ASK_WITH("link", "nic\":\"nic1\",\"up", "true"), false,
		      NICS(SAID("nic1", "up done")));
	first.deaf = true;
	assert_answer(ASK_WITH("link", "up", "false"), false,
		      GENERIC("nic0: down cannot", ",\"nics\":[" SAID("nic1", "down done") "]"));
	first.deaf = false;
}

/* A card's tap tells of its MTU; a card that cannot be written ends the answer. */
static void xml(void **state)
{
	(void)state;
	first.tap_error = -EOPNOTSUPP;
	assert_answer(ASK("dumpxml"), false, "{\"return\":\"<nic0 mtu='0'/><nic1 mtu='1400'/>\"}");
	second.unspeakable = true;
	assert_answer(ASK_OF("dumpxml", "nic1"), false, GENERIC("nic1: cannot be written", ""));
	second.unspeakable = false;
	first.tap_error = 0;
}

/* The tap is asked once the kernel has had a card, since ours do not count its frames. */
static void counters(void **state)
{
	(void)state;
	first.tap_error = -ENODEV;
	second.n_to_kernel = 1;
	assert_answer(ASK("domifstat"), false, NICS("{\"nic0\":\"us\"},{\"nic1\":\"tap-nic1\"}"));
	second.tap_error = -ENODEV;
	assert_answer(ASK("domifstat"), false,
		      GENERIC("nic1: the kernel has moved its frames, and the tap's counters are "
			      "not to be had: No such device",
			      ""));
	first.tap_error = second.tap_error = 0;
	second.n_to_kernel = 0;
}

/* Of each queue of each pair, as latency_json_test.c has it. */
static void latencies(void **state)
{
	const char *const queues = "{\"tx\":{\"residence\":{\"n\":3,\"min_ns\":70,";
	const char *at;
	char *answer;
	bool later;

	(void)state;
	first.latency = latency_new();
	assert_non_null(first.latency);
	histogram_add_n(&first.latency->record.residence, 70, 3);
	first.n_pairs = 2;
	answer = run(ASK("latency"), strlen(ASK("latency")), &later);
	at = strstr(answer, queues);
	assert_non_null(at);
	at = strstr(at + 1, queues);
	assert_non_null(at);
	assert_null(strstr(at + 1, queues));
	assert_non_null(strstr(at, "\"rx\":{\"residence\":{\"n\":0}"));
	assert_non_null(strstr(at, "{\"name\":\"nic1\",\"pairs\":[]}"));
	free(answer);
	latency_free(first.latency);
	first.latency = NULL;
	first.n_pairs = 0;
}

#define SET(nic, pair, settings) \
	"{\"execute\":\"set\",\"arguments\":{\"nic\":\"" nic "\"," pair "\"settings\":{" settings \
	"}}}"

/* Settings are one text for the card, in which no value can smuggle in another. */
static void set(void **state)
{
	static const char *const wrong[] = {
		"",
		"\"txmode\":1",
		"\"delay\":true",
		"\"delay\":\"\"",
		"\"delay\":\"80us,burst=1\"",
		"\"a=b\":\"80us\"",
		"\"\":\"80us\"",
	};
	char line[256], long_line[2048], value[700];

	(void)state;
	assert_answer(SET("nic1", "", "\"delay\":\"80us\",\"txmode\":\"timer\",\"burst\":9"), false,
		      NICS(SAID("nic1", "tx mode x")));
	assert_string_equal(fake_nic_set_as, "nic1/-1 timer,delay=80us,burst=9");
	assert_answer(SET("nic0", "\"pair\":3,", "\"delay\":\"80us\""), false,
		      NICS(SAID("nic0", "tx mode x")));
	assert_string_equal(fake_nic_set_as, "nic0/3 ,delay=80us");
	fake_nic_set_as[0] = '\0';
	for (unsigned i = 0; i < array_size(wrong); i++) {
		snprintf(line, sizeof(line), SET("nic0", "", "%s"), wrong[i]);
		assert_error(line, PROTOCOL_INVALID_ARGUMENT, "setting");
	}
	assert_answer(SET("nic1", "", "\"coalesce\":\"off\""), false,
		      NICS(SAID("nic1", "coalesce off")));
	assert_answer(SET("nic1", "", "\"coalesce\":true"), false,
		      NICS(SAID("nic1", "coalesce on")));
	assert_error(SET("nic1", "", "\"coalesce\":1"), PROTOCOL_INVALID_ARGUMENT,
		     "\"allowed\":[\"on\",\"off\"]");
	assert_error(SET("nic1", "", "\"coalesce\":\"yes\""), PROTOCOL_INVALID_ARGUMENT,
		     "\"allowed\":[\"on\",\"off\"]");
	assert_error(SET("nic1", "", "\"coalesce\":\"on\",\"delay\":\"80us\""),
		     PROTOCOL_INVALID_ARGUMENT, "alone");
	assert_error(SET("nic1", "\"pair\":0,", "\"coalesce\":\"on\""), PROTOCOL_INVALID_ARGUMENT,
		     "alone");
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	snprintf(long_line, sizeof(long_line), SET("nic0", "", "\"txmode\":\"%s\""), value);
	assert_error(long_line, PROTOCOL_INVALID_ARGUMENT, "txmode");
	snprintf(long_line, sizeof(long_line), SET("nic0", "", "\"delay\":\"%s\""), value);
	assert_error(long_line, PROTOCOL_INVALID_ARGUMENT, "delay");
	assert_error(SET("nic0", "\"pair\":-1,", "\"a\":1"), PROTOCOL_INVALID_ARGUMENT, "pair");
	assert_error(SET("nic0", "\"pair\":4294967295,", "\"a\":1"), PROTOCOL_INVALID_ARGUMENT,
		     "pair");
	assert_error(SET("nic5", "", "\"a\":1"), PROTOCOL_DEVICE_NOT_FOUND, "nic5");
	assert_string_equal(fake_nic_set_as, "");
	first.deaf = true;
	assert_error(SET("nic0", "", "\"a\":1"), PROTOCOL_INVALID_ARGUMENT, "nic0: cannot be");
	first.deaf = false;
}

#define MOVE(nic, pair, thread) \
	"{\"execute\":\"move\",\"arguments\":{\"nic\":\"" nic "\",\"pair\":" pair \
	",\"iothread\":\"" thread "\"}}"

static void move(void **state)
{
	(void)state;
	first.outcome = NIC_VHOST_DONE;
	assert_answer(MOVE("nic0", "1", "iothread0"), false, NICS(SAID("nic0", "pair 1 moved")));
	assert_error(MOVE("nic0", "2", "iothread0"), PROTOCOL_INVALID_ARGUMENT, "must be 0 to 1");
	assert_error(MOVE("nic0", "-1", "iothread0"), PROTOCOL_INVALID_ARGUMENT, "must be 0 to 1");
	assert_error(MOVE("nic0", "1", "iothread9"), PROTOCOL_INVALID_ARGUMENT,
		     "\"allowed\":[\"iothread0\"]");
	first.outcome = NIC_VHOST_LATER;
	assert_answer(MOVE("nic0", "1", "iothread0"), true, GENERIC("nic0: pair 1 moved", ""));
	first.outcome = NIC_VHOST_DONE;
}

/* Asked again until each pair is done, with what it remembers of them. */
static void drain(void **state)
{
	static const char line[] = ASK_OF("drain", "nic0");
	struct nic *nics[] = { &first };
	struct commands c = { .nics = nics, .n_nics = 1 };
	struct control_line request = { .text = line, .len = strlen(line), .may_change = true };

	(void)state;
	first.outcome = NIC_VHOST_LATER;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(commands_run(&c, &request));
		assert_non_null(strstr(request.answer, i ? "pair 1 waits" : "pair 0 waits"));
		free(request.answer);
	}
	assert_false(commands_run(&c, &request));
	assert_non_null(strstr(request.answer, "\"said\":\"drained after "));
	assert_non_null(strstr(request.answer, " us: pair 0 waits\"}]}}"));
	free(request.answer);
	json_decref(request.memo);
	first.outcome = NIC_VHOST_CANNOT;
	assert_answer(line, false, GENERIC("nic0: not drained: pair 0 waits", ""));
}

/* All that there is to count, of cards, threads and the socket. */
static void stats(void **state)
{
	static const char want[] =
		"{\"return\":{\"nics\":[{\"name\":\"nic0\"},{\"name\":\"nic1\"}],\"iothreads\":[{"
		"\"name\":\"iothread0\",\"cpu_ns\":7,\"turns\":8}],\"control\":{\"clients\":0,";
	char *answer;
	bool later;

	(void)state;
	answer = run(ASK("stats"), strlen(ASK("stats")), &later);
	assert_memory_equal(answer, want, strlen(want));
	free(answer);
}

/* What is no request is told what it lacks, and changes nothing; an id comes back as it was. */
static void no_requests(void **state)
{
	char deep[2 * PROTOCOL_MAX_DEPTH + 40] = "{\"execute\":\"ping\",\"id\":", *at, *answer;
	static const char nul[] = "{\"execute\":\"ping\",\"id\":\"\0\"}";
	bool later;

	(void)state;
	assert_error("", PROTOCOL_MALFORMED, "not a line of JSON");
	assert_error("show", PROTOCOL_MALFORMED, "not a line of JSON");
	assert_error("{\"execute\":\"show\"", PROTOCOL_MALFORMED, "not a line of JSON");
	assert_error("{\"execute\":\"a\",\"execute\":\"b\"}", PROTOCOL_MALFORMED, "uplicate");
	assert_error("\"show\"", PROTOCOL_MALFORMED, "a request is an object");
	assert_error("[]", PROTOCOL_MALFORMED, "a request is an object");
	assert_error("{}", PROTOCOL_MALFORMED, "execute");
	assert_error("{\"execute\":1}", PROTOCOL_MALFORMED, "execute");
	assert_error("{\"execute\":\"show\",\"arguments\":[]}", PROTOCOL_MALFORMED,
		     "must be an object");
	assert_error("{\"execute\":\"show\",\"argument\":{}}", PROTOCOL_MALFORMED,
		     "\"allowed\":[\"execute\",\"arguments\",\"id\"]");
	answer = run(nul, sizeof(nul) - 1, &later);
	assert_non_null(strstr(answer, PROTOCOL_MALFORMED));
	free(answer);
	at = deep + strlen(deep);
	memset(at, '[', PROTOCOL_MAX_DEPTH - 1);
	memset(at + PROTOCOL_MAX_DEPTH - 1, ']', PROTOCOL_MAX_DEPTH - 1);
	strcpy(at + 2 * PROTOCOL_MAX_DEPTH - 2, "}");
	answer = run(deep, strlen(deep), &later);
	assert_memory_equal(answer, "{\"return\":{},\"id\":[", 19);
	free(answer);
	memset(at, '[', PROTOCOL_MAX_DEPTH);
	assert_error(deep, PROTOCOL_MALFORMED, "within each other");
	assert_answer("{\"execute\":\"ping\",\"id\":{\"[[\":[1,\"x\",null]}}", false,
		      "{\"return\":{},\"id\":{\"[[\":[1,\"x\",null]}}");
}

/* A command or argument that there is not, or that is of the wrong type, and what is allowed. */
static void no_commands(void **state)
{
	(void)state;
	assert_error(ASK("shows"), PROTOCOL_COMMAND_NOT_FOUND, "\"allowed\":[\"show\",\"stats\",");
	assert_error(ASK_WITH("show", "nik", "\"nic0\""), PROTOCOL_INVALID_ARGUMENT,
		     "\"allowed\":[\"nic\"]");
	assert_error(ASK_WITH("ping", "nic", "1"), PROTOCOL_INVALID_ARGUMENT, "\"allowed\":[]");
	assert_error(ASK_WITH("show", "nic", "0"), PROTOCOL_INVALID_ARGUMENT, "type string");
	assert_error(ASK_WITH("show", "nic", "null"), PROTOCOL_INVALID_ARGUMENT, "type string");
	assert_error(ASK_WITH("show", "nic", "\"\""), PROTOCOL_INVALID_ARGUMENT, "not be empty");
	assert_error(ASK_WITH("link", "up", "1"), PROTOCOL_INVALID_ARGUMENT, "type boolean");
	assert_error(ASK("link"), PROTOCOL_INVALID_ARGUMENT, "needs the argument 'up'");
}

/* Who may look may not change anything; events are for both. */
static void who_may(void **state)
{
	char *greeting;

	(void)state;
	may_change = false;
	assert_error(ASK_WITH("link", "up", "false"), PROTOCOL_PERMISSION_DENIED, "only root");
	assert_error(ASK_WITH("vhost", "on", "false"), PROTOCOL_PERMISSION_DENIED, "only root");
	assert_answer(ASK_OF("show", "nic0"), false, SHOWN("{\"name\":\"nic0\"}"));
	assert_false(watches);
	assert_answer(ASK("watch"), false, "{\"return\":{}}");
	assert_true(watches);
	may_change = true;
	greeting = commands_greet(NULL, false);
	assert_non_null(strstr(greeting, "\"protocol\":1,\"may\":\"look\"}}\n"));
	free(greeting);
}

#define LEVEL(level) "{\"return\":{\"log_level\":\"" level "\"}}"

/* Whoever may look may ask for the level, and who may change may set it: to one that there is. */
static void what_is_logged(void **state)
{
	(void)state;
	may_change = false;
	assert_answer(ASK("log-level"), false, LEVEL("info"));
	assert_error(ASK_WITH("log-level", "level", "\"debug\""), PROTOCOL_PERMISSION_DENIED,
		     "only root");
	assert_int_equal(log_level(), LOG_INFO);
	may_change = true;
	assert_answer(ASK_WITH("log-level", "level", "\"debug\""), false, LEVEL("debug"));
	assert_int_equal(log_level(), LOG_DEBUG);
	assert_answer(ASK("log-level"), false, LEVEL("debug"));
	assert_answer(ASK_WITH("log-level", "level", "\"loud\""), false,
		      "{\"error\":{\"class\":\"InvalidArgument\",\"desc\":\"argument 'level' of "
		      "'log-level' cannot be 'loud'\",\"allowed\":[\"error\",\"warning\","
		      "\"info\",\"debug\"]}}");
	assert_int_equal(log_level(), LOG_DEBUG);
	log_set_level(LOG_INFO);
}

/* Events that came, each with its card: "EVENT nic pair what " */
static char told[1024];

static void tell(void *ctx, const char *event, json_t *data)
{
	size_t len = strlen(told);
	json_t *pair = json_object_get(data, "pair");
	const char *what = json_string_value(json_object_get(data, "ring"));

	assert_null(ctx);
	what = what ? what : json_string_value(json_object_get(data, "link"));
	what = what ? what : json_string_value(json_object_get(data, "txmode"));
	what = what ? what : json_string_value(json_object_get(data, "driver"));
	snprintf(told + len, sizeof(told) - len, "%s %s %d %s;", event,
		 json_string_value(json_object_get(data, "nic")),
		 pair ? (int)json_integer_value(pair) : -1, what ? what : "");
	json_decref(data);
}

static void assert_told(const struct status *was, const struct status *now, const char *want)
{
	told[0] = '\0';
	events_compare(was, now, tell, NULL);
	assert_string_equal(told, want);
}

/* Each thing that differs is one event; a front-end that another took the place of is two. */
static void what_happened(void **state)
{
	struct status_pair pairs[2] = { { .mode = { .engine = &bh_tx_engine, .values = { 1 } } },
					{ .mode = { .engine = &bh_tx_engine, .values = { 1 } } } };
	struct status_pair later[2] = { pairs[0], pairs[1] };
	struct status a = { .id = "nic0", .n_pairs = 2, .pairs = pairs, .driver.why = "x" };
	struct status b = a;

	(void)state;
	b.pairs = later;
	a.driver.driver = b.driver.driver = DEVICE_WAITS;
	assert_told(&a, &b, "");
	assert_told(NULL, &b, "NIC_ADDED nic0 -1 ;");
	assert_told(&a, NULL, "NIC_REMOVED nic0 -1 ;");
	b.connected = true;
	b.n_front_ends = 1;
	assert_told(&a, &b, "FRONTEND_CONNECTED nic0 -1 ;");
	assert_told(&b, &a, "FRONTEND_GONE nic0 -1 ;");
	a.connected = true;
	assert_told(&a, &b, "FRONTEND_GONE nic0 -1 ;FRONTEND_CONNECTED nic0 -1 ;");
	a.n_front_ends = 1;
	b.down = true;
	assert_told(&a, &b, "LINK_CHANGED nic0 -1 down;");
	a.lost = true;
	assert_told(&a, &b, "");
	b.driver.driver = DEVICE_KERNEL;
	assert_told(&a, &b, "DRIVER_CHANGED nic0 -1 kernel;");
	a.driver.driver = DEVICE_KERNEL;
	later[1].mode.values[0] = 2;
	later[0].rx.broken = 1;
	later[1].tx.broken = 7;
	assert_told(&a, &b,
		    "RING_BROKEN nic0 0 rx;TXMODE_CHANGED nic0 1 iothread,burst=2;"
		    "RING_BROKEN nic0 1 tx;");
}

/* The list has each command with its arguments. */
static void list(void **state)
{
	char *answer;
	bool later;

	(void)state;
	answer = run(ASK("commands"), strlen(ASK("commands")), &later);
	assert_non_null(strstr(answer, "{\"name\":\"link\",\"help\":"));
	assert_non_null(strstr(answer,
			       "\"may\":\"change\",\"arguments\":[{\"name\":\"up\",\"type\":"
			       "\"boolean\",\"needed\":true,"));
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_cards),   cmocka_unit_test(verdicts),
		cmocka_unit_test(links),         cmocka_unit_test(xml),
		cmocka_unit_test(counters),      cmocka_unit_test(stats),
		cmocka_unit_test(no_requests),   cmocka_unit_test(no_commands),
		cmocka_unit_test(latencies),     cmocka_unit_test(set),
		cmocka_unit_test(move),          cmocka_unit_test(drain),
		cmocka_unit_test(what_happened), cmocka_unit_test(who_may),
		cmocka_unit_test(list),          cmocka_unit_test(what_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
