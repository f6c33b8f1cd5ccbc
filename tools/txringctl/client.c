/* SPDX-License-Identifier: MIT */
/* A connection to a txringd's control socket; see client.h. */
#include "tools/txringctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_MSEC 1000000LL
#define NSEC_PER_SEC  1000000000LL
#define READ_LEN      65536 /* asked for at a time, in bytes */

/* What a wait or a read came to, when there is no error. */
enum { CAME, TIMED_OUT };

__attribute__((format(printf, 3, 4))) static void say(char *err, size_t len, const char *fmt, ...)
{
	va_list args;

	if (!len)
		return;
	va_start(args, fmt);
	vsnprintf(err, len, fmt, args);
	va_end(args);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* The time at which timeout_ms are over; -1: never. */
static int64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : now_ns() + timeout_ms * NSEC_PER_MSEC;
}

/* CAME, TIMED_OUT or a negative errno. */
static int wait_for(int fd, short events, int64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left_ns;
	int n;

	do {
		left_ns = deadline_ns < 0 ? 0 : deadline_ns - now_ns();
		if (left_ns < 0)
			left_ns = 0;
		/* Rounded up: what is left is waited for, not spun for. */
		n = poll(&p, 1,
			 deadline_ns < 0 ? -1
					 : (int)((left_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? CAME : TIMED_OUT;
}

static bool has_room(struct client *c)
{
	size_t size = c->size ? 2 * c->size : READ_LEN;
	char *buf;

	if (c->size - c->len >= READ_LEN)
		return true;
	buf = realloc(c->buf, size + READ_LEN);
	if (!buf)
		return false;
	c->buf = buf;
	c->size = size + READ_LEN;
	return true;
}

/* Reads until the buffer holds a newline, at *end. CAME, TIMED_OUT or a negative errno. */
static int read_line(struct client *c, int64_t deadline_ns, size_t *end)
{
	size_t seen = 0;
	ssize_t n;
	char *nl;
	int r;

	for (;;) {
		nl = c->len > seen ? memchr(c->buf + seen, '\n', c->len - seen) : NULL;
		if (nl) {
			*end = (size_t)(nl - c->buf);
			return CAME;
		}
		seen = c->len;
		if (c->len > CLIENT_MAX_ANSWER)
			return -EMSGSIZE;
		if (!has_room(c))
			return -ENOMEM;
		r = wait_for(c->fd, POLLIN, deadline_ns);
		if (r != CAME)
			return r;
		n = recv(c->fd, c->buf + c->len, READ_LEN, MSG_DONTWAIT);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			c->len += (size_t)n;
	}
}

static void say_no_line(int error, char *err, size_t len)
{
	if (error == -EMSGSIZE)
		say(err, len, "txringd's answer is longer than %u MiB", CLIENT_MAX_ANSWER >> 20);
	else if (error == -EPIPE || error == -ECONNRESET)
		say(err, len, "txringd broke off its answer");
	else
		say(err, len, "txringd's answer cannot be read: %s", strerror(-error));
}

/* One line as an object. *error is TIMED_OUT or a negative errno where there is none. */
static json_t *next_object(struct client *c, int64_t deadline_ns, int *error, char *err, size_t len)
{
	json_t *object;
	size_t end = 0;

	*error = read_line(c, deadline_ns, &end);
	if (*error != CAME) {
		if (*error < 0)
			say_no_line(*error, err, len);
		return NULL;
	}
	object = json_loadb(c->buf, end, JSON_REJECT_DUPLICATES, NULL);
	c->len -= end + 1;
	memmove(c->buf, c->buf + end + 1, c->len);
	if (json_is_object(object))
		return object;
	json_decref(object);
	say(err, len, "what answers does not speak txring's control protocol");
	*error = -EPROTO;
	return NULL;
}

/* The server's first line. */
static int greet(struct client *c, int64_t deadline_ns, char *err, size_t len)
{
	int error;
	json_t *line = next_object(c, deadline_ns, &error, err, len);

	if (!line) {
		if (error != TIMED_OUT)
			return error;
		say(err, len, "txringd does not answer");
		return -ETIMEDOUT;
	}
	c->greeting = json_incref(json_object_get(line, "txring"));
	json_decref(line);
	if (c->greeting)
		return 0;
	say(err, len, "what answers does not speak txring's control protocol");
	return -EPROTO;
}

/* The connection, which may have to wait until the server has taken others. */
static int connect_within(int fd, const struct sockaddr_un *addr, int patience_ms)
{
	struct timeval patience = { .tv_sec = patience_ms / 1000,
				    .tv_usec = patience_ms % 1000 * 1000 };

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return -errno;
	return 0;
}

static void say_unconnected(const char *path, int error, char *err, size_t len)
{
	const char *hint = "";

	if (error == -EAGAIN)
		hint = ": txringd does not answer";
	else if (error == -ENOENT || error == -ECONNREFUSED)
		hint = ": no txringd listens there";
	say(err, len, "--control '%s': %s%s", path, strerror(-error), hint);
}

int client_open_within(struct client *c, const char *path, int patience_ms, char *err, size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int64_t deadline_ns = deadline_of(patience_ms);
	int error;

	*c = (struct client){ .fd = -1, .patience_ms = patience_ms };
	if (!*path || strlen(path) >= sizeof(addr.sun_path)) {
		say(err, len, "--control '%s' must be 1 to %zu characters long", path,
		    sizeof(addr.sun_path) - 1);
		return -EINVAL;
	}
	strcpy(addr.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	error = c->fd < 0 ? -errno : connect_within(c->fd, &addr, patience_ms);
	if (error)
		say_unconnected(path, error, err, len);
	else
		error = greet(c, deadline_ns, err, len);
	if (error)
		client_close(c);
	return error;
}

int client_open(struct client *c, const char *path, char *err, size_t len)
{
	return client_open_within(c, path, CLIENT_PATIENCE_MS, err, len);
}

/* 0 or a negative errno. */
static int send_all(struct client *c, const char *text, size_t len, int64_t deadline_ns)
{
	ssize_t n;
	int r;

	while (len) {
		n = send(c->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		r = wait_for(c->fd, POLLOUT, deadline_ns);
		if (r != CAME)
			return r < 0 ? r : -ETIMEDOUT;
	}
	return 0;
}

static bool request(struct client *c, const char *command, json_t *arguments, int64_t deadline_ns,
		    char *err, size_t len)
{
	json_t *object = json_pack("{s:s, s:o*, s:I}", "execute", command, "arguments", arguments,
				   "id", ++c->last_id);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int error = -ENOMEM;

	if (text) {
		error = send_all(c, text, strlen(text), deadline_ns);
		if (!error)
			error = send_all(c, "\n", 1, deadline_ns);
	}
	/* Why it takes no more may be its last answer. */
	if (error == -EPIPE)
		error = 0;
	if (error == -ENOMEM)
		say(err, len, "out of memory, or a word that is not UTF-8");
	else if (error)
		say(err, len, "txringd does not listen: %s", strerror(-error));
	free(text);
	json_decref(object);
	return !error;
}

/* "desc", and what is "allowed" where the server says so. */
static void say_error(const json_t *error, char *err, size_t len)
{
	const char *desc = json_string_value(json_object_get(error, "desc"));
	const json_t *allowed = json_object_get(error, "allowed"), *word;
	size_t i, used;

	say(err, len, "%s", desc ? desc : "txringd refuses, and does not say why");
	json_array_foreach(allowed, i, word)
	{
		used = strnlen(err, len);
		if (json_is_string(word))
			say(err + used, len - used, "%s%s",
			    i ? ", " : "; allowed: ", json_string_value(word));
	}
}

/* "return" of an answer, given away; NULL with err. */
static json_t *open_answer(struct client *c, json_t *answer, char *err, size_t len)
{
	json_t *value = json_incref(json_object_get(answer, "return"));

	if (!value) {
		c->error = json_incref(json_object_get(answer, "error"));
		say_error(c->error, err, len);
	}
	json_decref(answer);
	return value;
}

json_t *client_ask(struct client *c, const char *command, json_t *arguments, char *err, size_t len)
{
	int64_t deadline_ns = deadline_of(c->patience_ms);
	json_t *line;
	int error;

	json_decref(c->error);
	c->error = NULL;
	if (!request(c, command, arguments, deadline_ns, err, len))
		return NULL;
	while ((line = next_object(c, deadline_ns, &error, err, len))) {
		if (json_integer_value(json_object_get(line, "id")) == c->last_id ||
		    (json_object_get(line, "error") && !json_object_get(line, "id")))
			return open_answer(c, line, err, len);
		json_decref(line);
		/* Events without end are read as fast as they come, and are no answer. */
		if (deadline_ns >= 0 && now_ns() >= deadline_ns) {
			error = TIMED_OUT;
			break;
		}
	}
	if (error == TIMED_OUT)
		say(err, len, "txringd does not answer");
	return NULL;
}

json_t *client_next(struct client *c, int timeout_ms, char *err, size_t len)
{
	json_t *line;
	int error;

	line = next_object(c, deadline_of(timeout_ms), &error, err, len);
	if (!line && error == TIMED_OUT && len)
		*err = '\0';
	return line;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->buf);
	c->buf = NULL;
	c->len = c->size = 0;
	json_decref(c->greeting);
	json_decref(c->error);
	c->greeting = c->error = NULL;
}
