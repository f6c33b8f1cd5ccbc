/* SPDX-License-Identifier: MIT */
/*
 * usage: handover_test TXRINGD [HAND-OVERS]
 *
 * txringd and the kernel's vhost-net take turns at one tap and one guest, and every frame between
 * them is numbered and compared. HAND-OVERS in each direction with each engine, 1000 unless given.
 * Runs in tests/guest/vm, in a network namespace of its own (tests/net/run.sh).
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/ask.h"
#include "tests/net/lab.h"
#include "virtio/base.h"
#include "virtio/vhost_net.h"

#define WINDOW    48 /* frames under way in a direction */
#define FEW       16 /* the same between hand-overs, so that there are many */
#define MAX_N     100000
#define N_WAITING 20 /* frames in a ring that has stopped */
#define MAX_IDLE  3  /* turns of traffic between two hand-overs */

static struct lab lab;
static char control[sizeof(((struct sockaddr_un *)0)->sun_path)];
static unsigned n_handovers = 1000;

/* Hand-overs that are asked for while frames flow: lab.turn never waits for an answer. */
struct asker {
	unsigned left;
	unsigned idle; /* turns until the next question */
	int fd;        /* of a question under way, else -1 */
	bool on;       /* what was asked for last */
	char answer[512];
	size_t len;
	uint64_t *blackout_us[2]; /* to user, to kernel */
	unsigned n[2];
};

static struct asker asker = { .fd = -1 };

/* The control socket. */

static const char *ask(const char *command)
{
	return ask_text(control, command);
}

static void assert_says(const char *out, const char *text)
{
	if (!strstr(out, text))
		fail_msg("no '%s' in: %s", text, out);
}

/* A hand-over comes when nothing has changed for a while. */
static void assert_soon(const char *text)
{
	unsigned tries;

	for (tries = 0; tries < 600 && !strstr(ask("show"), text); tries++)
		usleep(50000);
	assert_says(ask("show"), text);
}

static void assert_kernel(void)
{
	assert_soon("\nnic0: driver kernel\n");
}

/* n= of a line of show. */
static unsigned n_shown(const char *way)
{
	const char *at;
	char start[64];

	snprintf(start, sizeof(start), "nic0: handovers %s: n=", way);
	at = strstr(ask("show"), start);
	assert_non_null(at);
	return (unsigned)strtoul(at + strlen(start), NULL, 10);
}

/* Hand-overs under traffic. */

static void take_answer(struct asker *a)
{
	const char *driver = a->on ? "kernel" : "user";
	const char *said;
	char driver_said[16];
	uint64_t us = 0;

	close(a->fd);
	a->fd = -1;
	a->answer[a->len] = '\0';
	said = strstr(a->answer, "{\"return\":{\"nics\":[{\"name\":\"nic0\",\"said\":\"driver ");
	if (!said ||
	    sscanf(strstr(said, "driver "), "driver %15[a-z], blackout %" SCNu64 " us\"}",
		   driver_said, &us) != 2 ||
	    strcmp(driver_said, driver) != 0)
		fail_msg("vhost %s: %s", a->on ? "on" : "off", a->answer);
	a->blackout_us[a->on][a->n[a->on]++] = us;
	a->left--;
	a->idle = (unsigned)rand() % MAX_IDLE;
}

static void ask_in_turn(void *ctx)
{
	struct asker *a = ctx;
	ssize_t n;

	if (a->fd < 0) {
		if (!a->left || a->idle) {
			a->idle -= a->idle > 0;
			return;
		}
		a->on = !a->on;
		a->len = 0;
		a->fd = ask_send(control,
				 a->on ? "{\"execute\":\"vhost\",\"arguments\":{\"on\":true}}\n"
				       : "{\"execute\":\"vhost\",\"arguments\":{\"on\":false}}\n");
	}
	n = recv(a->fd, a->answer + a->len, sizeof(a->answer) - 1 - a->len, MSG_DONTWAIT);
	if (n > 0)
		a->len += (size_t)n;
	else if (!n)
		take_answer(a);
	else
		assert_int_equal(errno, EAGAIN);
	/* There may be one CPU only. */
	if (a->fd >= 0)
		sched_yield();
}

