/* SPDX-License-Identifier: MIT */
/*
 * libtxring as a program sees it: linked as the shared library, driven by the guest's card of
 * virtio/driver, with the card's loop on a second thread.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/txring.h"
#include "virtio/driver/net.h"

#define PATIENCE_MS 30000

/* The ABI: fields stay where the first version had them. */
#if UINTPTR_MAX == UINT64_MAX
_Static_assert(offsetof(struct txring_card_config, size) == 0, "size");
_Static_assert(offsetof(struct txring_card_config, backend) == 8, "backend");
_Static_assert(offsetof(struct txring_card_config, n_fds) == 24, "n_fds");
_Static_assert(offsetof(struct txring_card_config, threads) == 32, "threads");
_Static_assert(offsetof(struct txring_card_config, engine) == 48, "engine");
_Static_assert(offsetof(struct txring_card_config, mtu) == 68, "mtu");
_Static_assert(offsetof(struct txring_card_config, mac) == 71, "mac");
_Static_assert(offsetof(struct txring_card_config, log) == 80, "log");
_Static_assert(offsetof(struct txring_card_config, ctx) == 96, "ctx");
_Static_assert(sizeof(struct txring_counter) == 24, "struct txring_counter");
_Static_assert(sizeof(struct txring_param) == 16, "struct txring_param");
#endif

#define PAIRS 2

struct world {
	struct txring_iothread *threads[2];
	struct txring_card *card;
	char dir[32], path[64];
	/* the loop's thread, between loop_start() and loop_stop() */
	pthread_t loop;
	int stop_fd;
	bool connected; /* what dispatch said last */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	signal(SIGPIPE, SIG_IGN);
	strcpy(w->dir, "/tmp/txring-lib-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/card", w->dir);
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(txring_iothread_new(&w->threads[i], "frames", NULL, NULL), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	txring_card_free(w->card);
	for (unsigned i = 0; i < 2; i++)
		txring_iothread_free(w->threads[i]);
	close(w->stop_fd);
	rmdir(w->dir);
	free(w);
	return 0;
}

static struct txring_card_config config(struct world *w, const char *backend)
{
	return (struct txring_card_config){
		.size = sizeof(struct txring_card_config),
		.backend = backend,
		.n_pairs = PAIRS,
		.threads = w->threads,
		.n_threads = 2,
	};
}

static void make(struct world *w, const struct txring_card_config *cfg)
{
	char err[TXRING_ERR_LEN] = "";

	if (txring_card_new(&w->card, cfg, err))
		fail_msg("%s", err);
}

static void *run_loop(void *arg)
{
	struct world *w = arg;
	struct pollfd fds[] = { { txring_card_fd(w->card), POLLIN, 0 }, { w->stop_fd, POLLIN, 0 } };

	while (poll(fds, 2, -1) > 0 && !fds[1].revents)
		__atomic_store_n(&w->connected, txring_card_dispatch(w->card), __ATOMIC_RELAXED);
	return NULL;
}

static void loop_start(struct world *w)
{
	assert_int_equal(pthread_create(&w->loop, NULL, run_loop, w), 0);
}

static void loop_stop(struct world *w)
{
	uint64_t n = 1;

	assert_int_equal(write(w->stop_fd, &n, sizeof(n)), sizeof(n));
	pthread_join(w->loop, NULL);
	assert_int_equal(read(w->stop_fd, &n, sizeof(n)), sizeof(n));
}

static bool becomes(struct world *w, bool connected)
{
	for (unsigned ms = 0; ms < PATIENCE_MS; ms += 5) {
		if (__atomic_load_n(&w->connected, __ATOMIC_RELAXED) == connected)
			return true;
		usleep(5000);
	}
	return false;
}

static struct driver_net *guest(const char *path, int fd)
{
	const struct driver_net_config cfg = {
		.path = path,
		.fd = fd,
		.timeout_ms = PATIENCE_MS,
		.features = DRIVER_NET_FEATURES | FEATURE(VIRTIO_NET_F_MQ),
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = PAIRS,
		.ring_size = 64,
	};
	struct driver_net *net;
	int err = driver_net_new(&net, &cfg);

