/* SPDX-License-Identifier: MIT */
/*
 * The control socket with clients of every kind: none is waited for, none can fill memory or keep
 * the others out. A command here is a word that says how it wants to be answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/txringd/control.h"
#include "virtio/base.h"

#define HUGE_LINES 100000
#define HUGE_LEN   (HUGE_LINES * 10 + 3)

static char dir[] = "/tmp/control_test.XXXXXX";
static char path[64];
static struct control *control;
static char last[CONTROL_MAX_LINE + 2];
static unsigned n_runs, n_later;

static bool run(void *ctx, char *line, FILE *out)
{
	assert_ptr_equal(ctx, &n_runs);
	n_runs++;
	strcpy(last, line);
	if (!strcmp(line, "later") && n_later) {
		n_later--;
		fprintf(out, "error: not yet\n");
		return true;
	}
	for (unsigned i = 0; i < HUGE_LINES && !strcmp(line, "huge"); i++)
		fprintf(out, "%09u\n", i);
	fprintf(out, "ok\n");
	/* Whoever cuts the line up must find it whole the next time. */
	line[0] = '\0';
	return false;
}

static int start(void **state)
{
	const struct control_config cfg = { .path = path, .run = run, .ctx = &n_runs };
	char err[512];

	(void)state;
	n_runs = n_later = 0;
	return control_new(&control, &cfg, err, sizeof(err));
}

static int stop(void **state)
{
	struct stat st;

	(void)state;
	control_free(control);
	control = NULL;
	return stat(path, &st) == 0;
}

static int client(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One turn of the loop, that waits for at most wait_ms. */
static void turn(int wait_ms)
{
	struct pollfd fds[CONTROL_FDS];
	int timeout = control_prepare(control, fds);

	if (timeout < 0 || timeout > wait_ms)
		timeout = wait_ms;
	assert_true(poll(fds, CONTROL_FDS, timeout) >= 0);
	control_serve(control, fds);
}

static void turns(unsigned n)
{
	while (n--)
		turn(0);
}

/* All that comes until the end of file, which comes. */
static size_t read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	for (unsigned i = 0; i < 1000; i++) {
		n = recv(fd, buf + len, cap - 1 - len, 0);
		if (n == 0) {
			buf[len] = '\0';
			close(fd);
			return len;
		}
		assert_true(n > 0 || errno == EAGAIN);
		len += n > 0 ? (size_t)n : 0;
		turn(10);
	}
	fail_msg("no end of file");
	return 0;
}

static void assert_answer(int fd, const char *want)
{
	char buf[1024];

	read_all(fd, buf, sizeof(buf));
	assert_string_equal(buf, want);
}