/* So many in each direction, from now on; the kernel has the device. */
static void ask_for(unsigned n)
{
	unsigned i;

	asker = (struct asker){ .left = 2 * n, .on = true, .fd = -1 };
	for (i = 0; i < 2; i++) {
		asker.blackout_us[i] = calloc(n, sizeof(uint64_t));
		assert_non_null(asker.blackout_us[i]);
	}
	lab.turn = ask_in_turn;
	lab.turn_ctx = &asker;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_blackouts(const char *what)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		uint64_t *us = asker.blackout_us[i];
		unsigned n = asker.n[i];

		qsort(us, n, sizeof(*us), by_value);
		print_message("%s: %u to %s: blackout p50 %" PRIu64 " us, p99 %" PRIu64
			      " us, max %" PRIu64 " us\n",
			      what, n, i ? "kernel" : "user", us[n / 2], us[n * 99 / 100],
			      us[n - 1]);
	}
}

/* A txringd of this policy, and a guest. */
static void start(const struct lab_config *cfg, const char *policy)
{
	const char *const options[] = { "--vhost", policy, "--control", control, NULL };
	struct lab_config with = *cfg;

	with.options = options;
	lab_open(&lab, &with);
	lab.cfg.options = NULL;
}

static uint32_t sum_sent(const struct stream *s)
{
	uint32_t n = 0;
	unsigned i;

	for (i = 0; i < LAB_FLOWS; i++)
		n += s[i].sent;
	return n;
}

/* Who has the device, in each policy; and the frames go that way. */
static void policies(void **state)
{
	static const struct {
		const char *name;
		const char *driver;
	} all[] = { { "default", "\nnic0: driver kernel\n" },
		    { "require", "\nnic0: driver kernel\n" },
		    { "disable", "\nnic0: driver user: --vhost disable\n" } };
	bool kernel;
	unsigned i;

	(void)state;
	for (i = 0; i < array_size(all); i++) {
		kernel = strstr(all[i].driver, "kernel");
		start(&(struct lab_config){ 0 }, all[i].name);
		assert_soon(all[i].driver);
		assert_int_equal(daemon_log_count(&lab.daemon, "driver kernel"), kernel);
		/* What the kernel could not take over is offered only where it is not wanted. */
		assert_int_equal(feature_has(lab.net->frontend.offered, VIRTIO_F_RING_PACKED),
				 !kernel);
		lab_traffic(&lab, 500, 500, WINDOW);
		assert_int_equal(lab_counter(&lab, "tx", "frames"), kernel ? 0 : 500);
		assert_int_equal(lab_counter(&lab, "rx", "frames"), kernel ? 0 : 500);
		if (kernel) {
			assert_says(ask("vhost off"), "nic0: driver user, blackout ");
			assert_soon("nic0: driver user: vhost off was asked for\n");
			lab_traffic(&lab, 100, 100, WINDOW);
			assert_int_equal(lab_counter(&lab, "tx", "frames"), 100);
			assert_says(ask("vhost on"), "nic0: driver kernel, blackout ");
		} else {
			assert_says(ask("vhost on"), "error: nic0: driver user: --vhost disable");
		}
		lab_ping(&lab, 20);
		lab_close(&lab);
	}
}

/* Every byte both ways, for guests of each kind; none of it through txringd. */
static void traffic(void **state)
{
	static const struct lab_config cfgs[] = {
		{ .name = "usual" },
		{ .name = "no EVENT_IDX", .without = FEATURE(VIRTIO_RING_F_EVENT_IDX) },
		{ .name = "no MRG_RXBUF", .without = FEATURE(VIRTIO_NET_F_MRG_RXBUF) },
		{ .name = "neither, header apart",
		  .without = FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_NET_F_MRG_RXBUF),
		  .flags = DRIVER_NET_HEADER_APART },
		{ .name = "indirect, index runs over",
		  .flags = DRIVER_NET_INDIRECT,
		  .table_len = 64,
		  .base = 65000 },
		{ .name = "3 pairs", .queues = 3, .iothreads = 2 },
	};
	unsigned i;

	(void)state;
	for (i = 0; i < array_size(cfgs); i++) {
		print_message("%s\n", cfgs[i].name);
		start(&cfgs[i], "require");
		assert_kernel();
		lab_traffic(&lab, 1500, 1500, WINDOW);
		if (!cfgs[i].queues)
			lab_ping(&lab, 50);
		assert_kernel();
		assert_int_equal(lab_counter(&lab, "tx", "frames"), 0);
		assert_int_equal(lab_counter(&lab, "rx", "frames"), 0);
		lab_close(&lab);
	}
}