	if (err)
		fail_msg("no card: %s", strerror(-err));
	return net;
}

/* Out and in again on a pair, n frames with a number each, one at a time. */
static void echo(struct driver_net *net, unsigned pair, unsigned n)
{
	struct virtio_net_hdr_v1 hdr;
	uint8_t frame[128], back[2048];

	for (unsigned i = 0; i < n; i++) {
		memset(frame, (int)i, sizeof(frame));
		assert_int_equal(driver_net_send(net, pair, NULL, frame, sizeof(frame), 0), 0);
		assert_true(driver_net_wait(net, 2 * pair, PATIENCE_MS) > 0);
		assert_int_equal(driver_net_receive(net, pair, &hdr, back, sizeof(back)),
				 sizeof(frame));
		assert_memory_equal(frame, back, sizeof(frame));
		assert_true(driver_net_reap(net, pair) >= 0);
	}
}

static uint64_t counter(struct world *w, unsigned pair, enum txring_direction way, const char *name)
{
	struct txring_counter counters[64];
	unsigned n = txring_card_counters(w->card, pair, way, counters, 64);

	assert_in_range(n, 10, 64);
	for (unsigned i = 0; i < n; i++) {
		if (!strcmp(counters[i].name, name))
			return counters[i].value;
	}
	fail_msg("no counter %s", name);
	return 0;
}

/* The whole way, with each engine: by the listening socket, and the next front-end after it. */
static void frames_pass(void **state)
{
	static const char *const engines[] = { NULL, "timer", "poll", "bh" };
	const struct txring_param burst = { "burst", 8 };
	struct world *w = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct txring_card_config cfg = config(w, "loop");

		cfg.engine = engines[i];
		cfg.params = &burst;
		cfg.n_params = 1;
		make(w, &cfg);
		assert_int_equal(txring_card_listen(w->card, w->path), 0);
		loop_start(w);
		for (unsigned k = 0; k < 2; k++) {
			struct driver_net *net = guest(w->path, -1);

			echo(net, 0, 20);
			echo(net, 1, 10);
			driver_net_free(net);
			assert_true(becomes(w, false));
		}
		loop_stop(w);
		assert_int_equal(counter(w, 0, TXRING_TX, "frames"), 40);
		assert_int_equal(counter(w, 1, TXRING_RX, "frames"), 20);
		txring_card_free(w->card);
		w->card = NULL;
		assert_int_equal(access(w->path, F_OK), -1); /* its socket file went with it */
	}
}

/* The driver's frames are dropped and counted while there is no link, and pass again after it. */
static void link_is_cut(void **state)
{
	struct world *w = *state;
	struct txring_card_config cfg = config(w, "loop");
	uint8_t frame[64] = { 2 };
	struct driver_net *net;
	int ends[2];

	make(w, &cfg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(txring_card_attach(w->card, ends[0]), 0);
	loop_start(w);
	net = guest(NULL, ends[1]);
	echo(net, 0, 3);
	loop_stop(w); /* what follows is the control thread's */
	txring_card_set_link(w->card, false);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(driver_net_send(net, 0, NULL, frame, sizeof(frame), 0), 0);
	for (unsigned ms = 0; ms < PATIENCE_MS; ms += 5) {
		if (counter(w, 0, TXRING_TX, "drop_disabled") == 5)
			break;
		usleep(5000);
	}
	assert_int_equal(counter(w, 0, TXRING_TX, "drop_disabled"), 5);
	assert_int_equal(counter(w, 0, TXRING_TX, "frames"), 3);
	txring_card_set_link(w->card, true);
	loop_start(w);
	while (driver_net_reap(net, 0) > 0)
		;
	echo(net, 0, 3);
	driver_net_free(net);
	assert_true(becomes(w, false));
	loop_stop(w);
}

/* One front-end at a time: a second socket is closed, and the first goes on. */
static void second_is_refused(void **state)
{
	struct world *w = *state;
	struct txring_card_config cfg = config(w, "null");
	int one[2], two[2];
	char byte;

	make(w, &cfg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, one), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, two), 0);
	assert_int_equal(txring_card_attach(w->card, one[0]), 0);
	assert_int_equal(txring_card_attach(w->card, two[0]), -EBUSY);
	assert_int_equal(read(two[1], &byte, 1), 0);
	assert_true(txring_card_dispatch(w->card));
	close(one[1]);
	assert_false(txring_card_dispatch(w->card));
	close(two[1]);
}

