/* SPDX-License-Identifier: MIT */
/* The control socket; see control.h. */
#include "tools/txringd/control.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/txringd/endpoint.h"
#include "virtio/base.h"

struct client {
	int fd; /* -1: free */
	int64_t deadline_ms;
	int64_t again_ms; /* when to run the line once more; -1: never */
	size_t len;       /* of line */
	char line[CONTROL_MAX_LINE + 2];
	char *answer; /* NULL: the line has not come, or is not done */
	size_t answer_len;
	size_t sent;
};

struct control {
	struct control_config cfg;
	int fd;
	int64_t accept_ms; /* not before: there was no fd for the last one who came */
	struct client clients[CONTROL_MAX_CLIENTS];
};

static int64_t now_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

static void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->answer);
	*c = (struct client){ .fd = -1 };
}

static void client_open(struct client *c, int fd)
{
	*c = (struct client){ .fd = fd,
			      .deadline_ms = now_ms() + CONTROL_PATIENCE_MS,
			      .again_ms = -1 };
}

static void client_send(struct client *c)
{
	ssize_t n;

	while (c->sent < c->answer_len) {
		n = send(c->fd, c->answer + c->sent, c->answer_len - c->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR)
			break;
		c->sent += n > 0 ? (size_t)n : 0;
	}
	client_close(c);
}

static void client_run(struct control *control, struct client *c)
{
	int64_t now = now_ms();
	char line[CONTROL_MAX_LINE + 2];
	bool later = false;
	FILE *out = open_memstream(&c->answer, &c->answer_len);

	if (!out) {
		client_close(c);
		return;
	}
	memcpy(line, c->line, c->len + 1);
	if (c->len > CONTROL_MAX_LINE)
		fprintf(out, "error: a command has %d characters at most\n", CONTROL_MAX_LINE);
	else
		later = control->cfg.run(control->cfg.ctx, line, out);
	if (fclose(out)) {
		client_close(c);
		return;
	}
	if (later && now < c->deadline_ms) {
		free(c->answer);
		c->answer = NULL;
		c->again_ms = now + CONTROL_LATER_MS;
		return;
	}
	c->again_ms = -1;
	c->deadline_ms = now + CONTROL_PATIENCE_MS;
	client_send(c);
}

/* The line, up to its newline or the client's end of file. */
static void client_receive(struct control *control, struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - 1 - c->len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (!n && !c->len)) {
		client_close(c);
		return;
	}
	c->len += (size_t)n;
	c->line[c->len] = '\0';
	end = memchr(c->line, '\n', c->len);
	if (!end && n && c->len < sizeof(c->line) - 1)
		return;
	if (end) {
		*end = '\0';
		c->len = (size_t)(end - c->line);
	}
	client_run(control, c);
}

static void client_serve(struct control *control, struct client *c, short revents)
{
	int64_t now = now_ms();

	if (c->again_ms >= 0) {
		if (revents & (POLLHUP | POLLERR))
			client_close(c);
		else if (now >= c->again_ms)
			client_run(control, c);
	} else if (revents && c->answer) {
		client_send(c);
	} else if (revents) {
		client_receive(control, c);
	} else if (now >= c->deadline_ms) {
		client_close(c);
	}
}

int control_prepare(const struct control *control, struct pollfd fds[CONTROL_FDS])
{
	int64_t due = INT64_MAX, now = now_ms();
	bool room = false;

	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		const struct client *c = &control->clients[i];
		int64_t at = c->again_ms >= 0 ? c->again_ms : c->deadline_ms;

		fds[1 + i] = (struct pollfd){ .fd = c->fd };
		if (c->again_ms < 0)
			fds[1 + i].events = c->answer ? POLLOUT : POLLIN;
		room |= c->fd < 0;
		if (c->fd >= 0 && at < due)
			due = at;
	}
	if (room && control->accept_ms > now) {
		room = false;
		due = control->accept_ms < due ? control->accept_ms : due;
	}
	fds[0] = (struct pollfd){ .fd = room ? control->fd : -1, .events = POLLIN };
	if (due == INT64_MAX)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

void control_serve(struct control *control, const struct pollfd fds[CONTROL_FDS])
{
	unsigned i;
	int fd;

	for (i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->clients[i].fd >= 0)
			client_serve(control, &control->clients[i], fds[1 + i].revents);
	}
	for (i = 0; i < CONTROL_MAX_CLIENTS && fds[0].revents; i++) {
		if (control->clients[i].fd >= 0)
			continue;
		fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			/* Who could not be taken still waits, and would wake us at once again. */
			if (errno != EAGAIN)
				control->accept_ms = now_ms() + CONTROL_LATER_MS;
			return;
		}
		client_open(&control->clients[i], fd);
	}
}

int control_new(struct control **out, const struct control_config *cfg, char *err, size_t err_len)
{
	struct control *control = calloc(1, sizeof(*control));
	int fd;

	if (!control) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	fd = endpoint_bind("control", cfg->path, true, err, err_len);
	if (fd < 0) {
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
		client_close(&control->clients[i]);
	unlink(control->cfg.path);
	close(control->fd);
	free(control);
}
