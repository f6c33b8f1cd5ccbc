/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_life_test TXRINGD [SKIPPED]
 *
 * What becomes of a card whose interface goes down, loses its carrier, is removed, renamed, made
 * again, gets another MTU, or whose far end's namespace ends, idle and under load: what the guest
 * notices, what the log says, which frames are counted where; and what a killed txringd leaves.
 * Tests with a name like SKIPPED, which may have a *, are left out.
 * Runs in a network namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "tests/net/xdp_rig.h"
#include "virtio/base.h"

#define PATIENCE_MS 20000
#define FRAMES      2000
#define LEN         300
#define FLOOD       UINT32_MAX /* number of the flood's frames */
#define ETHERTYPE   0x88b5

static const char *program;
static struct rig rig;
static int far_fd = -1;
static pid_t flood;

/* What may happen to an interface. */
struct fate {
	struct rig_config cfg;
	const char *why; /* the log's word; NULL: it is not lost */
	bool exact;      /* no frame is lost by the far end */
	bool loaded;     /* frames come in all the while */
	void (*befalls)(void);
	void (*ends)(void);
};

static void make(uint8_t frame[LEN], bool to_far, uint32_t seq)
{
	static const uint8_t guest[6] = RIG_GUEST_MAC, far[6] = RIG_FAR_MAC;

	memcpy(frame, to_far ? far : guest, 6);
	memcpy(frame + 6, to_far ? guest : far, 6);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	memset(frame + 14, (int)seq, LEN - 14);
	memcpy(frame + 14, &seq, sizeof(seq));
}

static bool is_ours(const uint8_t *frame, ssize_t len)
{
	return len == LEN && frame[12] == ETHERTYPE >> 8 && frame[13] == (ETHERTYPE & 0xff);
}

/* On a busy machine its last ones come late. */
static bool is_floods(const uint8_t *frame)
{
	uint8_t floods[LEN];

	make(floods, false, FLOOD);
	return !memcmp(frame, floods, LEN);
}

/* Takes what has reached the far end: how many frames. */
static unsigned far_takes(void)
{
	uint8_t buf[10 + 2000];
	unsigned n = 0;
	ssize_t len;

	do {
		len = recv(far_fd, buf, sizeof(buf), 0);
		n += len > 10 && is_ours(buf + 10, len - 10);
	} while (len >= 0 || errno == ENETDOWN);
	return n;
}

static void far_sends(uint32_t seq)
{
	uint8_t buf[10 + LEN] = { 0 };

	make(buf + 10, false, seq);
	assert_int_equal(send(far_fd, buf, sizeof(buf), 0), sizeof(buf));
}

static void guest_sends(unsigned n, uint32_t seq)
{
	static const struct virtio_net_hdr_v1 hdr;
	uint8_t frame[LEN];

	while (n--) {
		make(frame, true, seq++);
		rig_send(&rig, 0, &hdr, frame, LEN);
	}
}

static void carries_both_ways(void)
{
	struct virtio_net_hdr_v1 hdr;
	uint8_t want[LEN];
	unsigned n = 0, i;

	far_takes();
	guest_sends(FRAMES, 0);
	rig_wait_sent(&rig);
	for (i = 0; i < PATIENCE_MS && (n += far_takes()) < FRAMES; i++)
		usleep(1000);
	assert_int_equal(n, FRAMES);
	while (rig_receive(&rig, &hdr, 100))
		;
	for (i = 0; i < 500; i++) {
		far_sends(i);
		make(want, false, i);
		do
			assert_int_equal(rig_receive(&rig, &hdr, PATIENCE_MS), LEN);
		while (!is_ours(rig.frame, LEN) || is_floods(rig.frame));
		assert_memory_equal(rig.frame, want, LEN);
	}
}

/* A process that sends to the guest until it is killed; the interface may be away. */
static void start_flood(void)
{
	uint8_t buf[10 + LEN] = { 0 };

	make(buf + 10, false, FLOOD);
	flood = fork();
	assert_true(flood >= 0);
	if (flood)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (send(far_fd, buf, sizeof(buf), 0) < 0)
			usleep(1000);
		else
			usleep(20);
	}
}

static void stop_flood(void)
{
	if (flood > 0) {
		kill(flood, SIGKILL);
		waitpid(flood, NULL, 0);
	}
	flood = 0;
}

static void open_rig(const struct rig_config *cfg)
{
	rig_open(&rig, cfg);
	far_fd = rig_far_packet(&rig);
}

static void close_rig(void)
{
	close(far_fd);
	far_fd = -1;
	rig_close(&rig);
}

