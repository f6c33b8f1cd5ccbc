/* SPDX-License-Identifier: MIT */
/* The control socket: which client is served when; see control.h. */
#include "tools/txringd/control.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tools/txringd/closer.h"
#include "tools/txringd/control_client.h"
#include "tools/txringd/endpoint.h"
#include "tools/txringd/protocol.h"
#include "virtio/base.h"

/* Most files of clients that are not closed yet; beyond it no client is taken. */
#define MAX_PENDING_CLOSES 1024

/* Requests of one client that are carried out before others have their turn. */
#define TURN_LINES 8

struct control {
	struct control_config cfg;
	int fd;
	struct endpoint_file file;
	struct closer *closer; /* of clients' sockets, and of what they send */
	int64_t accept_ms;     /* not before: there was no fd for the last one that came */
	struct control_client clients[CONTROL_MAX_CLIENTS];
	struct control_stats stats;
};

static int64_t now_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

static void cut_off(struct control *control, struct control_client *c)
{
	control->stats.cut_off += c->fd >= 0;
	control_client_close(c, control->closer);
}

/* A line that is too long: what follows it cannot be told from it. */
static void refuse(struct control *control, struct control_client *c)
{
	char *answer =
		protocol_line(protocol_error(PROTOCOL_MALFORMED, NULL, NULL,
					     "a request has %d bytes at most", CONTROL_MAX_LINE));

	control->stats.requests++;
	control->stats.cut_off++;
	c->ends = c->ended = true;
	control_client_next(c, c->in_len, now_ms());
	if (!answer || control_client_say(c, answer, now_ms()) == CONTROL_CLIENT_GOES)
		control_client_close(c, control->closer);
	free(answer);
}

/* Carry out the first line of c->in, which has len bytes. */
static void run_line(struct control *control, struct control_client *c, size_t len)
{
	int64_t now = now_ms();
	struct control_line line = { .text = c->in,
				     .len = len - (c->in[len - 1] == '\n'),
				     .may_change = c->may_change,
				     .memo = c->memo };
	bool later;

	if (line.len > CONTROL_MAX_LINE) {
		refuse(control, c);
		return;
	}
	if (c->again_ms < 0)
		c->patience_ms = now + CONTROL_PATIENCE_MS;
	line.last = now >= c->patience_ms;
	later = control->cfg.run(control->cfg.ctx, &line) && !line.last;
	c->memo = line.memo;
	if (later) {
		free(line.answer);
		c->again_ms = now + CONTROL_LATER_MS;
		return;
	}
	json_decref(c->memo);
	c->memo = NULL;
	c->again_ms = -1;
	c->watches |= line.watches;
	control->stats.requests++;
	control_client_next(c, len, now);
	if (!line.answer || control_client_say(c, line.answer, now) == CONTROL_CLIENT_GOES)
		cut_off(control, c);
	free(line.answer);
}

/* What it has sent is carried out in order, each line after the answer before was read. */
static void run_lines(struct control *control, struct control_client *c)
{
	size_t len;

	for (unsigned i = 0; i < TURN_LINES; i++) {
		len = c->fd >= 0 && !c->out_len && c->again_ms < 0 ? control_client_line(c) : 0;
		if (!len)
			break;
		run_line(control, c, len);
	}
	/* It says no more, and has all that it asked for. */
	if (c->fd >= 0 && c->ended && !c->in_len && !c->out_len && c->again_ms < 0)
		control_client_close(c, control->closer);
}

/* Whether it is asked for more: not before it has read what it was told. */
static bool is_heard(const struct control_client *c)
{
	return c->again_ms < 0 && !c->ended && !control_client_line(c) &&
	       (!c->out_len || c->watches);
}

/* When it is cut off if it does not move; INT64_MAX: never. */
static int64_t late_ms(const struct control_client *c)
{
	/* One that watches may take its time: what it does not read is lost to it alone. */
	if (c->out_len)
		return c->watches ? INT64_MAX : c->read_ms;
	return c->line_ms >= 0 && c->again_ms < 0 && !control_client_line(c) ? c->line_ms
									     : INT64_MAX;
}

/* When it is to be served if nothing happens; INT64_MAX: never. */
static int64_t due_ms(const struct control_client *c)
{
	if (c->again_ms >= 0)
		return c->again_ms;
	/* More of its lines than a turn has. */
	if (!c->out_len && control_client_line(c))
		return 0;
	return late_ms(c);
}

static void serve(struct control *control, struct control_client *c, short revents)
{
	enum control_client_state state = CONTROL_CLIENT_STAYS;
	int64_t now = now_ms();
	size_t len;

	if (revents & (POLLERR | POLLHUP) && !(revents & POLLIN)) {
		control_client_close(c, control->closer);
		return;
	}
	if (c->again_ms >= 0) {
		len = control_client_line(c);
		if (now >= c->again_ms && len)
			run_line(control, c, len);
		return;
	}
	if (revents & POLLOUT)
		state = control_client_send(c, now);
	if (state == CONTROL_CLIENT_STAYS && revents & POLLIN && is_heard(c))
		state = control_client_receive(c, control->closer, now);
	if (state == CONTROL_CLIENT_GOES || now >= late_ms(c))
		cut_off(control, c);
	else
		run_lines(control, c);
}

