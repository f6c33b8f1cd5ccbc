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
#define HUGE_LEN   (6 + HUGE_LINES * 10 + 3)

static char dir[] = "/tmp/control_test.XXXXXX";
static char path[64];
static struct control *control;
static char last[CONTROL_MAX_LINE + 2];
static unsigned n_runs, n_later, memo;

/* "later" counts in its memo how often it was run; "watch" gets events. */
static bool run_later(struct control_line *line)
{
	if (!line->memo)
		line->memo = json_integer(0);
	json_integer_set(line->memo, json_integer_value(line->memo) + 1);
	memo = (unsigned)json_integer_value(line->memo);
	if (!n_later)
		return false;
	n_later--;
	line->answer = strdup("error: not yet\n");
	return true;
}

static bool run(void *ctx, struct control_line *line)
{
	FILE *out;
	size_t len;

	assert_ptr_equal(ctx, &n_runs);
	assert_true(line->may_change);
	assert_true(line->len < sizeof(last));
	n_runs++;
	memcpy(last, line->text, line->len);
	last[line->len] = '\0';
	if (!strcmp(last, "later") && run_later(line))
		return true;
	line->watches = !strcmp(last, "watch");
	out = open_memstream(&line->answer, &len);
	assert_non_null(out);
	for (unsigned i = 0; i < HUGE_LINES && !strcmp(last, "huge"); i++)
		fprintf(out, "%09u\n", i);
	fprintf(out, "ok\n");
	assert_int_equal(fclose(out), 0);
	return false;
}

static char *greet(void *ctx, bool may_change)
{
	assert_ptr_equal(ctx, &n_runs);
	return strdup(may_change ? "hello\n" : "hello, stranger\n");
}