/* Of a packet socket of an interface that is gone nothing comes any more. */
static void new_far_fd(void)
{
	close(far_fd);
	far_fd = rig_far_packet(&rig);
}

static void set_down(void)
{
	peer_ip("link set " RIG_NEAR " down");
}

static void set_up(void)
{
	peer_ip("link set " RIG_NEAR " up");
}

static void set_far_down(void)
{
	rig_far_ip(&rig, "link set " RIG_FAR " down");
}

static void set_far_up(void)
{
	rig_far_ip(&rig, "link set " RIG_FAR " up");
}

static void remove_veth(void)
{
	peer_ip("link del " RIG_NEAR);
}

static void make_veth(void)
{
	rig_make_veth(&rig);
	set_up();
	new_far_fd();
}

/* The veth goes with the end in it, and that with the last who names it. */
static void end_namespace(void)
{
	stop_flood();
	close(far_fd);
	close(rig.there);
	far_fd = -1;
}

static void make_namespace(void)
{
	rig_make_namespace(&rig);
	rig_make_veth(&rig);
	set_up();
	far_fd = rig_far_packet(&rig);
}

static void rename_it(void)
{
	peer_ip("link set " RIG_NEAR " down");
	peer_ip("link set " RIG_NEAR " name txring9");
	peer_ip("link set txring9 up");
}

static void rename_back(void)
{
	peer_ip("link set txring9 down");
	peer_ip("link set txring9 name " RIG_NEAR);
	peer_ip("link set " RIG_NEAR " up");
}

static void raise_mtu(void)
{
	rig_far_ip(&rig, "link set " RIG_FAR " mtu 9000");
	peer_ip("link set " RIG_NEAR " mtu 9000");
}

static void lower_mtu(void)
{
	peer_ip("link set " RIG_NEAR " mtu 1400");
	rig_far_ip(&rig, "link set " RIG_FAR " mtu 1400");
}

/* How many lines of the log end in text, behind the backend's name. */
static unsigned n_lines(const char *text)
{
	char line[128];

	snprintf(line, sizeof(line), "): %s\n", text);
	return daemon_log_count(&rig.daemon, line);
}

static void wait_lines(const char *text, unsigned n)
{
	for (unsigned i = 0; i < PATIENCE_MS && n_lines(text) < n; i++)
		usleep(1000);
	if (n_lines(text) != n)
		fail_msg("'%s' stands in the log %u times, not %u", text, n_lines(text), n);
}

/* Half of the guest's frames are sent before; each arrived or is counted. */
static void befall_under_load(const struct fate *f)
{
	uint64_t drops = daemon_drops(&rig.daemon, "tx0"), arrived = far_takes();

	arrived = 0;
	guest_sends(FRAMES / 2, 0);
	f->befalls();
	guest_sends(FRAMES / 2, FRAMES / 2);
	rig_wait_sent(&rig);
	if (f->why)
		wait_lines(f->why, 1);
	usleep(10000);
	if (far_fd < 0)
		return;
	arrived += far_takes();
	drops = daemon_drops(&rig.daemon, "tx0") - drops;
	if (f->exact ? arrived + drops != FRAMES
		     : arrived + drops < FRAMES - rig.net->cfg.ring_size)
		fail_msg("%u sent, %u arrived, %u dropped", FRAMES, (unsigned)arrived,
			 (unsigned)drops);
	assert_true(f->why ? arrived <= FRAMES / 2 : drops == 0);
}

/* The guest sees it, its ring goes on, and nothing is busy. */
static void is_quiet_while_lost(void)
{
	uint64_t cpu, drops = daemon_drops(&rig.daemon, "tx0");

	assert_false(rig_link_is_up(&rig));
	guest_sends(FRAMES, 0);
	rig_wait_sent(&rig);
	assert_int_equal(daemon_drops(&rig.daemon, "tx0") - drops, FRAMES);
	cpu = daemon_cpu_ns(&rig.daemon);
	usleep(1000000);
	assert_in_range(daemon_cpu_ns(&rig.daemon) - cpu, 0, 50000000);
}

static void goes_on(void **state)
{
	const struct fate *f = *state;
	unsigned i;

	open_rig(&f->cfg);
	carries_both_ways();
	for (i = 1; i <= 2; i++) {
		if (f->loaded)
			start_flood();
		if (i == 1)
			befall_under_load(f);
		else
			f->befalls();
		if (f->why) {
			wait_lines(f->why, i);
			stop_flood();
			is_quiet_while_lost();
		}
		f->ends();
		if (f->why)
			wait_lines("it is back", i);
		usleep(100000);
		stop_flood();
		assert_true(rig_link_is_up(&rig));
		carries_both_ways();
	}
	assert_int_equal(f->why ? n_lines(f->why) : 0, f->why ? 2 : 0);
	daemon_check_log(&rig.daemon, "it cannot be taken again", 0);
	assert_int_equal(rig_counter(&rig, "tx", "broken") + rig_counter(&rig, "rx", "broken"), 0);
	close_rig();
}