/* Whether a gives way before b. */
static bool before(const struct control_client *a, const struct control_client *b)
{
	return a->watches != b->watches ? !a->watches : a->moved_ms < b->moved_ms;
}

/* One that is free, else the one that gives way first; NULL: all are at work. */
static struct control_client *place(struct control *control)
{
	struct control_client *oldest = NULL;

	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct control_client *c = &control->clients[i];

		if (c->fd < 0)
			return c;
		if (c->again_ms < 0 && (!oldest || before(c, oldest)))
			oldest = c;
	}
	return oldest;
}

/* When the next one that comes may be taken: 0: at once; INT64_MAX: not before a client ends. */
static int64_t accept_at(struct control *control)
{
	const struct control_client *c = place(control);
	int64_t at = control->accept_ms;

	if (!c)
		return INT64_MAX;
	if (c->fd >= 0 && c->moved_ms + CONTROL_SILENCE_MS > at)
		at = c->moved_ms + CONTROL_SILENCE_MS;
	if (closer_pending(control->closer) > MAX_PENDING_CLOSES)
		at = now_ms() + CONTROL_LATER_MS;
	return at;
}

int control_prepare(struct control *control, struct pollfd fds[CONTROL_FDS])
{
	int64_t now = now_ms(), accept_ms = accept_at(control), due = INT64_MAX;

	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		const struct control_client *c = &control->clients[i];

		fds[1 + i] = (struct pollfd){ .fd = c->fd };
		if (c->fd < 0)
			continue;
		if (is_heard(c))
			fds[1 + i].events |= POLLIN;
		if (c->out_len)
			fds[1 + i].events |= POLLOUT;
		due = (int64_t)min_u64((uint64_t)due, (uint64_t)due_ms(c));
	}
	fds[0] = (struct pollfd){ .fd = accept_ms <= now ? control->fd : -1, .events = POLLIN };
	if (accept_ms > now && accept_ms < due)
		due = accept_ms;
	if (due == INT64_MAX)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

/* It hears who we are before it asks anything. */
static void greet(struct control *control, struct control_client *c)
{
	char *line = control->cfg.greet(control->cfg.ctx, c->may_change);

	control->stats.clients++;
	if (!line || control_client_say(c, line, now_ms()) == CONTROL_CLIENT_GOES)
		cut_off(control, c);
	free(line);
}

/* Those that wait, while there is a place for them. */
static void accept_clients(struct control *control)
{
	struct control_client *c;
	int fd;

	while (accept_at(control) <= now_ms()) {
		fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			/* One that could not be taken still waits, and would wake us again. */
			if (errno != EAGAIN)
				control->accept_ms = now_ms() + CONTROL_LATER_MS;
			return;
		}
		c = place(control);
		cut_off(control, c);
		control_client_open(c, fd, now_ms());
		greet(control, c);
	}
}

void control_serve(struct control *control, const struct pollfd fds[CONTROL_FDS])
{
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->clients[i].fd >= 0)
			serve(control, &control->clients[i], fds[1 + i].revents);
	}
	if (fds[0].revents)
		accept_clients(control);
}

void control_event(struct control *control, const char *line)
{
	for (unsigned i = 0; control && i < CONTROL_MAX_CLIENTS; i++) {
		struct control_client *c = &control->clients[i];

		if (c->fd < 0 || !c->watches)
			continue;
		if (control_client_tell(c, line))
			control->stats.events++;
		else
			control->stats.events_lost++;
	}
}

bool control_is_watched(const struct control *control)
{
	for (unsigned i = 0; control && i < CONTROL_MAX_CLIENTS; i++) {
		if (control->clients[i].fd >= 0 && control->clients[i].watches)
			return true;
	}
	return false;
}

struct control_stats control_stats(const struct control *control)
{
	return control->stats;
}

int control_new(struct control **out, const struct control_config *cfg, char *err, size_t err_len)
{
	const struct socket_access private = { true, 0600, (uid_t)-1, (gid_t)-1 };
	struct control *control = calloc(1, sizeof(*control));
	int fd;

	if (!control || closer_new(&control->closer)) {
		snprintf(err, err_len, "out of memory");
		free(control);
		return -ENOMEM;
	}
	control->file.path = cfg->path;
	fd = endpoint_bind(&control->file, "control", cfg->access ? cfg->access : &private, err,
			   err_len);
	if (fd < 0) {
		closer_free(control->closer);
		free(control);
		return fd;
	}
	control->cfg = *cfg;
	control->fd = fd;
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++)
		control->clients[i].fd = -1;
	*out = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++)
		control_client_close(&control->clients[i], control->closer);
	endpoint_unlink(&control->file);
	closer_release(control->closer, control->fd, NULL, 0);
	closer_free(control->closer);
	free(control);
}
