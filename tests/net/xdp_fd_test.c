/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_fd_test TXRINGD
 *
 * --backend xdp-fd: sockets made here and put into the map of a program that is attached here, used
 * by a txringd without any privilege; and file descriptors that are no such sockets. Runs in a
 * network namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/backend/xdp_prog.h"
#include "datapath/backend/xdp_sock.h"
#include "tests/net/peer.h"
#include "tests/net/xdp_rig.h"
#include "virtio/base.h"

#define PATIENCE_MS 10000
#define FRAMES      2000
#define LEN         400
#define PAIRS       2

static char program[256]; /* a copy that any user can reach */
static unsigned user;     /* whose locked memory no other process counts in */
static char setpriv[] = "/usr/bin/setpriv";
static struct rig rig;
static struct xdp_prog *prog;
static int far_fd = -1, fds[PAIRS] = { -1, -1 };

static int make_socket(void)
{
	int fd = socket(AF_XDP, SOCK_RAW, 0);

	assert_true(fd >= 0);
	return fd;
}

static void attach(enum xdp_mode mode, unsigned n)
{
	char note[BACKEND_ERR_LEN], err[BACKEND_ERR_LEN];
	const struct xdp_prog_config cfg = {
		.ifname = RIG_NEAR, .ifindex = if_nametoindex(RIG_NEAR), .mode = mode, .n_queues = n
	};
	enum xdp_mode got;

	if (xdp_prog_attach(&prog, &cfg, &got, note, err))
		fail_msg("%s", err);
	assert_int_equal(got, mode);
}

/* A line of sockets, in the map before they are bound. */
static void make_sockets(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int err;

		fds[i] = make_socket();
		err = xdp_prog_set_socket(prog, i, fds[i]);
		if (err)
			fail_msg("socket %u is not taken by the map: %s", i, strerror(-err));
	}
}

static void drop_sockets(void)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static void link_up(const struct rig_config *cfg, enum xdp_mode mode)
{
	rig_link(&rig, cfg);
	attach(mode, rig.cfg.queues);
	make_sockets(rig.cfg.queues);
	far_fd = rig_far_packet(&rig);
}

static void start_unprivileged(void)
{
	char backend[64], queues[16];
	const char *args[] = { "--backend", backend, "--queues", queues, NULL };

	if (rig.cfg.queues > 1)
		snprintf(backend, sizeof(backend), "xdp-fd:%d,%d,ifname=" RIG_NEAR, fds[0], fds[1]);
	else
		snprintf(backend, sizeof(backend), "xdp-fd:%d,ifname=" RIG_NEAR, fds[0]);
	snprintf(queues, sizeof(queues), "%u", rig.cfg.queues);
	daemon_start(&rig.daemon, program, args);
	rig_connect(&rig);
}

static void carries_both_ways(void)
{
	static const uint8_t guest[6] = RIG_GUEST_MAC, far[6] = RIG_FAR_MAC;
	struct virtio_net_hdr_v1 hdr = { 0 };
	uint8_t frame[10 + LEN] = { 0 }, got[10 + 2000];
	unsigned sent, seen, i;
	ssize_t len;

	memset(frame + 10, 0x5a, LEN);
	memcpy(frame + 10, far, 6);
	frame[22] = 0x88;
	frame[23] = 0xb5;
	for (sent = 0; sent < FRAMES; sent++) {
		memcpy(frame + 30, &sent, sizeof(sent));
		rig_send(&rig, 0, &hdr, frame + 10, LEN);
	}
	rig_wait_sent(&rig);
	for (seen = 0, i = 0; seen < FRAMES && i < PATIENCE_MS; i += len < 0) {
		len = recv(far_fd, got, sizeof(got), 0);
		if (len < 0)
			usleep(1000);
		if (len != sizeof(frame) || memcmp(got + 22, frame + 22, 2))
			continue;
		memcpy(frame + 30, &seen, sizeof(seen));
		assert_memory_equal(got + 10, frame + 10, LEN);
		seen++;
	}
	assert_int_equal(seen, FRAMES);
	memcpy(frame + 10, guest, 6);
	for (i = 0; i < 500; i++) {
		memcpy(frame + 30, &i, sizeof(i));
		assert_int_equal(send(far_fd, frame, sizeof(frame), 0), sizeof(frame));
		assert_int_equal(rig_receive(&rig, &hdr, PATIENCE_MS), LEN);
		assert_memory_equal(rig.frame, frame + 10, LEN);
	}
}