static int start(void **state)
{
	const struct control_config cfg = {
		.path = path, .greet = greet, .run = run, .ctx = &n_runs
	};
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

/* It was taken, and has read the greeting. */
static void greeted(int fd)
{
	char buf[6];

	assert_int_equal(recv(fd, buf, sizeof(buf), 0), sizeof(buf));
	assert_memory_equal(buf, "hello\n", 6);
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

/* Behind the greeting; it says no more. */
static void assert_answer(int fd, const char *want)
{
	char buf[1024];

	shutdown(fd, SHUT_WR);
	read_all(fd, buf, sizeof(buf));
	assert_memory_equal(buf, "hello\n", 6);
	assert_string_equal(buf + 6, want);
}

/* The socket is for its owner alone. */
static void mode(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Lines in one piece, in many, several at once, the last ended by the client's end of file. */
static void lines(void **state)
{
	static const char text[] = "show me\n";
	char piece[2] = "";
	int fd = client();

	(void)state;
	say(fd, text);
	turns(3);
	assert_string_equal(last, "show me");
	for (unsigned i = 0; text[i]; i++) {
		piece[0] = text[i];
		assert_int_equal(n_runs, 1);
		say(fd, piece);
		turns(2);
	}
	assert_string_equal(last, "show me");
	assert_int_equal(n_runs, 2);
	assert_answer(fd, "ok\nok\n");
	fd = client();
	say(fd, "first\nsecond\nthird");
	turns(3);
	assert_int_equal(n_runs, 4);
	assert_string_equal(last, "second");
	assert_answer(fd, "ok\nok\nok\n");
	assert_string_equal(last, "third");
}

/* More lines at once than a turn has: all are answered, and others have their turns between. */
static void many_lines(void **state)
{
	char buf[4096], *all = calloc(1, 1000 * 5 + 1);
	int fd = client(), other = client();
	size_t len;

	(void)state;
	assert_non_null(all);
	for (unsigned i = 0; i < 1000; i++)
		memcpy(all + 5 * i, "line\n", 5);
	say(fd, all);
	free(all);
	turns(3);
	say(other, "other\n");
	for (unsigned i = 0; i < 5 && strcmp(last, "other") != 0; i++)
		turn(0);
	assert_true(n_runs < 1000);
	assert_answer(other, "ok\n");
	shutdown(fd, SHUT_WR);
	len = read_all(fd, buf, sizeof(buf));
	assert_int_equal(len, 6 + 1000 * 3);
}

/* One that says nothing and goes, and a line that has no end. */
static void no_line(void **state)
{
	char *line = malloc(2 * CONTROL_MAX_LINE);
	int fd = client();

	(void)state;
	assert_non_null(line);
	turns(2);
	close(fd);
	turns(2);
	assert_int_equal(n_runs, 0);
	memset(line, 'x', 2 * CONTROL_MAX_LINE);
	line[CONTROL_MAX_LINE] = '\0';
	fd = client();
	say(fd, line);
	turns(20);
	say(fd, "\n");
	assert_answer(fd, "ok\n");
	assert_int_equal(n_runs, 1);
	line[CONTROL_MAX_LINE] = 'x';
	line[CONTROL_MAX_LINE + 1] = '\0';
	fd = client();
	say(fd, line);
	turns(20);
	assert_answer(fd,
		      "{\"error\":{\"class\":\"Malformed\",\"desc\":\"a request has 65536 bytes at "
		      "most\"}}\n");
	assert_int_equal(n_runs, 1);
	free(line);
}

/*
 * A line of 100 MB costs no more memory than one that is taken, and one turn's reading at a time.
 */
static void endless_line(void **state)
{
	static const char piece[65536] = { 'x' };
	int fd = client();
	size_t sent = 0;
	ssize_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 10000 && sent < 100000000; i++) {
		n = send(fd, piece, sizeof(piece), MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		turn(0);
	}
	assert_true(n < 0 && errno == EPIPE);
	assert_true(sent < 4000000);
	assert_int_equal(n_runs, 0);
	assert_int_equal(control_stats(control).cut_off, 1);
	close(fd);
}

/*
 * Who watches gets events, and answers between them. What is not read is bounded; it is lost to
 * that client alone, which is told how much.
 */
static void events(void **state)
{
	int fd = client(), deaf = client(), other = client();
	static char buf[4 * CONTROL_MAX_EVENTS];
	unsigned n = 0, lost;
	size_t len = 0;
	ssize_t got;
	char *at;

	(void)state;
	say(other, "show\n");
	say(fd, "watch\n");
	say(deaf, "watch\n");
	assert_false(control_is_watched(control));
	turns(5);
	assert_true(control_is_watched(control));
	control_event(control, "event 1\n");
	say(fd, "show\n");
	turns(3);
	assert_answer(fd, "ok\nevent 1\nok\n");
	assert_answer(other, "ok\n");
	for (; !control_stats(control).events_lost; n++) {
		assert_true(n < 1000000);
		control_event(control, "event 2\n");
		turn(0);
	}
	for (unsigned i = 0; i < 10; i++)
		control_event(control, "event 3\n");
	for (unsigned i = 0; i < 1000; i++) {
		got = recv(deaf, buf, sizeof(buf), 0);
		assert_true(got > 0 || (got < 0 && errno == EAGAIN));
		len = got > 0 ? (size_t)got : len;
		if (got > 0 && memmem(buf, len, "EVENTS_LOST", 11))
			break;
		turn(0);
	}
	buf[len] = '\0';
	at = strstr(buf, "{\"n\":");
	assert_non_null(at);
	lost = (unsigned)strtoul(at + 5, NULL, 10);
	assert_int_equal(lost, control_stats(control).events_lost);
	assert_int_equal(lost, 11);
	control_event(control, "event 4\n");
	turns(3);
	assert_int_equal(recv(deaf, buf, sizeof(buf), 0), 8);
	close(deaf);
}

/* 1000 clients that come at once, say something and go or stay: each that stays is answered. */
static void thousand(void **state)
{
	static const char *const says[] = { "", "sh", "show\n", "huge\n", "watch\n" };
	int fd, last_one, kept[8] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		fd = client();
		if (says[i % 5][0])
			say(fd, says[i % 5]);
		/* The backlog has room for 64. */
		if (kept[i % 8])
			close(kept[i % 8]);
		kept[i % 8] = fd;
		turn(0);
	}
	last_one = client();
	say(last_one, "show\n");
	assert_answer(last_one, "ok\n");
	for (unsigned i = 0; i < 8; i++)
		close(kept[i]);
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
	shutdown(slow, SHUT_WR);
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
	assert_int_equal(memo, 4);
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
	greeted(fd);
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
 * Clients that began a line and do not end it are cut off when the patience is over, as is one that
 * does not read, but not who says nothing. What never gets done is answered as it stands.
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
		if (i != 1)
			greeted(silent[i]);
		if (i > 2)
			say(silent[i], "sho");
	}
	say(silent[0], "huge\n");
	say(silent[1], "later\n");
	turns(2);
	assert_int_equal(n_runs, 2);
	for (unsigned i = 0; i < 1000 && recv(silent[3], &c, 1, 0) < 0; i++)
		turn(20);
	turns(3);
	assert_answer(silent[1], "error: not yet\n");
	for (unsigned i = 3; i < CONTROL_MAX_CLIENTS; i++) {
		assert_int_equal(recv(silent[i], &c, 1, 0), 0);
		close(silent[i]);
	}
	for (unsigned i = 0; i < 1000 && control_stats(control).cut_off < 14; i++)
		turn(20);
	assert_int_equal(control_stats(control).cut_off, CONTROL_MAX_CLIENTS - 2);
	assert_int_equal(recv(silent[2], &c, 1, 0), -1);
	close(silent[2]);
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
		greeted(others[i]);
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
		cmocka_unit_test_setup_teardown(lines, start, stop),
		cmocka_unit_test_setup_teardown(many_lines, start, stop),
		cmocka_unit_test_setup_teardown(endless_line, start, stop),
		cmocka_unit_test_setup_teardown(events, start, stop),
		cmocka_unit_test_setup_teardown(thousand, start, stop),
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
