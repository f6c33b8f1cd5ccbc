/* SPDX-License-Identifier: MIT */
/* The control socket; see control.h. */
#include "tools/txringd/control.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/txringd/closer.h"
#include "tools/txringd/endpoint.h"
#include "virtio/base.h"

/* Most files of clients that are not closed yet; beyond it no client is taken. */
#define MAX_PENDING_CLOSES 1024

/* What the kernel lets one message carry. */
#define MAX_FDS 253

struct client {
	int fd; /* -1: free */
	int64_t deadline_ms;
	int64_t moved_ms; /* when it last sent or took something */
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
	struct endpoint_file file;
	struct closer *closer; /* of clients' sockets, and of what they send */
	int64_t accept_ms;     /* not before: there was no fd for the last one that came */
	struct client clients[CONTROL_MAX_CLIENTS];
};

static int64_t now_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

/* The client sees the end at once, however long the close takes. */
static void client_close(struct control *control, struct client *c)
{
	if (c->fd >= 0) {
		shutdown(c->fd, SHUT_RDWR);
		closer_release(control->closer, c->fd, NULL, 0);
	}
	free(c->answer);
	*c = (struct client){ .fd = -1 };
}

static void client_open(struct client *c, int fd)
{
	int64_t now = now_ms();
	const int on = 1;

	/* A byte out of band may carry files, and a look passes over it: let it be like others. */
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));

	*c = (struct client){
		.fd = fd, .deadline_ms = now + CONTROL_PATIENCE_MS, .moved_ms = now, .again_ms = -1
	};
}

static void client_send(struct control *control, struct client *c)
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
		c->moved_ms = now_ms();
	}
	client_close(control, c);
}

static void client_run(struct control *control, struct client *c)
{
	int64_t now = now_ms();
	char line[CONTROL_MAX_LINE + 2];
	bool later = false;
	FILE *out = open_memstream(&c->answer, &c->answer_len);

	if (!out) {
		client_close(control, c);
		return;
	}
	memcpy(line, c->line, c->len + 1);
	if (c->len > CONTROL_MAX_LINE)
		fprintf(out, "error: a command has %d characters at most\n", CONTROL_MAX_LINE);
	else
		later = control->cfg.run(control->cfg.ctx, line, out);
	if (fclose(out)) {
		client_close(control, c);
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
	client_send(control, c);
}

/* The files of a look at what has come: of our own, which nothing has closed yet. */
struct passed {
	unsigned n;
	int fds[MAX_FDS];
};

static void passed_get(struct passed *p, struct msghdr *mh)
{
	size_t len;

	p->n = 0;
	for (struct cmsghdr *m = CMSG_FIRSTHDR(mh); m; m = CMSG_NXTHDR(mh, m)) {
		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		len = min_u64(m->cmsg_len - CMSG_LEN(0), (MAX_FDS - p->n) * sizeof(int));
		memcpy(p->fds + p->n, CMSG_DATA(m), len);
		p->n += (unsigned)(len / sizeof(int));
	}
}

/* As recv() with MSG_PEEK; -1 with EMFILE: it brings more files than we may open. */
static ssize_t peek(const struct client *c, struct iovec *iov, struct passed *passed)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MAX_FDS)];
		struct cmsghdr align;
	} files;
	struct msghdr mh = { .msg_iov = iov,
			     .msg_iovlen = 1,
			     .msg_control = &files,
			     .msg_controllen = sizeof(files) };
	ssize_t n = recvmsg(c->fd, &mh, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return n;
	passed_get(passed, &mh);
	if (!(mh.msg_flags & MSG_CTRUNC))
		return n;
	errno = EMFILE;
	return -1;
}

/*
 * As recv(). No client has a reason to send open files. The kernel closes here and now those that
 * nobody has taken: so a look takes them, and the closer closes them after the bytes were read.
 */
static ssize_t receive(struct control *control, struct client *c)
{
	struct iovec iov = { .iov_base = c->line + c->len,
			     .iov_len = sizeof(c->line) - 1 - c->len };
	struct passed passed = { 0 };
	ssize_t n = peek(c, &iov, &passed);
	int err;

	if (n > 0)
		n = recv(c->fd, iov.iov_base, (size_t)n, MSG_DONTWAIT);
	err = errno;
	while (passed.n)
		closer_release(control->closer, passed.fds[--passed.n], NULL, 0);
	errno = err;
	return n;
}

/* The line, up to its newline or the client's end of file. */
static void client_receive(struct control *control, struct client *c)
{
	ssize_t n = receive(control, c);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (!n && !c->len)) {
		client_close(control, c);
		return;
	}
	c->moved_ms = now_ms();
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
			client_close(control, c);
		else if (now >= c->again_ms)
			client_run(control, c);
	} else if (revents && c->answer) {
		client_send(control, c);
	} else if (revents) {
		client_receive(control, c);
	} else if (now >= c->deadline_ms) {
		client_close(control, c);
	}
}

/* One that is free, else the one that has not moved for the longest time; NULL: all are at work. */
static struct client *place(struct control *control)
{
	struct client *oldest = NULL;

	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *c = &control->clients[i];

		if (c->fd < 0)
			return c;
		if (c->again_ms < 0 && (!oldest || c->moved_ms < oldest->moved_ms))
			oldest = c;
	}
	return oldest;
}

/* When the next one that comes may be taken: 0: at once; INT64_MAX: not before a client ends. */
static int64_t accept_at(struct control *control)
{
	const struct client *c = place(control);
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
		const struct client *c = &control->clients[i];
		int64_t at = c->again_ms >= 0 ? c->again_ms : c->deadline_ms;

		fds[1 + i] = (struct pollfd){ .fd = c->fd };
		if (c->again_ms < 0)
			fds[1 + i].events = c->answer ? POLLOUT : POLLIN;
		if (c->fd >= 0 && at < due)
			due = at;
	}
	fds[0] = (struct pollfd){ .fd = accept_ms <= now ? control->fd : -1, .events = POLLIN };
	if (accept_ms > now && accept_ms < due)
		due = accept_ms;
	if (due == INT64_MAX)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

/* Those that wait, while there is a place for them. */
static void accept_clients(struct control *control)
{
	struct client *c;
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
		client_close(control, c);
		client_open(c, fd);
	}
}

void control_serve(struct control *control, const struct pollfd fds[CONTROL_FDS])
{
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->clients[i].fd >= 0)
			client_serve(control, &control->clients[i], fds[1 + i].revents);
	}
	if (fds[0].revents)
		accept_clients(control);
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
	fd = endpoint_bind(&control->file, "control", &private, err, err_len);
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
		client_close(control, &control->clients[i]);
	endpoint_unlink(&control->file);
	closer_release(control->closer, control->fd, NULL, 0);
	closer_free(control->closer);
	free(control);
}