/* No capability, or that one, and another user: what the daemon says of itself in /proc. */
static void expect_no_privilege(bool may_lock)
{
	char cmd[160];

	snprintf(cmd, sizeof(cmd),
		 "grep -q '^CapEff:.000000000000%s' /proc/%d/status && "
		 "grep -q '^Uid:.%u' /proc/%d/status",
		 may_lock ? "4000" : "0000", rig.daemon.pid, user, rig.daemon.pid);
	assert_int_equal(system(cmd), 0);
}

static void close_all(void)
{
	close(far_fd);
	far_fd = -1;
	drop_sockets();
	rig_close(&rig);
	xdp_prog_free(prog);
	prog = NULL;
}

struct passed {
	struct rig_config cfg;
	enum xdp_mode mode;
};

static void carries_frames(void **state)
{
	const struct passed *p = *state;

	link_up(&p->cfg, p->mode);
	start_unprivileged();
	drop_sockets();
	expect_no_privilege(rig.cfg.queues > 1);
	carries_both_ways();
	assert_int_equal(daemon_drops(&rig.daemon, "tx0"), 0);
	close_all();
}

/* Its interface goes down and comes back: the same sockets go on. */
static void goes_on_after_down(void **state)
{
	const struct passed *p = *state;
	uint64_t cpu, drops;
	struct virtio_net_hdr_v1 hdr = { 0 };
	uint8_t frame[60] = RIG_FAR_MAC;

	link_up(&p->cfg, p->mode);
	start_unprivileged();
	carries_both_ways();
	for (unsigned i = 1; i <= 2; i++) {
		drops = daemon_drops(&rig.daemon, "tx0");
		peer_ip("link set " RIG_NEAR " down");
		daemon_wait_log(&rig.daemon, "): it is down\n", i);
		for (unsigned k = 0; k < 100; k++)
			rig_send(&rig, 0, &hdr, frame, sizeof(frame));
		rig_wait_sent(&rig);
		assert_int_equal(daemon_drops(&rig.daemon, "tx0") - drops, 100);
		cpu = daemon_cpu_ns(&rig.daemon);
		usleep(500000);
		assert_in_range(daemon_cpu_ns(&rig.daemon) - cpu, 0, 30000000);
		peer_ip("link set " RIG_NEAR " up");
		daemon_wait_log(&rig.daemon, "): it is back\n", i);
		carries_both_ways();
	}
	close_all();
}

/* Sockets that were passed in cannot be made again: the card ends, and says why. */
static void ends_when_removed(void **state)
{
	const struct passed *p = *state;
	int status = -1;

	link_up(&p->cfg, p->mode);
	start_unprivileged();
	peer_ip("link del " RIG_NEAR);
	for (unsigned i = 0; i < PATIENCE_MS && !waitpid(rig.daemon.pid, &status, WNOHANG); i++)
		usleep(1000);
	rig.daemon.pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	daemon_check_log(&rig.daemon,
			 "it was removed, and its sockets were passed "
			 "in as fds: they cannot be made again\n",
			 1);
	close_all();
}

