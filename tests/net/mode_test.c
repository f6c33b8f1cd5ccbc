/* SPDX-License-Identifier: MIT */
/*
 * usage: mode_test TXRINGD [CHANGES]
 *
 * The tx mode of a whole txringd changes, 10000 times in all or as said, while numbered frames go
 * both ways, and pairs move from one iothread to another: none is lost, none comes twice or out of
 * order, none is stuck. What was set last stays for the next front-end. Runs in a network
 * namespace of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/ask.h"
#include "tests/net/lab.h"
#include "tools/log.h"
#include "tools/txringctl/client.h"
#include "virtio/base.h"

#define WINDOW 128
#define FRAMES 2000 /* each way, between two looks at how many changes there were */

static struct lab lab;
static char control[96];
static unsigned n_changes = 10000;

/* A connection on which one change after the other is asked for. */
static struct {
	int fd;
	bool asked;
	bool moves; /* pairs go from one iothread to another besides */
	unsigned n, n_pairs;
	char in[4096];
	size_t len;
} setter;

static void setter_open(unsigned n_pairs)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, control);
	setter.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setter.asked = true; /* the greeting comes */
	setter.n = 0;
	setter.n_pairs = n_pairs;
	setter.len = 0;
	assert_true(setter.fd >= 0);
	assert_int_equal(connect(setter.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

/* Some mode, of all pairs or of one; or one parameter of what runs, which each engine has. */
static void ask_for_one(void)
{
	static const char *const settings[] = {
		"\"txmode\":\"iothread\"",
		"\"txmode\":\"timer\",\"delay\":\"20us\"",
		"\"txmode\":\"poll\",\"spin\":\"30us\"",
		"\"txmode\":\"timer\",\"delay\":\"500us\",\"burst\":\"3\"",
		"\"txmode\":\"iothread\",\"burst\":\"1\"",
		"\"burst\":\"64\"",
	};
	unsigned pair = (unsigned)rand() % (setter.n_pairs + 1);
	char line[256], which[32] = "";
	int len;

	if (setter.moves && rand() % 2) {
		len = snprintf(line, sizeof(line),
			       "{\"execute\":\"move\",\"arguments\":{\"nic\":\"nic0\",\"pair\":%d,"
			       "\"iothread\":\"iothread%d\"}}\n",
			       rand() % (int)setter.n_pairs, rand() % 2);
		assert_int_equal(send(setter.fd, line, (size_t)len, MSG_NOSIGNAL), len);
		setter.asked = true;
		return;
	}
	if (pair)
		snprintf(which, sizeof(which), "\"pair\":%u,", pair - 1);
	len = snprintf(
		line, sizeof(line),
		"{\"execute\":\"set\",\"arguments\":{\"nic\":\"nic0\",%s\"settings\":{%s}}}\n",
		which, settings[(unsigned)rand() % array_size(settings)]);
	assert_int_equal(send(setter.fd, line, (size_t)len, MSG_NOSIGNAL), len);
	setter.asked = true;
}

static void change_in_turn(void *ctx)
{
	ssize_t n;

	(void)ctx;
	if (!setter.asked) {
		/* Not in each turn: some modes are to last for a while. */
		if (rand() % 8)
			ask_for_one();
		return;
	}
	n = recv(setter.fd, setter.in + setter.len, sizeof(setter.in) - 1 - setter.len,
		 MSG_DONTWAIT);
	assert_true(n > 0 || (n < 0 && errno == EAGAIN));
	setter.len += n > 0 ? (size_t)n : 0;
	setter.in[setter.len] = '\0';
	if (!strchr(setter.in, '\n'))
		return;
	if (!strncmp(setter.in, "{\"return\":", 10))
		setter.n++;
	else if (strncmp(setter.in, "{\"txring\":", 10) != 0)
		fail_msg("%s", setter.in);
	setter.len = 0;
	setter.asked = false;
}

static void traffic(const struct lab_config *with, unsigned n)
{
	const char *const options[] = { "--control", control, NULL };
	struct lab_config cfg = *with;
	unsigned rounds = 0;

	cfg.options = options;
	lab_open(&lab, &cfg);
	setter_open(cfg.queues);
	lab.turn = change_in_turn;
	for (; setter.n < n; rounds++) {
		assert_true(rounds < 10000);
		lab_traffic(&lab, FRAMES, FRAMES, WINDOW);
	}
	print_message("%u changes, %u frames each way\n", setter.n, rounds * FRAMES);
	lab.turn = NULL;
	close(setter.fd);
	lab_check_counters(&lab);
	lab_close(&lab);
}

static void one_pair(void **state)
{
	const struct lab_config cfg = { .queues = 1 };

	(void)state;
	traffic(&cfg, n_changes / 2);
}

static void packed(void **state)
{
	const struct lab_config cfg = { .queues = 1, .with = FEATURE(VIRTIO_F_RING_PACKED) };

	(void)state;
	traffic(&cfg, n_changes / 4);
}

static void two_pairs(void **state)
{
	const struct lab_config cfg = { .queues = 2, .iothreads = 2 };

	(void)state;
	setter.moves = true;
	traffic(&cfg, n_changes / 4);
	setter.moves = false;
}

static void asserts(const char *words, const char *text)
{
	const char *said = ask_text(control, words);

	if (!strstr(said, text))
		fail_msg("%s: no '%s' in: %s", words, text, said);
}

/* What waits for a timer leaves before drain answers; it says what that was. */
static void drained(void **state)
{
	const char *const options[] = { "--control", control, NULL };
	const struct lab_config cfg = { .queues = 1,
					.txmode = "timer,delay=300ms",
					.options = options };
	struct virtio_net_hdr_v1 hdr;
	size_t len;

	(void)state;
	lab_open(&lab, &cfg);
	asserts("drain nic0", "nic0: drained: nothing waited\nok\n");
	len = stream_make(&lab.to_host[0], &hdr, lab.frame);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(driver_net_send(lab.net, 0, &hdr, lab.frame, len, 0), 0);
	/* The kick has come when the engine has heard it. */
	for (unsigned i = 0; i < 30000 && !lab_counter(&lab, "tx", "kicks"); i++)
		usleep(1000);
	asserts("drain nic0", " us: pair 0: the tx mode's time had not come\nok\n");
	assert_int_equal(lab_counter(&lab, "tx", "frames"), 5);
	lab_close(&lab);
}

/*
 * Cards come and go beside one that has traffic; what is no card, or is another's, is refused and
 * leaves nothing. Who watches hears of them.
 */
static void more_cards(void **state)
{
	const char *const options[] = { "--control", control, NULL };
	const struct lab_config cfg = { .queues = 1, .options = options };
	char err[256], add[160], taken[160], socket[96];
	struct client watcher;
	json_t *event;

	(void)state;
	snprintf(socket, sizeof(socket), "%s/more", getenv("TMPDIR"));
	snprintf(add, sizeof(add), "nic-add --socket-path %s --backend loop", socket);
	lab_open(&lab, &cfg);
	snprintf(taken, sizeof(taken), "nic-add --socket-path %s --backend null", lab.daemon.path);
	assert_int_equal(client_open(&watcher, control, err, sizeof(err)), 0);
	json_decref(client_ask(&watcher, "watch", NULL, err, sizeof(err)));
	asserts("nic-remove nic0", "error: nic0 is the last card");
	for (unsigned i = 1; i <= 20; i++) {
		char name[48], want[64];

		snprintf(want, sizeof(want), "nic%u: added\nok\n", i);
		asserts(add, want);
		asserts(add, "error: no card was added: ");
		asserts(taken, "error: no card was added: ");
		asserts("nic-add --backend null", "error: no card was added: ");
		asserts("nic-add --backend null --bogus", "unknown option '--bogus'");
		asserts("nic-add --backend null --iothreads 2", "not of a card");
		asserts("nic-add --h", "not of a card");
		asserts("nic-add --p", "not of a card");
		asserts("nic-add <interface/>", "error: no card was added: ");
		assert_int_equal(access(socket, F_OK), 0);
		lab_traffic(&lab, 100, 100, WINDOW);
		snprintf(name, sizeof(name), "nic-remove nic%u", i);
		snprintf(want, sizeof(want), "nic%u: removed\nok\n", i);
		asserts(name, want);
		asserts(name, "error: there is no card");
		assert_int_equal(access(socket, F_OK), -1);
		for (unsigned k = 0; k < 2; k++) {
			event = client_next(&watcher, 10000, err, sizeof(err));
			assert_string_equal(json_string_value(json_object_get(event, "event")),
					    k ? "NIC_REMOVED" : "NIC_ADDED");
			json_decref(event);
		}
	}
	client_close(&watcher);
	lab_check_counters(&lab);
	lab_close(&lab);
}

/*
 * By debug each message of a front-end is logged with its value; by error not even that one went;
 * but counters that were asked for come.
 */
static void what_is_logged(void **state)
{
	const char *const options[] = { "--control", control, "--log-level", "info", NULL };
	const struct lab_config cfg = { .queues = 1, .options = options };
	const char *const messages[] = { "message GET_FEATURES (1), 0 fds",
					 "reply to GET_FEATURES: 0x",
					 "message SET_VRING_NUM (8) ring 0 256, 0 fds",
					 "message SET_VRING_KICK (12) 0x1, 1 fds" };

	(void)state;
	lab_open(&lab, &cfg);
	asserts("show", "\nlog level info\nok\n");
	asserts("log-level loud", "allowed: error, warning, info, debug");
	asserts("log-level debug", "log level debug\nok\n");
	asserts("log-level", "log level debug\nok\n");
	daemon_wait_log(&lab.daemon, "log level debug, by command", 1);
	driver_net_free(lab.net);
	lab.net = NULL;
	lab_connect(&lab);
	lab_traffic(&lab, 200, 200, WINDOW);
	for (unsigned i = 0; i < array_size(messages); i++)
		daemon_wait_log(&lab.daemon, messages[i], 1);
	daemon_check_log(&lab.daemon, "front-end connected", 2);
	asserts("log-level error", "log level error\nok\n");
	driver_net_free(lab.net);
	lab.net = NULL;
	lab_connect(&lab);
	assert_true(daemon_counter(&lab.daemon, "tx0", "frames") >= 200);
	daemon_check_log(&lab.daemon, "front-end connected", 2);
	lab_close(&lab);
}

static unsigned debug_lines(void)
{
	return daemon_log_count(&lab.daemon, "message ") +
	       daemon_log_count(&lab.daemon, "reply to ");
}

static void connect_again(void)
{
	driver_net_free(lab.net);
	lab.net = NULL;
	lab_connect(&lab);
}

/* Of a front-end that never rests so many messages a minute are logged, and all faults beside. */
static void debug_is_limited(void **state)
{
	const char *const options[] = { "--control", control, "--log-level", "debug", NULL };
	const struct lab_config cfg = { .queues = 1, .options = options };
	unsigned a_time, n;

	(void)state;
	lab_open(&lab, &cfg);
	connect_again();
	daemon_wait_log(&lab.daemon, "front-end connected", 2);
	a_time = debug_lines() / 2;
	assert_true(a_time > 10);
	/* A minute may end meanwhile, and the next one begin. */
	for (n = 2; n * a_time < 4 * LOG_LIMIT_LINES; n++)
		connect_again();
	daemon_wait_log(&lab.daemon, "front-end connected", n);
	assert_in_range(debug_lines(), LOG_LIMIT_LINES, 2 * LOG_LIMIT_LINES);
	lab_close(&lab);
}

/* What is refused changes nothing; a parameter alone keeps the others; it stays, per pair. */
static void kept(void **state)
{
	const char *const options[] = { "--control", control, NULL };
	const struct lab_config cfg = { .queues = 2, .iothreads = 2, .options = options };

	(void)state;
	lab_open(&lab, &cfg);
	asserts("set nic0 txmode=timer delay=80us burst=32",
		"nic0: tx mode timer,delay=80us,burst=32\nok\n");
	asserts("set nic0/1 delay=90us", "nic0: pair 1: tx mode timer,delay=90us,burst=32\nok\n");
	asserts("set nic0 txmode=bogus",
		"error: nic0: unknown tx mode 'bogus', valid are: iothread");
	asserts("set nic0 delay=2h", "delay '2h' must be 1us to 1s");
	asserts("set nic0 spin=1us",
		"tx mode timer has no parameter 'spin', valid are: delay, burst");
	asserts("set nic0/2 burst=1", "pair '2' must be 0 to 1");
	asserts("set nic0/+1 burst=1", "error: it is 'set NIC[/PAIR] KEY=VALUE...'");
	asserts("set nic0/1x burst=1", "error: it is 'set NIC[/PAIR] KEY=VALUE...'");
	asserts("move nic0/-1 iothread0", "error: it is 'move NIC/PAIR IOTHREAD'");
	asserts("set nic0 burst=16", "ok\n");
	driver_net_free(lab.net);
	lab.net = NULL;
	lab_connect(&lab);
	lab_traffic(&lab, 200, 200, WINDOW);
	asserts("show", "nic0: tx mode timer,delay=80us,burst=16\n");
	asserts("show", "nic0: pair 1: tx mode timer,delay=90us,burst=16\n");
	asserts("dumpxml", "<?txring txmode timer,delay=80us,burst=16?>");
	lab_close(&lab);
}

static int tear_down(void **state)
{
	(void)state;
	lab_cleanup(&lab);
	return 0;
}

/*
 * A card goes while its front-end is connected and has frames under way; another card, and who
 * asks, do not notice.
 */
static void removed_under_way(void **state)
{
	const char *const options[] = { "--control", control, NULL };
	const struct lab_config cfg = { .queues = 2, .options = options };
	char add[160];

	(void)state;
	snprintf(add, sizeof(add), "nic-add --socket-path %s/more --backend loop",
		 getenv("TMPDIR"));
	lab_open(&lab, &cfg);
	asserts(add, "nic1: added\nok\n");
	lab_traffic(&lab, 1000, 1000, WINDOW);
	lab_host_sends(&lab, 500);
	for (unsigned i = 0; i < 8; i++)
		asserts("nic-remove nic0", i ? "error: there is no card" : "nic0: removed\nok\n");
	assert_int_equal(access(lab.daemon.path, F_OK), -1);
	asserts("show", "nic1: front-end none");
	driver_net_free(lab.net);
	lab.net = NULL;
	daemon_stop(&lab.daemon);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one_pair, tear_down),
		cmocka_unit_test_teardown(packed, tear_down),
		cmocka_unit_test_teardown(two_pairs, tear_down),
		cmocka_unit_test_teardown(kept, tear_down),
		cmocka_unit_test_teardown(what_is_logged, tear_down),
		cmocka_unit_test_teardown(debug_is_limited, tear_down),
		cmocka_unit_test_teardown(drained, tear_down),
		cmocka_unit_test_teardown(more_cards, tear_down),
		cmocka_unit_test_teardown(removed_under_way, tear_down),
	};

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: mode_test TXRINGD [CHANGES]\n");
		return 1;
	}
	if (argc > 2)
		n_changes = (unsigned)atoi(argv[2]);
	snprintf(control, sizeof(control), "%s/control", getenv("TMPDIR"));
	lab_init(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
