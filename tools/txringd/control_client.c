/* SPDX-License-Identifier: MIT */
/* What a client sends and reads; see control_client.h. */
#include "tools/txringd/control_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/txringd/protocol.h"
#include "virtio/base.h"

/* What the kernel lets one message carry. */
#define MAX_FDS 253

/* The room for a line at first, and the longest line with its newline. */
#define FIRST_ROOM 1024
#define MAX_ROOM   (CONTROL_MAX_LINE + 1)

void control_client_open(struct control_client *c, int fd, int64_t now_ms)
{
	const int on = 1;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	/* A byte out of band may carry files, and a look passes over it: let it be like others. */
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	*c = (struct control_client){
		.fd = fd, .line_ms = -1, .read_ms = -1, .moved_ms = now_ms, .again_ms = -1
	};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		c->may_change = peer.uid == 0 || peer.uid == geteuid();
}

void control_client_close(struct control_client *c, struct closer *closer)
{
	if (c->fd >= 0) {
		shutdown(c->fd, SHUT_RDWR);
		closer_release(closer, c->fd, NULL, 0);
	}
	free(c->in);
	free(c->out);
	json_decref(c->memo);
	*c = (struct control_client){ .fd = -1 };
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
static ssize_t peek(const struct control_client *c, struct iovec *iov, struct passed *passed)
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
static ssize_t receive(struct control_client *c, struct closer *closer)
{
	struct iovec iov = { .iov_base = c->in + c->in_len, .iov_len = c->in_size - c->in_len };
	struct passed passed = { 0 };
	ssize_t n = peek(c, &iov, &passed);
	int err;

	if (n > 0)
		n = recv(c->fd, iov.iov_base, (size_t)n, MSG_DONTWAIT);
	err = errno;
	while (passed.n)
		closer_release(closer, passed.fds[--passed.n], NULL, 0);
	errno = err;
	return n;
}

/* Whether there is room for more of a line. */
static bool make_room(struct control_client *c)
{
	size_t size = c->in_size ? min_u64(2 * c->in_size, MAX_ROOM) : FIRST_ROOM;
	char *in;

	if (c->in_len < c->in_size)
		return true;
	in = c->in_len < MAX_ROOM ? realloc(c->in, size) : NULL;
	if (!in)
		return false;
	c->in = in;
	c->in_size = size;
	return true;
}

enum control_client_state control_client_receive(struct control_client *c, struct closer *closer,
						 int64_t now_ms)
{
	ssize_t n;

	if (!make_room(c))
		return CONTROL_CLIENT_GOES;
	n = receive(c, closer);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? CONTROL_CLIENT_STAYS
							 : CONTROL_CLIENT_GOES;
	if (!n)
		c->ended = true;
	if (n && c->line_ms < 0)
		c->line_ms = now_ms + CONTROL_PATIENCE_MS;
	c->moved_ms = now_ms;
	c->in_len += (size_t)n;
	return CONTROL_CLIENT_STAYS;
}

size_t control_client_line(const struct control_client *c)
{
	const char *end = c->in_len ? memchr(c->in, '\n', c->in_len) : NULL;

	if (end)
		return (size_t)(end - c->in) + 1;
	/* The end of what it sends ends its last line, too. */
	return c->ended || c->in_len == MAX_ROOM ? c->in_len : 0;
}

void control_client_next(struct control_client *c, size_t len, int64_t now_ms)
{
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
	c->line_ms = c->in_len ? now_ms + CONTROL_PATIENCE_MS : -1;
}

static bool append(struct control_client *c, const char *text)
{
	size_t len = strlen(text), size;
	char *out;

	if (c->sent) {
		c->out_len -= c->sent;
		memmove(c->out, c->out + c->sent, c->out_len);
		c->sent = 0;
	}
	size = c->out_len + len;
	if (size > c->out_size) {
		out = realloc(c->out, size);
		if (!out)
			return false;
		c->out = out;
		c->out_size = size;
	}
	memcpy(c->out + c->out_len, text, len);
	c->out_len += len;
	return true;
}

enum control_client_state control_client_say(struct control_client *c, const char *text,
					     int64_t now_ms)
{
	if (!append(c, text))
		return CONTROL_CLIENT_GOES;
	c->read_ms = now_ms + CONTROL_PATIENCE_MS;
	return control_client_send(c, now_ms);
}

/* How many it did not get; there is room for one event. */
static void tell_lost(struct control_client *c)
{
	char *line = protocol_line(
		protocol_event("EVENTS_LOST", json_pack("{s:I}", "n", (json_int_t)c->lost)));

	if (line && append(c, line))
		c->lost = 0;
	free(line);
}

bool control_client_tell(struct control_client *c, const char *line)
{
	bool told = c->out_len - c->sent + strlen(line) <= CONTROL_MAX_EVENTS && !c->lost;

	told = told && append(c, line);
	c->lost += !told;
	return told;
}

enum control_client_state control_client_send(struct control_client *c, int64_t now_ms)
{
	ssize_t n;

	while (c->sent < c->out_len) {
		n = send(c->fd, c->out + c->sent, c->out_len - c->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return CONTROL_CLIENT_STAYS;
		if (n < 0 && errno != EINTR)
			return CONTROL_CLIENT_GOES;
		c->sent += n > 0 ? (size_t)n : 0;
		c->moved_ms = now_ms;
		if (c->sent == c->out_len && c->lost)
			tell_lost(c);
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_size = c->sent = 0;
	c->read_ms = -1;
	return c->ends ? CONTROL_CLIENT_GOES : CONTROL_CLIENT_STAYS;
}