/* The socket is for its owner alone. */
static void mode(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* A line in one piece, in many, with more behind it, ended by the client's end of file. */
static void one_line(void **state)
{
	static const char text[] = "show me\n";
	char piece[2] = "";
	int fd = client();

	(void)state;
	say(fd, text);
	turns(3);
	assert_answer(fd, "ok\n");
	assert_string_equal(last, "show me");
	fd = client();
	for (unsigned i = 0; text[i]; i++) {
		piece[0] = text[i];
		assert_int_equal(n_runs, 1);
		say(fd, piece);
		turns(2);
	}
	assert_answer(fd, "ok\n");
	assert_string_equal(last, "show me");
	fd = client();
	say(fd, "first\nsecond\n");
	turns(3);
	assert_int_equal(n_runs, 3);
	assert_string_equal(last, "first");
	close(fd);
	fd = client();
	say(fd, "no newline");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	turns(3);
	assert_answer(fd, "ok\n");
	assert_string_equal(last, "no newline");
}

/* One that says nothing and goes, and a line that has no end. */
static void no_line(void **state)
{
	char line[2 * CONTROL_MAX_LINE];
	int fd = client();

	(void)state;
	turns(2);
	close(fd);
	turns(2);
	assert_int_equal(n_runs, 0);
	memset(line, 'x', sizeof(line));
	line[CONTROL_MAX_LINE] = '\0';
	fd = client();
	say(fd, line);
	turns(2);
	say(fd, "\n");
	turns(2);
	assert_answer(fd, "ok\n");
	assert_int_equal(n_runs, 1);
	line[CONTROL_MAX_LINE] = 'x';
	line[CONTROL_MAX_LINE + 1] = '\0';
	fd = client();
	say(fd, line);
	turns(3);
	assert_answer(fd, "error: a command has 255 characters at most\n");
	assert_int_equal(n_runs, 1);
}

/* An answer that no socket holds arrives whole, and nobody waits for who reads it. */
static void long_answer(void **state)
{
	char *buf = malloc(HUGE_LEN + 1);
	int slow = client(), fd;

	(void)state;
	assert_non_null(buf);
	say(slow, "huge\n");
	turns(3);
	fd = client();
	say(fd, "quick\n");
	turns(3);
	assert_answer(fd, "ok\n");
	assert_int_equal(read_all(slow, buf, HUGE_LEN + 1), HUGE_LEN);
	assert_string_equal(buf + HUGE_LEN - 13, "000099999\nok\n");
	/* One that goes in the middle of it. */
	slow = client();
	say(slow, "huge\n");
	turns(3);
	close(slow);
	turns(3);
	free(buf);
}

/* What cannot be done yet is tried again, while others are served; the client may go meanwhile. */
static void later(void **state)
{
	int fd = client(), other;

	(void)state;
	n_later = 3;
	say(fd, "later\n");
	turns(3);
	other = client();
	say(other, "other\n");
	turns(3);
	assert_answer(other, "ok\n");
	assert_answer(fd, "ok\n");
	assert_string_equal(last, "later");
	assert_int_equal(n_runs, 5);
	n_later = 1000;
	fd = client();
	say(fd, "later\n");
	turns(3);
	close(fd);
	turn(100);
	n_runs = 0;
	turn(100);
	turn(100);
	assert_int_equal(n_runs, 0);
}

/* The fds that no_more_fds() has taken; so many that poll() may still be asked for CONTROL_FDS. */
static int fds_taken[CONTROL_FDS];
static struct rlimit limit;

static void no_more_fds(int fd)
{
	struct rlimit none;

	for (unsigned i = 0; i < CONTROL_FDS; i++)
		fds_taken[i] = dup(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)fds_taken[CONTROL_FDS - 1] + 1,
				.rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void fds_again(void)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (unsigned i = 0; i < CONTROL_FDS; i++)
		close(fds_taken[i]);
}

/* No fd for a client: it waits, and we do not wake for it without pause; then it is served. */
static void no_fd(void **state)
{
	int fd = client(), timeout;
	unsigned n_turns = 0;
	struct pollfd fds[CONTROL_FDS];

	(void)state;
	no_more_fds(fd);
	say(fd, "waits\n");
	do {
		assert_true(n_turns++ < 100);
		turn(0);
		timeout = control_prepare(control, fds);
	} while (fds[0].fd >= 0);
	assert_in_range(timeout, 1, CONTROL_LATER_MS);
	fds_again();
	assert_answer(fd, "ok\n");
}

/* The line, and a file with it. */
static void say_with_file(int fd, const char *line, int file, int flags)
{
	union {
		char buf[CMSG_SPACE(sizeof(file))];
		struct cmsghdr head;
	} rights = { .head = { .cmsg_len = CMSG_LEN(sizeof(file)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (char *)line, .iov_len = strlen(line) };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &rights,
			     .msg_controllen = sizeof(rights) };

	memcpy(CMSG_DATA(&rights.head), &file, sizeof(file));
	assert_int_equal(sendmsg(fd, &mh, flags), (ssize_t)iov.iov_len);
}

/* Nothing has the pipe's other end open. */
static void assert_closed(int pipe_fd)
{
	struct pollfd p = { .fd = pipe_fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(p.revents, POLLHUP);
	close(pipe_fd);
}

/* A client's files are taken and closed, those of a byte out of band too. */
static void files(void **state)
{
	int fd = client(), ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	say_with_file(fd, "sh", ends[1], 0);
	say_with_file(fd, "o", ends[1], MSG_OOB);
	say_with_file(fd, "w\n", ends[1], 0);
	close(ends[1]);
	turns(5);
	assert_string_equal(last, "show");
	assert_answer(fd, "ok\n");
	assert_closed(ends[0]);
}

/*
 * Files that may not be opened would be closed by the kernel while the line is received, which
 * takes as long as their owner likes: the line is not received, its client is cut off.
 */
static void files_but_no_fd(void **state)
{
	int fd = client(), ends[2];
	char c;

	(void)state;
	turns(2);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	say_with_file(fd, "show\n", ends[1], 0);
	close(ends[1]);
	no_more_fds(fd);
	turns(3);
	fds_again();
	assert_int_equal(n_runs, 0);
	/* The end, or a reset, as the line was not read. */
	assert_true(recv(fd, &c, 1, 0) == 0 || errno == ECONNRESET);
	close(fd);
	assert_closed(ends[0]);
}

/*
 * Silent clients are cut off when the patience is over, as is one that does not read. What never
 * gets done is answered as it stands.
 */
static void patience(void **state)
{
	int silent[CONTROL_MAX_CLIENTS];
	char c;

	(void)state;
	n_later = UINT32_MAX;
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		silent[i] = client();
		turns(2);
	}
	say(silent[0], "huge\n");
	say(silent[1], "later\n");
	turns(2);
	assert_int_equal(n_runs, 2);
	for (unsigned i = 0; i < 1000 && recv(silent[2], &c, 1, 0) < 0; i++)
		turn(20);
	assert_answer(silent[1], "error: not yet\n");
	for (unsigned i = 2; i < CONTROL_MAX_CLIENTS; i++) {
		assert_int_equal(recv(silent[i], &c, 1, 0), 0);
		close(silent[i]);
	}
	close(silent[0]);
}

/*
 * Clients that say nothing, or read nothing, keep nobody out: the one that has not moved for the
 * longest time gives way, one whose command waits to be done does not.
 */
static void silence(void **state)
{
	int others[CONTROL_MAX_CLIENTS], fd;
	uint64_t start_ns;
	char c;

	(void)state;
	n_later = UINT32_MAX;
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		others[i] = client();
		turns(2);
		usleep(1000);
	}
	say(others[0], "later\n");
	turns(2);
	for (unsigned i = 1; i <= 3; i++) {
		start_ns = monotonic_ns();
		fd = client();
		say(fd, "show\n");
		assert_answer(fd, "ok\n");
		assert_true(monotonic_ns() - start_ns < CONTROL_PATIENCE_MS / 2 * 1000000ull);
	}
	assert_int_equal(recv(others[1], &c, 1, 0), 0);
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (i != 1)
			assert_int_equal(recv(others[i], &c, 1, 0), -1);
		close(others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mode, start, stop),
		cmocka_unit_test_setup_teardown(one_line, start, stop),
		cmocka_unit_test_setup_teardown(no_line, start, stop),
		cmocka_unit_test_setup_teardown(long_answer, start, stop),
		cmocka_unit_test_setup_teardown(later, start, stop),
		cmocka_unit_test_setup_teardown(no_fd, start, stop),
		cmocka_unit_test_setup_teardown(files, start, stop),
		cmocka_unit_test_setup_teardown(files_but_no_fd, start, stop),
		cmocka_unit_test_setup_teardown(patience, start, stop),
		cmocka_unit_test_setup_teardown(silence, start, stop),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