static void hand_over(const struct lab_config *cfg, unsigned n)
{
	unsigned before;
	uint64_t tx, rx;

	start(cfg, "default");
	assert_kernel();
	/* When the guest came: once, or once for each pair that did. */
	before = n_shown("to kernel");
	ask_for(n);
	while (asker.left)
		lab_traffic(&lab, 400, 400, FEW);
	lab.turn = NULL;
	print_blackouts(cfg->name);
	assert_int_equal(n_shown("to kernel"), before + n);
	assert_in_range(n_shown("to user"), n, before + n - 1);
	assert_int_equal(n_shown("failed"), 0);
	tx = lab_counter(&lab, "tx", "frames");
	rx = lab_counter(&lab, "rx", "frames");
	print_message("%s: of %u frames out and %u in txringd moved %" PRIu64 " and %" PRIu64 "\n",
		      cfg->name, sum_sent(lab.to_host), sum_sent(lab.to_guest), tx, rx);
	assert_true(tx > 0 && tx < sum_sent(lab.to_host));
	assert_true(rx > 0 && rx < sum_sent(lab.to_guest));
	assert_int_equal(daemon_drops(&lab.daemon, "tx0") + daemon_drops(&lab.daemon, "rx0"), 0);
	assert_int_equal(daemon_log_count(&lab.daemon, "taken back from the kernel, but"), 0);
	assert_int_equal(daemon_log_count(&lab.daemon, "the kernel stopped at"), 0);
	lab_close(&lab);
}

static void iothread_handovers(void **state)
{
	(void)state;
	hand_over(&(struct lab_config){ .name = "iothread" }, n_handovers);
}

static void timer_handovers(void **state)
{
	(void)state;
	hand_over(&(struct lab_config){ .name = "timer",
					.txmode = "timer",
					.base = 65000,
					.without = FEATURES_HOST_TSO | FEATURES_GUEST_LARGE },
		  n_handovers);
}

static void pairs_handovers(void **state)
{
	(void)state;
	hand_over(&(struct lab_config){ .name = "3 pairs", .queues = 3, .iothreads = 2 },
		  n_handovers / 10 + 1);
}

/* Both sides asleep until they are notified, so no kick and no call may be lost on the way. */
static void no_notification_is_lost(void **state)
{
	static const struct lab_config cfgs[] = {
		{ .name = "iothread" },
		{ .name = "timer", .txmode = "timer" },
		{ .name = "no EVENT_IDX", .without = FEATURE(VIRTIO_RING_F_EVENT_IDX) },
	};
	unsigned i;

	(void)state;
	for (i = 0; i < array_size(cfgs); i++) {
		start(&cfgs[i], "default");
		assert_kernel();
		ask_for(n_handovers / 5 + 1);
		while (asker.left)
			lab_ping(&lab, 1);
		lab_close(&lab);
	}
}

/* Frames that the guest sends, and nobody takes yet. */
static void guest_sends(unsigned n)
{
	struct virtio_net_hdr_v1 hdr;
	size_t len;

	while (n--) {
		len = stream_make(&lab.to_host[0], &hdr, lab.frame);
		assert_int_equal(driver_net_send(lab.net, 0, &hdr, lab.frame, len, 0), 0);
		lab.to_host[0].sent++;
	}
}

/*
 * To the daemon that is there now. Rings are enabled before they start, as QEMU does: one that has
 * started and is not enabled throws away what the guest sends.
 */