/* Front-ends that talk nonsense as fast as they can cost the program no spin. */
static void nonsense_is_slowed_down(void **state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct world *w = *state;
	struct txring_card_config cfg = config(w, "null");
	unsigned served = 0, n = 20;
	struct pollfd wait;
	int fds[20];

	make(w, &cfg);
	assert_int_equal(txring_card_listen(w->card, w->path), 0);
	assert_int_equal(txring_card_listen(w->card, w->path), -EBUSY);
	strcpy(to.sun_path, w->path);
	/* As many as the backlog takes. */
	for (unsigned i = 0; i < n; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fds[i], (struct sockaddr *)&to, sizeof(to)) == 0)
			assert_true(write(fds[i], "nonsense, and more of it", 24) > 0);
	}
	wait = (struct pollfd){ txring_card_fd(w->card), POLLIN, 0 };
	for (uint64_t end = monotonic_ns() + 500000000; monotonic_ns() < end;) {
		if (poll(&wait, 1, 10) == 1 && txring_card_dispatch(w->card))
			served++;
	}
	assert_in_range(served, 1, 7); /* one each 100 ms, not all at once */
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static void refused(struct world *w, const struct txring_card_config *cfg, int code,
		    const char *word)
{
	char err[TXRING_ERR_LEN] = "";

	assert_int_equal(txring_card_new(&w->card, cfg, err), code);
	assert_null(w->card);
	if (!strstr(err, word) || strchr(err, '\n'))
		fail_msg("'%s' does not say '%s'", err, word);
}

/* What a program asks for wrongly is told in one line, and nothing is left behind. */
static void nonsense_is_told(void **state)
{
	struct txring_param param = { "delay", 999 };
	struct world *w = *state;
	struct txring_card_config cfg = config(w, "nul");
	struct {
		struct txring_card_config cfg;
		char more;
	} newer = { .more = 1 };

	refused(w, &cfg, -EINVAL, "there is no backend 'nul'");
	cfg.backend = "null:0";
	refused(w, &cfg, -EINVAL, "null:0");
	cfg.backend = "tap-fd";
	refused(w, &cfg, -EINVAL, "0 file descriptors for 2");
	cfg.backend = "null";
	cfg.n_pairs = TXRING_MAX_PAIRS + 1;
	refused(w, &cfg, -EINVAL, "1 to 128 queue pairs");
	cfg.n_pairs = 1;
	cfg.engine = "warp";
	refused(w, &cfg, -EINVAL, "'warp'");
	cfg.engine = "timer";
	cfg.params = &param;
	cfg.n_params = 1;
	refused(w, &cfg, -ERANGE, "1000 to 1000000000 ns");
	param.name = "dealy";
	refused(w, &cfg, -EINVAL, "no parameter 'dealy'");
	cfg.n_params = 0;
	cfg.n_threads = 0;
	refused(w, &cfg, -EINVAL, "a thread");
	cfg.n_threads = 1;
	cfg.size = 8;
	refused(w, &cfg, -EINVAL, "size 8");
	cfg.size = sizeof(cfg);
	newer.cfg = cfg;
	newer.cfg.size = sizeof(newer);
	refused(w, &newer.cfg, -E2BIG, "does not know all");
	newer.more = 0;
	memset((char *)&newer + sizeof(cfg), 0, sizeof(newer) - sizeof(cfg));
	make(w, &newer.cfg);
	assert_int_equal(txring_card_counters(w->card, 1, TXRING_TX, NULL, 0), 0);
	assert_true(txring_card_counters(w->card, 0, TXRING_TX, NULL, 0) > 10);
	assert_int_equal(txring_card_listen(w->card, "/nowhere/card"), -ENOENT);
	assert_string_equal(txring_version(), VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(link_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(second_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_slowed_down, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