/* Down and up at once: whatever is noticed of it, all goes on. */
static void blinks(void **state)
{
	const struct fate *f = *state;
	unsigned i;

	open_rig(&f->cfg);
	start_flood();
	for (i = 0; i < 10; i++) {
		f->befalls();
		f->ends();
		guest_sends(300, 0);
	}
	stop_flood();
	rig_wait_sent(&rig);
	usleep(2500000);
	assert_true(rig_link_is_up(&rig));
	carries_both_ways();
	close_rig();
}

/* Nothing is sent while it is lost: the sockets are not found dead, and still go on. */
static void goes_on_from_idle(void **state)
{
	const struct fate *f = *state;
	unsigned i;

	open_rig(&f->cfg);
	for (i = 1; i <= 3; i++) {
		f->befalls();
		wait_lines(f->why, i);
		f->ends();
		wait_lines("it is back", i);
		carries_both_ways();
	}
	daemon_check_log(&rig.daemon, "it cannot be taken again", 0);
	assert_int_equal(daemon_drops(&rig.daemon, "tx0"), 0);
	close_rig();
}

/* A guest comes and goes while it is lost: it has all when it is back. */
static void guest_comes_meanwhile(void **state)
{
	const struct fate *f = *state;

	open_rig(&f->cfg);
	driver_net_free(rig.net);
	rig.net = NULL;
	daemon_wait_log(&rig.daemon, "front-end gone", 1);
	f->befalls();
	wait_lines(f->why, 1);
	rig_connect(&rig);
	is_quiet_while_lost();
	driver_net_free(rig.net);
	rig.net = NULL;
	daemon_wait_log(&rig.daemon, "front-end gone", 2);
	rig_connect(&rig);
	f->ends();
	wait_lines("it is back", 1);
	carries_both_ways();
	close_rig();
}

/* Made again with too few queues: said once, and the right one is waited for. */
static void waits_for_the_right_one(void **state)
{
	static const struct rig_config cfg = { .queues = 2 };

	(void)state;
	rig_open(&rig, &cfg);
	remove_veth();
	wait_lines("it was removed", 1);
	rig.cfg.queues = 1;
	rig_make_veth(&rig);
	set_up();
	daemon_wait_log(&rig.daemon,
			"it cannot be taken again: " RIG_NEAR
			" has 1 queue, from 0 on: there is no queue 1",
			1);
	usleep(2200000);
	daemon_check_log(&rig.daemon, "it cannot be taken again", 1);
	remove_veth();
	rig.cfg.queues = 2;
	make_veth();
	wait_lines("it is back", 1);
	carries_both_ways();
	close_rig();
}

/*
 * Made again, but up only later: it is found before, and not taken for what it was, though the
 * guest sent nothing meanwhile by which the old sockets were found dead.
 */
static void comes_up_late(void **state)
{
	open_rig(*state);
	remove_veth();
	wait_lines("it was removed", 1);
	rig_make_veth(&rig);
	new_far_fd();
	usleep(2500000);
	assert_int_equal(n_lines("it is back"), 0);
	assert_false(rig_link_is_up(&rig));
	set_up();
	wait_lines("it is back", 1);
	carries_both_ways();
	close_rig();
}

/* The program that the near end runs, as ip(8) shows it. */
static bool has_program(void)
{
	return !system("ip -d link show " RIG_NEAR " | grep -q 'prog/xdp\\|xdpgeneric'");
}

/* Nothing of a killed one stays, and the next starts at once and has the queue. */
static void is_killed(void **state)
{
	unsigned i;

	open_rig(*state);
	for (i = 0; i < 3; i++) {
		start_flood();
		guest_sends(FRAMES, 0);
		assert_true(has_program());
		kill(rig.daemon.pid, SIGKILL);
		assert_int_equal(waitpid(rig.daemon.pid, NULL, 0), rig.daemon.pid);
		close(rig.daemon.log_fd);
		driver_net_free(rig.net);
		rig.net = NULL;
		/* The last fd of the link is closed with the process, the link a moment later. */
		for (unsigned k = 0; i % 2 && has_program(); k++) {
			assert_true(k < 1000);
			usleep(1000);
		}
		rig_start(&rig);
		stop_flood();
		carries_both_ways();
	}
	close_rig();
}

