/* SPDX-License-Identifier: MIT */
/*
 * The log; see log.h.
 *
 * The ring holds records: a header word, which is the length of the text, and the text. Any thread
 * appends, the log thread alone takes away.
 *
 *	a thread that logs                          the log thread
 *	tail: is there room? (A)                    header: is there a record? (B)
 *	head: the record's place, by exchange       write the text
 *	text                                        zero the whole record
 *	header (B)                                  tail (A)
 *	events: wake the log thread
 *
 * A: without it a text is written where the log thread still reads or zeroes. B: without it the log
 * thread reads a text that is not there yet. A record that was never there has a header of zero,
 * since all that is taken away is zeroed.
 */
#include "tools/log.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tools/plain.h"
#include "virtio/base.h"

/* Room for the counters of some 1500 queue pairs, which SIGUSR1 logs at once. */
#define RING_SIZE (1 << 20)
#define LINE_LEN  2048

/* How long log_stop() waits for a log thread that does not get a processor. */
#define STOP_MOST_MS 3000

static struct {
	/* by threads that log */
	uint64_t head __attribute__((aligned(CACHE_LINE))); /* runs free, as tail */
	uint64_t lost;   /* lines, since the log thread said so */
	uint32_t events; /* counts what the log thread has to look at; it sleeps on it */
	/* by the log thread */
	uint64_t tail __attribute__((aligned(CACHE_LINE)));
	/* by the caller of log_start and log_stop */
	bool started;
	bool stop;
	pthread_t thread;
	uint64_t words[RING_SIZE / sizeof(uint64_t)];
} ring;

/* len bytes from place on: up to the ring's end, and the others from its beginning. */
struct span {
	char *first, *second;
	size_t first_len, second_len;
};

static struct span span_at(uint64_t place, size_t len)
{
	char *bytes = (char *)ring.words;
	size_t at = place % RING_SIZE, first_len = min_u64(len, RING_SIZE - at);

	return (struct span){ bytes + at, bytes, first_len, len - first_len };
}

static uint64_t *header(uint64_t place)
{
	return &ring.words[place % RING_SIZE / sizeof(uint64_t)];
}

