/* SPDX-License-Identifier: MIT */
/*
 * How many lines a minute a front-end may cause, and that those it may not are told of; and that a
 * stderr which takes nothing holds up no thread that logs, loses no line in silence, and ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/log.h"
#include "virtio/base.h"

#define MINUTE   60000
#define START_MS (5 * MINUTE)

/* n lines, all at this time: how many may be written. */
static unsigned take(struct log_limit *l, int64_t now_ms, unsigned n, unsigned *missed)
{
	unsigned allowed = 0, m;

	*missed = 0;
	while (n--) {
		allowed += log_limit_take(l, now_ms, &m);
		*missed += m;
	}
	return allowed;
}

/* A log that is not flooded has each line, and says of none that it is missing. */
static void test_few_lines(void **state)
{
	struct log_limit l;
	unsigned missed, i;

	(void)state;
	log_limit_init(&l);
	for (i = 0; i < 100; i++) {
		assert_int_equal(take(&l, START_MS + i * MINUTE, LOG_LIMIT_LINES, &missed),
				 LOG_LIMIT_LINES);
		assert_int_equal(missed, 0);
	}
}

/* A minute of a flood has so many lines, and the next one begins with how many more there were. */
static void test_flood(void **state)
{
	struct log_limit l;
	unsigned missed, i;

	(void)state;
	log_limit_init(&l);
	assert_int_equal(take(&l, START_MS, 10, &missed), 10);
	assert_int_equal(take(&l, START_MS + MINUTE - 1, 3000, &missed), LOG_LIMIT_LINES - 10);
	assert_int_equal(missed, 0);
	for (i = 0; i < 3; i++) {
		assert_true(log_limit_take(&l, START_MS + MINUTE + i * MINUTE, &missed));
		assert_int_equal(missed, i ? 2001 - LOG_LIMIT_LINES : 3010 - LOG_LIMIT_LINES);
		assert_int_equal(take(&l, START_MS + 3 * MINUTE / 2 + i * MINUTE, 2000, &missed),
				 LOG_LIMIT_LINES - 1);
		assert_int_equal(missed, 0);
	}
}

/* After silence, too, and once only. */
static void test_missed_is_told_once(void **state)
{
	struct log_limit l;
	unsigned missed;

	(void)state;
	log_limit_init(&l);
	take(&l, START_MS, LOG_LIMIT_LINES + 7, &missed);
	assert_true(log_limit_take(&l, START_MS + 60 * MINUTE, &missed));
	assert_int_equal(missed, 7);
	assert_true(log_limit_take(&l, START_MS + 62 * MINUTE, &missed));
	assert_int_equal(missed, 0);
}

#define N_THREADS 4
#define N_LINES   2000 /* of each thread: more than the ring holds */

static int saved_stderr, pipe_fd;

/* stderr is a pipe that nobody reads yet. */
static int start(void **state)
{
	int fds[2];

	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	if (saved_stderr < 0 || pipe2(fds, O_CLOEXEC) || dup2(fds[1], STDERR_FILENO) < 0)
		return -1;
	close(fds[1]);
	pipe_fd = fds[0];
	return log_start();
}

static int stop(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_fd);
	return 0;
}

static void *log_many(void *arg)
{
	char filler[300];

	memset(filler, 'x', sizeof(filler));
	for (unsigned i = 0; i < N_LINES; i++)
		log_line("thread %u line %u %.*s", *(unsigned *)arg, i, (int)(i % sizeof(filler)),
			 filler);
	return NULL;
}