/* Its status; what it says is in log. */
static int run_second(const char *backend, char *log, size_t cap)
{
	char path[128];
	int fds[2], status;
	ssize_t len;
	pid_t pid;

	snprintf(path, sizeof(path), "%s.second", rig.daemon.path);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDERR_FILENO);
		execl(program, program, "--socket-path", path, "--backend", backend, NULL);
		_exit(127);
	}
	close(fds[1]);
	for (*log = 0; (len = read(fds[0], log, cap - 1)) > 0; log += len, cap -= (size_t)len)
		log[len] = 0;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void refuses_a_second(void **state)
{
	char log[2000];

	open_rig(*state);
	assert_int_equal(run_second("xdp:" RIG_NEAR, log, sizeof(log)), 1);
	if (!strstr(log, "runs the XDP program 'txring_xsk'") || strchr(log, '\n')[1])
		fail_msg("%s", log);
	carries_both_ways();
	close_rig();
}

static int tear_down(void **state)
{
	(void)state;
	stop_flood();
	if (far_fd >= 0)
		close(far_fd);
	far_fd = -1;
	rig_cleanup(&rig);
	(void)!system("ip link del txring9 2>/dev/null");
	return 0;
}

#define GENERIC \
	{ \
		.words = ",mode=skb" \
	}
#define TEST(name, test, fate) \
	{ \
		name, test, NULL, tear_down, fate \
	}

static struct fate down = { { 0 }, "it is down", true, false, set_down, set_up };
static struct fate down_generic = { GENERIC, "it is down", true, true, set_down, set_up };
static struct fate down_loaded = {
	{ .txmode = "timer" }, "it is down", true, true, set_down, set_up
};
static struct fate far_down = {
	{ 0 }, "it has no carrier", false, false, set_far_down, set_far_up
};
static struct fate far_down_loaded = { { .txmode = "poll" }, "it has no carrier", false, true,
				       set_far_down,         set_far_up };
static struct fate removed = { { 0 }, "it was removed", true, false, remove_veth, make_veth };
static struct fate removed_loaded = { { .queues = 2 }, "it was removed", true, true,
				      remove_veth,     make_veth };
static struct fate removed_generic = {
	GENERIC, "it was removed", true, true, remove_veth, make_veth
};
static struct fate ended = { { 0 }, "it was removed", true, true, end_namespace, make_namespace };
static struct fate mtu = { { 0 }, NULL, true, true, raise_mtu, lower_mtu };
static struct fate mtu_generic = { GENERIC, NULL, true, true, raise_mtu, lower_mtu };
static struct fate renamed = { { 0 }, NULL, true, false, rename_it, rename_back };
static struct rig_config native, generic = GENERIC;

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST("down and up", goes_on, &down),
		TEST("down and up, generic, under load", goes_on, &down_generic),
		TEST("down and up, timer, under load", goes_on, &down_loaded),
		TEST("no carrier", goes_on, &far_down),
		TEST("no carrier, poll, under load", goes_on, &far_down_loaded),
		TEST("removed", goes_on, &removed),
		TEST("removed, two pairs, under load", goes_on, &removed_loaded),
		TEST("removed, generic, under load", goes_on, &removed_generic),
		TEST("the far end's namespace ends", goes_on, &ended),
		TEST("another MTU, under load", goes_on, &mtu),
		TEST("another MTU, generic, under load", goes_on, &mtu_generic),
		TEST("idle, down and up", goes_on_from_idle, &down),
		TEST("idle, down and up, generic", goes_on_from_idle, &down_generic),
		TEST("idle, no carrier", goes_on_from_idle, &far_down),
		TEST("idle, removed", goes_on_from_idle, &removed),
		TEST("down for a moment", blinks, &down),
		TEST("no carrier for a moment", blinks, &far_down),
		TEST("another name", blinks, &renamed),
		TEST("removed, a guest comes meanwhile", guest_comes_meanwhile, &removed),
		TEST("down, a guest comes meanwhile", guest_comes_meanwhile, &down),
		cmocka_unit_test_teardown(waits_for_the_right_one, tear_down),
		TEST("removed, back, and up later", comes_up_late, &native),
		TEST("killed", is_killed, &native),
		TEST("killed, generic", is_killed, &generic),
		TEST("a second one", refuses_a_second, &native),
	};

	if (argc < 2 || argc > 3)
		return 2;
	if (argc > 2)
		cmocka_set_skip_filter(argv[2]);
	program = argv[1];
	rig_init(argv[1]);
	return cmocka_run_group_tests_name("xdp life", tests, NULL, NULL);
}