static uint64_t record_len(uint64_t text_len)
{
	return sizeof(uint64_t) +
	       (text_len + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
}

static void futex(int op, uint32_t value)
{
	syscall(SYS_futex, &ring.events, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void wake_log_thread(void)
{
	__atomic_add_fetch(&ring.events, 1, __ATOMIC_RELEASE);
	futex(FUTEX_WAKE, INT_MAX);
}

static void append(const char *text, size_t len)
{
	uint64_t head = load_relaxed(&ring.head), need = record_len(len);
	struct span s;

	do {
		if ((int64_t)(head + need - load_acquire(&ring.tail)) > RING_SIZE) { /* A */
			__atomic_add_fetch(&ring.lost, 1, __ATOMIC_RELAXED);
			return;
		}
	} while (!__atomic_compare_exchange_n(&ring.head, &head, head + need, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	s = span_at(head + sizeof(uint64_t), len);
	memcpy(s.first, text, s.first_len);
	memcpy(s.second, text + s.first_len, s.second_len);
	store_release(header(head), len); /* B */
	wake_log_thread();
}

/* As long as stderr likes. In one piece, so that lines of several processes do not mix. */
static void write_out(const char *text, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	while (len) {
		n = write(STDERR_FILENO, text, len);
		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (n < 0 && errno != EINTR)
			return;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

/* "PROGRAM: LINE\n"; how long it is. */
static size_t format(char out[LINE_LEN], const char *line)
{
	size_t n = (size_t)snprintf(out, LINE_LEN - 1, "%s: %s", program_invocation_short_name,
				    line),
	       len;

	if (n > LINE_LEN - 2)
		n = LINE_LEN - 2;
	/* What a user typed or a peer sent must not make two lines of one. */
	for (size_t i = 0; i < n; i += len) {
		len = plain_length(&out[i]);
		if (!len) {
			out[i] = '?';
			len = 1;
		}
	}
	out[n++] = '\n';
	return n;
}

/* False: there is none. */
static bool write_oldest(void)
{
	uint64_t tail = ring.tail, len = load_acquire(header(tail)); /* B */
	char text[LINE_LEN];
	struct span s;

	if (!len)
		return false;
	s = span_at(tail + sizeof(uint64_t), len);
	memcpy(text, s.first, s.first_len);
	memcpy(text + s.first_len, s.second, s.second_len);
	s = span_at(tail, record_len(len));
	memset(s.first, 0, s.first_len);
	memset(s.second, 0, s.second_len);
	store_release(&ring.tail, tail + record_len(len)); /* A */
	write_out(text, len);
	return true;
}

static void write_lost(void)
{
	uint64_t lost = __atomic_exchange_n(&ring.lost, 0, __ATOMIC_RELAXED);
	char line[80], text[LINE_LEN];

	if (!lost)
		return;
	snprintf(line, sizeof(line), "%llu lines were lost: stderr took no more",
		 (unsigned long long)lost);
	write_out(text, format(text, line));
}

static void *log_thread(void *arg)
{
	uint32_t events;
	bool stop;

	do {
		events = load_acquire(&ring.events);
		stop = load_relaxed(&ring.stop);
		while (write_oldest())
			;
		write_lost();
		if (!stop)
			futex(FUTEX_WAIT, events);
	} while (!stop);
	return arg;
}

/* Where this thread's lines go instead of the log; NULL: to the log. */
static _Thread_local char *capture;
static _Thread_local size_t capture_len;

void log_capture(char *text, size_t len)
{
	capture = text;
	capture_len = len;
}

const char *const log_level_names[] = { "error", "warning", "info", "debug", NULL };

static enum log_level shown = LOG_INFO;

void log_set_level(enum log_level level)
{
	store_relaxed(&shown, level);
}

enum log_level log_level(void)
{
	return load_relaxed(&shown);
}

const char *log_level_name(enum log_level level)
{
	return log_level_names[level - LOG_ERROR];
}

bool log_shows(enum log_level level)
{
	return level <= log_level();
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (unsigned i = 0; log_level_names[i]; i++) {
		if (strcmp(log_level_names[i], name) != 0)
			continue;
		*level = LOG_ERROR + i;
		return true;
	}
	return false;
}

static void write_line(enum log_level level, const char *fmt, va_list args)
{
	bool captured = capture && level <= LOG_WARNING;
	char line[LINE_LEN - 100], text[LINE_LEN];

	if (!captured && !log_shows(level))
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	if (captured)
		snprintf(capture, capture_len, "%s", line);
	else if (ring.started)
		append(text, format(text, line));
	else
		write_out(text, format(text, line));
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(level, fmt, args);
	va_end(args);
}

void log_line(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_ALWAYS, fmt, args);
	va_end(args);
}

int log_start(void)
{
	int err = pthread_create(&ring.thread, NULL, log_thread, NULL);

	if (err)
		return -err;
	pthread_setname_np(ring.thread, "log");
	ring.started = true;
	return 0;
}

/* Whether the log thread ended within so long. */
static bool ended_within(unsigned patience_ms)
{
	uint64_t end_ns = monotonic_ns() + patience_ms * 1000000ull;
	struct timespec end = { .tv_sec = (time_t)(end_ns / 1000000000),
				.tv_nsec = (long)(end_ns % 1000000000) };

	return pthread_clockjoin_np(ring.thread, NULL, CLOCK_MONOTONIC, &end) == 0;
}

/* Then the log thread only waits for a processor. */
static bool stderr_takes_more(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

void log_stop(unsigned patience_ms)
{
	unsigned waited = 0;

	if (!ring.started)
		return;
	store_relaxed(&ring.stop, true);
	wake_log_thread();
	do {
		if (ended_within(patience_ms)) {
			ring.started = ring.stop = false;
			return;
		}
		waited += patience_ms;
	} while (waited < STOP_MOST_MS && stderr_takes_more());
}

/* Minutes are counted from 1, so that all zero is no minute. */
void log_limit_init(struct log_limit *l)
{
	*l = (struct log_limit){ 0 };
}

bool log_limit_take(struct log_limit *l, int64_t now_ms, unsigned *missed)
{
	uint64_t old = load_relaxed(&l->state), minute, n;

	do {
		minute = (uint64_t)now_ms / 60000 + 1;
		/* Another thread may have read the clock after us, and been faster. */
		if (minute < old >> 32)
			minute = old >> 32;
		n = minute == old >> 32 ? (uint32_t)old : 0;
	} while (!__atomic_compare_exchange_n(&l->state, &old,
					      minute << 32 | min_u64(n + 1, UINT32_MAX), true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	*missed = 0;
	if (minute != old >> 32 && (uint32_t)old > LOG_LIMIT_LINES)
		*missed = (uint32_t)old - LOG_LIMIT_LINES;
	return n < LOG_LIMIT_LINES;
}