/* Its first line and status, run without privilege. */
static int run(const char *backend, char *log, size_t cap)
{
	char path[128];
	int pipe_fds[2], status;
	ssize_t len;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/socket", getenv("TMPDIR"));
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipe_fds[1], STDERR_FILENO);
		execl(program, program, "--socket-path", path, "--backend", backend, NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	for (*log = 0; (len = read(pipe_fds[0], log, cap - 1)) > 0; log += len, cap -= (size_t)len)
		log[len] = 0;
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_refusal(int fd, const char *more, const char *words)
{
	char log[2000], backend[64];
	int status;

	snprintf(backend, sizeof(backend), "xdp-fd:%d,ifname=%s", fd, more);
	status = run(backend, log, sizeof(log));
	if (status != 1 || !strstr(log, words) || !strchr(log, '\n') || strchr(log, '\n')[1])
		fail_msg("status %d, no '%s' in: %s", status, words, log);
}

static void refuses_what_is_no_socket(void **state)
{
	struct xdp_sock sock;
	char note[BACKEND_ERR_LEN], err[BACKEND_ERR_LEN];
	struct xdp_sock_config cfg = { .ifname = RIG_NEAR, .fd = -1, .max_len = 1518 };
	int fd;

	(void)state;
	rig_link(&rig, &(struct rig_config){ 0 });
	expect_refusal(77, RIG_NEAR, "fd 77 is not open");
	fd = open("/dev/null", O_RDWR);
	expect_refusal(fd, RIG_NEAR, "is no AF_XDP socket: Socket operation on non-socket");
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	expect_refusal(fd, RIG_NEAR, "is no AF_XDP socket");
	close(fd);
	fd = make_socket();
	expect_refusal(fd, "none", "there is no interface none");
	expect_refusal(fd, "lo", "lo is no Ethernet interface");
	expect_refusal(fd, RIG_NEAR ",start-queue=3", "there is no queue 3");
	close(fd);
	cfg.ifindex = if_nametoindex(RIG_NEAR);
	assert_int_equal(xdp_sock_open(&sock, &cfg, note, err), 0);
	fcntl(sock.fd, F_SETFD, 0);
	expect_refusal(sock.fd, RIG_NEAR, "is an AF_XDP socket that is set up already");
	fd = make_socket();
	expect_refusal(fd, RIG_NEAR, "is another AF_XDP socket's");
	xdp_sock_close(&sock);
	close(fd);
	peer_ip("link set " RIG_NEAR " down");
	fd = make_socket();
	expect_refusal(fd, RIG_NEAR, "is down: ip link set " RIG_NEAR " up");
	close(fd);
	rig_cleanup(&rig);
}

static int tear_down(void **state)
{
	(void)state;
	drop_sockets();
	if (far_fd >= 0)
		close(far_fd);
	far_fd = -1;
	rig_cleanup(&rig);
	xdp_prog_free(prog);
	prog = NULL;
	return 0;
}

/*
 * A program that becomes txringd as somebody, without capabilities; and a TMPDIR for it. Memory for
 * more than one queue is beyond the usual limit, which the test may not raise everywhere: then
 * CAP_IPC_LOCK is left.
 */
static int make_program(const char *txringd)
{
	static const char script[] =
		"#!/bin/sh\n"
		"caps=-all\n"
		"case \" $* \" in *\" --queues 2 \"*) caps=-all,+ipc_lock ;; esac\n"
		"exec %s --pdeathsig KILL --reuid %u --regid %u --clear-groups --inh-caps $caps "
		"--ambient-caps $caps --bounding-set $caps --no-new-privs -- %s/txringd \"$@\"\n";
	const char *tmp = getenv("TMPDIR");
	char cmd[600];
	FILE *f;

	user = 100000 + (unsigned)getpid();
	snprintf(program, sizeof(program), "%s/unprivileged", tmp);
	f = fopen(program, "w");
	if (!f)
		return -errno;
	fprintf(f, script, setpriv, user, user, tmp);
	fclose(f);
	snprintf(cmd, sizeof(cmd),
		 "install -m 755 '%s' '%s/txringd' && chmod 777 '%s' && chmod 755 '%s'", txringd,
		 tmp, tmp, program);
	return system(cmd);
}

#define TEST(name, test, cfg) \
	{ \
		name, test, NULL, tear_down, cfg \
	}

int main(int argc, char **argv)
{
	static struct passed native = { { 0 }, XDP_MODE_NATIVE };
	static struct passed generic = { { 0 }, XDP_MODE_SKB };
	static struct passed pairs = { { .queues = 2 }, XDP_MODE_NATIVE };
	const struct CMUnitTest tests[] = {
		TEST("native", carries_frames, &native),
		TEST("generic", carries_frames, &generic),
		TEST("2 pairs", carries_frames, &pairs),
		TEST("down and up", goes_on_after_down, &native),
		TEST("removed", ends_when_removed, &native),
		cmocka_unit_test_teardown(refuses_what_is_no_socket, tear_down),
	};

	if (argc != 2)
		return 2;
	if (access(setpriv, X_OK)) {
		print_message("skipped: needs setpriv (util-linux)\n");
		return 77;
	}
	if (make_program(argv[1]))
		return 2;
	return cmocka_run_group_tests_name("xdp fd", tests, NULL, NULL);
}
