/* SPDX-License-Identifier: MIT */
/*
 * A front-end whose fds take their time to close: a session never waits for them, whichever message
 * brought them, and gives each fd and each mapping up once.
 */
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/if.h>

#include "tests/unit/vhost_user_peer.h"

/* A close that waits takes as long as this; the tests are over much sooner. */
#define LINGER_S 4
#define SOON_MS  1000

/* What the session gave up, in the place of a thread that closes it. */
static struct given_up {
	unsigned n_fds, n_maps;
	int fds[128];
	struct iovec maps[16];
} given_up;

static void keep_for_later(void *dev, int fd, void *map, size_t len)
{
	(void)dev;
	if (fd >= 0) {
		assert_true(given_up.n_fds < array_size(given_up.fds));
		given_up.fds[given_up.n_fds++] = fd;
	}
	if (map) {
		assert_true(given_up.n_maps < array_size(given_up.maps));
		given_up.maps[given_up.n_maps++] = (struct iovec){ map, len };
	}
}

static void close_given_up(void)
{
	unsigned i;

	for (i = 0; i < given_up.n_fds; i++)
		assert_int_equal(close(given_up.fds[i]), 0);
	for (i = 0; i < given_up.n_maps; i++)
		assert_int_equal(munmap(given_up.maps[i].iov_base, given_up.maps[i].iov_len), 0);
	given_up.n_fds = given_up.n_maps = 0;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* A TCP connection in a network namespace of this test: its near end has data that nobody reads. */
struct slow {
	int near; /* what is sent to the session; -1: it has the only one */
	int far;
};

static struct slow slow_open(void)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = LINGER_S };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	static char junk[65536];
	struct slow s;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	s.near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(s.near, (struct sockaddr *)&at, sizeof(at)), 0);
	s.far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(s.far >= 0);
	close(listener);
	assert_int_equal(setsockopt(s.near, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(s.near, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	return s;
}

/*
 * The far end goes with data unread, which ends the connection: nothing lingers any more. For
 * teardown there is a session that closes at once.
 */
static void finish(struct fixture *f, struct slow *s)
{
	if (s)
		close(s->far);
	close_given_up();
	f->ops = &fake_ops;
	connect_session(f, false);
}

static int setup_net(void **state)
{
	static bool inside;
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (!inside && unshare(CLONE_NEWNET) == 0) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		inside = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
		close(fd);
	}
	if (!inside) {
		print_message("skipped: needs a network namespace of its own\n");
		exit(77);
	}
	return setup(state);
}

static struct vhost_user_ops ops;

/* A session that gives up to given_up. */
static void begin(struct fixture *f)
{
	ops = fake_ops;
	ops.release = keep_for_later;
	f->ops = &ops;
	reconnect(f);
	negotiate(f);
}

/* The session meets what the front-end sent. */
static enum vhost_user_outcome dispatch_soon(struct fixture *f)
{
	double before = now_ms();
	enum vhost_user_outcome outcome = vhost_user_session_dispatch(f->session);

	assert_true(now_ms() - before < SOON_MS);
	return outcome;
}

/* It ends, and has given up n_fds and its socket. */
static void end_soon(struct fixture *f, struct slow *s, unsigned n_fds)
{
	double before = now_ms();

	disconnect(f);
	assert_true(now_ms() - before < SOON_MS);
	assert_int_equal(given_up.n_fds, n_fds + 1);
	finish(f, s);
}

/* Whatever message brings it, one that takes fds or one that does not. */
static void test_any_message(void **state)
{
	static const struct {
		uint32_t request;
		uint32_t size;
	} messages[] = {
		{ VHOST_USER_SET_VRING_KICK, 8 }, { VHOST_USER_SET_VRING_CALL, 8 },
		{ VHOST_USER_SET_VRING_ERR, 8 },  { VHOST_USER_ADD_MEM_REG, 40 },
		{ VHOST_USER_SET_MEM_TABLE, 40 }, { VHOST_USER_SET_OWNER, 0 },
		{ VHOST_USER_SET_LOG_BASE, 16 },  { VHOST_USER_REM_MEM_REG, 40 },
	};
	const uint8_t one_region[40] = { 1, [16] = 1 };
	struct fixture *f = *state;
	struct slow s;
	unsigned i;

	for (i = 0; i < array_size(messages); i++) {
		begin(f);
		s = slow_open();
		put_message(f, messages[i].request, one_region, messages[i].size, &s.near, 1);
		close(s.near);
		(void)dispatch_soon(f);
		end_soon(f, &s, 1);
	}
}

/* More than a message may carry: those that have no place, and those that had one. */
static void test_too_many(void **state)
{
	struct fixture *f = *state;
	struct slow s = slow_open();
	int fds[64];
	unsigned i;

	for (i = 0; i < array_size(fds); i++)
		fds[i] = s.near;
	begin(f);
	put_message(f, VHOST_USER_SET_OWNER, NULL, 0, fds, array_size(fds));
	close(s.near);
	assert_int_equal(dispatch_soon(f), VHOST_USER_VIOLATION);
	end_soon(f, &s, array_size(fds));
}

/* Behind a message that is not read any more: the fd goes with the session's socket. */
static void test_unread(void **state)
{
	struct fixture *f = *state;
	struct slow s = slow_open();

	begin(f);
	put_message(f, UINT32_MAX, NULL, 0, NULL, 0);
	put_message(f, VHOST_USER_SET_OWNER, NULL, 0, &s.near, 1);
	close(s.near);
	assert_int_equal(dispatch_soon(f), VHOST_USER_VIOLATION);
	/* A look at the first may bring the second's, too. */
	assert_in_range(given_up.n_fds, 0, 1);
	end_soon(f, &s, given_up.n_fds);
}

/* With the process at its limit of open files the kernel gives us none, and must close none. */
static void test_no_more_fds(void **state)
{
	struct fixture *f = *state;
	struct slow s = slow_open();
	struct rlimit limit, none;

	begin(f);
	put_message(f, VHOST_USER_SET_OWNER, NULL, 0, &s.near, 1);
	close(s.near);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(dispatch_soon(f), VHOST_USER_VIOLATION);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_log(f, "raise `ulimit -n`");
	end_soon(f, &s, 0);
}

/* A byte out of band carries its fd by a way of its own. */
static void test_out_of_band(void **state)
{
	struct fixture *f = *state;
	struct slow s = slow_open();
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	struct wire w = wire(f, VHOST_USER_SET_OWNER, NULL, 0);
	unsigned i;

	begin(f);
	memcpy(CMSG_DATA(&control.align), &s.near, sizeof(int));
	put(f, &w, 5, NULL, 0);
	if (sendmsg(f->sock, &mh, MSG_OOB) < 0) {
		close(s.near);
		disconnect(f);
		finish(f, &s);
		skip();
	}
	put(f, (uint8_t *)&w + 6, 6, NULL, 0);
	close(s.near);
	for (i = 0; i < 4 && dispatch_soon(f) == VHOST_USER_GO_ON; i++)
		;
	end_soon(f, &s, given_up.n_fds);
}

/* Every mapping is given up once, whole, and only when no ring is in it. */
static void test_mappings(void **state)
{
	struct fixture *f = *state;
	begin(f);
	tell_table(f);
	lay_ring(f, 0);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	tell_table(f);
	assert_int_equal(given_up.n_maps, 2);
	assert_true(given_up.maps[0].iov_len >= REGION_SIZE);
	tell_region(f, VHOST_USER_REM_MEM_REG, region_b, 0);
	assert_int_equal(given_up.n_maps, 3);
	disconnect(f);
	assert_int_equal(given_up.n_maps, 4);
	finish(f, NULL);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, setup_net, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_any_message), NET_TEST(test_too_many),    NET_TEST(test_unread),
		NET_TEST(test_no_more_fds), NET_TEST(test_out_of_band), NET_TEST(test_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