static void reconnect_as_qemu(void)
{
	struct frontend *f = &lab.net->frontend;
	unsigned i;

	frontend_close(f);
	assert_int_equal(frontend_connect(f, lab.daemon.path), 0);
	assert_int_equal(frontend_negotiate(f, lab.net->features, DRIVER_NET_PROTOCOL), 0);
	assert_int_equal(f->features, lab.net->features);
	assert_int_equal(frontend_set_features(f, f->features), 0);
	assert_int_equal(frontend_set_memory(f, &lab.net->arena), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(frontend_ring_enable(f, i, true), 0);
	assert_int_equal(driver_net_start(lab.net), 0);
}

/*
 * Killed while the kernel has the device. What the guest sent goes out once all the same: the used
 * index says where the next one begins. What waited in the tap's queue may go with its last owner.
 */
static void killed(void **state)
{
	const char *const options[] = { "--vhost", "require", "--control", control, NULL };
	unsigned i, k;

	(void)state;
	peer_ip("tuntap add %s mode tap vnet_hdr", LAB_TAP);
	start(&(struct lab_config){ .base = 65000 }, "require");
	lab.cfg.options = options;
	for (i = 0; i < 5; i++) {
		lab_traffic(&lab, 300, 300, WINDOW);
		assert_kernel();
		lab_host_sends(&lab, 30);
		guest_sends(i * 5);
		lab_kill(&lab);
		guest_sends(5);
		reconnect_as_qemu();
		for (k = 0; k < LAB_FLOWS; k++)
			stream_forget(&lab.to_guest[k]);
		assert_kernel();
		lab_traffic(&lab, 300, 300, WINDOW);
		lab_ping(&lab, 10);
	}
	lab_close(&lab);
}

/* What a front-end asks of a device that the kernel has. It must have it again afterwards. */

/* One region more; and the one with rings and buffers comes to lie elsewhere in txringd. */
static void other_memory(void)
{
	const struct arena_span span = { .gpa = 1ULL << 40, .size = 2 << 20 };
	struct frontend *f = &lab.net->frontend;
	struct arena *own = &lab.net->arena, other;

	assert_int_equal(arena_init(&other, &span, 1, false), 0);
	assert_int_equal(frontend_add_region(f, &other, 0), 0);
	assert_kernel();
	lab_traffic(&lab, 100, 100, WINDOW);
	assert_int_equal(frontend_remove_region(f, &other, 0), 0);
	assert_kernel();
	lab_traffic(&lab, 100, 100, WINDOW);

	assert_int_equal(driver_net_stop(lab.net), 0);
	assert_int_equal(frontend_remove_region(f, own, 0), 0);
	/* It takes the place that has become free. */
	assert_int_equal(frontend_add_region(f, &other, 0), 0);
	assert_int_equal(frontend_add_region(f, own, 0), 0);
	assert_int_equal(frontend_remove_region(f, &other, 0), 0);
	assert_int_equal(driver_net_start(lab.net), 0);
	arena_deinit(&other);
}

static void ring_off_and_on(void)
{
	struct frontend *f = &lab.net->frontend;

	assert_int_equal(frontend_ring_enable(f, 1, false), 0);
	assert_soon("driver user: the tx ring of queue pair 0 is not enabled\n");
	assert_int_equal(frontend_ring_enable(f, 1, true), 0);
}

static void mtu(void)
{
	struct ifreq ifr = { .ifr_name = LAB_TAP };

	assert_int_equal(frontend_set_mtu(&lab.net->frontend, 9000), 0);
	assert_int_equal(ioctl(lab.peer.fd, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 9000);
}

static void reset(void)
{
	assert_int_equal(driver_net_reset(lab.net), 0);
}

static void stop_and_start(void)
{
	assert_int_equal(driver_net_stop(lab.net), 0);
	assert_soon("driver user: no driver uses it\n");
	/* They are found when the rings start, by txringd or by the kernel. */
	guest_sends(N_WAITING);
	assert_int_equal(driver_net_start(lab.net), 0);
}

static void reconnect(void)
{
	assert_int_equal(driver_net_reconnect(lab.net), 0);
}

/* As QEMU does when a guest masks an interrupt: the kernel keeps the device. */
static void new_call_fds(void)
{
	struct frontend *f = &lab.net->frontend;
	unsigned n = n_shown("to user");
	uint64_t ring;
	int fd;

	for (ring = 0; ring < 2; ring++) {
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(frontend_request(f, VHOST_USER_SET_VRING_CALL, &ring, sizeof(ring),
						  &fd, 1),
				 0);
		close(f->rings[ring].call_fd);
		f->rings[ring].call_fd = fd;
	}
	assert_int_equal(n_shown("to user"), n);
}

static void messages(void **state)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {
		{ "other memory", other_memory },
		{ "a ring off and on", ring_off_and_on },
		{ "MTU", mtu },
		{ "reset", reset },
		{ "stop and start", stop_and_start },
		{ "reconnect", reconnect },
		{ "new call fds", new_call_fds },
	};
	unsigned i;

	(void)state;
	start(&(struct lab_config){ 0 }, "require");
	for (i = 0; i < array_size(all); i++) {
		print_message("%s\n", all[i].name);
		assert_kernel();
		lab_traffic(&lab, 300, 300, WINDOW);
		all[i].run();
		assert_kernel();
		lab_traffic(&lab, 300, 300, WINDOW);
		lab_ping(&lab, 10);
	}
	assert_in_range(lab_counter(&lab, "tx", "frames"), 0, N_WAITING);
	assert_int_equal(daemon_log_count(&lab.daemon, "taken back from the kernel, but"), 0);
	assert_int_equal(daemon_log_count(&lab.daemon, "the kernel stopped at"), 0);
	lab_close(&lab);
}

/*
 * What is changed while the kernel has the device: it keeps it, the answer and show say when that
 * applies, and it does once the rings come back. A pair that is moved comes back for it, and goes.
 */
static void changes(void **state)
{
	static const char when[] = ": applies when the kernel gives the rings back";
	unsigned n;

	(void)state;
	start(&(struct lab_config){ .queues = 2, .iothreads = 2 }, "default");
	assert_kernel();
	n = n_shown("to user");
	assert_says(ask("set nic0/1 txmode=timer delay=70us"), "nic0: pair 1: tx mode timer,");
	assert_says(ask("set nic0/1 burst=77"), when);
	assert_says(ask("show"), "nic0: pair 1: tx mode timer,delay=70us,burst=77: applies when ");
	assert_says(ask("set nic0 coalesce=off"), "nic0: coalesce off: applies when ");
	assert_says(ask("drain nic0"), "pair 0: the kernel moves its frames");
	lab_traffic(&lab, 200, 200, WINDOW);
	assert_kernel();
	assert_int_equal(n_shown("to user"), n);
	assert_int_equal(lab_counter(&lab, "tx", "frames"), 0);

	assert_says(ask("move nic0/0 iothread1"), "nic0: pair 0: iothread1 runs it");
	assert_kernel();
	assert_true(n_shown("to user") > n);
	lab_traffic(&lab, 200, 200, WINDOW);

	ask("vhost off");
	assert_null(strstr(ask("show"), when));
	assert_says(ask("show"), "nic0: pair 1: tx mode timer,delay=70us,burst=77\n");
	assert_says(ask("show"), "nic0: coalesce off\n");
	assert_says(ask("drain nic0"), "nic0: drained");
	lab_traffic(&lab, 200, 200, WINDOW);
	assert_true(lab_counter(&lab, "tx", "frames") >= 200);
	lab_close(&lab);
}

static int tear_down(void **state)
{
	unsigned i;

	(void)state;
	lab_cleanup(&lab);
	if (asker.fd >= 0)
		close(asker.fd);
	for (i = 0; i < 2; i++)
		free(asker.blackout_us[i]);
	asker = (struct asker){ .fd = -1 };
	if (if_nametoindex(LAB_TAP))
		peer_ip("link del %s", LAB_TAP);
	return 0;
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(policies),        TEST(traffic),         TEST(iothread_handovers),
		TEST(timer_handovers), TEST(pairs_handovers), TEST(no_notification_is_lost),
		TEST(killed),          TEST(messages),        TEST(changes),
	};
	const char *tmp = getenv("TMPDIR");

	if (argc == 3)
		n_handovers = (unsigned)strtoul(argv[2], NULL, 10);
	if (argc < 2 || argc > 3 || !n_handovers || n_handovers > MAX_N) {
		fprintf(stderr, "usage: handover_test TXRINGD [HAND-OVERS]\n");
		return 2;
	}
	if (access(VHOST_NET_DEVICE, R_OK | W_OK)) {
		printf("skipped: needs " VHOST_NET_DEVICE
		       ": modprobe vhost_net, or tests/guest/vm\n");
		return 77;
	}
	snprintf(control, sizeof(control), "%s/control.%d", tmp ? tmp : "/tmp", getpid());
	lab_init(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