/* All that comes within so many ms after the last of it. */
static char *read_all(int patience_ms)
{
	struct pollfd p = { .fd = pipe_fd, .events = POLLIN };
	size_t cap = 8 << 20, len = 0;
	char *text = malloc(cap);
	ssize_t n;

	assert_non_null(text);
	while (poll(&p, 1, patience_ms) == 1) {
		n = read(pipe_fd, text + len, cap - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	text[len] = '\0';
	return text;
}

/* Each line whole and in its thread's order; how many. lost: those that a line says were lost. */
static unsigned check_lines(char *text, unsigned *lost)
{
	unsigned next[N_THREADS] = { 0 }, n = 0, thread, line, some;
	char *rest = NULL, x;

	*lost = 0;
	for (char *at = strtok_r(text, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
		at = strstr(at, ": ");
		assert_non_null(at);
		if (sscanf(at, ": %u lines were los%c", &some, &x) == 2) {
			*lost += some;
			continue;
		}
		assert_int_equal(sscanf(at, ": thread %u line %u", &thread, &line), 2);
		assert_true(thread < N_THREADS && line >= next[thread]);
		assert_int_equal(strspn(strrchr(at, ' ') + 1, "x"), line % 300);
		next[thread] = line + 1;
		n++;
	}
	return n;
}

/* Threads that log are not held up by a full pipe; each line arrives, or is counted as lost. */
static void full_pipe(void **state)
{
	pthread_t threads[N_THREADS];
	unsigned ids[N_THREADS], lost, n;
	uint64_t start_ns = monotonic_ns();
	char *text;

	(void)state;
	for (unsigned i = 0; i < N_THREADS; i++) {
		ids[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, &ids[i]), 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(monotonic_ns() - start_ns < 10000000000);
	text = read_all(1000);
	n = check_lines(text, &lost);
	free(text);
	assert_true(lost > 0);
	assert_int_equal(n + lost, N_THREADS * N_LINES);
	/* There is room again. */
	log_line("thread 0 line 0 ");
	text = read_all(1000);
	assert_int_equal(check_lines(text, &lost), 1);
	assert_int_equal(lost, 0);
	free(text);
	log_stop(1000);
}

/* At the end the ring is written out; but a pipe that takes nothing is not waited for. */
static void end(void **state)
{
	unsigned id = 0, lost;
	uint64_t start_ns;
	char *text;

	(void)state;
	log_line("thread 0 line 0 ");
	log_stop(60000);
	text = read_all(0);
	assert_int_equal(check_lines(text, &lost), 1);
	free(text);
	assert_int_equal(log_start(), 0);
	log_many(&id);
	start_ns = monotonic_ns();
	log_stop(100);
	assert_in_range(monotonic_ns() - start_ns, 100000000, 5000000000);
	/* What comes now does not wait, either. */
	log_many(&id);
	free(read_all(1000));
	log_stop(60000);
}

/*
 * What is less urgent than the level is dropped; what was asked for always comes, and whoever
 * captures the reason of a failure gets it whatever the level is.
 */
static void levels(void **state)
{
	enum log_level level;
	char why[32] = "", *text;

	(void)state;
	assert_int_equal(log_level(), LOG_INFO);
	for (unsigned i = 0; log_level_names[i]; i++) {
		assert_true(log_level_parse(log_level_names[i], &level));
		assert_string_equal(log_level_name(level), log_level_names[i]);
		log_set_level(level);
		log_at(LOG_ALWAYS, "A%u", i);
		log_at(LOG_ERROR, "E%u", i);
		log_at(LOG_WARNING, "W%u", i);
		log_at(LOG_INFO, "I%u", i);
		log_at(LOG_DEBUG, "D%u", i);
	}
	assert_false(log_level_parse("", &level));
	assert_false(log_level_parse("Debug", &level));
	log_capture(why, sizeof(why));
	log_set_level(LOG_ERROR);
	log_at(LOG_WARNING, "why");
	log_set_level(LOG_DEBUG);
	log_at(LOG_INFO, "I4");
	log_capture(NULL, 0);
	assert_string_equal(why, "why");
	log_set_level(LOG_INFO);
	log_stop(10000);
	text = read_all(0);
	assert_string_equal(text, "log_test: A0\nlog_test: E0\n"
				  "log_test: A1\nlog_test: E1\nlog_test: W1\n"
				  "log_test: A2\nlog_test: E2\nlog_test: W2\nlog_test: I2\n"
				  "log_test: A3\nlog_test: E3\nlog_test: W3\nlog_test: I3\n"
				  "log_test: D3\nlog_test: I4\n");
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_lines),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_missed_is_told_once),
		cmocka_unit_test_setup_teardown(full_pipe, start, stop),
		cmocka_unit_test_setup_teardown(levels, start, stop),
		cmocka_unit_test_setup_teardown(end, start, stop),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
