/* SPDX-License-Identifier: MIT */
/*
 * usage: stall_test TXRINGD
 *
 * What somebody else can make wait, and how long: a stderr that takes nothing, a file whose close
 * takes a minute. No card stops, the control socket answers, and SIGTERM ends txringd at once. Runs
 * in a network namespace of its own.
 *
 * Card 0 does the harm, card 1 is a bystander that carries traffic throughout; both are loops.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/echo.h"
#include "virtio/base.h"
#include "virtio/vhost_user/proto.h"

/* What is answered at once: with room for a machine that is busy otherwise. */
#define AT_ONCE_NS 10000000000 /* a busy machine; what would stall lasts a minute */

static struct {
	struct daemon daemon; /* its paths and its pid; the log is not a file here */
	char control[128];
	int stderr_fd;            /* the read end of what it writes to */
	struct driver_net *net;   /* card 0 */
	struct driver_net *other; /* card 1 */
	struct echo bystander;
	int peers[64]; /* of connections that linger */
	unsigned n_peers;
} lab;

static const char *program;

/* A pipe that is full, of which nobody reads. */
static int full_pipe(void)
{
	char bytes[4096] = "";
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	lab.stderr_fd = fds[0];
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	while (write(fds[1], bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
	return fds[1];
}

static void run(int stderr_fd, const char *other)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(stderr_fd, STDERR_FILENO);
	execl(program, program, "--socket-path", lab.daemon.path, "--backend", "loop", "--control",
	      lab.control, "--nic", "--socket-path", other, "--backend", "loop", NULL);
	_exit(127);
}

static void open_lab(int stderr_fd)
{
	char other[128];

	daemon_set_path(&lab.daemon);
	snprintf(lab.control, sizeof(lab.control), "%s.control", lab.daemon.path);
	echo_path(&lab.daemon, 1, other);
	lab.daemon.pid = fork();
	assert_true(lab.daemon.pid >= 0);
	if (!lab.daemon.pid)
		run(stderr_fd, other);
	close(stderr_fd);
	assert_int_equal(echo_connect(&lab.net, &lab.daemon, 0, 1, false), 0);
	assert_int_equal(echo_connect(&lab.other, &lab.daemon, 1, 1, false), 0);
	echo_start(&lab.bystander, lab.other, 0);
	assert_true(echo_goes_on(&lab.bystander, 10));
}

static void check_bystander(void)
{
	if (!echo_goes_on(&lab.bystander, 20))
		fail_msg("the bystander stands still: %s", lab.bystander.failed);
}

/* SIGTERM ends it within a moment, with status 0. */
static void close_lab(void)
{
	uint64_t start_ns;
	int status;

	assert_null(echo_stop(&lab.bystander));
	start_ns = monotonic_ns();
	assert_int_equal(kill(lab.daemon.pid, SIGTERM), 0);
	while (!waitpid(lab.daemon.pid, &status, WNOHANG)) {
		if (monotonic_ns() - start_ns > AT_ONCE_NS)
			fail_msg("SIGTERM does not end it");
		usleep(2000);
	}
	lab.daemon.pid = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int tear_down(void **state)
{
	(void)state;
	echo_stop(&lab.bystander);
	if (lab.daemon.pid > 0) {
		kill(lab.daemon.pid, SIGKILL);
		waitpid(lab.daemon.pid, NULL, 0);
	}
	driver_net_free(lab.net);
	driver_net_free(lab.other);
	if (lab.stderr_fd > 0)
		close(lab.stderr_fd);
	while (lab.n_peers)
		close(lab.peers[--lab.n_peers]);
	memset(&lab, 0, sizeof(lab));
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

#define SHOW "{\"execute\":\"show\"}\n"

/* The control socket answers at once. */
static void check_control(void)
{
	char answer[8192];
	struct pollfd p = { .fd = connect_to(lab.control), .events = POLLIN };
	uint64_t start_ns = monotonic_ns();
	size_t len = 0;
	ssize_t n;

	assert_int_equal(send(p.fd, SHOW, strlen(SHOW), MSG_NOSIGNAL), strlen(SHOW));
	assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
	do {
		if (poll(&p, 1, AT_ONCE_NS / 1000000) != 1)
			fail_msg("the control socket does not answer");
		n = recv(p.fd, answer + len, sizeof(answer) - 1 - len, 0);
		assert_true(n >= 0);
		len += (size_t)n;
	} while (n);
	close(p.fd);
	answer[len] = '\0';
	assert_non_null(strstr(answer, "\n{\"return\":{\"nics\":["));
	assert_true(monotonic_ns() - start_ns < AT_ONCE_NS);
}

/* Break card 0's tx ring, which its iothread logs, and mend it. */
static void break_ring(void)
{
	struct ring *ring = driver_net_ring(lab.net, 1);
	struct pollfd p = { .fd = lab.net->frontend.rings[1].err_fd, .events = POLLIN };
	uint64_t n;

	store_release(&ring->areas.avail->idx, (uint16_t)(ring->avail_idx + 1000));
	ring_kick_now(ring);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(read(p.fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(driver_net_ring_stop(lab.net, 1), 0);
	assert_int_equal(driver_net_ring_restart(lab.net, 1), 0);
}

/* Append what the daemon has written to stderr since; log is a string. */
static void read_log(char *log, size_t size)
{
	size_t len = strlen(log);
	ssize_t n = read(lab.stderr_fd, log + len, size - 1 - len);

	log[len + (n > 0 ? (size_t)n : 0)] = '\0';
}

/* A TCP connection whose peer reads nothing: its last close takes a minute. */
static int lingering(void)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), peer;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	char bytes[65536] = "";

	assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(listen(server, 1), 0);
	connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(peer >= 0 && lab.n_peers < array_size(lab.peers));
	lab.peers[lab.n_peers++] = peer;
	close(server);
	/* The peer's kernel takes some more, for as long as it has room. */
	while (poll(&p, 1, 100) == 1)
		assert_true(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0 || errno == EAGAIN);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

static void *close_apart(void *fd)
{
	close((int)(intptr_t)fd);
	return NULL;
}

/* Send text with a file whose close takes a minute. The receiver has the last hold on it. */
static void send_lingering(int sock, const char *text, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int fd = lingering();
	struct timespec soon;
	pthread_t thread;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &mh, MSG_NOSIGNAL) != (ssize_t)len)
		fail_msg("sendmsg: %s", strerror(errno));
	/* If the receiver has closed it meanwhile, this is what takes a minute. */
	assert_int_equal(pthread_create(&thread, NULL, close_apart, (void *)(intptr_t)fd), 0);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec++;
	if (pthread_timedjoin_np(thread, NULL, &soon))
		pthread_detach(thread);
}

/* A client of the control socket sends such a file, with its line or behind it. */
static void client_lingers(void **state)
{
	int fd;

	(void)state;
	open_lab(dup(STDERR_FILENO));
	fd = connect_to(lab.control);
	send_lingering(fd, SHOW, strlen(SHOW));
	check_bystander();
	check_control();
	close(fd);
	check_control();
	fd = connect_to(lab.control);
	send_lingering(fd, SHOW, 3);
	send_lingering(fd, &(SHOW "more")[3], strlen(SHOW) + 1);
	check_bystander();
	check_control();
	close(fd);
	close_lab();
}

/* A connection that waits for its turn has sent one already: SIGTERM ends it with the others. */
static void waiting_lingers(void **state)
{
	int fds[2];

	(void)state;
	open_lab(dup(STDERR_FILENO));
	for (unsigned i = 0; i < array_size(fds); i++) {
		fds[i] = connect_to(lab.daemon.path);
		send_lingering(fds[i], "x", 1);
	}
	check_bystander();
	close_lab();
	for (unsigned i = 0; i < array_size(fds); i++)
		close(fds[i]);
}

/*
 * A front-end sends such a file, with a message that has no place for one, and with the beginning
 * of a message that never ends; its card takes the next front-end all the same.
 */
static void front_end_lingers(void **state)
{
	static const struct vhost_user_header whole = { .request = VHOST_USER_GET_FEATURES,
							.flags = VHOST_USER_VERSION };

	(void)state;
	open_lab(dup(STDERR_FILENO));
	for (unsigned i = 0; i < 2; i++) {
		/* The rest comes when it is the only one that has the file. */
		send_lingering(lab.net->frontend.sock, (const char *)&whole, 4);
		if (!i)
			assert_int_equal(send(lab.net->frontend.sock, (const char *)&whole + 4,
					      sizeof(whole) - 4, MSG_NOSIGNAL),
					 sizeof(whole) - 4);
		check_bystander();
		check_control();
		driver_net_free(lab.net);
		lab.net = NULL;
		check_bystander();
		check_control();
		assert_int_equal(echo_connect(&lab.net, &lab.daemon, 0, 1, false), 0);
	}
	close_lab();
}

/*
 * So much that does not close that the card takes nothing more in: it says so, once, and goes on
 * when all is closed. Other cards do not notice.
 */
static void too_many_closes(void **state)
{
	static const char says[] = "do not close";
	const struct vhost_user_header hdr = { .request = VHOST_USER_SET_VRING_CALL,
					       .flags = VHOST_USER_VERSION,
					       .size = sizeof(uint64_t) };
	const uint64_t ring = 0;
	char log[65536] = "";
	int fds[2], fd;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	lab.stderr_fd = fds[0];
	open_lab(fds[1]);
	send_lingering(lab.net->frontend.sock, (const char *)&hdr, 4);
	driver_net_free(lab.net);
	lab.net = NULL;
	assert_int_equal(echo_connect(&lab.net, &lab.daemon, 0, 1, false), 0);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(fd >= 0);
	/* Each of them takes the place of the one before. Those that are not read wait. */
	fcntl(lab.net->frontend.sock, F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 4000 && !strstr(log, says); i++) {
		if (frontend_send(&lab.net->frontend, &hdr, &ring, sizeof(ring), &fd, 1)) {
			usleep(20000);
			read_log(log, sizeof(log));
		}
	}
	assert_non_null(strstr(log, says));
	check_bystander();
	check_control();
	/* The peer goes, so that the file which lingers has nobody to wait for. */
	close(lab.peers[--lab.n_peers]);
	driver_net_free(lab.net);
	lab.net = NULL;
	assert_int_equal(echo_connect(&lab.net, &lab.daemon, 0, 1, false), 0);
	assert_null(echo_frames(lab.net, 0, 10));
	read_log(log, sizeof(log));
	assert_null(strstr(strstr(log, says) + 1, says));
	close(fd);
	close_lab();
}

/* stderr is a pipe that is full: neither the control thread nor an iothread waits for it. */
static void stderr_takes_nothing(void **state)
{
	(void)state;
	open_lab(full_pipe());
	for (unsigned i = 0; i < 20; i++) {
		break_ring();
		check_bystander();
	}
	check_control();
	driver_net_free(lab.net);
	assert_int_equal(echo_connect(&lab.net, &lab.daemon, 0, 1, false), 0);
	check_bystander();
	close_lab();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(stderr_takes_nothing, tear_down),
		cmocka_unit_test_teardown(client_lingers, tear_down),
		cmocka_unit_test_teardown(waiting_lingers, tear_down),
		cmocka_unit_test_teardown(front_end_lingers, tear_down),
		cmocka_unit_test_teardown(too_many_closes, tear_down),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
