/* SPDX-License-Identifier: MIT */
/* Notifiers: which fds serve as one, what the other side sees, and that sending never waits. */
#include "virtio/notifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct notifier notifier_of(int fd, enum notifier_kind kind)
{
	struct notifier n;

	assert_int_equal(notifier_of_fd(&n, fd), 0);
	assert_int_equal(n.fd, fd);
	assert_int_equal(n.kind, kind);
	return n;
}

static void assert_refused(int fd, int err)
{
	struct notifier n = { 5, NOTIFIER_SOCKET };

	assert_int_equal(notifier_of_fd(&n, fd), err);
	assert_int_equal(n.fd, -1);
	assert_int_equal(n.kind, NOTIFIER_NONE);
	/* Sending to it is no harm. */
	notifier_send(&n);
}

static void set_blocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

/* An eventfd that blocks is made one that does not; each send adds one. */
static void test_eventfd(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct notifier n = notifier_of(fd, NOTIFIER_EVENTFD);
	eventfd_t count;

	(void)state;
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	notifier_send(&n);
	notifier_send(&n);
	assert_int_equal(eventfd_read(fd, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
	notifier_send(&n);
	close(fd);
}

/* Each send is the eight bytes of an eventfd's write. */
static void assert_notified(int fd, unsigned times)
{
	uint64_t value;
	unsigned i;

	for (i = 0; i < times; i++) {
		assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
		assert_int_equal(value, 1);
	}
}

/*
 * A full pipe does not stop the sender, though the front-end cleared O_NONBLOCK. Of a fifo the
 * kernel asks for the flag.
 */
static void test_pipe(void **state)
{
	struct notifier n;
	int fds[2];
	unsigned i;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	n = notifier_of(fds[1], NOTIFIER_PIPE);
	assert_refused(fds[0], -EINVAL);
	set_blocking(fds[1]);
	notifier_send(&n);
	notifier_send(&n);
	assert_notified(fds[0], 2);
	for (i = 0; i < 70000 / sizeof(uint64_t); i++)
		notifier_send(&n);
	close(fds[0]);
	notifier_send(&n);
	close(fds[1]);
}

static void test_fifo(void **state)
{
	char path[] = "/tmp/notify-XXXXXX";
	struct notifier n;
	int fd, other;
	unsigned i;

	(void)state;
	close(mkstemp(path));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	n = notifier_of(fd, NOTIFIER_PIPE);
	notifier_send(&n);
	assert_notified(fd, 1);
	for (i = 0; i < 70000 / sizeof(uint64_t); i++)
		notifier_send(&n);
	other = open(path, O_PATH | O_CLOEXEC);
	assert_refused(other, -EINVAL);
	close(other);
	close(fd);
	unlink(path);
}

/* User-mode Linux passes one end of a socketpair. */
static void test_unix_socket(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	struct notifier n;
	int fds[2];
	unsigned i, k;

	(void)state;
	for (k = 0; k < sizeof(types) / sizeof(*types); k++) {
		assert_int_equal(socketpair(AF_UNIX, types[k], 0, fds), 0);
		n = notifier_of(fds[1], NOTIFIER_SOCKET);
		notifier_send(&n);
		notifier_send(&n);
		assert_notified(fds[0], 2);
		for (i = 0; i < 100000; i++)
			notifier_send(&n);
		close(fds[0]);
		notifier_send(&n);
		close(fds[1]);
	}
}

/* What could make a sender wait, or notifies nobody. */
static void test_refused(void **state)
{
	int files[] = {
		socket(AF_INET, SOCK_STREAM, 0),         socket(AF_INET6, SOCK_DGRAM, 0),
		socket(AF_NETLINK, SOCK_RAW, 0),         open("/dev/null", O_RDWR),
		open("/", O_RDONLY | O_DIRECTORY),       open("/proc/self/comm", O_RDWR),
		memfd_create("anon_inode:[eventfd]", 0), epoll_create1(0),
		timerfd_create(CLOCK_MONOTONIC, 0),
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (files[i] < 0) /* a machine without IPv6 */
			continue;
		assert_refused(files[i], -EINVAL);
		close(files[i]);
	}
	assert_refused(-1, -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eventfd), cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_fifo),    cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	alarm(60); /* a sender that waits would wait for ever */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
